"""Calibration of probabilities: of all pixels given 0.8, eight of ten have changed.

The correction is linear in the logit and fitted by maximum likelihood: Platt, Probabilistic Outputs
for Support Vector Machines, 1999. The calibration error is that of Guo et al., On Calibration of
Modern Neural Networks, 2017, arXiv 1706.04599.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

_LEAST = 1e-6  # probabilities nearer to 0 and 1 than this have no usable logit in single precision
_STEPS = 50  # of Newton's method, which converges within ten
_CONVERGED = 1e-9  # change of scale and bias below which the method has settled
_BINS = 15  # of the calibration error, as in the paper

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Platt:
    """A correction of probabilities.

    Attributes:
        scale: Factor of the logit, above 0; below 1 where the network is overconfident.
        bias: Term added to the scaled logit.
    """

    scale: float = 1.0
    bias: float = 0.0

    def __call__(self, probability: Floats) -> Floats:
        """Return the corrected probabilities, of the same shape."""
        if self == Platt():
            return probability
        line = np.float32(self.scale) * _logit(probability) + np.float32(self.bias)
        return np.asarray(1 / (1 + np.exp(-line)), np.float32)

    def to_text(self) -> str:
        """Return the text form for a model's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Platt:
        """Parse the text form of :meth:`to_text`.

        Raises:
            ModelError: The text has another form.
        """
        try:
            return cls.of(json.loads(text))
        except ValueError:
            raise ModelError(f"'{text}' is no calibration: scale and bias as JSON") from None

    @classmethod
    def of(cls, values: Any) -> Platt:
        """Make a correction from a mapping with ``scale`` and ``bias``.

        Raises:
            ModelError: A value is missing or no number, or the scale is not above 0.
        """
        try:
            platt = cls(float(values["scale"]), float(values["bias"]))
        except (KeyError, TypeError, ValueError):
            platt = cls(np.nan)
        if not (np.isfinite((platt.scale, platt.bias)).all() and platt.scale > 0):
            raise ModelError(f"the calibration {values} has no scale above 0 and bias")
        return platt


def fit(probability: NDArray[Any], truth: NDArray[Any]) -> Platt:
    """Fit the correction under which the truth is most likely.

    Args:
        probability: Probabilities of a network, any shape, 0 to 1.
        truth: Whether each pixel has changed, of the same shape.

    Raises:
        ModelError: Truth or probability is the same throughout, or the two contradict each other.
    """
    logit = _logit(np.asarray(probability, np.float64).ravel())
    wanted = np.asarray(truth).ravel().astype(bool)
    if wanted.all() or not wanted.any():
        raise ModelError("a calibration needs both changed and unchanged pixels")
    design = np.stack([logit, np.ones_like(logit)])
    found = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        given = 1 / (1 + np.exp(-(found @ design)))
        curvature = (design * (given * (1 - given))) @ design.T
        try:
            step = np.linalg.solve(curvature, design @ (given - wanted))
        except np.linalg.LinAlgError:
            raise ModelError("a calibration needs probabilities that differ") from None
        # Whole steps may overshoot from a poor start; steps of one unit of the logit do not.
        found = found - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < _CONVERGED:
            break
    return Platt.of({"scale": found[0], "bias": found[1]})


def log_loss(probability: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the mean negative log-likelihood of the truth, nats per pixel."""
    logit = _logit(np.asarray(probability, np.float64))
    return float(np.mean(np.logaddexp(0, np.where(np.asarray(truth, bool), -logit, logit))))


def calibration_error(probability: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the expected calibration error: |share - probability|, averaged over 15 bins."""
    given, wanted = np.asarray(probability, np.float64).ravel(), np.asarray(truth, bool).ravel()
    bins = np.minimum((given * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, given - wanted, _BINS)  # sum of differences, bin by bin
    return float(np.abs(gaps).sum() / given.size)


def _logit(probability: NDArray[Any]) -> NDArray[Any]:
    inside = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))
