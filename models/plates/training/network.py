"""The network of a plate reader: a small residual backbone and one attention query per place.

Each place of the plate (first character, second character, ...) has a learned query that attends
over the feature map and names one character, or none. So frames of one plate can be combined place
by place, and a place's probability does not depend on an alignment, as it would with CTC.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.plates.rectify import INPUT_HEIGHT_PX, INPUT_WIDTH_PX

# A picture of one flat tone has a spread near zero; its noise is not blown up to full contrast.
_LEAST_SPREAD = 3.0
_PRIOR_COLUMNS = 2.5  # at the start a place looks at about one character's width
_ROWS, _COLUMNS = INPUT_HEIGHT_PX // 8, INPUT_WIDTH_PX // 4


def _conv(inputs: int, outputs: int, stride: int | tuple[int, int] = 1, side: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class _Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def _expected_places(places: int) -> Tensor:
    """Where attention begins: the places spread evenly from left to right."""
    centres = (torch.arange(places) + 0.5) / (places - 0.5) * _COLUMNS
    columns = torch.arange(_COLUMNS) + 0.5
    distance = (columns[None] - centres[:, None]) / _PRIOR_COLUMNS
    return (-0.5 * distance**2).repeat(1, _ROWS)


def _levelled(pictures: Tensor) -> Tensor:
    """Take out the exposure: one mean and one spread per picture, so that hues stay."""
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    centred = pictures - mean
    spread = (centred * centred).mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return centred / (spread + _LEAST_SPREAD)


class PlateNetwork(nn.Module):  # type: ignore[misc]
    """Reader of rectified plates.

    Args:
        places: The most characters that a plate has.
        characters: Number of classes of a place, with that of no character.
        layouts: Number of layouts.
        width: Channels of the first stage.
    """

    def __init__(self, places: int, characters: int, layouts: int, width: int = 32) -> None:
        super().__init__()
        last = width * 4
        self.backbone = nn.Sequential(
            _conv(3, width, 2, side=5),
            nn.ReLU(),
            _Residual(width),
            _conv(width, width * 2, 2),
            nn.ReLU(),
            _Residual(width * 2),
            _Residual(width * 2),
            _conv(width * 2, last, (2, 1)),
            nn.ReLU(),
            _Residual(last),
        )
        self.place_prior = nn.Parameter(_expected_places(places))
        self.queries = nn.Parameter(torch.randn(places, last) * 0.1)
        self.key = nn.Conv2d(last, last, 1)
        self.value = nn.Conv2d(last, last, 1)
        self.mix = nn.Sequential(nn.Linear(last, last), nn.ReLU())
        self.name = nn.Linear(last, characters)
        # What a place holds depends on its neighbours: 8 characters only on some grounds.
        self.place_bias = nn.Parameter(torch.zeros(places, characters))
        self.layout = nn.Linear(last, layouts)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Read plates.

        Args:
            pictures: BGR, ``(n, 3, 32, 128)``, values 0 to 255.

        Returns:
            Logits of the characters, ``(n, places, characters)``, and of the layouts, ``(n, k)``.
        """
        features = self.backbone(_levelled(pictures))
        keys = self.key(features).flatten(2)
        values = self.value(features).flatten(2)
        scale = float(self.queries.shape[1]) ** -0.5
        attention = torch.softmax(
            torch.matmul(self.queries, keys) * scale + self.place_prior, dim=2
        )
        seen = torch.matmul(attention, values.transpose(1, 2))
        characters = self.name(seen + self.mix(seen)) + self.place_bias
        return characters, self.layout(features.mean(dim=(2, 3)))
