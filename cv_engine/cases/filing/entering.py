"""Entering: a finding becomes part of an open case, of a finished one, or of a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from sqlalchemy.engine import Connection

from cv_engine.cases.case import Event
from cv_engine.cases.changes import (
    CaseRows,
    NewCase,
    add_evidence,
    add_finding,
    open_cases,
    rows_of,
)
from cv_engine.cases.filing.cells import cell_of
from cv_engine.cases.filing.facts import EARLIER, Facts
from cv_engine.cases.filing.filed import Filed
from cv_engine.cases.filing.joining import Growing, gather
from cv_engine.cases.filing.opening import Opening
from cv_engine.cases.filing.search import Match, Search, find_closed, lock_and_find
from cv_engine.cases.lifecycle import ENGINE, OPEN_STATES, Action, State
from cv_engine.cases.moves import Move, take_step
from cv_engine.cases.rows import finding_data, time_text
from cv_engine.cases.stages import Limits

#: Columns of table ``cases`` that a finding keeps for itself.
_KEPT = (
    *("key", "kind", "source", "zone", "began", "observed", "confidence"),
    *("geometry", "accuracy_m", "basis", "box_x1", "box_y1", "box_x2", "box_y2"),
    *("attributes", "evidence"),
)
#: States of a case that was decided for the whole stay of its thing.
_DECIDED = frozenset({State.REJECTED, State.CITED, State.CLOSED})


@dataclass(frozen=True, slots=True)
class NewFinding:
    """A finding that is to be filed.

    Attributes:
        row: The finding as a row of table ``cases``, without the time of filing.
        search: What finds others of its thing.
        sha256: Digest (hex) of the manifest of its evidence, if known.
    """

    row: dict[str, Any]
    search: Search
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a finding goes: into a case, or into a new one.

    Attributes:
        growing: The case; ``None`` for a new one.
        outcome: What filing led to.
        earlier: Number of the earlier case of a new one, at the same place.
    """

    growing: Growing | None
    outcome: Literal["new", "joined", "reopened"]
    earlier: int | None = None


def file_finding(connection: Connection, new: NewFinding, opening: Opening, at: datetime) -> Filed:
    """File a finding, in a transaction of its own.

    Args:
        connection: Connection to the store.
        new: The finding.
        opening: The rules for new cases.
        at: The time of filing (timezone-aware).

    Raises:
        StaleError: Another transaction changed a case meanwhile: try again.
    """
    (found,) = lock_and_find(connection, [new.search])
    if found.itself is not None:
        add_evidence(connection, found.itself, new.row["evidence"], new.sha256, at)
        return Filed(found.itself.case_id, "known")
    entry = _entry(connection, new, found.matches, opening.limits, at)
    if entry.growing is None:
        (case_id,) = open_cases(connection, [_case_of(new, opening, at, entry.earlier)])
        return Filed(case_id, "new")
    growing = entry.growing
    add_finding(connection, {**_kept(new), "case_id": growing.case.row.id})
    growing.facts += _facts(new)
    also = {"also": list(growing.also)} if growing.also else {}
    growing.record(Event.JOINED, {**finding_data(new.row, new.sha256), **also})
    return Filed(growing.case.row.id, entry.outcome)


@dataclass(frozen=True, slots=True)
class Together:
    """Findings that are filed together, with all that can be made before others have to wait.

    Attributes:
        searches: What finds others of the things of those findings that cannot show one thing.
        cases: The case of each of these, if nothing else is found.
    """

    searches: tuple[Search, ...]
    cases: tuple[CaseRows, ...]

    @classmethod
    def of(cls, news: Sequence[NewFinding], opening: Opening, at: datetime) -> Self:
        """Prepare findings.

        Args:
            news: The findings.
            opening: The rules for new cases.
            at: The time of filing (timezone-aware).
        """
        apart = _apart(news)
        return cls(
            tuple(new.search for new in apart),
            tuple(_case_of(new, opening, at) for new in apart),
        )


