"""The cascade: a cheap screen first, then a detector on the little that is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from satellite.detection.screen import Screen
from satellite.imagery.views import Change, Detector, Mask, Picture, Views


@runtime_checkable
class SelectiveDetector(Detector, Protocol):
    """A detector that can leave out parts of a window by itself."""

    def judge(self, views: Views, wanted: Mask) -> Change:
        """Judges a window where it is asked to.

        Args:
            views: Two dates of it.
            wanted: ``(h, w)``: where an answer is needed.

        Returns:
            The change; both probabilities are 0 where nothing is wanted.
        """
        ...


@dataclass(slots=True)
class ScreenedShare:
    """How much of the ground went on to the detector.

    Attributes:
        seen_px: Pixels that the screen was given.
        wanted_px: Those of them that it did not discard.
    """

    seen_px: int = 0
    wanted_px: int = 0

    @property
    def wanted(self) -> float:
        """Share of the pixels that were not discarded, 0 to 1."""
        return self.wanted_px / self.seen_px if self.seen_px else 0.0


@dataclass(frozen=True, slots=True)
class CascadeDetector:
    """Judges only what a screen leaves; both probabilities are 0 where it discards.

    Attributes:
        screen: Says where to look.
        detector: Looks there. One that has no ``judge`` is given boxes around the wanted parts,
            its margin included.
        share: Counts what went on, over all calls.
    """

    screen: Screen
    detector: Detector
    share: ScreenedShare = field(default_factory=ScreenedShare)

    @property
    def name(self) -> str:
        """As users choose it."""
        return "cascade"

    @property
    def margin_px(self) -> int:
        """The margin of the detector behind the screen."""
        return self.detector.margin_px

    def __call__(self, views: Views) -> Change:
        """Judges a window; where it cannot be compared or did not change, both are 0."""
        wanted = views.in_core(self.screen(views))
        self.share.seen_px += views.quality[views.core].size
        self.share.wanted_px += cv2.countNonZero(wanted.view(np.uint8))
        if not wanted.any():
            return _no_change(wanted.shape)
        if isinstance(self.detector, SelectiveDetector):
            return self.detector.judge(views, wanted)
        change = _in_boxes(self.detector, views, wanted)
        # Also inside a box that was judged for its neighbour's sake: the answer for a place must
        # not depend on how the scene is cut.
        return Change(change.appeared * wanted, change.gone * wanted)


def _no_change(shape: tuple[int, ...]) -> Change:
    return Change(np.zeros(shape, np.float32), np.zeros(shape, np.float32))


def _in_boxes(detector: Detector, views: Views, wanted: Mask) -> Change:
    change = _no_change(wanted.shape)
    for rows, cols in boxes_around(wanted, detector.margin_px):
        part = Views(
            np.ascontiguousarray(views.before[rows, cols]),
            np.ascontiguousarray(views.after[rows, cols]),
            np.ascontiguousarray(views.quality[rows, cols]),
            views.resolution_m,
        )
        judged = detector(part)
        change.appeared[rows, cols] = judged.appeared
        change.gone[rows, cols] = judged.gone
    return change


def boxes_around(wanted: Mask, margin_px: int) -> Iterator[tuple[slice, slice]]:
    """Boxes around the wanted parts of a window.

    Args:
        wanted: ``(h, w)``.
        margin_px: What a box has around its part, as far as the window reaches.

    Yields:
        Rows and columns of boxes that cover all parts with their margins and do not overlap.
    """
    height, width = wanted.shape
    covered: Picture = wanted.view(np.uint8)
    margin, count = margin_px, -1
    while True:
        _, _, found, _ = cv2.connectedComponentsWithStats(covered, connectivity=8)
        parts = found[1:, :4]  # the first is what is not covered
        if len(parts) == count and margin == 0:
            break
        count = len(parts)
        covered = np.zeros((height, width), np.uint8)
        for x, y, w, h in parts:
            covered[max(0, y - margin) : y + h + margin, max(0, x - margin) : x + w + margin] = 1
        margin = 0  # once; boxes that then touch become one
    for x, y, w, h in parts:
        yield slice(int(y), int(y + h)), slice(int(x), int(x + w))
