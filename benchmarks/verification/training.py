"""Training of the verifier's head: a small network by Adam (Kingma and Ba, 2015), in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.verifier.head import Head

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a head is trained.

    Attributes:
        units: Hidden units.
        epochs: Passes over the rows.
        rate: Adam's step at first; it falls to nothing along a cosine.
        decay: Weight decay per step, part of the step.
        dropout: Share of the inputs, and of the units, that is left out at random.
        batch: Rows per step.
    """

    units: int = 48
    epochs: int = 25
    rate: float = 2e-3
    decay: float = 0.5
    dropout: float = 0.5
    batch: int = 256


def train(
    rows: Floats,
    truth: NDArray[np.bool_],
    weights: NDArray[np.int64],
    backbone: str,
    seed: int,
    settings: Settings,
) -> Head:
    """Train a head.

    Args:
        rows: Descriptions (n, inputs).
        truth: Which of them are things, (n,).
        weights: How often each is shown in one pass, (n,).
        backbone: SHA-256 of the weights that the descriptions come from.
        seed: Of the first weights, the order and what is left out.
        settings: How.
    """
    rng = np.random.default_rng(seed)
    mean, spread = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    # An input that hardly varied here must not explode elsewhere.
    spread = np.maximum(spread, max(1e-3, 0.05 * float(np.median(spread))))
    scaled = ((rows - mean) / spread).astype(np.float32)
    wanted = truth.astype(np.float32)
    net = _Net.fresh(rows.shape[1], settings.units, rng)
    shown = np.repeat(np.arange(len(rows)), weights)
    steps = settings.epochs * -(-len(shown) // settings.batch)
    done = 0
    for _ in range(settings.epochs):
        order = rng.permutation(shown)
        for begin in range(0, len(shown), settings.batch):
            part = order[begin : begin + settings.batch]
            rate = settings.rate * 0.5 * (1 + np.cos(np.pi * done / steps))
            net.step(scaled[part], wanted[part], rate, settings, rng)
            done += 1
    into = net.weights[0] / spread[:, None]
    return Head(
        into=into.astype(np.float32),
        into_bias=(net.weights[1] - mean @ into).astype(np.float32),
        out=net.weights[2].copy(),
        out_bias=float(net.weights[3][0]),
        backbone=backbone,
    )


@dataclass(slots=True)
class _Net:
    """Weights and Adam's means: into, its bias, out, its bias."""

    weights: list[Floats]
    first: list[Floats]
    second: list[Floats]
    steps: int = 0

    @classmethod
    def fresh(cls, inputs: int, units: int, rng: np.random.Generator) -> _Net:
        weights = [
            rng.normal(0, np.sqrt(2 / inputs), (inputs, units)).astype(np.float32),
            np.zeros(units, np.float32),
            rng.normal(0, np.sqrt(1 / units), units).astype(np.float32),
            np.zeros(1, np.float32),
        ]
        zeros = [[np.zeros_like(weight) for weight in weights] for _ in range(2)]
        return cls(weights, zeros[0], zeros[1])

    def step(
        self,
        rows: Floats,
        wanted: Floats,
        rate: float,
        settings: Settings,
        rng: np.random.Generator,
    ) -> None:
        """One step down the gradient of the cross entropy."""
        kept = 1 - settings.dropout
        rows = rows * (rng.random(rows.shape, np.float32) < kept) / np.float32(kept)
        into, bias, out, out_bias = self.weights
        hidden = np.maximum(rows @ into + bias, 0)
        mask = (rng.random(hidden.shape, np.float32) < kept) / np.float32(kept)
        logit = (hidden * mask) @ out + out_bias
        error = (1 / (1 + np.exp(-logit)) - wanted) / np.float32(len(rows))
        back = error[:, None] * out * mask * (hidden > 0)
        gradients = [
            rows.T @ back,
            back.sum(axis=0),
            (hidden * mask).T @ error,
            error.sum(keepdims=True),
        ]
        self.steps += 1
        for index, gradient in enumerate(gradients):
            first, second = self.first[index], self.second[index]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient * gradient - second)
            unbiased = first / (1 - 0.9**self.steps)
            spread = np.sqrt(second / (1 - 0.999**self.steps)) + 1e-8
            if index in (0, 2):
                self.weights[index] *= np.float32(1 - rate * settings.decay)
            self.weights[index] -= np.float32(rate) * unbiased / spread
