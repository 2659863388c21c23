"""The project's own small network, for weights without terms of others.

A U-Net on the difference of the two dates' features (Daudt et al., "Fully Convolutional Siamese
Networks for Change Detection", 2018: FC-Siam-diff). Unlike there the difference keeps its sign, so
that one network finds both new and demolished buildings.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Tensor = Any  # torch is missing where types are checked

WIDTHS = (
    8,
    16,
    24,
    32,
)  # channels at full, half, quarter and eighth size: 48,953 parameters in all


def _convolution(inputs: int, outputs: int, stride: int = 1) -> Tensor:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Small(nn.Module):  # type: ignore[misc]
    """The small network; inputs and output as for :class:`~satellite.training.network.TinyCD`."""

    def __init__(self) -> None:
        super().__init__()
        steps = zip((3, *WIDTHS), WIDTHS, strict=False)
        self.encoder = nn.ModuleList(
            nn.Sequential(
                _convolution(inputs, outputs, 1 if number == 0 else 2),
                _convolution(outputs, outputs),
            )
            for number, (inputs, outputs) in enumerate(steps)
        )
        pairs = list(pairwise(WIDTHS))
        self.decoder = nn.ModuleList(
            _convolution(deep + wide, wide) for wide, deep in reversed(pairs)
        )
        self.head = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Logits of change."""
        differences = []
        for stage in self.encoder:
            before, after = stage(before), stage(after)
            differences.append(after - before)
        x = differences.pop()
        for stage in self.decoder:
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = stage(torch.cat((x, differences.pop()), 1))
        return self.head(x)
