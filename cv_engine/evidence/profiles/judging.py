"""Compares a package with profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cv_engine.evidence.profiles.checks import Outcome
from cv_engine.evidence.profiles.facts import Facts
from cv_engine.evidence.profiles.reading import Profile


@dataclass(frozen=True, slots=True)
class PointResult:
    """One point of a profile, and what a package comes to in it.

    Attributes:
        asked: The requirement.
        outcome: Whether the package meets it.
        found: What the package shows.
    """

    asked: str
    outcome: Outcome
    found: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A profile, and what a package comes to in it.

    Attributes:
        profile: The profile.
        points: The profile's points, in the order of the profile.
    """

    profile: Profile
    points: tuple[PointResult, ...]

    @property
    def outcome(self) -> Outcome:
        """Short where one point is, else not known where one is not, else met."""
        outcomes = {point.outcome for point in self.points}
        for each in (Outcome.SHORT, Outcome.UNKNOWN):
            if each in outcomes:
                return each
        return Outcome.MET

    @property
    def lacking(self) -> tuple[PointResult, ...]:
        """The points that are not met, or not known to be."""
        return tuple(point for point in self.points if point.outcome is not Outcome.MET)


def judge(facts: Facts, profiles: Sequence[Profile]) -> list[Judged]:
    """Compares what a package shows with the requirements, in the order of the profiles."""
    return [
        Judged(
            profile,
            tuple(PointResult(point.text, *point.judge(facts)) for point in profile.points),
        )
        for profile in profiles
    ]
