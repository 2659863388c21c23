"""A city's cases of five years, written straight into a SQLite queue.

Filing millions of cases takes hours; the rows that filing would have written take minutes. Every
case has its findings, its chained history and its place, as the queue itself writes them, so that
an audit of the result finds nothing.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from cv_engine.cases.database import tallies
from cv_engine.cases.database.column_types import sqlite_time
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import cases, findings, history
from cv_engine.cases.filing.cells import cell_of
from cv_engine.cases.place_text import place_text
from cv_engine.finding import Finding, Place

CAMERAS = 10_000
STREETS = tuple(
    f"{name}{kind}"
    for name in ["中和", "江东", "海曙", "北仑", "鄞州", "象山", "慈溪", "余姚"]
    for kind in "路街巷"
)
DEPARTMENTS = tuple(f"department-{number}" for number in range(40))
KINDS = ("motor_vehicle_parked", "non_motor_vehicle_parked", "clutter")
WEST, SOUTH, DEGREES = 121.4, 29.7, 0.4  # a city of some 40 km
FIRST = datetime(2021, 5, 1, tzinfo=UTC)
DAYS = 5 * 365
#: Share of the latest cases that are open still.
_OPEN_SHARE = 0.01
_LIMIT = timedelta(days=2)
_SEED = 7
_ROWS_AT_ONCE = 5_000
_CACHE_KIB = 1_000_000

#: The ways of a case: its steps (action, state), and the share of the cases that take it.
_WAYS: tuple[tuple[float, tuple[tuple[str, str], ...]], ...] = (
    (0.3, (("reject", "rejected"),)),
    (0.2, (("confirm", "confirmed"), ("notice", "noticed"), ("close", "closed"))),
    (0.1, (("confirm", "confirmed"), ("cite", "cited"), ("close", "closed"))),
    (
        0.4,
        (
            *(("confirm", "confirmed"), ("dispatch", "dispatched"), ("handle", "handled")),
            *(("verify", "verified"), ("close", "closed")),
        ),
    ),
)
_OUTCOMES = {"noticed": "left", "cited": "cited", "verified": "handled"}
_TIMES = {"confirm": "confirmed_at", "dispatch": "dispatched_at", "handle": "handled_at"}


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of the city.

    Attributes:
        name: Name, the source of its findings.
        longitude: Degrees.
        latitude: Degrees.
        address: Street and number.
        cell: Cell of the ground, as findings keep it.
    """

    name: str
    longitude: float
    latitude: float
    address: str
    cell: int | None


def camera(number: int) -> Camera:
    """The camera of a number."""
    chance = random.Random(number)
    longitude, latitude = (round(start + DEGREES * chance.random(), 6) for start in (WEST, SOUTH))
    street = STREETS[number % len(STREETS)]
    place = Place({"type": "Point", "coordinates": [longitude, latitude]}, 2.0, "homography")
    address = f"{street}{number}号"
    return Camera(f"camera-{number}", longitude, latitude, address, cell_of(place))


@cache
def _cameras() -> tuple[Camera, ...]:
    return tuple(camera(number) for number in range(CAMERAS))


def make_finding(chance: random.Random, began: datetime) -> Finding:
    """A finding of some camera of the city."""
    where = _cameras()[chance.randrange(CAMERAS)]
    x, y = chance.randrange(1800), chance.randrange(1000)
    box = (float(x), float(y), x + 120.0, y + 80.0)
    point = {"type": "Point", "coordinates": [where.longitude, where.latitude]}
    return Finding(
        kind=chance.choice(KINDS),
        source=where.name,
        zone="pavement",
        place=Place(point, 2.0, "homography", box),
        began=began,
        observed=began + timedelta(minutes=5),
        confidence=round(chance.uniform(0.5, 1.0), 3),
        attributes={"address": where.address, "dwell_s": 300.0},
    )


