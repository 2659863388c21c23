"""Cases as rows for programs and as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.tables import empty_table
from zones.errors import ScheduleError
from zones.schedule import time_zone

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from cv_engine.cases import Case, Entry
    from cv_engine.config import Config
    from cv_engine.finding import Place

_COLUMNS = ("id", "kind", "camera", "zone", "began", "dwell", "place", "state", "evidence")
# Hours from which a duration is given in days: buildings stay for months.
_DAYS_FROM_H = 72


def as_row(case: Case) -> dict[str, Any]:
    """One case as a flat JSON object: the export's properties, with id and geometry."""
    from cv_engine.cases.export import feature

    exported = feature(case)
    return {"id": case.id, **exported["properties"], "geometry": exported["geometry"]}


def table(cases: Iterable[Case], config: Config) -> Table:
    """A table of cases, with times in the local time of each case."""
    result = empty_table(_COLUMNS, right=("id", "dwell"))
    for case in cases:
        result.add_row(
            str(case.id),
            case.kind,
            escaped(case.source),
            escaped(case.zone),
            local_time(case.began, zone_of_case(case, config)),
            dwell(case),
            place(case.place),
            case.state.value,
            escaped(case.evidence or "none"),
        )
    return result


def sheet(case: Case, history: Iterable[Entry], packages: Iterable[str], config: Config) -> Table:
    """All facts of one case as a grid of names and values.

    Args:
        case: The case.
        history: The events of the case.
        packages: Folders or addresses of the evidence packages.
        config: Where the camera's time zone is read.
    """
    from rich.table import Table

    zone = zone_of_case(case, config)
    facts: dict[str, RenderableType] = {
        "case": f"{case.id} ({case.state.value})",
        "kind": f"{case.kind} ({case.standard} {case.code})",
        "area" if case.place.basis == "raster" else "camera": escaped(case.source),
        "zone": escaped(case.zone),
        "began": local_time(case.began, zone),
        "last seen": f"{local_time(case.gone_at or case.observed, zone)}, after {dwell(case)}",
        "gone": "yes" if case.gone_at else "not known",
        "place": place(case.place),
        "confidence": f"{case.confidence:.2f}",
        "details": escaped(_pairs(case.attributes)) or "none",
        "evidence": escaped("\n".join(packages)) or "none",
        "history": "\n".join(escaped(_entry(entry, zone)) for entry in history),
    }
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        grid.add_row(f"[bold]{name}[/]", fact)
    return grid


def entry_row(entry: Entry) -> dict[str, Any]:
    """One event of a case's history as a JSON object."""
    return {
        "at": entry.at.isoformat(),
        "event": entry.event.value,
        "by": entry.by,
        "note": entry.note,
        "from_state": entry.from_state.value if entry.from_state else None,
        "to_state": entry.to_state.value if entry.to_state else None,
        "data": dict(entry.data),
    }


def zone_of(source: str, config: Config) -> tzinfo:
    """The time zone of a configured camera; UTC for any other."""
    for camera in config.cameras:
        if camera.name == source:
            return time_zone(camera.timezone)
    return UTC


def zone_of_case(case: Case, config: Config) -> tzinfo:
    """The time zone of a case's camera; of one that has none, the offset in which it was filed."""
    if not any(
        camera.name == case.source and "timezone" in camera.model_fields_set
        for camera in config.cameras
    ):
        try:
            return time_zone(str(case.attributes.get("timezone", "")))
        except ScheduleError:
            pass  # filed in UTC
    return zone_of(case.source, config)


def local_time(at: datetime, zone: tzinfo) -> str:
    """A moment in a time zone, with its offset from UTC."""
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def dwell(case: Case) -> str:
    """The time from the start of a stay to the last moment the thing was seen."""
    return duration(((case.gone_at or case.observed) - case.began).total_seconds())


def duration(seconds: float) -> str:
    """A duration in its two largest units.

    Example:
        >>> duration(400)
        '6 min 40 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _DAYS_FROM_H:
        days, hours = divmod(hours, 24)
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def place(where: Place) -> str:
    """A place as text: latitude, longitude, accuracy, and whether it is the camera's own."""
    if where.geometry is None:
        return "unknown"
    from shapely.geometry import shape

    point = shape(dict(where.geometry)).representative_point()
    text = f"{point.y:.6f}, {point.x:.6f}"
    if where.accuracy_m is not None:
        text += f" ±{where.accuracy_m:.0f} m"
    return text if where.basis != "camera" else f"{text} (the camera's)"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in sorted(values.items())
        if value is not None and value != []
    )


def _entry(entry: Entry, zone: tzinfo) -> str:
    moved = f" to {entry.to_state.value}" if entry.to_state else ""
    note = f": {entry.note}" if entry.note else ""
    return f"{local_time(entry.at, zone)} {entry.event.value}{moved} by {entry.by}{note}"
