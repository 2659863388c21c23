"""Cases as people and programs see them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import Format, read_box, read_time

if TYPE_CHECKING:
    from rich.console import JustifyMethod, RenderableType
    from rich.table import Table

    from cv_engine.cases import Case, Entry, Filter, Queue
    from cv_engine.commands.session import Session
    from cv_engine.config.settings import Config
    from cv_engine.finding import Place

# Hours from which a duration is told in days: buildings stay for months.
_DAYS_FROM_H = 72


def build_filter(
    *,
    kind: str | None,
    zone: str | None,
    camera: str | None,
    state: str | None,
    since: str | None,
    until: str | None,
    box: str | None,
    limit: int | None,
) -> Filter:
    """Make the queue's filter of what was typed.

    Raises:
        InputError: A time or the box is not written as it should be.
        QueueError: The state is not known, or the filter contradicts itself.
    """
    from cv_engine.cases import Filter, state_named

    return Filter(
        kind=kind,
        zone=zone,
        source=camera,
        state=None if state is None else state_named(state),
        since=read_time(since, "--since"),
        until=read_time(until, "--until"),
        bbox=read_box(box, "--box"),
        limit=limit,
    )


def as_row(case: Case) -> dict[str, Any]:
    """One case as a flat JSON object: the export's properties, with id and geometry."""
    from cv_engine.cases.export import feature

    exported = feature(case)
    return {"id": case.id, **exported["properties"], "geometry": exported["geometry"]}


def show_all(session: Session, cases: Iterable[Case]) -> None:
    """Print cases, one by one for programs, as one table for people."""
    if session.format is Format.JSONL:
        for case in cases:
            session.line(as_row(case))
        return
    cases = list(cases)
    if cases:
        session.out.print(table(cases, session.config))
    else:
        session.err.print("no cases")


def show_one(session: Session, queue: Queue, number: int) -> None:
    """Print everything about one case.

    Raises:
        QueueError: There is no such case.
    """
    case, history = queue.get(number), queue.history(number)
    folders = [_place_of(session, name) for name in queue.evidence(number)]
    if session.format is Format.JSONL:
        events = [entry_row(entry) for entry in history]
        session.line({**as_row(case), "folders": folders, "history": events})
        return
    session.out.print(sheet(case, history, folders, session.config))


def _place_of(session: Session, name: str) -> str:
    """Where an evidence package is: here, or already in its store."""
    folder, store = session.evidence_root / name, session.config.evidence.store
    return str(folder) if store is None or folder.is_dir() else f"{store.rstrip('/')}/{name}"


def write(session: Session, pieces: Iterable[str], out: Path | None) -> None:
    """Write an export to stdout, or to a file that appears whole or not at all."""
    if out is None:
        for piece in pieces:
            sys.stdout.write(piece)
        return
    partial = out.with_name(f".{out.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    session.err.print(f"written: {escaped(str(out))}")


def table(cases: Iterable[Case], config: Config) -> Table:
    """Cases for people, with the times of each camera's own time zone."""
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("id", "kind", "camera", "zone", "began", "dwell", "place", "state", "evidence"):
        justify: JustifyMethod = "right" if name in ("id", "dwell") else "left"
        result.add_column(name, justify=justify, overflow="fold")
    for case in cases:
        result.add_row(
            str(case.id),
            case.kind,
            escaped(case.source),
            escaped(case.zone),
            local_time(case.began, zone_of(case.source, config)),
            dwell(case),
            place(case.place),
            case.state.value,
            escaped(case.evidence or "none"),
        )
    return result


def sheet(case: Case, history: Iterable[Entry], folders: Iterable[str], config: Config) -> Table:
    """Everything about one case, for people."""
    from rich.table import Table

    zone = zone_of(case.source, config)
    facts: dict[str, RenderableType] = {
        "case": f"{case.id} ({case.state.value})",
        "kind": f"{case.kind} ({case.standard} {case.code})",
        "area" if case.place.basis == "raster" else "camera": escaped(case.source),
        "zone": escaped(case.zone),
        "began": local_time(case.began, zone),
        "last seen": f"{local_time(case.left_at or case.observed, zone)}, after {dwell(case)}",
        "gone": "yes" if case.left_at else "not known to be",
        "place": place(case.place),
        "confidence": f"{case.confidence:.2f}",
        "details": escaped(_pairs(case.attributes)) or "none",
        "evidence": escaped("\n".join(folders)) or "none",
        "history": "\n".join(escaped(_entry(entry, zone)) for entry in history),
    }
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        grid.add_row(f"[bold]{name}[/]", fact)
    return grid


def entry_row(entry: Entry) -> dict[str, Any]:
    """One line of a case's history as a JSON object."""
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
    """The time zone of a camera in the configuration; UTC for one that is not in it."""
    for camera in config.cameras:
        if camera.name == source:
            return ZoneInfo(camera.timezone)
    return UTC


def local_time(at: datetime, zone: tzinfo) -> str:
    """A moment as a person of that time zone writes it, with its offset from UTC."""
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def dwell(case: Case) -> str:
    """How long the thing is known to have stayed: until it was last seen."""
    return duration(((case.left_at or case.observed) - case.began).total_seconds())


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
    """A place for people: latitude, longitude, accuracy and, where it is not measured, how it is known."""
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
