"""The kinds of points that a profile may have: each asks one thing of a package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from cv_engine.evidence.clock_error import GIVEN
from cv_engine.evidence.profiles.facts import Facts, Picture
from cv_engine.section import Count, PicturesPerSecond, Seconds, Section, Text, Unit

_Days = Annotated[float, Field(gt=0, le=36500), Unit("a number of days above 0", "14")]
_Hours = Annotated[float, Field(gt=0, le=1e6), Unit("a number of hours above 0", "48")]


_NO_REFERENCE = "against a machine whose time service is not known"


class Outcome(StrEnum):
    """What a point comes to."""

    MET = "met"
    SHORT = "falls short"
    UNKNOWN = "not known"


class Said(NamedTuple):
    """The outcome of a point.

    Attributes:
        outcome: Whether the package meets the point.
        found: What the package shows, in words.
    """

    outcome: Outcome
    found: str


def _said(*, is_met: bool, found: str) -> Said:
    return Said(Outcome.MET if is_met else Outcome.SHORT, found)


class Point(Section, ABC):
    """What every point has.

    Attributes:
        text: The requirement, in English.
        text_zh: The same in Chinese; may be empty.
    """

    text: Text
    text_zh: str = ""

    @abstractmethod
    def judge(self, facts: Facts) -> Said:
        """Compares a package with the point."""


class ClockPoint(Point):
    """The camera's clock is right within a time."""

    check: Literal["clock"]
    at_most_s: Seconds
    age_h: _Hours

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        clock = facts.clock
        if clock is None:
            return Said(Outcome.UNKNOWN, "the error of the camera's clock was not measured")
        latest = clock.latest
        found = f"at most {latest.largest_s:.2f} s ({latest.method})"
        if latest.largest_s > self.at_most_s:
            return Said(Outcome.SHORT, found)
        if latest.method == GIVEN:
            return Said(Outcome.MET, found)
        if latest.at is None or facts.observed - latest.at > timedelta(hours=self.age_h):
            return Said(Outcome.UNKNOWN, f"{found}, measured too long ago")
        if latest.reference_s is None:
            return Said(Outcome.UNKNOWN, f"{found}, {_NO_REFERENCE}")
        return Said(Outcome.MET, found)


class ClockHistoryPoint(Point):
    """The camera's clock was right within a time, for days, against a national standard."""

    check: Literal["clock_history"]
    at_most_s: Seconds
    days: _Days
    gap_h: _Hours

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        clock = facts.clock
        if clock is None:
            return Said(Outcome.UNKNOWN, "the error of the camera's clock was not measured")
        found = f"at most {clock.largest_s:.2f} s over {clock.days:.1f} days"
        if clock.largest_s > self.at_most_s:
            return Said(Outcome.SHORT, found)
        if clock.days < self.days:
            return Said(Outcome.SHORT, f"{found}: measured for too short a time")
        if clock.widest_gap_h > self.gap_h:
            gap = clock.widest_gap_h
            return Said(Outcome.SHORT, f"{found}, but not measured for {gap:.0f} hours in between")
        if clock.latest.reference_s is None:
            return Said(Outcome.UNKNOWN, f"{found}, {_NO_REFERENCE}")
        return Said(Outcome.MET, found)


class StillPicturesPoint(Point):
    """There are pictures of what stands still, some time apart."""

    check: Literal["still_pictures"]
    at_least: Count
    apart_s: Seconds

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        times = sorted(picture.time for picture in _overviews(facts))
        chosen = times[:1]
        for time in times[1:]:
            if time - chosen[-1] >= timedelta(seconds=self.apart_s):
                chosen.append(time)
        apart_s = (times[-1] - times[0]).total_seconds() if times else 0.0
        found = f"{len(times)} pictures, the first and the last {apart_s:.1f} s apart"
        return _said(is_met=len(chosen) >= self.at_least, found=found)


class PictureSizePoint(Point):
    """The pictures have a size in pixels."""

    check: Literal["picture_size"]
    width: Count
    height: Count

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        sizes = sorted({(picture.width, picture.height) for picture in _overviews(facts)})
        if not sizes:
            return Said(Outcome.SHORT, "no picture of the whole view")
        width, height = sizes[0]
        is_large = width >= self.width and height >= self.height
        return _said(is_met=is_large, found=f"{width} x {height} pixels")


class FrameRatePoint(Point):
    """The recording has a number of pictures per second."""

    check: Literal["frame_rate"]
    at_least: PicturesPerSecond

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        if not facts.clips:
            return Said(Outcome.SHORT, "no recording")
        rate = min(clip.rate for clip in facts.clips)
        return _said(is_met=rate >= self.at_least, found=f"{rate:.1f} pictures per second")


