"""Cases as rows for programs and as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from cv_engine.case_report.facts import assigned, due, entry_text, facts_of
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.tables import empty_table
from cv_engine.wording import duration, local_time, stay
from zones.errors import ScheduleError
from zones.schedule import time_zone

if TYPE_CHECKING:
    from rich.table import Table

    from cv_engine.cases import Case, Entry
    from cv_engine.cases.dispatch.sighting import Sighting
    from cv_engine.commands.session import Session
    from cv_engine.config import Config

_COLUMNS = ("id", "kind", "camera", "zone", "state", "began", "stay", "due", "with")
_WIDTH = len(_COLUMNS)
_OPTIONAL = 2  # columns at the end that are left out where no case has a value
# Columns that are not folded in a narrow terminal: a part of a number or a time is none.
_WHOLE = frozenset({"id", "state", "began", "stay"})


def as_row(case: Case) -> dict[str, Any]:
    """One case as a flat JSON object: the export's properties, with id and geometry."""
    from cv_engine.cases.export.geojson import flat

    return flat(case)


def print_cases(session: Session, cases: Sequence[Case]) -> None:
    """Print cases as a table, or as JSON lines, by the session's format."""
    spare = session.out.is_terminal  # records that a program reads have the same fields always
    shown = table(cases, session.config, datetime.now(UTC), spare=spare)
    session.show(shown, map(as_row, cases))


def table(cases: Iterable[Case], config: Config, now: datetime, *, spare: bool = True) -> Table:
    """A table of cases that fits a terminal, with times in the local time of each case.

    Args:
        cases: The cases.
        config: Where the cameras' time zones are read.
        now: The present time, from which deadlines are counted.
        spare: Whether columns without any value are left out: deadlines and departments take a
            third of a terminal's width, and many queues have neither.
    """
    rows = [_cells(case, config, now) for case in cases]
    last = _WIDTH - _OPTIONAL if spare else _WIDTH
    used = [column < last or any(row[column] != "-" for row in rows) for column in range(_WIDTH)]
    names = [name for name, shown in zip(_COLUMNS, used, strict=True) if shown]
    result = empty_table(names, right=("id", "stay"))
    for column in result.columns:
        column.no_wrap = column.header in _WHOLE
    for row in rows:
        result.add_row(*(cell for cell, shown in zip(row, used, strict=True) if shown))
    return result


def _cells(case: Case, config: Config, now: datetime) -> list[str]:
    return [
        str(case.id),
        case.kind,
        escaped(case.source),
        escaped(case.zone),
        _marked_state(case),
        case.began.astimezone(zone_of_case(case, config)).isoformat(" ", "minutes"),
        stay(case.stay_s),
        due(case.handling.due_at, now),
        escaped(assigned(case)),
    ]


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
    facts = facts_of(case, zone, now) | {
        "evidence": "\n".join(packages) or "none",
        "history": "\n".join(entry_text(entry, zone) for entry in history),
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, fact in facts.items():
        grid.add_row(f"[bold]{name}[/]", escaped(fact))
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
