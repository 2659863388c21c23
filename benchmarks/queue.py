"""How many cases a second the queue files, and how long officers wait for their lists.

A city's cases of five years are generated (see `harness/generated_cases.py`). Then eight processes
file as fast as they can: first through `Queue.file_all`, as `cv-engine cases file` does, some
findings in each durable transaction; then through `Queue.file`, one in each. Officers' lists are
queried while two processes keep filing at a steady rate. All that on a PostgreSQL server of its own
with durable settings, if one is installed, and on SQLite; or on `--store` alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from multiprocessing.queues import Queue as Results
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from benchmarks.harness.generated_cases import (
    CAMERAS,
    DAYS,
    DEGREES,
    DEPARTMENTS,
    FIRST,
    SOUTH,
    STREETS,
    WEST,
    generate,
    make_finding,
)
from benchmarks.harness.postgresql import NoServerError, server
from cv_engine.cases import Filter, Queue, State, open_queue
from cv_engine.cases.database.copying import copy_queue
from cv_engine.cases.database.store import Store
from cv_engine.cases.filing.findings_file import AT_ONCE
from cv_engine.cases.statistics.period import Period
from cv_engine.cases.statistics.queries import figures_and_total
from cv_engine.figure_rows import By
from cv_engine.finding import Finding

_SEED = 7
_ASKED = 60  # times for each list
_WRITERS = 8
_STEADY_WRITERS = 2
_STEADY_PER_S = 10.0  # of each steady writer; a city with 7.6 million cases in five years has 0.05
_END = FIRST + timedelta(days=DAYS)
#: What a server for a city's queue is given; fsync and synchronous_commit stay on.
_SERVER = {"shared_buffers": "1GB", "max_wal_size": "4GB", "maintenance_work_mem": "512MB"}


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks queue", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of filing by eight processes")
    parser.add_argument("--store", help="a PostgreSQL URL of an empty database, in place of both")
    parser.add_argument("--folder", type=Path, help="where the queues lie; temporary if left out")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="queue-", dir=options.folder) as folder:
        file = Path(folder) / "queue.db"
        began = time.monotonic()
        generate(file, options.cases)
        result: dict[str, float] = {"cases": options.cases}
        result["generated_s"] = round(time.monotonic() - began, 1)
        print(f"{options.cases} cases generated in {result['generated_s']:.0f} s", flush=True)
        if options.store is not None:
            result |= on_copy(file, options.store, options.seconds)
        else:
            # PostgreSQL first: both get the same cases.
            result |= _on_own_server(file, options.seconds)
            result |= on_sqlite(file, options.seconds)
    for name, value in result.items():
        print(f"{name:<32} {value:g}")
    print(json.dumps(result))
    return 0


def _on_own_server(file: Path, seconds: float) -> dict[str, float]:
    """The keys of the last line for PostgreSQL; none where it is not installed."""
    try:
        with server(None, **_SERVER) as running:
            result = on_copy(file, running.create("city"), seconds)
    except NoServerError as error:
        print(f"not on PostgreSQL: {error}")
        return {}
    return {f"postgres.{name}": value for name, value in result.items()}


def on_sqlite(file: Path, seconds: float) -> dict[str, float]:
    """The keys of the last line for a SQLite file."""
    size = {"size_mb": round(file.stat().st_size / 1e6, 1)}
    return size | measure(str(file), seconds)


def on_copy(file: Path, url: str, seconds: float) -> dict[str, float]:
    """The keys of the last line for a PostgreSQL database that becomes a copy of the file."""
    began = time.monotonic()
    with closing(Store(file)) as source, closing(Store(url)) as target:
        copy_queue(source, target)
        copied_s = round(time.monotonic() - began, 1)
        with target.reading() as connection:
            size = connection.execute(sa.text("SELECT pg_database_size(current_database())"))
            size_mb = round(size.scalar_one() / 1e6, 1)
    print(f"copied to PostgreSQL and verified in {copied_s:.0f} s", flush=True)
    return {"copied_s": copied_s, "size_mb": size_mb, **measure(url, seconds)}


def measure(where: str, seconds: float) -> dict[str, float]:
    """File and query, and return the keys of the last line."""
    result = {"filed_cold_per_s": _filed_per_s(where, AT_ONCE, seconds)}
    _read_indexes(where)
    _filed_per_s(where, AT_ONCE, seconds)  # reads what filing needs beside the indexes
    result["filed_per_s"] = _filed_per_s(where, AT_ONCE, seconds)
    result["filed_singly_per_s"] = _filed_per_s(where, 1, seconds)
    chance = random.Random(_SEED)
    with (
        _filing(where, _STEADY_WRITERS, 1, _STEADY_PER_S) as filed,
        open_queue(where) as queue,
        closing(Store(where)) as store,
    ):
        for name, ask in questions(chance, queue.count(), store).items():
            result[f"p95_ms.{name}"] = _p95_ms(queue, ask)
    return {**result, "steady_per_s": round(filed[0], 1)}


def _filed_per_s(where: str, at_once: int, seconds: float) -> float:
    """How many cases a second all writers file."""
    with _filing(where, _WRITERS, at_once) as filed:
        time.sleep(seconds)
    return round(filed[0], 1)


#: The indexes in which new rows are not all at the end. On SQLite with their first column.
_SPREAD = {
    "findings_by_zone": "source",
    "findings_by_cell": "kind",
    "cases_by_source": "source",
    "cases_by_place": "place_id",
    "cases_by_zone": "zone",
    "cases_by_square": "state",
}
_OF_KEYS = {
    "sqlite": ("sqlite_autoindex_findings_1", "sqlite_autoindex_cases_1"),
    "postgresql": ("findings_pkey", "cases_key_key"),
}


def _read_indexes(where: str) -> None:
    """Bring the indexes that filing changes into memory, where those of a queue in use are."""
    with closing(Store(where)) as store:
        indexes = {**_SPREAD, **dict.fromkeys(_OF_KEYS[store.dialect], "key")}
        if store.dialect == "postgresql":
            with store.writing() as connection:
                connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
                for name in indexes:
                    connection.exec_driver_sql(f"SELECT pg_prewarm('{name}', 'read')")
            return
        with store.reading() as connection:
            for name, column in indexes.items():
                table = "findings" if "findings" in name else "cases"
                connection.exec_driver_sql(
                    f"SELECT count(*) FROM {table} INDEXED BY {name} WHERE {column} || '' = ''"
                )


def _p95_ms(queue: Queue, ask: Callable[[Queue], object]) -> float:
    took_ms = []
    for _ in range(_ASKED):
        asked = time.monotonic()
        ask(queue)
        took_ms.append(1000 * (time.monotonic() - asked))
    return round(float(np.percentile(took_ms, 95)), 2)


@contextmanager
def _filing(
    where: str, writers: int, at_once: int, per_s: float | None = None
) -> Iterator[list[float]]:
    """Let processes file while the block runs; the list then has their cases a second."""
    spawn = multiprocessing.get_context("spawn")
    stop, ready = spawn.Event(), spawn.Semaphore(0)
    filed: Results[float] = spawn.Queue()
    processes = [
        spawn.Process(target=_file_until, args=(where, seed, at_once, per_s, ready, stop, filed))
        for seed in range(writers)
    ]
    result: list[float] = []
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    try:
        yield result
    finally:
        stop.set()
        rates = [filed.get() for _ in processes]
        for process in processes:
            process.join()
        result.append(sum(rates))


def _file_until(
    where: str,
    seed: int,
    at_once: int,
    per_s: float | None,
    ready: Semaphore,
    stop: Event,
    filed: Results[float],
) -> None:
    """File new findings of all cameras until the event, and report how many a second."""
    chance, began = random.Random(f"{time.time_ns()} {seed}"), _END

    def some() -> list[Finding]:
        nonlocal began
        began += timedelta(seconds=at_once * chance.random())
        return [make_finding(chance, began) for _ in range(at_once)]

    with open_queue(where) as queue:
        queue.file_all(some())  # imports, connections
        ready.release()
        count, start = 0, time.monotonic()
        while not stop.is_set():
            if at_once == 1:
                queue.file(*some())
            else:
                queue.file_all(some())
            count += at_once
            if per_s is not None:
                stop.wait(max(0.0, start + count / per_s - time.monotonic()))
        filed.put(count / (time.monotonic() - start))


def questions(
    chance: random.Random, cases: int, store: Store
) -> Mapping[str, Callable[[Queue], object]]:
    """The queries of officers."""

    def box() -> tuple[float, float, float, float]:
        west, south = WEST + DEGREES * chance.random(), SOUTH + DEGREES * chance.random()
        return west, south, west + 0.01, south + 0.01

    def camera_day(queue: Queue) -> object:
        since = FIRST + timedelta(days=chance.randrange(DAYS))
        source = f"camera-{chance.randrange(CAMERAS)}"
        return queue.cases(Filter(source=source, since=since, until=since + timedelta(days=1)))

    def case(queue: Queue) -> object:
        number = chance.randrange(1, cases)
        return queue.get(number), queue.history(number), queue.evidence(number)

    def department_overdue(queue: Queue) -> object:
        department = chance.choice(DEPARTMENTS)
        return queue.cases(Filter(department=department, overdue=_END, limit=50))

    def place_text(queue: Queue) -> object:
        return queue.cases(Filter(text=chance.choice(STREETS), limit=50))

    def house_text(queue: Queue) -> object:
        return queue.cases(Filter(text=f"{chance.randrange(CAMERAS)}号", limit=50))

    def statistics_month(queue: Queue) -> object:
        year, month = chance.randrange(2022, 2026), chance.randrange(1, 13)
        period = Period.parse(f"{year}-{month:02}", ZoneInfo("Asia/Shanghai"))
        with store.reading() as connection:
            return figures_and_total(connection, period, By.CLASS)

    states = (State.REPORTED, State.CLOSED)
    return {
        "newest": lambda queue: queue.cases(Filter(state=State.REPORTED, limit=20)),
        "box_state": lambda queue: queue.cases(
            Filter(bbox=box(), state=chance.choice(states), limit=50)
        ),
        "department_overdue": department_overdue,
        "place_text": place_text,
        "house_text": house_text,
        "camera_day": camera_day,
        "statistics_month": statistics_month,
        "case": case,
        "count": lambda queue: queue.count(Filter(state=State.REPORTED)),
    }
