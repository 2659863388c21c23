"""The categories that colour sites in maps, reports and styles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from satellite.imagery.views import Quality
from satellite.records.judge import Outcome
from satellite.vector.change_types import CHANGE_TYPE_NAMES, ChangeType


@dataclass(frozen=True, slots=True)
class Category:
    """A category of sites.

    Attributes:
        key: The value in the layers.
        label: The name for people.
        colour: Red, green and blue, 0 to 255.
    """

    key: str
    label: str
    colour: tuple[int, int, int]

    @property
    def css(self) -> str:
        """The colour for a web page."""
        return f"rgb{self.colour}"

    @property
    def bgr(self) -> tuple[int, int, int]:
        """The colour for OpenCV."""
        red, green, blue = self.colour
        return blue, green, red


# Warm colours become cases, cold ones do not; they differ in lightness, too, for the colour-blind.
_VERDICTS: Mapping[Outcome, tuple[str, tuple[int, int, int]]] = {
    "no_permit": ("no permit", (230, 0, 0)),
    "expired_permit": ("permit expired", (255, 0, 200)),
    "outside_permit": ("partly outside its permit", (255, 140, 0)),
    "permitted": ("permitted", (0, 120, 255)),
    "exempt": ("exempt", (0, 220, 220)),
    "seasonal": ("seasonal", (150, 230, 80)),
    "not_filed": ("no case of this change type", (235, 235, 235)),
}
_CHANGES: Mapping[ChangeType, tuple[int, int, int]] = {
    "new": (230, 0, 0),
    "extension": (255, 140, 0),
    "demolition": (0, 120, 230),
    "bare_ground": (220, 220, 0),
}

_REASONS: Mapping[Quality, str] = {
    Quality.NODATA: "no data",
    Quality.CLOUD: "cloud",
    Quality.SHADOW: "cloud shadow",
    Quality.HAZE: "haze",
    Quality.SNOW: "snow",
    Quality.WATER: "water",
    Quality.MISALIGNED: "not aligned",
}
#: Grey of the ground that was not compared.
GAP_COLOUR: Final = (190, 190, 190)

#: Why ground was not compared.
BY_REASON: Final[Mapping[Quality, Category]] = {
    reason: Category(reason.name.lower(), name, GAP_COLOUR) for reason, name in _REASONS.items()
}
#: The categories by verdict.
BY_VERDICT: Final[Mapping[Outcome, Category]] = {
    outcome: Category(outcome, *each) for outcome, each in _VERDICTS.items()
}
#: The categories by change type, for sites without a verdict.
BY_CHANGE_TYPE: Final[Mapping[ChangeType, Category]] = {
    change_type: Category(change_type, CHANGE_TYPE_NAMES[change_type], colour)
    for change_type, colour in _CHANGES.items()
}
