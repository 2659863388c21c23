"""TinyCD in torch, for training.

Codegoni et al., "TINYCD: A (Not So) Deep Learning Model For Change Detection", 2022. Written from
the paper and the structure of its published weights, with the same parameter names, so that these
weights load unchanged. For training only: at run time the graph that :mod:`models.convert.tinycd`
builds from the same parameters is used. In evaluation mode the last stage is computed at every
second pixel, as in that graph, so that figures and calibration are those of the deployed network.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from models.convert.tinycd import ON_THE_SOURCE

Tensor = Any  # torch is missing where types are checked

# EfficientNet-B4 (Tan and Le, 2019), a first convolution and the first three of its seven stages:
# channels, blocks, kernel, stride, expansion.
_FIRST_CHANNELS = 48
_STAGES = ((24, 2, 3, 1, 1), (32, 4, 3, 2, 6), (56, 4, 5, 2, 6))
_SQUEEZE = 4  # reduction of a block's channels in its squeeze-and-excitation
_LEAST = 1e-6  # probabilities are clipped to this distance from 0 and 1 before the logit


def _convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, active: bool = True
) -> Tensor:
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.SiLU()) if active else nn.Sequential(*layers)


class _Excitation(nn.Module):  # type: ignore[misc]
    """Squeeze-and-excitation: weighs channels by their global mean (Hu et al., 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The weighted channels."""
        weight = self.fc2(functional.silu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(weight)


class _Inverted(nn.Module):  # type: ignore[misc]
    """Inverted residual block."""

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
        """The block's output, plus its input where the shapes agree."""
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
    """Mixes the features of the two dates, channel by channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._convmix = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 3, padding=1, groups=channels),
            nn.PReLU(),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Mixed features with the channels of one date; the dates' channels are interleaved."""
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
        """Features with the last convolution's channels."""
        return self._linears(x)


class _Attention(nn.Module):  # type: ignore[misc]
    """A spatial attention mask of one channel, from both dates."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self._mixing = _Mixing(channels)
        self._linear = _Pixelwise((channels, *widths))

    def forward(self, before: Tensor, after: Tensor, *, halved: bool = False) -> Tensor:
        """The mask, at the inputs' size or half of it."""
        mixed = self._mixing(before, after)
        return self._linear(functional.avg_pool2d(mixed, 2) if halved else mixed)


class _Up(nn.Module):  # type: ignore[misc]
    """Doubles the size, applies an attention mask, and convolves."""

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
        """Features at twice the size of ``x``, which is the mask's size."""
        return self._convolution(_twice(x) * mask)

    def halved(self, x: Tensor, mask: Tensor) -> Tensor:
        """Every second pixel of :meth:`forward`, for a mask of half the size."""
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
    """TinyCD.

    Inputs are two float32 batches ``(n, 3, height, width)``, normalised by
    :func:`satellite.training.batches.to_input`, with sides that are multiples of 8. The output are
    logits ``(n, 1, height, width)`` of a building having appeared; with the dates exchanged, of a
    building having been demolished.
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
