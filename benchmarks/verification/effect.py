"""Effects: what a composed picture shows besides the empty view, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Share of an effect from which a pixel counts as the effect's.
_COUNTS = 0.15


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that is added to a picture.

    Attributes:
        kind: What it is: ``"thing"``, or the kind of what is none.
        mask: The pixels that it changes, shape of the picture.
        paint: Returns a picture (h, w), grey levels, with the effect.
    """

    kind: str
    mask: Mask
    paint: Callable[[Floats], Floats]


def covered(alpha: Floats) -> Mask:
    """The pixels that an effect of these shares (h, w), 0 to 1, changes."""
    return np.asarray(alpha > _COUNTS, np.bool_)


def blurred(values: Floats, sigma: float) -> Floats:
    """Values (h, w) blurred by a Gaussian; as they are below a tenth of a pixel."""
    if sigma < 0.1:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)


def smooth_noise(shape: tuple[int, int], scale_px: float, rng: np.random.Generator) -> Floats:
    """Noise (h, w) whose blobs are about so many pixels wide; mean 0, deviation 1."""
    rows, columns = (max(2, round(side / scale_px) + 2) for side in shape)
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    fine = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray((fine - fine.mean()) / max(float(fine.std()), 1e-3), np.float32)


def between(low: float, high: float, rng: np.random.Generator) -> float:
    """A number whose logarithm is uniform, so that small ones are as frequent as large ones."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