class FramesListedPoint(Point):
    """Every picture of the recording is timed, dated and numbered."""

    check: Literal["frames_listed"]

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        if not facts.clips:
            return Said(Outcome.SHORT, "no recording")
        is_listed = all(clip.is_listed for clip in facts.clips)
        found = "every picture is in a list with number, date and time"
        return _said(
            is_met=is_listed, found=found if is_listed else "no whole list of the pictures"
        )


class ViewsPoint(Point):
    """There are several views, and the plate."""

    check: Literal["views_and_plate"]
    at_least: Count

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        views = {p.view for p in facts.pictures if p.role != "plate"}
        close = any(picture.role == "plate" for picture in facts.pictures)
        plate = f"plate {facts.plate}" if facts.plate else "no plate was read"
        shown = "with its picture" if close else "without a picture of the plate"
        found = f"{len(views)} views ({', '.join(sorted(views))}), {plate}, {shown}"
        return _said(
            is_met=len(views) >= self.at_least and bool(facts.plate) and close, found=found
        )


class ObservationPoint(Point):
    """The recording observes without a gap for some time."""

    check: Literal["continuous_observation"]
    at_least_s: Seconds

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        longest_s = max((clip.longest_s for clip in facts.clips), default=0.0)
        found = f"{longest_s:.1f} s without a gap"
        return _said(is_met=longest_s >= self.at_least_s, found=found)


class SignsPoint(Point):
    """A picture shows signs and lines as they were on that day."""

    check: Literal["signs_and_lines"]

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        day = facts.began.astimezone(facts.timezone).date()
        signs = [p for p in facts.pictures if p.view == "signs"]
        of_day = [p for p in signs if p.time.astimezone(facts.timezone).date() == day]
        if of_day:
            return Said(Outcome.MET, f"{len(of_day)} pictures of {day.isoformat()}")
        found = "no picture of signs and lines" + (f" of {day.isoformat()}" if signs else "")
        return Said(Outcome.SHORT, found)


_NO_QUEUE = "the package alone does not tell"


class ReviewedPoint(Point):
    """A qualified person has reviewed the violation."""

    check: Literal["reviewed"]

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        if facts.case is None:
            return Said(Outcome.UNKNOWN, _NO_QUEUE)
        by = facts.case.reviewed_by
        return _said(is_met=by is not None, found=f"confirmed by {by}" if by else "not confirmed")


class NoticePoint(Point):
    """Notice is given within some days."""

    check: Literal["notice"]
    within_days: _Days

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        if facts.case is None:
            return Said(Outcome.UNKNOWN, _NO_QUEUE)
        if facts.case.notice_at is None:
            return Said(Outcome.SHORT, "no notice was given")
        days = (facts.case.notice_at - facts.began) / timedelta(days=1)
        return _said(is_met=days <= self.within_days, found=f"given after {days:.1f} days")


class WarningPoint(Point):
    """Before the first citation, the place only gave warnings for some days."""

    check: Literal["warning_period"]
    days: tuple[Count, ...]

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        if facts.warned is None:
            return Said(Outcome.UNKNOWN, "the dates of the zone's warning period are not known")
        first, last = facts.warned
        days = (last - first).days + 1
        day = facts.began.astimezone(facts.timezone).date()
        found = f"{days} days until {last.isoformat()}"
        return _said(is_met=days >= min(self.days) and day > last, found=found)


class DestructionPoint(Point):
    """The date on which the pictures are destroyed is set."""

    check: Literal["destruction_date"]

    def judge(self, facts: Facts) -> Said:
        """See `Point.judge`."""
        if facts.case is None or facts.case.destroyed is None:
            return Said(Outcome.UNKNOWN, _NO_QUEUE)
        destroyed = facts.case.destroyed
        return _said(is_met=bool(destroyed), found=destroyed or "no date is set")


AnyPoint = Annotated[
    ClockPoint
    | ClockHistoryPoint
    | StillPicturesPoint
    | PictureSizePoint
    | FrameRatePoint
    | FramesListedPoint
    | ViewsPoint
    | ObservationPoint
    | SignsPoint
    | ReviewedPoint
    | NoticePoint
    | WarningPoint
    | DestructionPoint,
    Field(discriminator="check"),
]


def _overviews(facts: Facts) -> Sequence[Picture]:
    return [picture for picture in facts.pictures if picture.view == "overview"]
