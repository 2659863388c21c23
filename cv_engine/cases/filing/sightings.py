"""Sightings: what is known of a filed finding's thing later, and what that does to its case."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import Event
from cv_engine.cases.database.tables import findings
from cv_engine.cases.errors import QueueError, StaleError
from cv_engine.cases.filing.joining import Growing, acted_on, gather, itself
from cv_engine.cases.filing.opening import Opening
from cv_engine.cases.filing.problem import Presence, continues, problems
from cv_engine.cases.filing.search import Search, lock_and_find
from cv_engine.cases.filing.site import SITE_GAP_M, is_site
from cv_engine.cases.filing.splitting import part
from cv_engine.cases.lifecycle import ENGINE, OPEN_STATES, State
from cv_engine.cases.rows import findings_of, time_text
from cv_engine.cases.taxonomy import Recurrence

_DEPARTED = "known to have left before the next one came"


@dataclass(frozen=True, slots=True)
class Sighting:
    """News of a filed finding's thing.

    Attributes:
        key: The finding's key.
        at: When the thing was last seen (timezone-aware).
        left: Whether it is known to have left then.
        note: How the departure is known.
    """

    key: str
    at: datetime
    left: bool = False
    note: str = ""


def note_sighting(
    connection: Connection,
    sighting: Sighting,
    row: Row[Any],
    rule: Recurrence,
    opening: Opening,
    now: datetime,
) -> bool:
    """Record when a filed thing was last seen, and whether it left then.

    The stay becomes longer by that, and may reach findings of other cases, which are then of one
    problem. A departure may show that the things before and after a time without samples are two:
    their case is divided, if no person has acted on it.

    Args:
        connection: Connection to the store.
        sighting: The news.
        row: The finding, from table ``findings``.
        rule: The rule of its kind.
        opening: The rules for new cases.
        now: The time of recording (timezone-aware).

    Returns:
        Whether the record changed.

    Raises:
        StaleError: Another transaction changed a case meanwhile: try again.
    """
    known = Presence.in_row(row)
    (found,) = lock_and_find(connection, [Search(_with(known, sighting), rule)])
    if found.itself is None:
        raise StaleError
    known = Presence.in_row(found.itself)
    if not _is_news(known, sighting):
        return False
    own = itself(found.itself.case_id, State(found.itself.state), found.itself.version)
    # The dates of a building do not decide what it belongs to.
    moves = own.state in OPEN_STATES and not is_site(known.place)
    linked = [match for match in found.matches if moves and match.state in OPEN_STATES]
    growing = gather(connection, [own, *linked], opening.limits, now)
    _update(connection, known, sighting)
    _record(growing, sighting)
    if sighting.left and moves:
        _divide(growing, known.key, rule, opening)
    return True


def _with(known: Presence, sighting: Sighting) -> Presence:
    """What is known of a thing with the news of it."""
    gone = max(known.gone_at or sighting.at, sighting.at) if sighting.left else known.gone_at
    return replace(known, observed=max(known.observed, sighting.at), gone_at=gone)


def _is_news(known: Presence, sighting: Sighting) -> bool:
    if sighting.left:
        return known.gone_at is None or known.gone_at < sighting.at
    return known.observed < sighting.at


def _update(connection: Connection, known: Presence, sighting: Sighting) -> None:
    now = _with(known, sighting)
    values = {"observed": now.observed, "gone_at": now.gone_at}
    connection.execute(findings.update().where(findings.c.key == known.key).values(values))


def _record(growing: Growing, sighting: Sighting) -> None:
    if not sighting.left:
        growing.facts = growing.facts.seen(sighting.at)
        growing.case.set(**growing.facts.columns())
        return
    growing.facts = growing.facts.gone(sighting.at)
    data = {"key": sighting.key, "at": time_text(sighting.at)}
    growing.record(Event.GONE, data, note=sighting.note)


def _divide(growing: Growing, key: str, rule: Recurrence, opening: Opening) -> None:
    """Divide a case that no person has acted on, if a departure shows that it is of two things."""
    case, connection = growing.case, growing.case.connection
    rows = findings_of(connection, case.row.id)
    presences = {row.key: Presence.in_row(row) for row in rows}
    left = presences[key]
    stayed = replace(left, gone_at=None)
    if all(
        continues(left, other, rule) or not continues(stayed, other, rule)
        for other in presences.values()
    ):
        return
    if case.state is not State.REPORTED or acted_on(connection, [case.row.id]):
        return
    for each in problems(list(presences.values()), rule, SITE_GAP_M)[1:]:
        part(case, [known.key for known in each], ENGINE, _DEPARTED, opening)


def check_time(row: Row[Any], at: datetime) -> None:
    """Refuse a departure before the finding began.

    Raises:
        QueueError: The thing cannot have left then.
    """
    if at < row.began:
        raise QueueError(
            f"finding {row.key} cannot have left at {at.isoformat()}: it began later, at "
            f"{row.began.isoformat()}"
        )
