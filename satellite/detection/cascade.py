"""The cascade: a cheap screen selects the places that a detector judges."""

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
    """A detector that can judge selected parts of a window."""

    def judge(self, views: Views, wanted: Mask) -> Change:
        """Judges the selected parts of a window.

        Args:
            views: The window at two dates.
            wanted: bool ``(h, w)``: the pixels to judge.

        Returns:
            The change; both probabilities are 0 outside of ``wanted``.
        """
        ...


@dataclass(slots=True)
class ScreenedShare:
    """How much of the ground the screen passes on to the detector.

    Attributes:
        seen_px: Pixels that were screened.
        wanted_px: Pixels that were passed on.
    """

    seen_px: int = 0
    wanted_px: int = 0

    @property
    def wanted(self) -> float:
        """Share of the pixels that were passed on, 0 to 1."""
        return self.wanted_px / self.seen_px if self.seen_px else 0.0


@dataclass(frozen=True, slots=True)
class CascadeDetector:
    """Judges only what a screen passes on; both probabilities are 0 elsewhere.

    Attributes:
        screen: Selects the places to judge.
        detector: Judges them. A detector without ``judge`` is given boxes around the selected
            parts, with its margin.
        share: Share of the ground that was passed on, over all calls.
    """

    screen: Screen
    detector: Detector
    share: ScreenedShare = field(default_factory=ScreenedShare)

    @property
    def name(self) -> str:
        """The name by which users choose the detector."""
        return "cascade"

    @property
    def margin_px(self) -> int:
        """The margin of the detector behind the screen."""
        return self.detector.margin_px

    def __call__(self, views: Views) -> Change:
        """Judges a window; both probabilities are 0 where the screen or the quality excludes it."""
        wanted = views.in_core(self.screen(views))
        self.share.seen_px += views.quality[views.core].size
        self.share.wanted_px += cv2.countNonZero(wanted.view(np.uint8))
        if not wanted.any():
            return _no_change(wanted.shape)
        if isinstance(self.detector, SelectiveDetector):
            return self.detector.judge(views, wanted)
        change = _in_boxes(self.detector, views, wanted)
        # Masked also inside a box that extends over a neighbour: the result at a place must not
        # depend on how the scene is divided.
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
    """Boxes around the selected parts of a window.

    Args:
        wanted: bool ``(h, w)``: the selected pixels.
        margin_px: Margin of a box around its part, within the window.

    Yields:
        Rows and columns of boxes that cover all parts with their margins and do not overlap.
    """
    height, width = wanted.shape
    covered: Picture = wanted.view(np.uint8)
    margin, count = margin_px, -1
    while True:
        _, _, found, _ = cv2.connectedComponentsWithStats(covered, connectivity=8)
        parts = found[1:, :4]  # label 0 is the background
        if len(parts) == count and margin == 0:
            break
        count = len(parts)
        covered = np.zeros((height, width), np.uint8)
        for x, y, w, h in parts:
            covered[max(0, y - margin) : y + h + margin, max(0, x - margin) : x + w + margin] = 1
        margin = 0  # added once; boxes that then touch are merged
    for x, y, w, h in parts:
        yield slice(int(y), int(y + h)), slice(int(x), int(x + w))
