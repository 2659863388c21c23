"""A month of a small made-up city, played through the queue, and counted twice.

Cameras find things (some places are seen by two cameras), officers confirm, reject and take back,
departments handle, return and put off, cases are deferred, appealed and reopened, deadlines pass;
in the middle the program ends, starts again, and files the last findings once more. Afterwards the
statistics must equal a plain recount of what an observer saw, to the last case, and the audit must
find nothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.city.files import TIME_ZONE
from benchmarks.city.play import FIRST_DAY, Month
from benchmarks.city.recount import Known, Recount
from cv_engine.cases.audit import audit
from cv_engine.cases.statistics import By, Figures, Period, figures, total

#: Rows of the statistics that are counted again, and where the recount finds their value.
_ROWS: dict[By, Callable[[Known], str | None]] = {
    By.CLASS: lambda known: known.kind,
    By.DEPARTMENT: lambda known: known.department,
    By.AREA: lambda known: known.area,
}


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks month", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", help="a PostgreSQL URL of an empty database; SQLite if left out")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="month-") as folder:
        where = options.store or Path(folder) / "queue.db"
        month = Month(where, Path(folder), options.seed, options.days)
        month.play(lambda day: print(f"day {day}: {len(month.known)} cases", flush=True))
        result = compare(month)
        month.queue.close()
    print(json.dumps(result))
    return 0 if not result["wrong_figures"] and not result["problems"] else 1


def compare(month: Month) -> dict[str, int | float]:
    """The keys of the last line: what was played, and how many figures are wrong."""
    first = FIRST_DAY.date()
    spans = [(first, first + timedelta(days=month.days - 1))]
    spans += [(first + timedelta(days=week), first + timedelta(days=week + 6)) for week in (0, 7)]
    wrong: list[str] = []
    counted = 0
    for start, last in spans:
        period = Period(start, last, ZoneInfo(TIME_ZONE), f"{start}..{last}")
        for name, found, expected in _pairs(month, period):
            differ = [key for key, value in expected.items() if getattr(found, key) != value]
            counted += len(expected)
            wrong += [
                f"{period.name} {name}: {key} is {getattr(found, key)}, not {expected[key]}"
                for key in differ
            ]
    for text in wrong:
        print(text)
    with month.queue.store.snapshot() as connection:
        problems = [str(each) for each in audit(connection) if not each.remark]
    for text in problems:
        print(text)
    return {
        "cases": len(month.known),
        "findings_filed_again": month.filed_again,
        "steps_refused": month.refused,
        "figures": counted,
        "wrong_figures": len(wrong),
        "problems": len(problems),
    }


def _pairs(month: Month, period: Period) -> list[tuple[str, Figures, dict[str, float | None]]]:
    """The statistics' figures of a period and the recount's, row by row."""
    start, end = period.start.astimezone(UTC), period.end.astimezone(UTC)
    cases = list(month.known.values())
    pairs = []
    with month.queue.store.reading() as connection:
        found = total(connection, period)
        pairs.append(("all", found, Recount(start, end, cases).figures()))
        for by, value_of in _ROWS.items():
            rows = figures(connection, period, by)
            for value in sorted({value_of(known) for known in cases}, key=str):
                own = [known for known in cases if value_of(known) == value]
                expected = Recount(start, end, own).figures()
                pairs.append((f"{by} {value}", rows.get(value, Figures()), expected))
    return pairs
