"""Cases as rows for programs and as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    from cv_engine.cases.dispatch.sighting import Sighting
    from cv_engine.commands.session import Session
    from cv_engine.config import Config
    from cv_engine.finding import Place

_COLUMNS = ("id", "kind", "camera", "zone", "state", "began", "dwell", "due", "with")
_ENGINE = "engine"  # the role of the program itself: its name says it
# Values of the history that are shown, in this order.
_TOLD = ("reason", "department", "team", "officer", "until", "due", "priority", "evidence")
# Hours from which a duration is given in days: buildings stay for months.
_DAYS_FROM_H = 72


def as_row(case: Case) -> dict[str, Any]:
    """One case as a flat JSON object: the export's properties, with id and geometry."""
    from cv_engine.cases.export import feature

    exported = feature(case)
    return {"id": case.id, **exported["properties"], "geometry": exported["geometry"]}


def print_cases(session: Session, cases: Sequence[Case]) -> None:
    """Print cases as a table, or as JSON lines, by the session's format."""
    session.show(table(cases, session.config, datetime.now(UTC)), map(as_row, cases))


def table(cases: Iterable[Case], config: Config, now: datetime) -> Table:
    """A table of cases that fits a terminal, with times in the local time of each case.

    Args:
        cases: The cases.
        config: Where the cameras' time zones are read.
        now: The present time, from which deadlines are counted.
    """
    result = empty_table(_COLUMNS, right=("id", "dwell"))
    for case in cases:
        result.add_row(
            str(case.id),
            case.kind,
            escaped(case.source),
            escaped(case.zone),
            _marked_state(case),
            case.began.astimezone(zone_of_case(case, config)).isoformat(" ", "minutes"),
            dwell(case),
            due(case.handling.due_at, now),
            escaped(_assigned(case)),
        )
    return result


def sheet(
    case: Case,
    history: Iterable[Entry],
    packages: Iterable[str],
    config: Config,
    now: datetime,
) -> Table:
    """All facts of one case as a grid of names and values.

    Args:
        case: The case.
        history: The events of the case.
        packages: Folders or addresses of the evidence packages.
        config: Where the camera's time zone is read.
        now: The present time, from which deadlines are counted.
    """
    from rich.table import Table

    zone = zone_of_case(case, config)
    facts: dict[str, RenderableType] = {
        "case": f"{case.id} ({case.state.value}), version {case.version}",
        "kind": f"{case.kind} ({case.standard} {case.code})",
        "area" if case.place.basis == "raster" else "camera": escaped(case.source),
        "zone": escaped(case.zone),
        "began": local_time(case.began, zone),
        "last seen": f"{local_time(case.gone_at or case.observed, zone)}, after {dwell(case)}",
        "gone": "yes" if case.gone_at else "not known",
        "place": place(case.place),
        "confidence": f"{case.confidence:.2f}",
        **_handling_facts(case, zone, now),
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
        "role": entry.role,
        "note": entry.note,
        "from_state": entry.from_state.value if entry.from_state else None,
        "to_state": entry.to_state.value if entry.to_state else None,
        "data": dict(entry.data),
    }


def due(at: datetime | None, now: datetime) -> str:
    """How long it is to a deadline, or how long ago it passed; a dash without one."""
    if at is None:
        return "-"
    left_s = (at - now).total_seconds()
    return f"in {duration(left_s)}" if left_s >= 0 else f"{duration(-left_s)} late"


def sighting_text(sighting: Sighting, case: Case, config: Config) -> str:
    """What the camera of a case knows of its thing, as one sentence."""
    from cv_engine.cases.dispatch.sighting import Presence

    zone = zone_of_case(case, config)
    at = local_time(sighting.at, zone)
    handled = sighting.handled_at
    if sighting.presence is Presence.GONE:
        text = f"gone since {at}"
    elif sighting.presence is Presence.SEEN and handled is not None:
        after = duration((sighting.at - handled).total_seconds())
        text = f"still seen at {at}, {after} after the case was handled"
    elif sighting.presence is Presence.SEEN:
        text = f"last seen at {at}; the case was not handled yet"
    else:
        text = f"not seen since {at}, before the case was handled, and not known to be gone"
    if sighting.blind_since is not None:
        text += f"; blind since {local_time(sighting.blind_since, zone)}: look at the place itself"
    return f"{sighting.source}: {text}"


def _handling_facts(case: Case, zone: tzinfo, now: datetime) -> dict[str, str]:
    """Who has to act on a case, by when, and what became of it; without what is not known."""
    handling, result = case.handling, case.result
    deadlines = {"due": handling.due_at, "whole case due": handling.close_due_at}
    counted = ("extensions", "deferrals", "returns", "reopenings")
    counts = {name: getattr(result, name) or None for name in counted}
    facts = {
        "priority": case.priority,
        "with": _assigned(case),
        "street or district": handling.area or "",
        **{
            name: f"{local_time(at, zone)} ({due(at, now)})" for name, at in deadlines.items() if at
        },
        "deferred until": local_time(handling.deferred_until, zone)
        if handling.deferred_until
        else "",
        "reason": result.reason or "",
        "outcome": result.outcome or "",
        "so far": _pairs(counts),
    }
    return {name: escaped(fact) for name, fact in facts.items() if fact}


def _assigned(case: Case) -> str:
    """Who has to act on a case: department, team and person."""
    handling = case.handling
    names = (handling.department, handling.team, handling.officer)
    return ", ".join(name for name in names if name) or "-"


def _marked_state(case: Case) -> str:
    """The state, marked where the deadline was warned of or has passed."""
    marks = {"warned": "[yellow]{}[/]", "escalated": "[bold red]{}[/]"}
    return marks.get(case.handling.alert or "", "{}").format(case.state.value)


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
    who = f"{entry.by} ({entry.role})" if entry.role not in ("", _ENGINE) else entry.by
    said = "; ".join(part for part in (_pairs(_told(entry)), entry.note) if part)
    what = f"{entry.event.value}{moved} by {who}{f': {said}' if said else ''}"
    return f"{local_time(entry.at, zone)} {what}"


def _told(entry: Entry) -> dict[str, Any]:
    """The values of an entry that a person wants to read; findings have them elsewhere."""
    return {
        name: entry.data[name] for name in _TOLD if name in entry.data and "key" not in entry.data
    }