def open_new(connection: Connection, together: Together) -> dict[str, Filed]:
    """Open the cases of those findings that belong to no case, in one transaction.

    Findings of things that another one of them may show, too, and findings of places at which a
    case is known, are left: each of them is for :func:`file_finding`.

    Args:
        connection: Connection to the store.
        together: The findings.

    Returns:
        What was filed, by the finding's key.
    """
    found = lock_and_find(connection, together.searches)
    alone = [
        (search, case)
        for search, case, each in zip(together.searches, together.cases, found, strict=True)
        if each.itself is None and not each.matches
    ]
    reopening = [search for search, _ in alone if search.rule.reopen_within is not None]
    closed = find_closed(connection, reopening)
    left = {search.presence.key for search, each in zip(reopening, closed, strict=True) if each}
    opened = [case for search, case in alone if search.presence.key not in left]
    numbers = open_cases(connection, opened)
    return {
        rows.case["key"]: Filed(number, "new") for rows, number in zip(opened, numbers, strict=True)
    }


def _apart(news: Sequence[NewFinding]) -> list[NewFinding]:
    """Those findings that cannot show the thing of one before them."""
    apart: list[NewFinding] = []
    taken: set[int] = set()
    for new in news:
        locks = new.search.locks
        if taken.isdisjoint(locks):
            apart.append(new)
        taken |= locks
    return apart


def _entry(
    connection: Connection,
    new: NewFinding,
    matches: tuple[Match, ...],
    limits: Limits,
    at: datetime,
) -> _Entry:
    presence, rule = new.search.presence, new.search.rule
    opened = [match for match in matches if match.state in OPEN_STATES]
    if opened:
        return _Entry(gather(connection, opened, limits, at), "joined")
    stays = [match for match in matches if match.same_stay]
    decided = [match for match in stays if _covers(match, presence.observed)]
    if decided:
        return _Entry(gather(connection, [max(decided, key=_latest)], limits, at), "joined")
    closed = None
    if rule.reopen_within is not None:
        (closed,) = find_closed(connection, [new.search])
    if closed is None or closed.ended_at is None:
        return _Entry(None, "new", max(stays, key=_latest).case_id if stays else None)
    if _covers(closed, presence.observed):
        return _Entry(gather(connection, [closed], limits, at), "joined")
    if presence.began > closed.ended_at + (rule.reopen_within or timedelta(0)):
        return _Entry(None, "new", closed.case_id)
    growing = gather(connection, [closed], limits, at)
    note = f"seen again by {presence.source} at {time_text(presence.observed)}"
    move = Move(action=Action.REOPEN, by=ENGINE, note=note, data={"key": presence.key})
    take_step(growing.case, move, limits)
    return _Entry(growing, "reopened")


def _covers(match: Match, observed: datetime) -> bool:
    """Whether a decision on a case holds for a stay of its thing that was last seen then."""
    if match.state is State.CLOSED and match.ended_at is not None:
        return observed <= match.ended_at
    return match.state in _DECIDED


def _latest(match: Match) -> tuple[datetime, int]:
    """The order of finished cases; a cited one has no end yet."""
    return match.ended_at or datetime.max.replace(tzinfo=UTC), match.case_id


def _case_of(
    new: NewFinding, opening: Opening, at: datetime, earlier: int | None = None
) -> CaseRows:
    """The rows of the case that a finding opens."""
    named = {} if earlier is None else {EARLIER: earlier}
    row = {**new.row, "attributes": {**new.row["attributes"], **named}}
    row |= opening.columns(row, at)
    data = {**finding_data(new.row, new.sha256), **named}
    return rows_of(NewCase(row, data, _kept(new)), at)


def _kept(new: NewFinding) -> dict[str, Any]:
    """The finding as a row of table ``findings``, without the number of its case."""
    return {
        **{name: new.row[name] for name in _KEPT},
        "gone_at": None,
        "since": new.search.presence.since,
        "cell": cell_of(new.search.presence.place),
        "evidence_sha256": new.sha256,
    }


def _facts(new: NewFinding) -> Facts:
    row = new.row
    return Facts(row["began"], row["observed"], None, row["confidence"], row["evidence"])
