"""TinyCD (Codegoni et al., "TINYCD: A (Not So) Deep Learning Model For Change Detection", 2022) in torch.

Written from the paper and from what its published weights hold; the names of the parameters are those
of the weights, so that these load as they are. Only for training: at run time the graph that
:mod:`models.convert.tinycd` builds from the same parameters is used. What is not being trained takes that graph's
shortcut, too: its last stage is worked out at every second pixel, so that figures and calibration are
those of what will run.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from models.convert.tinycd import ON_THE_SOURCE

Tensor = Any  # torch is not there where types are checked

# EfficientNet-B4 (Tan and Le, 2019), the first three of its seven stages, after a first convolution:
# channels, blocks, kernel, stride, expansion.
_FIRST_CHANNELS = 48
_STAGES = ((24, 2, 3, 1, 1), (32, 4, 3, 2, 6), (56, 4, 5, 2, 6))
_SQUEEZE = 4  # a block's attention works on its input's channels divided by this
_LEAST = 1e-6  # probabilities nearer to 0 and 1 than this have no logit to speak of


def _convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, active: bool = True
) -> Tensor:
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.SiLU()) if active else nn.Sequential(*layers)


class _Excitation(nn.Module):  # type: ignore[misc]
    """Weighs channels by what the whole picture holds (Hu et al., 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The channels, weighed."""
        weight = self.fc2(functional.silu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(weight)


class _Inverted(nn.Module):  # type: ignore[misc]
    """Inverted residual block: wider inside than outside."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers = [_convolution(inputs, wide, 1)] if expansion > 1 else []
        layers += [
            _convolution(wide, wide, kernel, stride=stride, groups=wide),
            _Excitation(wide, inputs // _SQUEEZE),
            _convolution(wide, outputs, 1, active=False),
        ]
        self.block = nn.Sequential(*layers)
        self._residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, and its input where the shapes agree."""
        return x + self.block(x) if self._residual else self.block(x)


def _backbone() -> Tensor:
    stages = [_convolution(3, _FIRST_CHANNELS, 3, stride=2)]
    inputs = _FIRST_CHANNELS
    for outputs, blocks, kernel, stride, expansion in _STAGES:
        layers = [_Inverted(inputs, outputs, kernel, stride, expansion)]
        layers += [_Inverted(outputs, outputs, kernel, 1, expansion) for _ in range(blocks - 1)]
        stages.append(nn.Sequential(*layers))
        inputs = outputs
    return nn.ModuleList(stages)


class _Mixing(nn.Module):  # type: ignore[misc]
    """Brings the two dates together, channel by channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._convmix = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 3, padding=1, groups=channels),
            nn.PReLU(),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """As many channels as each date has; before and after are interleaved for it."""
        return self._convmix(torch.stack((before, after), 2).flatten(1, 2))


class _Pixelwise(nn.Module):  # type: ignore[misc]
    """1x1 convolutions, each followed by PReLU; the last one only if ``active``."""

    def __init__(self, channels: tuple[int, ...], *, active: bool = True) -> None:
        super().__init__()
        layers = []
        for number, (inputs, outputs) in enumerate(pairwise(channels), 2):
            last = number == len(channels)
            parts = [nn.Conv2d(inputs, outputs, 1)]
            layers.append(nn.Sequential(*parts, *([nn.PReLU()] if active or not last else [])))
        self._linears = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """As many channels as the last convolution has."""
        return self._linears(x)


class _Attention(nn.Module):  # type: ignore[misc]
    """One channel that tells where to look, from both dates."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self._mixing = _Mixing(channels)
        self._linear = _Pixelwise((channels, *widths))

    def forward(self, before: Tensor, after: Tensor, *, halved: bool = False) -> Tensor:
        """The mask, as large as its inputs, or half as large."""
        mixed = self._mixing(before, after)
        return self._linear(functional.avg_pool2d(mixed, 2) if halved else mixed)


class _Up(nn.Module):  # type: ignore[misc]
    """Doubles the size, looks where the mask says, and mixes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self._convolution = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs),
            nn.PReLU(),
            nn.InstanceNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 1),
            nn.PReLU(),
            nn.InstanceNorm2d(outputs),
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Twice the size of ``x``, which is that of the mask."""
        return self._convolution(_twice(x) * mask)

    def halved(self, x: Tensor, mask: Tensor) -> Tensor:
        """Every second pixel of that, for a mask of half the size."""
        deep, *rest = self._convolution
        along = torch.from_numpy(ON_THE_SOURCE).to(deep.weight)
        kernel = torch.einsum("ai,bj,ocij->ocab", along, along, deep.weight)
        x = functional.conv2d(x * mask, kernel, deep.bias, padding=1, groups=len(kernel))
        for layer in rest:
            x = layer(x)
        return x


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


class TinyCD(nn.Module):  # type: ignore[misc]
    """The network.

    It takes two float32 batches ``(n, 3, height, width)``, normalised as by
    :func:`satellite.training.batches.to_input`, sides a multiple of 8, and gives the logits
    ``(n, 1, height, width)`` of a building having appeared. With the dates exchanged it gives
    those of one that is gone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._backbone = _backbone()
        self._first_mix = _Attention(3, (10, 5, 1))
        self._mixing_mask = nn.ModuleList(
            [_Attention(24, (12, 6, 1)), _Attention(32, (16, 8, 1)), _Mixing(56)]
        )
        self._up = nn.ModuleList([_Up(56, 64), _Up(64, 64), _Up(64, 32)])
        self._classify = _Pixelwise((32, 16, 8, 1), active=False)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Logits of change."""
        halved = not self.training
        skips = [self._first_mix(before, after, halved=halved)]
        for number, stage in enumerate(self._backbone):
            before, after = stage(before), stage(after)
            if number > 0:
                skips.append(self._mixing_mask[number - 1](before, after))
        x = skips.pop()
        *first, last = self._up
        for up in first:
            x = up(x, skips.pop())
        if not halved:
            return self._classify(last(x, skips.pop()))
        share = torch.sigmoid(self._classify(last.halved(x, skips.pop())))
        return torch.logit(_twice(share), _LEAST)