def generate(file: Path, count: int) -> None:
    """Write a queue of ``count`` cases.

    Args:
        file: The queue's file; it does not exist yet.
        count: Number of the cases.
    """
    Store(file).close()  # the schema
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            raw.execute(f"PRAGMA {pragma}")
        kept = "(type = 'index' AND sql IS NOT NULL) OR type = 'trigger'"
        made = raw.execute(f"SELECT type, name, sql FROM sqlite_schema WHERE {kept}").fetchall()
        statistics = raw.execute("SELECT * FROM sqlite_stat1").fetchall()
        for kind, name, _ in made:
            raw.execute(f"DROP {kind} {name}")
        raw.execute("BEGIN")
        raw.executemany(
            "INSERT INTO places (id, text) VALUES (?, ?)",
            [(number, _text_of(each)) for number, each in enumerate(_cameras(), 1)],
        )
        rows = _rows(random.Random(_SEED), count)
        while batch := list(islice(rows, _ROWS_AT_ONCE)):
            _insert(raw, batch)
        began, observed = (
            f"CAST(strftime('%s', {name}) AS INTEGER) - 1577836800"
            for name in ("began", "observed")
        )
        raw.execute(
            f"INSERT INTO case_spans SELECT id, {began}, {observed} + 1 FROM cases ORDER BY id"
        )
        raw.execute("COMMIT")
        for _, _, statement in made:
            raw.execute(statement)
        raw.execute("DELETE FROM sqlite_stat1")
        raw.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", statistics)
        raw.execute("PRAGMA journal_mode = WAL")
    with closing(Store(file)) as store, store.writing() as connection:
        tallies.recount(connection)


def _text_of(where: Camera) -> str:
    attributes = {"address": where.address}
    return place_text(
        {"source": where.name, "zone": "pavement", "area": None, "attributes": attributes}
    )


_CASE_COLUMNS = tuple(column.name for column in cases.columns)
_FINDING_COLUMNS = tuple(column.name for column in findings.columns)
_ENTRY_COLUMNS = tuple(column.name for column in history.columns if column.name != "id")


def _insert(raw: sqlite3.Connection, batch: Sequence[Any]) -> None:
    for table, names, rows in (
        ("cases", _CASE_COLUMNS, [each[0] for each in batch]),
        ("findings", _FINDING_COLUMNS, [each[1] for each in batch]),
        ("history", _ENTRY_COLUMNS, [entry for each in batch for entry in each[2]]),
    ):
        columns = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" * len(names))
        raw.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def _rows(chance: random.Random, count: int) -> Iterator[tuple[Any, Any, list[Any]]]:
    """Rows of the tables: a case, its finding, and the entries of its history."""
    step = timedelta(days=DAYS) / count
    cameras = _cameras()
    lasts = {number for number in range(count) if number >= count * (1 - _OPEN_SHARE)}
    for number in range(count):
        at = FIRST + number * step
        where = chance.randrange(CAMERAS)
        yield _case(chance, number + 1, at, where, cameras[where], open_now=number in lasts)


def _case(
    chance: random.Random,
    case_id: int,
    began: datetime,
    place: int,
    seen_by: Camera,
    open_now: bool,
) -> tuple[Any, Any, list[Any]]:
    began = began.replace(microsecond=0)
    observed = began + timedelta(minutes=5)
    kind, confidence = chance.choice(KINDS), round(chance.uniform(0.5, 1.0), 3)
    x, y = chance.randrange(1800), chance.randrange(1000)
    box = (float(x), float(y), x + 120.0, y + 80.0)
    start = round(began.timestamp())
    named = f'["{kind}", "{seen_by.name}", "pavement", [{x}, {y}, {x + 120}, {y + 80}], {start}]'
    key = hashlib.sha256(named.encode()).hexdigest()[:16]
    geometry = f'{{"coordinates": [{seen_by.longitude}, {seen_by.latitude}], "type": "Point"}}'
    attributes = f'{{"address": "{seen_by.address}", "dwell_s": 300.0}}'
    said = (
        f'{{"attributes": {attributes}, "began": "{began.isoformat()}", "confidence": {confidence}'
        f', "evidence": null, "geometry": {geometry}, "image_box": [{box[0]}, {box[1]}, {box[2]}, '
        f'{box[3]}], "key": "{key}", "observed": "{observed.isoformat()}"}}'
    )
    filed = observed + timedelta(seconds=20)
    department = chance.choice(DEPARTMENTS)
    steps = _way(chance, open_now)
    columns, entries = _history(chance, case_id, key, filed, said, steps, department)
    values = {
        **_DEFAULTS,
        **columns,
        "id": case_id,
        "key": key,
        "kind": kind,
        "source": seen_by.name,
        "began": sqlite_time(began),
        "observed": sqlite_time(observed),
        "filed_at": sqlite_time(filed),
        "confidence": confidence,
        "geometry": geometry,
        **dict.fromkeys(("min_lon", "max_lon"), seen_by.longitude),
        **dict.fromkeys(("min_lat", "max_lat"), seen_by.latitude),
        **dict(zip(("box_x1", "box_y1", "box_x2", "box_y2"), box, strict=True)),
        "attributes": attributes,
        "place_id": place + 1,
        "close_due_at": sqlite_time(filed + 5 * _LIMIT),
    }
    row, basis = [values[name] for name in _CASE_COLUMNS], str(values["basis"])
    point = Place(
        {"type": "Point", "coordinates": [seen_by.longitude, seen_by.latitude]}, 2.0, basis
    )
    found = {
        **values,
        **{"case_id": case_id, "since": sqlite_time(began), "cell": cell_of(point)},
        **{"gone_at": None, "evidence_sha256": None},
    }
    return row, [found[name] for name in _FINDING_COLUMNS], entries


