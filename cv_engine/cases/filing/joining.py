"""Joining: how a finding enters the open case of its problem, and how cases it links become one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.tables import findings, history
from cv_engine.cases.errors import StaleError
from cv_engine.cases.filing.facts import Facts, grown
from cv_engine.cases.filing.overlap import SENSOR_BASIS
from cv_engine.cases.filing.search import Match
from cv_engine.cases.filing.site import is_site
from cv_engine.cases.lifecycle import ENGINE, Action, Actor, Role, State
from cv_engine.cases.moves import Move, take_step
from cv_engine.cases.rows import findings_of, lock_cases, place_of
from cv_engine.cases.stages import Limits


@dataclass(slots=True)
class Growing:
    """A case that takes findings in.

    Attributes:
        case: The case, locked.
        facts: The case's facts with all that it has taken in.
        also: Numbers of other cases of the same problem, on which people have acted as well.
    """

    case: LockedCase
    facts: Facts
    also: tuple[int, ...] = ()

    def record(
        self,
        event: Event,
        data: Mapping[str, Any],
        by: Actor = ENGINE,
        note: str = "",
    ) -> None:
        """Record what was taken in, with the facts and the ground as they are by now."""
        self.case.record(event, by, note, data=data, **self.facts.columns(), **self._grown())

    def _grown(self) -> dict[str, Any]:
        """The columns that all findings give: of a building site, and of a sensor's case."""
        row = self.case.row
        if row.basis != SENSOR_BASIS and not is_site(place_of(row)):
            return {}
        return grown(findings_of(self.case.connection, row.id), row.attributes)

    def absorb(self, other: LockedCase, limits: Limits, by: Actor = ENGINE, note: str = "") -> None:
        """Take all findings of another case in; that one ends as merged into this one."""
        number = other.row.id
        moved = findings.update().where(findings.c.case_id == number)
        keys = [each.key for each in findings_of(self.case.connection, number)]
        self.case.connection.execute(moved.values(case_id=self.case.row.id))
        move = Move(action=Action.MERGE, by=by, note=note, into=self.case.row.id)
        take_step(other, move, limits)
        self.facts += Facts.of(other.row)
        self.record(Event.MERGED, {"case": number, "keys": keys}, by, note)


def gather(
    connection: Connection,
    matches: Sequence[Match],
    limits: Limits,
    at: datetime,
) -> Growing:
    """Make the open cases of one problem one case, as far as no person has acted on them.

    Of several, the oldest continues. A case on which somebody has acted keeps its number before
    others. Two cases on which people have acted stay two, since a program does not undo what they
    decided: of these the closest continues.

    Args:
        connection: Connection to the store, in a transaction that has locked the place.
        matches: Findings of the problem in open cases; at least one.
        limits: The limits of the stages.
        at: The time of the change (timezone-aware).

    Raises:
        StaleError: A case has changed since the matches were read.
    """
    locked = _lock(connection, matches, at)
    acted = _acted_on(connection, list(locked.values())) if len(locked) > 1 else set()
    first = _closest(match for match in matches if match.case_id in acted) or min(locked)
    growing = Growing(locked[first], Facts.of(locked[first].row), tuple(sorted(acted - {first})))
    for number in sorted(locked.keys() - acted - {first}):
        growing.absorb(locked[number], limits)
    return growing


def _closest(matches: Iterable[Match]) -> int | None:
    """Number of the case with the closest finding, the oldest of several; ``None`` without any."""
    best = min(matches, key=lambda match: (-match.score, match.case_id), default=None)
    return None if best is None else best.case_id


def itself(case_id: int, state: State, version: int) -> Match:
    """The match of a finding with its own case, which is closer than any other."""
    return Match(case_id, state, version, None, True, math.inf)


def _lock(connection: Connection, matches: Sequence[Match], at: datetime) -> dict[int, LockedCase]:
    """Lock the cases of some findings, in the order of their numbers."""
    versions = {match.case_id: match.version for match in matches}
    rows = lock_cases(connection, sorted(versions))
    if any(row.version != versions[row.id] for row in rows):
        raise StaleError
    return {row.id: LockedCase(connection, row, at) for row in rows}


def _acted_on(connection: Connection, locked: Sequence[LockedCase]) -> set[int]:
    """Numbers of the cases on which somebody has acted."""
    moved = {case.row.id for case in locked if case.state is not State.REPORTED}
    others = [case.row.id for case in locked if case.row.id not in moved]
    return moved | acted_on(connection, others)


def acted_on(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Of some reported cases, the numbers of those whose history has an entry by a person."""
    if not numbers:
        return set()
    people = [role.value for role in Role if role is not Role.ENGINE]
    statement = sa.select(history.c.case_id).where(
        history.c.case_id.in_(numbers), history.c.role.in_(people)
    )
    return set(connection.execute(statement).scalars())
