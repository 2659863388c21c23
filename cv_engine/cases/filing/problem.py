"""The same problem: whether two findings are of one thing, and which of several are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy.engine import Row

from cv_engine.cases.filing.overlap import SENSOR_BASIS, same_ground, same_place
from cv_engine.cases.filing.site import is_site, same_footprint, same_site
from cv_engine.cases.rows import place_of
from cv_engine.cases.taxonomy import Recurrence
from cv_engine.finding import Finding, Place

_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class Presence:
    """A thing at a place for a time: what a finding says, without its evidence.

    Attributes:
        key: The finding's key.
        kind: The violation's name.
        source: Camera, satellite area or sensor.
        zone: Name of the zone.
        place: The place.
        since: From when the thing may have been there unwatched (UTC); at most ``began``.
        began: When the thing was first seen (UTC).
        observed: When the thing was last seen (UTC).
        gone_at: When the thing was last seen before it left (UTC); ``None`` while it may be there.
    """

    key: str
    kind: str
    source: str
    zone: str
    place: Place
    since: datetime
    began: datetime
    observed: datetime
    gone_at: datetime | None = None

    @classmethod
    def of(cls, finding: Finding, missed: timedelta) -> Self:
        """What a finding says.

        Args:
            finding: The finding.
            missed: Time without samples before the finding's start.
        """
        return cls(
            *(finding.key, finding.kind, finding.source, finding.zone, finding.place),
            *(finding.began - missed, finding.began, finding.observed),
        )

    @classmethod
    def in_row(cls, row: Row[Any]) -> Self:
        """What a row of table ``findings`` says."""
        return cls(
            *(row.key, row.kind, row.source, row.zone, place_of(row)),
            *(row.since, row.began, row.observed, row.gone_at),
        )

    @property
    def has_left(self) -> bool:
        """Whether the thing left after it was last seen."""
        return self.gone_at is not None and self.gone_at >= self.observed


def same_problem(one: Presence, other: Presence, rule: Recurrence, gap_m: float) -> float:
    """Score how likely two findings of one kind are of the same thing.

    Building sites of one area are the same by their place alone, except that the footprints in one
    image are different buildings. All other things must have been
    there at one moment, or with a gap in which the thing may have stayed (see :func:`continues`).
    The places that one camera saw in one zone are compared in its picture, those of different
    cameras on the ground.

    Args:
        one: A finding.
        other: Another finding of the same kind.
        rule: The rule of the kind.
        gap_m: Largest distance of two parts of one building site, in metres.

    Returns:
        0.0 for different things, otherwise a value above 0 and up to 1, larger for closer places.
    """
    if is_site(one.place) or is_site(other.place) or continues(one, other, rule):
        return at_one_place(one, other, gap_m)
    return 0.0


def at_one_place(one: Presence, other: Presence, gap_m: float) -> float:
    """Score how likely two findings are of the same place, at whatever time.

    Returns:
        As :func:`same_problem`.
    """
    if is_site(one.place) or is_site(other.place):
        sites = is_site(one.place) and is_site(other.place) and one.source == other.source
        return _of_site(one, other, gap_m) if sites else 0.0
    if one.source != other.source:
        # Every sensor is on a thing of its own: two covers side by side are two.
        sensors = one.place.basis == other.place.basis == SENSOR_BASIS
        return 0.0 if sensors else same_ground(one.place, other.place)
    return same_place(one.place, other.place) if one.zone == other.zone else 0.0


def _of_site(one: Presence, other: Presence, gap_m: float) -> float:
    first, second = one.place.geometry or {}, other.place.geometry or {}
    if one.began == other.began:  # in one image
        return same_footprint(first, second)
    return same_site(first, second, gap_m)


def continues(one: Presence, other: Presence, rule: Recurrence) -> bool:
    """Whether one stay may cover two findings.

    Both were there at one moment, or the later one began after a gap that is not longer than the
    time without samples before it, or than the kind's ``join_within``. A thing that is known to
    have left has not stayed over a time without samples; within ``join_within`` it may be back,
    unless it is of a kind that does not return.

    Args:
        one: A finding.
        other: Another finding.
        rule: The rule of the kind.
    """
    first, second = sorted((one, other), key=_in_time)
    gap = second.began - first.observed
    if gap <= _NO_TIME:
        return True
    if gap <= (rule.join_within or _NO_TIME):
        return rule.may_return or not first.has_left
    return gap <= second.began - second.since and not first.has_left


def problems(presences: Sequence[Presence], rule: Recurrence, gap_m: float) -> list[list[Presence]]:
    """Divide findings of one kind into problems: what is linked, directly or through others.

    Returns:
        The problems in the order of their first findings, each in the order of time. The division
        does not depend on the order of ``presences``.
    """
    left = sorted(presences, key=_in_time)
    found = []
    while left:
        problem = [left.pop(0)]
        for known in problem:  # which grows meanwhile
            linked = [each for each in left if same_problem(known, each, rule, gap_m) > 0.0]
            problem += linked
            left = [each for each in left if each not in linked]
        found.append(sorted(problem, key=_in_time))
    return found


def _in_time(presence: Presence) -> tuple[datetime, str]:
    return presence.began, presence.key
