"""Where the background may be what stood or passed there in the first pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cv_engine.scene.background import Background, Mask, Region

# How long, seconds, what passed in the first picture may have been before the ground: the first two
# samples may lie close to each other.
_FIRST_S = 1.5
# Part of a region over provisional background from which the region is the ground itself.
_BEHIND_SHARE = 0.6


@dataclass(slots=True)
class Provisional:
    """The part of a view whose ground has not been seen yet.

    Somebody who stands or passes there in the first picture hides the ground. Until the ground is
    known, what has been seen for longest counts as the background, and as having been there all the
    time.

    Attributes:
        pixels: Where the ground is not known, shape of the small picture; ``None`` at first, when
            all of it is not.
        occupied: Where the detector named something in the first sample, and the background has not
            been seen without that since.
        people: Where the detector named people when it was asked last.
        asked_s: When that was, seconds.
    """

    pixels: Mask | None = None
    occupied: Mask | None = None
    people: Mask | None = None
    asked_s: float = -np.inf

    def learn(self, background: Background, passes_s: float) -> bool:
        """Replaces what was there for a moment by what has been there for longer.

        Args:
            background: The model after the sample.
            passes_s: Time within which what passes is gone, seconds.

        Returns:
            Whether anything was replaced.
        """
        unknown = self._unknown(background)
        if background.time_s > background.first_s + _FIRST_S:
            seen = background.is_background
            unknown &= ~seen if self.occupied is None else ~seen | self.occupied
        # Soon the ground is known nearly everywhere, and the few pixels left cost nothing.
        at = np.flatnonzero(unknown & background.is_candidate)
        if not at.size:
            return False
        lasted_s = background.bare_seen.ravel()[at] - background.background_since.ravel()[at]
        since = background.candidate_since.ravel()[at]
        stood_s = background.time_s - since
        longer = (stood_s > 0) & (stood_s > lasted_s + background.interval_s)
        longer &= lasted_s < passes_s
        if self.people is not None:  # people are no ground, however long they stand
            longer &= ~self.people.ravel()[at] | (since > self.asked_s)
        if not longer.any():
            return False
        take = np.zeros(unknown.shape, np.bool_)
        take.ravel()[at[longer]] = True
        background.take(take, background.first_s)
        if self.occupied is not None:
            self.occupied &= ~take
        return True

    def named(self, background: Background, boxes: Mask, people: Mask) -> None:
        """Updates what is occupied with what the detector names in a sample.

        Args:
            background: The model after the sample.
            boxes: Where anything is named.
            people: Where people are named.
        """
        self.people, self.asked_s = people, background.time_s
        if self.occupied is None:
            self.occupied = boxes
        self.occupied &= boxes | ~background.is_background

    def found(self, background: Background, region: Region) -> None:
        """Notes that the ground of a region is known."""
        self._unknown(background)[region.window] = False

    def holds(self, background: Background, region: Region) -> bool:
        """Whether a region is the ground behind what stood, or passed, at the very first."""
        inside = np.count_nonzero(self._unknown(background)[region.window] & region.mask)
        return bool(inside >= _BEHIND_SHARE * region.area)

    def _unknown(self, background: Background) -> Mask:
        if self.pixels is None:
            self.pixels = np.ones(background.is_background.shape, np.bool_)
        return self.pixels
