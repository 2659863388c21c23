"""Data augmentation: a sample rotated, shifted, in other light, with its dates swapped."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import cv2
import numpy as np

from satellite.imagery.views import Picture
from satellite.training.samples import Mask, Sample

Layer = TypeVar("Layer", Picture, Mask)

# Radiometric difference of one date against another: standard deviations of the logarithm of the
# gain (common, and per band), of the offset in grey levels, and of the logarithm of gamma; and the
# range of colour saturation. As far apart as LEVIR's dates are, and no further.
_GAIN, _BAND_GAIN, _OFFSET, _GAMMA = 0.12, 0.06, 8.0, 0.15
_SATURATION = (0.6, 1.2)


def cropped(sample: Sample, side_m: float, zoom: float, rng: np.random.Generator) -> Sample:
    """A random square crop of a sample.

    Args:
        sample: The sample.
        side_m: Side of the square on the ground, metres.
        zoom: Scale of the crop: at 1.2, 10 m on the ground appear as 12 m, so the crop has fewer
            pixels.
        rng: Source of the crop's place.

    Returns:
        The crop; beyond the sample it is mirrored and not known.
    """
    pixel_m = sample.pixel_m * zoom
    side = max(1, round(side_m / pixel_m))
    layers = [sample.before, sample.after, sample.appeared, sample.gone, sample.known]
    height, width = sample.known.shape
    below, right = max(0, side - height), max(0, side - width)
    if below or right:
        layers = [_mirrored(layer, below, right) for layer in layers]
        layers[-1][height:], layers[-1][:, width:] = 0, 0
    top, left = (
        rng.integers(0, height + below - side + 1),
        rng.integers(0, width + right - side + 1),
    )
    before, after, appeared, gone, known = (
        layer[top : top + side, left : left + side] for layer in layers
    )
    return Sample(sample.name, before, after, appeared, gone, known, pixel_m)


def _mirrored(layer: Layer, below: int, right: int) -> Layer:
    padding = ((0, below), (0, right), (0, 0))[: layer.ndim]
    return np.pad(layer, padding, "symmetric")


def turned(sample: Sample, rng: np.random.Generator) -> Sample:
    """A sample rotated by a random multiple of 90 degrees and mirrored at random."""
    quarters, mirror = int(rng.integers(4)), bool(rng.integers(2))

    def turn(layer: Layer) -> Layer:
        layer = np.rot90(layer, quarters)
        return np.ascontiguousarray(layer[:, ::-1] if mirror else layer)

    return replace(
        sample,
        before=turn(sample.before),
        after=turn(sample.after),
        appeared=turn(sample.appeared),
        gone=turn(sample.gone),
        known=turn(sample.known),
    )


def shifted(sample: Sample, limit_m: float, rng: np.random.Generator) -> Sample:
    """A sample with a random misregistration: the earlier date is shifted.

    Args:
        sample: The sample.
        limit_m: Largest shift along each axis, metres.
        rng: Source of the shift.

    Returns:
        The sample; the mask of demolished buildings is shifted with the earlier picture.
    """
    dx, dy = rng.uniform(-limit_m, limit_m, 2) / sample.pixel_m
    move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    size = sample.known.shape[::-1]
    before = cv2.warpAffine(sample.before, move, size, borderMode=cv2.BORDER_REFLECT_101)
    gone = cv2.warpAffine(sample.gone, move, size, flags=cv2.INTER_NEAREST)
    return replace(sample, before=np.asarray(before, np.uint8), gone=np.asarray(gone, np.uint8))


def relit(sample: Sample, rng: np.random.Generator) -> Sample:
    """A sample with random radiometry at each date."""
    return replace(
        sample, before=_in_other_light(sample.before, rng), after=_in_other_light(sample.after, rng)
    )


def _in_other_light(picture: Picture, rng: np.random.Generator) -> Picture:
    gain = np.exp(rng.normal(0, _GAIN) + rng.normal(0, _BAND_GAIN, 3))
    levels = np.linspace(0, 1, 256, dtype=np.float32) ** np.exp(rng.normal(0, _GAMMA))
    table = 255 * levels[:, None] * gain + rng.normal(0, _OFFSET)
    # By a table of 256 levels per band: much cheaper than computing every pixel.
    colours = cv2.LUT(picture, table.astype(np.float32)[None])
    saturation = rng.uniform(*_SATURATION)
    mixing = saturation * np.eye(3) + (1 - saturation) / 3
    mixed = cv2.transform(colours, mixing)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def swapped(sample: Sample) -> Sample:
    """A sample with its dates exchanged: buildings that appeared are gone, and the reverse."""
    return replace(
        sample,
        before=sample.after,
        after=sample.before,
        appeared=sample.gone,
        gone=sample.appeared,
    )


def unchanged(sample: Sample, rng: np.random.Generator) -> Sample:
    """One date of a sample twice: unchanged, and known everywhere."""
    picture = sample.after if rng.integers(2) else sample.before
    nothing = np.zeros_like(sample.appeared)
    return replace(
        sample,
        before=picture,
        after=picture,
        appeared=nothing,
        gone=nothing,
        known=np.ones_like(nothing),
    )
