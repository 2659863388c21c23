"""One sample as the settled things are judged in it: the pixels, and the verifier's opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cv_engine.scene.background import Background, Region

#: Gives, for the empty view, the view now and regions, the logit of each region's probability that
#: a thing stands there now that did not before, shape (n,).
Verify = Callable[[NDArray[np.float32], NDArray[np.float32], Sequence[Region]], NDArray[np.float32]]


@dataclass(slots=True)
class Look:
    """A sample's pixels, and what the verifier says of regions in them, each asked once.

    Attributes:
        background: The model after the sample.
        verify: The verifier.
    """

    background: Background
    verify: Verify
    _logits: dict[tuple[tuple[int, int, int, int], int], float] = field(default_factory=dict)

    @property
    def time_s(self) -> float:
        """Time of the sample, seconds."""
        return self.background.time_s

    def logits(self, regions: Sequence[Region]) -> list[float]:
        """The logit of each region's probability of being a thing."""
        new = [region for region in regions if _key(region) not in self._logits]
        if new:
            values = self.verify(self.background.background, self.background.latest, new)
            keys = (_key(region) for region in new)
            self._logits.update(zip(keys, values.tolist(), strict=True))
        return [self._logits[_key(region)] for region in regions]

    def logit_before(self, ground: NDArray[np.float32], region: Region) -> float:
        """The logit of a region with an earlier ground as the empty view, shape (h, w)."""
        empty = self.background.background.copy()
        empty[region.window] = ground[region.window]
        (logit,) = self.verify(empty, self.background.latest, [region])
        return float(logit)


def _key(region: Region) -> tuple[tuple[int, int, int, int], int]:
    return region.box, region.area
