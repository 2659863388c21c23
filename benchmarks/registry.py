"""Imports a city's vehicles, and looks plates up before and during the import.

The vehicles are generated: plates of one city, names, telephone numbers and addresses. The import
runs in a process of its own on one core; this process asks for plates in random order, a third of
them unknown. At first nothing but the questions runs, then a second import beside them.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.harness.alone import bind_to_one_core, peak_mb
from cv_engine.registry import Kind
from cv_engine.registry.tables.importing import import_file
from cv_engine.registry.tables.keys import KeyFile
from cv_engine.registry.tables.rotation import rotate_key
from cv_engine.registry.tables.tables import Tables, table_path

_SEED = 11
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # plates have no I and O
_SERIES = 24 * 10**5  # plates of one letter of the city
_NAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_STREETS = (
    "中山东路",
    "解放南路",
    "百丈东路",
    "江南路",
    "通途路",
    "环城西路",
    "宁穿路",
    "鄞县大道",
)
_IDLE_QUESTIONS = 200_000
_PAUSE_S = 0.0005  # between questions during an import, which leaves the core to the import


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks registry", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, help="where files lie; temporary if left out")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="registry-", dir=options.folder) as folder:
        result = measure(Path(folder), options.rows)
    for name, value in result.items():
        print(f"{name:<28} {value:g}")
    print(json.dumps(result))
    return 0


def measure(folder: Path, rows: int) -> dict[str, float]:
    """The keys of the last line.

    Args:
        folder: Where the files are written.
        rows: Number of vehicles.
    """
    file, tables = folder / "vehicles.csv", folder / "registry"
    began = time.monotonic()
    write_vehicles(file, rows)
    result: dict[str, float] = {"rows": rows, "generated_s": round(time.monotonic() - began, 1)}
    result["csv_mb"] = round(file.stat().st_size / 1e6, 1)
    keys = KeyFile(folder / "key")
    took_s, peak, _ = _beside(_import, folder, lambda: iter(()))
    result |= {"import_s": took_s, "peak_mb": peak, "rows_per_s": round(rows / took_s)}
    result["table_mb"] = round(table_path(tables, Kind.VEHICLES).stat().st_size / 1e6, 1)
    with closing(Tables(tables, keys)) as registry:
        lookups = _lookups(registry, rows)
        idle = [next(lookups) for _ in range(_IDLE_QUESTIONS)]
        result |= _percentiles("idle", idle)
        took_s, _, during = _beside(_import, folder, lambda: lookups)
        result |= {"import_beside_lookups_s": took_s, **_percentiles("importing", during)}
        took_s, peak, during = _beside(_rotate, folder, lambda: lookups)
        result |= {"rotate_s": took_s, "rotate_peak_mb": peak, **_percentiles("rotating", during)}
    return result


def write_vehicles(file: Path, rows: int) -> None:
    """Write a file of vehicles in random order, all with contact data.

    Args:
        file: The CSV file.
        rows: Number of vehicles.
    """
    chance = random.Random(_SEED)
    with file.open("w", encoding="utf-8") as out:
        out.write("plate,layout,status,exempt_reason,owner,phone,address\n")
        for number in chance.sample(range(rows), rows):
            name = chance.choice(_NAMES) + chance.choice(_NAMES) + chance.choice(_NAMES)
            phone = f"1{chance.randrange(3 * 10**9, 10**10)}"
            address = f"宁波市{chance.choice(_STREETS)}{chance.randrange(1, 2000)}号"
            out.write(f"{plate_of(number)},blue,normal,,{name},{phone},{address}\n")


def plate_of(number: int) -> str:
    """The plate of a number; different for all numbers below 50 million.

    Args:
        number: From 0.
    """
    series, rest = divmod(number, _SERIES)
    letter, digits = divmod(rest, 10**5)
    return f"浙{_LETTERS[series]}{_LETTERS[letter]}{digits:05d}"


def _lookups(registry: Tables, rows: int) -> Iterator[float]:
    """Look plates up for ever; yields the duration of each question, milliseconds."""
    chance = random.Random(_SEED + 1)
    while True:
        plate = plate_of(chance.randrange(rows * 3 // 2))
        asked = time.perf_counter()
        registry.vehicle(plate)
        yield 1000 * (time.perf_counter() - asked)


def _percentiles(name: str, took_ms: Sequence[float]) -> dict[str, float]:
    p50, p99, p999 = np.percentile(took_ms, (50, 99, 99.9))
    values = {"p50": p50, "p99": p99, "p999": p999, "max": max(took_ms)}
    return {
        f"{name}_lookups": len(took_ms),
        **{f"{name}_{key}_ms": round(float(value), 4) for key, value in values.items()},
    }


def _beside(
    work: Callable[[Path], None], folder: Path, questions: Callable[[], Iterator[float]]
) -> tuple[float, float, list[float]]:
    """Do work in another process and ask meanwhile.

    Returns:
        Seconds and peak memory (MiB) of the work, and the durations of the questions.
    """
    spawn = get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_work, args=(work, folder, there))
    process.start()
    asking, durations = questions(), []
    here.recv()  # the work begins
    while not here.poll() and (took := next(asking, None)) is not None:
        durations.append(took)
        time.sleep(_PAUSE_S)
    took_s, peak = here.recv()
    process.join()
    return took_s, peak, durations


def _work(work: Callable[[Path], None], folder: Path, done: Connection) -> None:
    bind_to_one_core()
    done.send(None)
    began = time.monotonic()
    work(folder)
    done.send((round(time.monotonic() - began, 2), round(peak_mb(), 1)))


def _import(folder: Path) -> None:
    import_file(
        folder / "registry",
        Kind.VEHICLES,
        folder / "vehicles.csv",
        KeyFile(folder / "key"),
        datetime.now(UTC),
        lambda done, total: None,
    )


def _rotate(folder: Path) -> None:
    rotate_key(folder / "registry", KeyFile(folder / "key"), lambda kind, done, total: None)
