"""An unexplained thing at rest, and whether it is still visible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from cv_engine.scene.background import Background, Mask, Region
from cv_engine.tracking.still import Still

# How often the detector is asked about a new thing, sample by sample, before that becomes seldom.
_ASKED_ENOUGH = 3
# Samples in a row in which the verifier judges a thing, before that becomes seldom.
_JUDGED_ENOUGH = 6
# Share of the smaller of two boxes that must be common for them to be one thing's.
_SAME_PLACE = 0.5
# Part of a thing's pixels from which it is there: after a replacement none would look as before.
_THERE = 0.3
# Part of a region that must have stood there for the region to be the thing.
_MOST = 0.5
# Part of a thing's visible pixels that may lie beside a region for the region to be all of it.
_PIECE = 0.2
# Distance from a person, in heights of that person, within which a thing is attended.
_ATTENDED_HEIGHTS = 0.75


@dataclass(slots=True)
class Settled:
    """An unexplained thing at rest.

    Attributes:
        id: Number, unique within the keeper.
        box: ``(x1, y1, x2, y2)`` in pixels of the frame, as last seen whole.
        extent: The largest box that the thing had: in other light, parts of it may be lost.
        pixels: Pixels of the small picture in which the thing was seen then.
        began: When the thing came to rest, seconds.
        seen: When the thing was last seen.
        attended: When a person was last near the thing; ``None`` if there never was one.
        samples: Samples since the thing was found in which it would have been visible.
        hits: Samples in which the thing was visible.
        whole: Whether no part of the thing is hidden by a person or vehicle.
        asked: Samples in which the detector was asked and did not explain the thing.
        asked_s: When the detector was asked last, seconds.
        unwatched_s: Time without samples since ``seen``; above 0 the thing has not been recognised
            since.
        track: Number of the track by which the detector names the thing; ``None`` if it does not.
        logit: Mean of the verifier's logits.
        judged: Samples in which the verifier judged the thing.
        judged_s: When it did so last, seconds.
    """

    id: int
    box: NDArray[np.float32]
    pixels: Region
    began: float
    seen: float
    attended: float | None = None
    samples: int = 0
    hits: int = 0
    whole: bool = True
    asked: int = 0
    asked_s: float = 0.0
    unwatched_s: float = 0.0
    extent: NDArray[np.float32] = field(default_factory=lambda: np.zeros(4, np.float32))
    track: int | None = None
    logit: float = 0.0
    judged: int = 0
    judged_s: float = 0.0

    @property
    def share(self) -> float:
        """Share of the samples since it was found in which the thing was seen."""
        return self.hits / max(1, self.samples)

    @property
    def is_well_known(self) -> bool:
        """Whether the detector was asked often enough."""
        return self.asked >= _ASKED_ENOUGH

    def is_at(self, box: NDArray[np.float32]) -> bool:
        """Whether most of the thing lies in a box, or most of the box where the thing was seen."""
        return any(_same_place(own.tolist(), box.tolist()) for own in (self.box, self.extent))

    def has_most_of(self, region: Region) -> bool:
        """Whether most of a region lies in the thing's pixels."""
        inside = region.common(self.pixels)
        return inside > _MOST * region.area

    def see(
        self,
        background: Background,
        region: Region,
        box: NDArray[np.float32],
        shown: Mask,
        whole: bool | None,
    ) -> None:
        """Updates the thing with a region at its place.

        Args:
            background: The model after the sample.
            region: The region.
            box: Box of the region in pixels of the frame.
            shown: Unexplained pixels, in the window of ``pixels``.
            whole: Whether no part is hidden, by the detector's result; ``None`` where the detector
                was not asked.
        """
        # Pixels seen while the thing was partly hidden may have been those of whoever brought it.
        earliest = self.began if self.whole else math.inf
        told = whole is not None or not self.asked
        asked_before_s = self.asked_s if self.asked else background.time_s
        if whole is not None:
            self.whole, self.asked, self.asked_s = whole, self.asked + 1, background.time_s
        # While a part is hidden, or may be, the thing keeps the box that it had before.
        if told and self.whole and not self._is_piece(background, region, shown):
            stood = _standing(background, region, asked_before_s)
            if stood.area > _MOST * region.area:
                self.box, self.pixels = box, stood
                if _area(box) > _area(self.extent):
                    self.extent = box
        self.seen, self.unwatched_s = background.time_s, 0.0
        self.began = min(earliest, region.since)

    @property
    def confidence(self) -> float:
        """Probability that a thing stands there, 0 to 1."""
        return 1.0 / (1.0 + math.exp(-self.logit))

    def is_judged(self, time_s: float, holds_s: float) -> bool:
        """Whether the verifier has judged the thing often enough for a while."""
        return self.judged >= _JUDGED_ENOUGH and time_s - self.judged_s < holds_s

    def judge(self, time_s: float, logit: float) -> float:
        """Takes the verifier's logit in one more sample; returns the mean."""
        self.logit = (self.logit * self.judged + logit) / (self.judged + 1)
        self.judged, self.judged_s = self.judged + 1, time_s
        return self.logit

    def name(self, track: Still) -> None:
        """Updates the thing with a track of what the detector names at its place.

        How often the thing was seen before counts no longer: the detector had not named it, or only
        pieces of it were found.
        """
        if track.id != self.track:
            self.hits, self.samples = track.hits, track.samples
        self.track, self.box, self.whole = track.id, track.box, True
        self.began = track.began
        self.seen, self.unwatched_s = max(self.seen, track.seen), track.unwatched_s
        self.asked = max(self.asked, track.hits)
        self.logit = max(self.logit, _logit(track.confidence))

    def recognise(self, background: Background, shown: Mask) -> None:
        """Recognises the thing by a good part of its pixels, where no region is at its place.

        In poor light a thing resembles the ground in places, which cuts its region in pieces.

        Args:
            background: The model after the sample.
            shown: Unexplained pixels, in the window of ``pixels``.
        """
        if np.count_nonzero(self._there(background, shown)) > _THERE * self.pixels.area:
            self.seen, self.unwatched_s = background.time_s, 0.0

    def is_bare(self, background: Background) -> bool:
        """Whether most of the thing's place shows the ground, where the thing would be seen."""
        shown = background.is_background[self.pixels.window] & self.pixels.mask
        return bool(np.count_nonzero(shown) > _MOST * self.pixels.area)

    def _there(self, background: Background, shown: Mask) -> Mask:
        """The pixels that still show the thing, shape of their window."""
        since = background.candidate_since[self.pixels.window]
        return np.asarray(shown & self.pixels.mask & (since <= self.seen), np.bool_)

    def _is_piece(self, background: Background, region: Region, shown: Mask) -> bool:
        """Whether a good part of the thing is still visible beside a region."""
        inside = np.zeros(background.candidate_since.shape, np.bool_)
        inside[region.window] = region.mask
        there = self._there(background, shown)
        beside = np.count_nonzero(there & ~inside[self.pixels.window])
        return bool(beside > _PIECE * np.count_nonzero(there))


