"""The stays of things in zones: one dwell per thing and zone, and the violations they become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from cv_engine.finding import LIMIT
from cv_engine.rules.dwell import Dwell, Event, Limits, Phase
from zones.size import MinSize
from zones.zone import Zone

if TYPE_CHECKING:
    from cv_engine.scene.pose import Pose

Box = NDArray[np.float32]

_MINUTE = timedelta(minutes=1)
# A stay is sampled closely in its last seconds before the limit.
_CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Violation:
    """A thing that has stayed too long where it must not be, or that has left again.

    Attributes:
        kind: The violation's name.
        zone: The zone's name.
        thing: Number of the thing, unique within rule and camera.
        box: ``(x1, y1, x2, y2)`` in pixels of the frame.
        began: Start of the stay, seconds of media time.
        observed: When the thing was last seen.
        confidence: 0 to 1.
        attributes: What the rule adds for the officer.
    """

    kind: str
    zone: str
    thing: int
    box: tuple[float, float, float, float]
    began: float
    observed: float
    confidence: float
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def shown(self, pose: Pose) -> Violation:
        """The same, with the box where a frame shows it."""
        x1, y1, x2, y2 = pose.boxes(np.array([self.box], np.float32))[0].tolist()
        return replace(self, box=(x1, y1, x2, y2))


@dataclass(frozen=True, slots=True)
class Stays:
    """The result of one sample: stays that reached their limit, and such stays that are over."""

    due: tuple[Violation, ...] = ()
    ended: tuple[Violation, ...] = ()

    def __add__(self, other: Stays) -> Stays:
        return Stays(self.due + other.due, self.ended + other.ended)

    def shown(self, pose: Pose) -> Stays:
        """The same, with the boxes where a frame shows them.

        Args:
            pose: Where the view lies in the frame.
        """
        if pose.is_identity:
            return self
        return Stays(*(tuple(each.shown(pose) for each in some) for some in (self.due, self.ended)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A thing that may be staying, in one sample.

    Attributes:
        thing: Number of the thing.
        box: ``(x1, y1, x2, y2)`` in pixels of the frame.
        began: Since when the thing has stood there, seconds.
        present: Whether the thing is visible now.
        confidence: 0 to 1.
        attributes: What is known of the thing.
        believed: Whether there is enough proof of the thing; a reported one needs no more.
    """

    thing: int
    box: Box
    began: float
    present: bool
    confidence: float
    attributes: Mapping[str, Any] = field(default_factory=dict)
    believed: bool = True


Stay = tuple[Dwell, Candidate]


@dataclass(slots=True)
class ZoneDwell:
    """The stays of one kind of thing in one zone.

    Attributes:
        kind: The violation.
        zone: The zone, on the image.
        limits: How long is too long.
        inside: Whether a box counts as being in a polygon.
        smallest: The smallest thing that counts.
        stays: By number of the thing, the stay and the last candidate: the whole state.
    """

    kind: str
    zone: Zone
    limits: Limits
    inside: Callable[[Box, BaseGeometry], bool]
    smallest: MinSize
    stays: dict[int, Stay] = field(default_factory=dict)

    def step(self, time_s: float, at: datetime, candidates: Iterable[Candidate]) -> Stays:
        """Processes one sample.

        Args:
            time_s: Media time, seconds.
            at: The same moment, UTC, for the zone's schedule.
            candidates: Everything of this kind before the camera.

        Returns:
            Stays that reached the limit, and stays that had reached it and are over.
        """
        due, ended = [], []
        known = dict(self.stays)
        active = self.zone.schedule.active(at)
        for candidate in candidates:
            before, _ = known.pop(candidate.thing, (Dwell(), candidate))
            present = active and candidate.present and self._counts(candidate)
            present &= candidate.believed or before.phase is Phase.DUE
            since = None
            if present and (before.phase is not Phase.DUE or before.unwatched_s > 0):
                since = self._watched_since(time_s, at, candidate.began)
            stay, event = before.step(self.limits, time_s, present, since)
            self.stays[candidate.thing] = (stay, candidate)
            if event is Event.DUE:
                due.append(self._violation(stay, candidate))
            elif event is Event.ENDED:
                ended.append(self._violation(before, candidate))
        for thing, (stay, candidate) in known.items():
            del self.stays[thing]
            if stay.phase is Phase.DUE:
                ended.append(self._violation(stay, candidate))
        return Stays(tuple(due), tuple(ended))

    def skip(self, gap_s: float) -> None:
        """Accounts for ``gap_s`` seconds without samples."""
        for thing, (stay, candidate) in self.stays.items():
            self.stays[thing] = (stay.skip(gap_s), candidate)

    def is_pressing(self, time_s: float) -> bool:
        """Whether a stay is about to reach its limit.

        Before that, more samples give nothing: the pixels show when the stay began, and any sample
        brings the detector's result.
        """
        return any(
            stay.phase is Phase.IN and time_s - stay.began > self.limits.dwell_s - _CLOSE_S
            for stay, _ in self.stays.values()
        )

    def _watched_since(self, time_s: float, at: datetime, began: float) -> float:
        """Since when a thing has stood while the schedule ran without a break, media seconds.

        A thing that stood there before the schedule began has not stayed too long yet. Once a stay
        is due its start is known; until then the search goes back little more than the limit.
        """
        opened = at.replace(second=0, microsecond=0)  # schedules begin and end on the minute
        opened_s = time_s - (at - opened).total_seconds()
        while opened_s > began and self.zone.schedule.active(opened - _MINUTE):
            opened -= _MINUTE
            opened_s -= _MINUTE.total_seconds()
        return max(began, opened_s)

    def _counts(self, candidate: Candidate) -> bool:
        box = candidate.box
        return self.smallest.counts(box) and self.inside(box, self.zone.polygon)

    def _violation(self, stay: Dwell, candidate: Candidate) -> Violation:
        x1, y1, x2, y2 = (float(value) for value in candidate.box)
        return Violation(
            kind=self.kind,
            zone=self.zone.name,
            thing=candidate.thing,
            box=(x1, y1, x2, y2),
            began=stay.began,
            observed=stay.seen,
            confidence=candidate.confidence,
            attributes={**candidate.attributes, LIMIT: self.limits.dwell_s},
        )
