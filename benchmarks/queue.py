"""How many cases a second the queue files, and how long officers wait for their lists.

A city's cases are generated (cameras spread over a city, a month of cases, a tenth of them
confirmed) and filed through `Queue.file`, one transaction each, like a live worker's. Then
officers' lists are queried repeatedly while filing continues.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from cv_engine.cases import Filter, Queue, State, open_queue
from cv_engine.finding import Finding, Place

_SEED = 7
_CAMERAS = 2_000
_DAYS = 30
_KINDS = ("motor_vehicle_parked", "non_motor_vehicle_parked", "clutter")
_FIRST = datetime(2026, 5, 1, tzinfo=UTC)
_WEST, _SOUTH, _DEGREES = 121.4, 29.7, 0.4  # a city of some 40 km
_CONFIRMED_SHARE = 0.1
_ASKED = 60  # times for each list
_FILED_BETWEEN = 2  # cases filed between two questions


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks queue", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--store", help="a PostgreSQL URL of an empty database; SQLite if left out")
    options = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory(prefix="queue-") as folder,
        open_queue(options.store or Path(folder) / "queue.db") as queue,
    ):
        result = run(queue, options.cases)
    print(f"{result['filed_per_s']:.0f} cases filed a second, {options.cases} in the queue")
    for name, value in result.items():
        if name.startswith("p95_ms."):
            print(f"{name.removeprefix('p95_ms.'):<14} 95 % within {value:.1f} ms")
    print(json.dumps(result))
    return 0


def run(queue: Queue, cases: int) -> dict[str, float]:
    """Fills and queries the queue; returns the keys of the last line."""
    chance = random.Random(_SEED)
    began = time.monotonic()
    for number in range(cases):
        _file(queue, chance, number)
    filed_per_s = cases / (time.monotonic() - began)
    number = cases
    result: dict[str, float] = {"cases": cases, "filed_per_s": round(filed_per_s, 1)}
    for name, ask in _questions(chance, cases).items():
        took_ms = []
        for _ in range(_ASKED):
            for _ in range(_FILED_BETWEEN):
                _file(queue, chance, number)
                number += 1
            asked = time.monotonic()
            ask(queue)
            took_ms.append(1000 * (time.monotonic() - asked))
        result[f"p95_ms.{name}"] = round(float(np.percentile(took_ms, 95)), 2)
    return result


def _file(queue: Queue, chance: random.Random, number: int) -> None:
    """Files a case of some camera; an officer confirms some."""
    camera = number % _CAMERAS
    where = random.Random(camera)
    place = [_WEST + _DEGREES * where.random(), _SOUTH + _DEGREES * where.random()]
    began = _FIRST + timedelta(days=_DAYS * chance.random())
    x, y = chance.uniform(0, 1800), chance.uniform(0, 1000)
    finding = Finding(
        kind=chance.choice(_KINDS),
        source=f"camera-{camera}",
        zone="pavement",
        place=Place(
            {"type": "Point", "coordinates": place}, 2.0, "homography", (x, y, x + 120, y + 80)
        ),
        began=began,
        observed=began + timedelta(minutes=5),
        confidence=chance.uniform(0.5, 1.0),
        attributes={"dwell_s": 300.0},
    )
    filed = queue.file(finding)
    if filed.outcome == "new" and chance.random() < _CONFIRMED_SHARE:
        queue.confirm(filed.case_id, "officer")


def _questions(chance: random.Random, cases: int) -> dict[str, Callable[[Queue], object]]:
    """The queries of officers."""

    def day(queue: Queue) -> object:
        since = _FIRST + timedelta(days=chance.randrange(_DAYS))
        source = f"camera-{chance.randrange(_CAMERAS)}"
        return queue.cases(Filter(source=source, since=since, until=since + timedelta(days=1)))

    def box(queue: Queue) -> object:
        west, south = _WEST + _DEGREES * chance.random(), _SOUTH + _DEGREES * chance.random()
        return queue.cases(Filter(bbox=(west, south, west + 0.01, south + 0.01), limit=50))

    def case(queue: Queue) -> object:
        number = chance.randrange(1, max(2, cases // 2))
        return queue.get(number), queue.history(number), queue.evidence(number)

    return {
        "newest": lambda queue: queue.cases(Filter(state=State.REPORTED, limit=20)),
        "camera_day": day,
        "box": box,
        "case": case,
        "count": lambda queue: queue.count(Filter(state=State.CONFIRMED)),
    }