def _area(box: NDArray[np.float32]) -> float:
    x1, y1, x2, y2 = box.tolist()
    return float((x2 - x1) * (y2 - y1))


def _same_place(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two boxes have most of the smaller one in common."""
    # In plain numbers: of four values, arrays take ten times as long.
    (x1, y1, x2, y2), (u1, v1, u2, v2) = one, other
    width, height = min(x2, u2) - max(x1, u1), min(y2, v2) - max(y1, v1)
    if width <= 0 or height <= 0:
        return False
    return width * height >= _SAME_PLACE * min((x2 - x1) * (y2 - y1), (u2 - u1) * (v2 - v1))


def _logit(probability: float) -> float:
    return math.log(max(probability, 1e-6) / max(1.0 - probability, 1e-6))


def _standing(background: Background, region: Region, since_s: float) -> Region:
    """The part of a region that has stood there since a time: passers-by are no part of a thing."""
    since = background.candidate_since[region.window]
    mask = region.mask & background.is_candidate[region.window] & (since <= since_s)
    return replace(region, mask=mask, area=int(np.count_nonzero(mask)))


def people_in(detections: sv.Detections) -> NDArray[np.float32]:
    """The boxes of persons, shape (n, 4)."""
    names = detections.data.get("class_name")
    if names is None or not len(detections):
        return np.zeros((0, 4), np.float32)
    return np.asarray(detections.xyxy[np.asarray(names) == "person"], np.float32)


def is_attended(box: NDArray[np.float32], detections: sv.Detections) -> bool:
    """Whether a person is near a box, both in pixels of the frame."""
    people = people_in(detections)
    reach = _ATTENDED_HEIGHTS * (people[:, 3] - people[:, 1])
    gap_x = np.maximum(people[:, 0] - box[2], box[0] - people[:, 2])
    gap_y = np.maximum(people[:, 1] - box[3], box[1] - people[:, 3])
    return bool(np.any(np.maximum(np.maximum(gap_x, gap_y), 0) <= reach))