_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(_CASE_COLUMNS),
    "standard": "GB/T 47678.5-2026",
    "code": "09009",
    "zone": "pavement",
    "state": "reported",
    "accuracy_m": 2.0,
    "basis": "homography",
    "priority": "normal",
    **dict.fromkeys(("deferrals", "extensions", "returns", "reopenings"), 0),
}


def _way(chance: random.Random, open_now: bool) -> tuple[tuple[str, str], ...]:
    (steps,) = chance.choices([way for _, way in _WAYS], [share for share, _ in _WAYS])
    return steps[: chance.randrange(len(steps))] if open_now else steps


def _history(
    chance: random.Random,
    case_id: int,
    key: str,
    filed: datetime,
    said: str,
    steps: Sequence[tuple[str, str]],
    department: str,
) -> tuple[dict[str, Any], list[Any]]:
    """The columns that follow from the history, and its entries, chained."""
    officer, at, state = f"officer-{chance.randrange(500)}", filed, "reported"
    columns: dict[str, Any] = {"due_at": sqlite_time(at + _LIMIT)}
    head = _hash(key, 1, at, "filed", "cv-engine", "engine", None, state, said)
    when = sqlite_time(at)
    filing = (case_id, 1, when, "filed", "cv-engine", "engine", "", None, state, said, head)
    entries: list[tuple[Any, ...]] = [filing]
    for seq, (action, after) in enumerate(steps, 2):
        at += timedelta(seconds=chance.randrange(600, 80_000))
        data = f'{{"action": "{action}"}}'
        columns["due_at"] = None if action in ("reject", "close") else sqlite_time(at + _LIMIT)
        if action in _TIMES:
            columns[_TIMES[action]] = sqlite_time(at)
        if action == "dispatch":
            data = f'{{"action": "dispatch", "department": "{department}"}}'
            columns["department"] = department
        elif action == "verify":
            columns["verified_at"] = sqlite_time(at)
        elif action == "reject":
            data = '{"action": "reject", "reason": "no_violation"}'
            columns |= {"ended_at": sqlite_time(at), "reason": "no_violation"}
        elif action == "close":
            columns |= {"ended_at": sqlite_time(at), "outcome": _OUTCOMES[state]}
        head = _hash(head, seq, at, "state", officer, "officer", state, after, data)
        when = sqlite_time(at)
        entries.append(
            (case_id, seq, when, "state", officer, "officer", "", state, after, data, head)
        )
        state = after
    columns |= {"state": state, "version": len(entries), "head": head}
    columns["attention_at"] = columns["due_at"]
    return columns, entries


def _hash(
    previous: str,
    seq: int,
    at: datetime,
    event: str,
    by: str,
    role: str,
    before: str | None,
    after: str,
    data: str,
) -> str:
    """The hash of :func:`cv_engine.cases.chain.entry_hash`, from data that are JSON already."""
    left = "null" if before is None else f'"{before}"'
    text = (
        f'["{previous}", {seq}, "{at.isoformat()}", "{event}", "{by}", "{role}", "", {left}, '
        f'"{after}", {data}]'
    )
    return hashlib.sha256(text.encode()).hexdigest()
