"""Columns of lists and spreadsheets: values of a case, each under one name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

from cv_engine.cases.case import Case, Entry
from cv_engine.cases.errors import QueueError
from cv_engine.cases.plates import PLATE

#: What a cell holds. Times are timezone-aware, in the local time of the case's camera.
Value = str | int | float | datetime | None

_ROWS_AT_ONCE = 500  # verdicts are read for so many cases in one query


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a row tells besides the case itself.

    Attributes:
        verdicts: The verdicts of cases, by number; see :meth:`QueueReader.verdicts`.
        zone_of: The time zone of a case's camera.
        package_at: The folder or address of an evidence package, by its name.
    """

    verdicts: Callable[[Sequence[int]], Mapping[int, Entry]]
    zone_of: Callable[[Case], tzinfo]
    package_at: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case with what its columns need.

    Attributes:
        case: The case.
        verdict: The entry of the history with the verdict; ``None`` before one.
        zone: Time zone of the case's camera.
        package: Folder or address of the case's first evidence package.
    """

    case: Case
    verdict: Entry | None
    zone: tzinfo
    package: str | None

    def local(self, at: datetime | None) -> datetime | None:
        """A moment in the camera's time zone."""
        return None if at is None else at.astimezone(self.zone)


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: The name, with the unit.
        value: The value of a case.
        is_code: Whether the text is a code: leading zeros count.
    """

    name: str
    value: Callable[[CaseRow], Value]
    is_code: bool = False


def rows_of(cases: Iterable[Case], about: Surroundings) -> Iterator[CaseRow]:
    """Cases as rows, some hundreds at a time, so that any number fits in memory."""
    waiting = iter(cases)
    while some := list(islice(waiting, _ROWS_AT_ONCE)):
        verdicts = about.verdicts([case.id for case in some])
        for case in some:
            package = None if case.evidence is None else about.package_at(case.evidence)
            yield CaseRow(case, verdicts.get(case.id), about.zone_of(case), package)


def columns_named(names: Iterable[str]) -> list[Column]:
    """The columns of some names.

    Raises:
        QueueError: A name is unknown; the text lists those that are known.
    """
    known = {column.name: column for column in COLUMNS}
    wanted = [name.strip() for name in names]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        what = f"there is no column {unknown[0]!r}" if unknown else "no column is named"
        raise QueueError(f"{what}; known: {', '.join(known)}")
    return [known[name] for name in wanted]


def _given(name: str) -> Callable[[CaseRow], Value]:
    """An attribute of the finding that is a text or a number."""

    def value(row: CaseRow) -> Value:
        given = row.case.attributes.get(name)
        return given if isinstance(given, str | int | float) else None

    return value


def _rounded(seconds: float | None) -> float | None:
    """To the tenth of a second: sampling is no finer."""
    return None if seconds is None else round(seconds, 1)


def _plate(row: CaseRow) -> Value:
    plate = row.case.attributes.get(PLATE)
    return plate.get("text") if isinstance(plate, dict) else None


def middle_of(geometry: Mapping[str, Any] | None) -> tuple[float | None, float | None]:
    """Longitude and latitude of a point, or of a point inside a larger geometry."""
    if geometry is None:
        return None, None
    if geometry.get("type") == "Point":
        lon, lat = geometry["coordinates"][:2]
        return lon, lat
    from shapely.geometry import shape

    point = shape(dict(geometry)).representative_point()
    return (None, None) if point.is_empty else (point.x, point.y)


def _box(row: CaseRow) -> Value:
    box = row.case.place.image_box
    return None if box is None else " ".join(f"{value:.0f}" for value in box)


def _offset(row: CaseRow) -> str:
    """The offset of local time from UTC when the case began, such as ``UTC+08:00``."""
    return f"UTC{row.case.began.astimezone(row.zone).isoformat()[-6:]}"


def _verdict(row: CaseRow) -> Value:
    verdict = row.verdict
    return verdict.to_state.value if verdict is not None and verdict.to_state else None


def _attributes(row: CaseRow) -> str:
    return json.dumps(dict(row.case.attributes), ensure_ascii=False, sort_keys=True)


def _reason(row: CaseRow) -> Value:
    """The taxonomy's reason of the verdict, else that of a later step."""
    given: Any = None if row.verdict is None else row.verdict.data.get("reason")
    return given if isinstance(given, str) else row.case.result.reason


#: All columns, in the order of a file.
COLUMNS: tuple[Column, ...] = (
    Column("id", lambda row: row.case.id),
    Column("state", lambda row: row.case.state.value),
    Column("kind", lambda row: row.case.kind),
    Column("standard", lambda row: row.case.standard),
    Column("code", lambda row: row.case.code, is_code=True),
    Column("camera", lambda row: row.case.source),
    Column("zone", lambda row: row.case.zone),
    Column("address", _given("address")),
    Column("area", lambda row: row.case.handling.area),
    Column("began", lambda row: row.local(row.case.began)),
    Column("last_seen", lambda row: row.local(row.case.last_seen)),
    Column("gone", lambda row: "yes" if row.case.gone_at else "not known"),
    Column("stay_s", lambda row: _rounded(row.case.stay_s)),
    Column("limit_s", _given("limit_s")),
    Column("timezone", _offset),
    Column("vehicle", _given("vehicle")),
    Column("plate", _plate, is_code=True),
    Column("confidence", lambda row: round(row.case.confidence, 4)),
    Column("latitude", lambda row: middle_of(row.case.place.geometry)[1]),
    Column("longitude", lambda row: middle_of(row.case.place.geometry)[0]),
    Column("accuracy_m", lambda row: row.case.place.accuracy_m),
    Column("basis", lambda row: row.case.place.basis),
    Column("verdict", _verdict),
    Column("reason", _reason),
    Column("who", lambda row: None if row.verdict is None else row.verdict.by),
    Column("note", lambda row: None if row.verdict is None else row.verdict.note or None),
    Column("decided", lambda row: None if row.verdict is None else row.local(row.verdict.at)),
    Column("priority", lambda row: row.case.priority.value),
    Column("department", lambda row: row.case.handling.department),
    Column("team", lambda row: row.case.handling.team),
    Column("officer", lambda row: row.case.handling.officer),
    Column("due", lambda row: row.local(row.case.handling.due_at)),
    Column("close_due", lambda row: row.local(row.case.handling.close_due_at)),
    Column("outcome", lambda row: row.case.result.outcome),
    Column("ended", lambda row: row.local(row.case.result.ended_at)),
    Column("filed", lambda row: row.local(row.case.filed_at)),
    Column("version", lambda row: row.case.version),
    Column("evidence", lambda row: row.package),
    Column("image_box", _box),
    Column("key", lambda row: row.case.key, is_code=True),
    Column("attributes", _attributes),
)
