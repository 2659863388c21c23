"""The facts of a case in words: what ``cases show`` and the report tell, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from cv_engine.finding import LIMIT, STOOD_BEFORE
from cv_engine.wording import duration, local_time, place, stay

if TYPE_CHECKING:
    from cv_engine.cases import Case, Entry

_ENGINE = "engine"  # the role of the program itself: its name says it
# Values of the history that are shown, in this order.
_TOLD = ("reason", "department", "team", "officer", "until", "due", "priority", "evidence")
# Attributes that are facts of their own.
_FACTS = frozenset({"dwell_s", LIMIT, STOOD_BEFORE, "vehicle", "plate", "address", "timezone"})


def facts_of(case: Case, zone: tzinfo, now: datetime) -> dict[str, str]:
    """What is known of a case by name, without what is not known.

    Args:
        case: The case.
        zone: Time zone of the camera.
        now: The present time, from which deadlines are counted.
    """
    given = case.attributes
    facts = {
        "case": f"{case.id} ({case.state.value}), version {case.version}",
        "key": case.key,
        "kind": f"{case.kind} ({case.standard} {case.code})",
        "area" if case.place.basis == "raster" else "camera": case.source,
        "zone": case.zone,
        "address": str(given.get("address", "")),
        "began": began_text(case, zone),
        "last seen": local_time(case.last_seen, zone),
        "stay": stay_text(case),
        "gone": "yes" if case.gone_at else "not known",
        "place": place(case.place),
        "vehicle": str(given.get("vehicle", "")),
        "plate": plate_text(case),
        "confidence": f"{case.confidence:.2f}",
        **_handling_facts(case, zone, now),
        "details": _pairs({name: value for name, value in given.items() if name not in _FACTS}),
    }
    return {name: fact for name, fact in facts.items() if fact not in ("", "-")}


def due(at: datetime | None, now: datetime) -> str:
    """How long it is to a deadline, or how long ago it passed; a dash without one."""
    if at is None:
        return "-"
    left_s = (at - now).total_seconds()
    return f"in {duration(left_s)}" if left_s >= 0 else f"{duration(-left_s)} late"


def began_text(case: Case, zone: tzinfo) -> str:
    """When a thing came, as far as the recording shows it."""
    began = local_time(case.began, zone)
    return f"{began} or earlier" if case.attributes.get(STOOD_BEFORE) else began


def stay_text(case: Case) -> str:
    """How long a thing stayed, and how long it was allowed to."""
    limit_s = case.attributes.get(LIMIT)
    text = stay(case.stay_s)
    return f"{text} (limit {duration(limit_s)})" if isinstance(limit_s, int | float) else text


def plate_text(case: Case) -> str:
    """The number plate as it was read, and how sure that is; empty without one."""
    plate = case.attributes.get("plate")
    if not isinstance(plate, dict):
        return ""
    sure = "unsure, " if plate.get("unsure") else ""
    confidence = plate.get("confidence")
    known = f"{confidence:.2f}" if isinstance(confidence, int | float) else "confidence unknown"
    return f"{plate.get('text', '')} ({sure}{known})"


def assigned(case: Case) -> str:
    """Who has to act on a case: department, team and person."""
    handling = case.handling
    names = (handling.department, handling.team, handling.officer)
    return ", ".join(name for name in names if name) or "-"


def entry_text(entry: Entry, zone: tzinfo) -> str:
    """One event of a case's history: when, what, by whom, and what was said."""
    moved = f" to {entry.to_state.value}" if entry.to_state else ""
    who = f"{entry.by} ({entry.role})" if entry.role not in ("", _ENGINE) else entry.by
    said = "; ".join(part for part in (_pairs(_told(entry)), entry.note) if part)
    what = f"{entry.event.value}{moved} by {who}{f': {said}' if said else ''}"
    return f"{local_time(entry.at, zone)} {what}"


def _handling_facts(case: Case, zone: tzinfo, now: datetime) -> dict[str, str]:
    """Who has to act on a case, by when, and what became of it; without what is not known."""
    handling, result = case.handling, case.result
    deadlines = {"due": handling.due_at, "whole case due": handling.close_due_at}
    counted = ("extensions", "deferrals", "returns", "reopenings")
    counts = {name: getattr(result, name) or None for name in counted}
    facts = {
        "priority": case.priority,
        "with": assigned(case),
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
    return {name: fact for name, fact in facts.items() if fact}


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in sorted(values.items())
        if value is not None and value != []
    )


def _told(entry: Entry) -> dict[str, Any]:
    """The values of an entry that a person wants to read; findings have them elsewhere."""
    return {
        name: entry.data[name] for name in _TOLD if name in entry.data and "key" not in entry.data
    }
