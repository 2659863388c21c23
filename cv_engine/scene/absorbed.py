"""What the ground looked like before light, or something taken for light, became a part of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from cv_engine.scene.background import (
    Background,
    FloatImage,
    Mask,
    Region,
    Window,
    tolerance_of,
)


@dataclass(slots=True)
class Change:
    """One change of the background. All arrays have the shape of the region's mask.

    Attributes:
        region: What was absorbed.
        at_s: When, seconds.
        ground: What was there before, grey levels.
        since: Since when it had been there, seconds.
        left: Pixels that show what was absorbed, as far as known.
        shows: Pixels that showed the ground from before in the last sample.
    """

    region: Region
    at_s: float
    ground: FloatImage
    since: NDArray[np.float64]
    left: Mask
    shows: Mask


@dataclass(slots=True)
class Absorbed:
    """The latest changes of the background: each may have been a mistake.

    The first glimpse of a thing, with whoever puts it down before it, can look like anything. So
    what becomes background is remembered for a while: the earlier ground comes back where it shows
    again, and what was absorbed can be judged again, as a whole.

    Attributes:
        memory_s: How long a change is remembered, seconds.
        judged_s: When the changes were last judged, seconds.
    """

    memory_s: float
    judged_s: float = 0.0
    _changes: list[Change] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether no change is remembered."""
        return not self._changes

    def absorb(self, background: Background, region: Region) -> None:
        """Makes what stands in a region part of the background, and remembers what was there."""
        window = region.window
        left = region.mask & background.is_candidate[window]
        ground, since = self.earlier(background)
        self._forget(region.window, left)
        change = Change(
            region,
            background.time_s,
            ground[window].copy(),
            since[window].copy(),
            left,
            np.zeros_like(left),
        )
        self._changes.append(change)
        background.absorb(region)

    def clear(self) -> None:
        """Forgets all changes: the light or the view is another one."""
        self._changes = []

    def revert(self, background: Background) -> None:
        """Brings the earlier ground back where two samples in a row show it again."""
        oldest_s = background.time_s - self.memory_s
        self._changes = [each for each in self._changes if each.at_s > oldest_s and each.left.any()]
        for change in self._changes:
            window = change.region.window
            shows = change.left & ~background.is_background[window]
            shows &= background.resembles(change.ground, window)
            again = shows & change.shows
            change.shows = shows
            if again.any():
                background.reveal(window, again, change.ground, change.since)
                change.left &= ~again

    def earlier(self, background: Background) -> tuple[FloatImage, NDArray[np.float64]]:
        """The ground before the changes, and since when it had looked like that, shape (h, w)."""
        ground, since = background.background.copy(), background.background_since.copy()
        for change in self._changes:
            window = change.region.window
            ground[window][change.left] = change.ground[change.left]
            since[window][change.left] = change.since[change.left]
        return ground, since

    def doubtful(self, background: Background, ground: FloatImage, min_side: float) -> list[Region]:
        """The changes that show still, those beside each other as one.

        Args:
            background: The model of the view.
            ground: The ground before the changes, as of `earlier`.
            min_side: Smallest short side of a region's box, pixels of the small picture.
        """
        mask = np.zeros(ground.shape, np.bool_)
        for change in self._changes:
            mask[change.region.window] |= change.left
        mask &= background.is_background
        # As in front of the ground: the contrast of what was absorbed would hide parts of it.
        mask &= cv2.absdiff(background.background, ground) > tolerance_of(ground)
        return background.regions(mask, min_side, background.background_since)

    def restore(self, background: Background, region: Region) -> None:
        """Takes what was absorbed in a region out of the background again."""
        ground, since = self.earlier(background)
        window = region.window
        changed = np.zeros_like(region.mask)
        for change, mine, its in self._overlaps(window):
            changed[mine] |= change.left[its]
        mask = region.mask & changed & background.is_background[window]
        self._forget(window, mask)
        background.uncover(window, mask, ground[window], since[window])

    def _forget(self, window: Window, mask: Mask) -> None:
        """Forgets the changes of the pixels of a mask in a window."""
        for change, mine, its in self._overlaps(window):
            change.left[its] &= ~mask[mine]

    def _overlaps(self, window: Window) -> Iterator[tuple[Change, Window, Window]]:
        """The changes that overlap a window, with the common part in the window and in each."""
        for change in self._changes:
            theirs = change.region.window
            (top, bottom), (left, right) = (
                (max(a.start, b.start), min(a.stop, b.stop))
                for a, b in zip(window, theirs, strict=True)
            )
            if top < bottom and left < right:
                common = slice(top, bottom), slice(left, right)
                yield change, _within(window, common), _within(theirs, common)


def _within(window: Window, part: Window) -> Window:
    """A part of the picture, counted from the corner of a window."""
    rows, columns = (
        slice(inner.start - outer.start, inner.stop - outer.start)
        for outer, inner in zip(window, part, strict=True)
    )
    return rows, columns
