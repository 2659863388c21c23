"""An unexplained thing at rest, and whether it is still to be seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from cv_engine.scene.background import Background, Mask, Region

# How often the detector is asked about a new thing, look by look, before that becomes seldom.
_ASKED_ENOUGH = 3
# Share of the smaller of two boxes that must be common for them to be one thing's.
_SAME_PLACE = 0.5
# Part of a thing's pixels from which it is there: none would look as they did, had another come.
_THERE = 0.3
# Part of a region that must have stood there for the region to be the thing.
_MOST = 0.5
# Part of what is to be seen of a thing that may lie beside a region for that to be all of it.
_PIECE = 0.2
# Distance from a person, in heights of that person, within which a thing is attended.
_ATTENDED_HEIGHTS = 0.75


@dataclass(slots=True)
class Settled:
    """An unexplained thing at rest.

    Attributes:
        id: Number, unique within its keeper.
        box: ``(x1, y1, x2, y2)`` in pixels of the frame, as last seen whole.
        pixels: Those of the small picture in which it was seen then.
        began: When it came to rest, seconds.
        seen: When it was last seen.
        attended: When a person was last near it; ``None`` if nobody ever was.
        looks: Looks since it was found.
        hits: Looks in which it was there to be seen.
        whole: Whether nobody stands before a part of it.
        asked: Looks in which the detector was asked and knew nothing of it.
        asked_s: When it was asked last, seconds.
        unwatched_s: Time since it was last seen in which nobody was looking; while it is more than
            0, the thing has not been recognised since.
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

    @property
    def share(self) -> float:
        """Share of the looks since it was found in which it was seen."""
        return self.hits / max(1, self.samples)

    @property
    def is_well_known(self) -> bool:
        """Whether the detector has had its say."""
        return self.asked >= _ASKED_ENOUGH

    def is_at(self, box: NDArray[np.float32]) -> bool:
        """Whether it has most of a box in common, or that of it."""
        # In plain numbers: of four values, arrays take ten times as long.
        x1, y1, x2, y2 = self.box.tolist()
        u1, v1, u2, v2 = box.tolist()
        width, height = min(x2, u2) - max(x1, u1), min(y2, v2) - max(y1, v1)
        if width <= 0 or height <= 0:
            return False
        smaller = min((x2 - x1) * (y2 - y1), (u2 - u1) * (v2 - v1))
        return bool(width * height >= _SAME_PLACE * smaller)

    def see(
        self,
        background: Background,
        region: Region,
        box: NDArray[np.float32],
        shown: Mask,
        whole: bool | None,
    ) -> None:
        """Takes in a region at its place.

        Args:
            background: The model after it took in the look.
            region: It.
            box: The region's box in pixels of the frame.
            shown: What nobody explains, in the window of ``pixels``.
            whole: Whether nobody stands before a part of it, by the detector's word; ``None`` where
                that was not asked.
        """
        # What was seen of it while it was partly hidden may have been its bringer's.
        earliest = self.began if self.whole else math.inf
        told = whole is not None or not self.asked
        asked_before_s = self.asked_s if self.asked else background.time_s
        if whole is not None:
            self.whole, self.asked, self.asked_s = whole, self.asked + 1, background.time_s
        # While a part of it is hidden, or may be, it has the box that it had before.
        if told and self.whole and not self._is_piece(background, region, shown):
            stood = _standing(background, region, asked_before_s)
            if stood.area > _MOST * region.area:
                self.box, self.pixels = box, stood
        self.seen, self.unwatched_s = background.time_s, 0.0
        self.began = min(earliest, region.since)

    def recognise(self, background: Background, shown: Mask) -> None:
        """Looks for it where no region is at its place: it is seen where a good part of it is.

        In poor light it may look like the ground in places, which cuts it in pieces.

        Args:
            background: The model after it took in the look.
            shown: What nobody explains, in the window of ``pixels``.
        """
        if np.count_nonzero(self._there(background, shown)) > _THERE * self.pixels.area:
            self.seen, self.unwatched_s = background.time_s, 0.0

    def _there(self, background: Background, shown: Mask) -> Mask:
        """The pixels that still show it, shape of their window."""
        since = background.candidate_since[self.pixels.window]
        return np.asarray(shown & self.pixels.mask & (since <= self.seen), np.bool_)

    def _is_piece(self, background: Background, region: Region, shown: Mask) -> bool:
        """Whether a good part of it is still to be seen beside a region."""
        inside = np.zeros(background.candidate_since.shape, np.bool_)
        inside[region.window] = region.mask
        there = self._there(background, shown)
        beside = np.count_nonzero(there & ~inside[self.pixels.window])
        return bool(beside > _PIECE * np.count_nonzero(there))


def _standing(background: Background, region: Region, since_s: float) -> Region:
    """What of a region has stood there since a time: who passes by a thing is no part of it."""
    since = background.candidate_since[region.window]
    mask = region.mask & background.is_candidate[region.window] & (since <= since_s)
    return replace(region, mask=mask, area=int(np.count_nonzero(mask)))


def is_attended(box: NDArray[np.float32], detections: sv.Detections) -> bool:
    """Whether a person is near a box, both in pixels of the frame."""
    names = detections.data.get("class_name")
    if names is None or not len(detections):
        return False
    people = detections.xyxy[np.asarray(names) == "person"]
    reach = _ATTENDED_HEIGHTS * (people[:, 3] - people[:, 1])
    gap_x = np.maximum(people[:, 0] - box[2], box[0] - people[:, 2])
    gap_y = np.maximum(people[:, 1] - box[3], box[1] - people[:, 3])
    return bool(np.any(np.maximum(np.maximum(gap_x, gap_y), 0) <= reach))
