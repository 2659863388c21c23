"""Matches the radiometry of the later image to the earlier one: a gain and a bias for each band.

Pixels that did not change between the dates lie on a straight line from one image to the other in
all bands at once; changed pixels lie anywhere. RANSAC finds the line with most support, and with it
the pseudo-invariant pixels, even where half of the land changed, where iterations from the plain
regression would fail. An orthogonal regression on them, reweighted by how well each pixel fits all
bands, gives the line (after the iteratively reweighted MAD of Nielsen 2007, IEEE Trans. Image
Processing 16, and Canty and Nielsen 2008, Remote Sensing of Environment 112).

Between seasons no line may fit. Then mean and standard deviation of each band are matched, which is
right as far as the two images show similar kinds of ground, and at least removes the difference of
two sensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.errors import SatelliteError
from satellite.imagery.views import Picture

Array = NDArray[np.float64]
Sample = tuple[Picture, Picture, NDArray[np.bool_]]

# Factor by which samples are reduced: averages out noise and shifts of half a pixel.
_COARSER = 4
# Grey levels beyond which an 8-bit pixel may be saturated and is not used.
_DARKEST, _BRIGHTEST = 2, 253
# Most pixels in the regression; more do not make the line more precise.
_MOST_PIXELS = 60_000
# Number of pixels by which RANSAC's lines are scored, and number of lines.
_JUDGES = 4_000
_TRIALS = 1_500
_AT_ONCE = 50
# Least distance of two pixels that define a line, grey levels in each band: closer ones fix no
# slope.
_APART = 20.0
# Distance from a line, in grey levels and in every band, within which a pixel agrees with it.
_AGREES = 6.0
# Lower bound of the residuals' standard deviation, grey levels: rounding and compression.
_LEAST_SIGMA = 1.5
_BIWEIGHT = 3.5
_REWEIGHTS = 12
_MAD_TO_SIGMA = 1.4826
# Accepted ranges of gain and bias: stronger differences mean another kind of image, not other
# light.
_GAINS = (0.4, 2.5)
_BIASES = (-100.0, 100.0)
# Least evidence: pixels, their share of all, standard deviation in grey levels, correlation per
# band.
_LEAST_PIXELS = 400
_LEAST_SHARE = 0.15
_LEAST_SPREAD = 5.0
_LEAST_CORRELATION = 0.85
# Quantiles to which values are clipped for mean and standard deviation: clouds and shadows lie
# beyond.
_BULK = (0.05, 0.95)


class Basis(StrEnum):
    """The evidence for gains."""

    UNCHANGED = "unchanged"  # pixels that did not change
    SPREAD = "spread"  # mean and standard deviation of all pixels, without enough unchanged ones
    NONE = "none"  # too little evidence: the image is left unchanged


@dataclass(frozen=True)
class Gains:
    """Gain and bias that match the later image to the earlier one.

    Attributes:
        gain: Factor of each band.
        bias: Offset of each band after the factor, grey levels.
        basis: The evidence for them.
        share: Share of the sampled pixels that are taken as unchanged.
    """

    gain: tuple[float, ...]
    bias: tuple[float, ...]
    basis: Basis = Basis.NONE
    share: float = 0.0

    @classmethod
    def none(cls, bands: int) -> Gains:
        """Gains that leave an image with so many bands unchanged."""
        return cls((1.0,) * bands, (0.0,) * bands)

    @property
    def changes(self) -> bool:
        """Whether the gains change any grey level."""
        return bool((self._table != np.arange(256, dtype=np.uint8)[None, :, None]).any())

    def apply(self, picture: Picture) -> Picture:
        """The picture ``(height, width, bands)`` in the radiometry of the earlier image."""
        return np.asarray(cv2.LUT(picture, self._table)) if self.changes else picture

    def to_dict(self) -> dict[str, Any]:
        """The gains as JSON types; the inverse of :meth:`from_dict`."""
        return {
            "gain": list(self.gain),
            "bias": list(self.bias),
            "basis": self.basis.value,
            "share": self.share,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Gains:
        """The gains that :meth:`to_dict` stored.

        Raises:
            SatelliteError: The stored values are not in the form of :meth:`to_dict`.
        """
        try:
            gain, bias = (tuple(map(float, stored[name])) for name in ("gain", "bias"))
            basis, share = Basis(stored["basis"]), float(stored["share"])
        except (KeyError, TypeError, ValueError) as error:
            raise SatelliteError(f"stored gains cannot be read: {error!r}") from error
        if len(gain) != len(bias) or not gain:
            raise SatelliteError("stored gains: the numbers of gains and biases differ")
        return cls(gain, bias, basis, share)

    @cached_property
    def _table(self) -> Picture:
        """uint8 (1, 256, bands): the new value of each grey level."""
        levels = np.arange(256.0)[:, None] * self.gain + self.bias
        return np.clip(np.rint(levels), 0, 255).astype(np.uint8)[None]


def estimate_gains(samples: Iterable[Sample], bands: int) -> Gains:
    """Estimates gains from aligned windows of two images.

    Args:
        samples: Pictures uint8 ``(height, width, bands)`` of both dates, the earlier first, and the
            mask ``(height, width)`` of comparable pixels. Samples are processed one by one.
        bands: Number of bands of the pictures.

    Returns:
        The gains; those of :meth:`Gains.none` where there is too little evidence.
    """
    parts = [_block_means(*sample) for sample in samples]
    before, after = (
        np.concatenate([np.empty((0, bands)), *(part[side] for part in parts)]) for side in (0, 1)
    )
    if len(before) < _LEAST_PIXELS:
        return Gains.none(bands)
    rng = np.random.default_rng(0)  # the same images give the same gains
    if len(before) > _MOST_PIXELS:
        chosen = np.sort(rng.choice(len(before), _MOST_PIXELS, replace=False))
        before, after = before[chosen], after[chosen]
    line = _consensus(before, after, rng)
    found = None if line is None else _refine(before, after, *line)
    return found or _match_moments(before, after)


def _block_means(before: Picture, after: Picture, usable: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Means of blocks, (n, bands) of both dates, where all pixels of a block are usable."""
    height, width = (length // _COARSER * _COARSER for length in usable.shape)
    if not height or not width:
        return np.empty((0, before.shape[2])), np.empty((0, after.shape[2]))
    unsaturated = usable[:height, :width].copy()
    for picture in (before, after):
        cut = picture[:height, :width]
        unsaturated &= (cut.min(axis=2) >= _DARKEST) & (cut.max(axis=2) <= _BRIGHTEST)
    size = (width // _COARSER, height // _COARSER)
    whole = cv2.resize(unsaturated.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.999
    means = [
        cv2.resize(picture[:height, :width].astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for picture in (before, after)
    ]
    first, second = (np.asarray(mean, np.float64)[whole] for mean in means)
    return first, second


def _consensus(before: Array, after: Array, rng: np.random.Generator) -> tuple[Array, Array] | None:
    """Gain and bias (bands,) of the line that most pixels agree with in every band."""
    pairs = rng.integers(0, len(before), (8 * _TRIALS, 2))
    rise, run = before[pairs[:, 0]] - before[pairs[:, 1]], after[pairs[:, 0]] - after[pairs[:, 1]]
    apart = (np.abs(rise) >= _APART).all(axis=1) & (np.abs(run) >= _APART).all(axis=1)
    gains = rise[apart] / run[apart]
    biases = before[pairs[apart, 0]] - gains * after[pairs[apart, 0]]
    sane = _sane(gains, biases).all(axis=1)
    gains, biases = gains[sane][:_TRIALS], biases[sane][:_TRIALS]
    judges = rng.choice(len(before), min(_JUDGES, len(before)), replace=False)
    votes = [
        _agreeing(before[judges], after[judges], gains[i : i + _AT_ONCE], biases[i : i + _AT_ONCE])
        for i in range(0, len(gains), _AT_ONCE)
    ]
    if not votes:
        return None
    best = int(np.concatenate(votes).argmax())
    return gains[best], biases[best]


def _agreeing(before: Array, after: Array, gains: Array, biases: Array) -> NDArray[np.int64]:
    """Number of pixels that agree with each line; gains and biases are (lines, bands)."""
    worst = np.zeros((len(gains), len(before)))
    for band in range(before.shape[1]):
        off = before[None, :, band] - gains[:, band, None] * after[None, :, band]
        off = np.abs(off - biases[:, band, None]) / np.sqrt((1 + gains[:, band, None] ** 2) / 2)
        np.maximum(worst, off, out=worst)
    return np.asarray((worst < _AGREES).sum(axis=1), np.int64)


def _sane(gains: Array, biases: Array) -> NDArray[np.bool_]:
    return np.asarray(
        (gains >= _GAINS[0])
        & (gains <= _GAINS[1])
        & (biases >= _BIASES[0])
        & (biases <= _BIASES[1])
    )


def _refine(before: Array, after: Array, gain: Array, bias: Array) -> Gains | None:
    """Reweighted orthogonal regression from a first line; ``None`` with too little evidence."""
    sigma = _AGREES / _BIWEIGHT * 2
    for _ in range(_REWEIGHTS):
        off = (before - gain * after - bias) / np.sqrt((1 + gain**2) / 2)
        worst = np.abs(off).max(axis=1)
        weights = np.clip(1 - (worst / (_BIWEIGHT * sigma)) ** 2, 0, None) ** 2
        if weights.sum() < _LEAST_PIXELS:
            return None
        gain, bias, spread, correlation = _regress(before, after, weights)
        near = np.abs(off)[worst < _BIWEIGHT * sigma]
        sigma = min(sigma, max(_LEAST_SIGMA, _MAD_TO_SIGMA * float(np.median(near))))
    share = float(weights.sum() / len(weights))
    sufficient = (
        share >= _LEAST_SHARE
        and spread.min() >= _LEAST_SPREAD
        and correlation.min() >= _LEAST_CORRELATION
        and _sane(gain, bias).all()
    )
    return _gains(gain, bias, Basis.UNCHANGED, share) if sufficient else None


def _match_moments(before: Array, after: Array) -> Gains:
    """Gains that match mean and standard deviation of each band."""
    (mean_b, spread_b), (mean_a, spread_a) = _clipped_moments(before), _clipped_moments(after)
    if min(spread_b.min(), spread_a.min()) < _LEAST_SPREAD:
        return Gains.none(before.shape[1])
    gain = np.clip(spread_b / spread_a, *_GAINS)
    bias = np.clip(mean_b - gain * mean_a, *_BIASES)
    return _gains(gain, bias, Basis.SPREAD, 0.0)


def _clipped_moments(values: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each band, of values clipped to the quantiles ``_BULK``."""
    pulled = np.clip(values, *np.quantile(values, _BULK, axis=0))
    return pulled.mean(axis=0), pulled.std(axis=0)


def _gains(gain: Array, bias: Array, basis: Basis, share: float) -> Gains:
    gains, biases = (tuple(round(float(value), 4) for value in values) for values in (gain, bias))
    return Gains(gains, biases, basis, round(share, 3))


def _regress(before: Array, after: Array, weights: Array) -> tuple[Array, Array, Array, Array]:
    """Weighted orthogonal regression per band: gain, bias, deviation of ``before``, correlation."""
    total = weights.sum()
    mean_b, mean_a = weights @ before / total, weights @ after / total
    b, a = before - mean_b, after - mean_a
    bb, aa, ab = weights @ (b * b) / total, weights @ (a * a) / total, weights @ (a * b) / total
    steep = bb - aa
    gain = (steep + np.sqrt(steep**2 + 4 * ab**2)) / np.where(np.abs(ab) < 1e-9, 1e-9, 2 * ab)
    correlation = ab / np.sqrt(np.maximum(aa * bb, 1e-9))
    return gain, mean_b - gain * mean_a, np.sqrt(bb), correlation
