"""Where buildings stand in one picture, judged object by object.

No network: a few measures of each object, each with a physical reason, in one logistic formula whose
numbers are written out below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.detection.building_index import building_index
from satellite.detection.colours import Plane, colours, to_working_resolution
from satellite.detection.segmentation import (
    Borders,
    Labels,
    Pieces,
    Table,
    merge,
    sum_by_label,
    superpixels,
)
from satellite.detection.shadows import local_mean, shadows
from satellite.imagery.views import Picture

# Contrasts of brightness, soil, green and red that weigh the same when objects are formed: the two
# sides of a gabled roof differ in brightness, not in colour.
_CONTRASTS: Final = np.array([0.5, 8.0, 3.0, 3.0], np.float32)
# What a merger of objects may cost (squared contrast times metres to the power 3/2): objects about as
# large as parts of a roof, a roof, and a roof with what is like it.
_COSTS: Final = (0.15, 0.4, 1.0)
# Areas beyond which a building is less likely, square metres.
_SMALL_M2: Final = 80.0
_LARGE_M2: Final = 1500.0
# What is this much brighter than its place glares, this much darker is dark (logarithms): roofs lie
# between, but for white ones.
_GLARE: Final = 0.1
_DARK: Final = 0.35
# How much greener than the place's middle something grey may be: a tint, no plants.
_GREEN: Final = 0.03
# Its place, and what is around an object, metres.
_PLACE_M: Final = 60.0
# Grey level that the middle brightness gets for the building index.
_MIDDLE: Final = 90.0
# What is so much redder than the place's middle is tile or paint, and the less soil the redder it is:
# twice, since it is as much yellower, too. No roof of the 9 tiles is red; their soils stay below 0.05.
_TILE_RED: Final = 0.08
_TILE_COUNTS: Final = np.float32(2)
# Soil index (0 is soil) below which a pixel may be a roof: only for finding which way shadows fall.
_GREY: Final = -0.02
# Spread of an object that is never undercut, pixels squared: a line of pixels has no width.
_LEAST_SPREAD: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely something is, as a sum of what is measured of it (logistic regression).

    Attributes:
        constant: Logarithm of the odds where every measure is 0.
        weights: What a unit of each measure adds.
    """

    constant: float
    weights: Mapping[str, float]

    def __call__(self, measures: Mapping[str, Table]) -> Table:
        """Logarithm of the odds of each object."""
        parts = [weight * measures[name] for name, weight in self.weights.items()]
        return np.asarray(np.sum(parts, axis=0) + self.constant, np.float64)


#: Odds that an object is a building; fitted by ``python -m benchmarks change-classical``.
BUILDING: Final = Odds(
    -3.3,
    {
        "small": -0.95,  # e-fold below 80 m²: cars, trees and parts of roofs
        "large": -1.74,  # e-fold above 1500 m²: fields and road nets
        "rectangle": 1.19,  # 1 for a rectangle, less for what is curved or branches
        "greyer": 39.5,  # less like soil than what is around
        "plants": -23.42,  # greener than the place
        "mottled": -19.45,  # spread of green within: plants
        "glare": -10.12,  # brighter than the place: concrete, sand, bare ground
        "dark": -3.16,  # darker than the place: deep shadow, water
        "compact": 37.94,  # morphological building index
        "shadow": 3.94,  # share of the outline that throws one, less what falls on it
    },
)


@dataclass(frozen=True, slots=True, eq=False)
class Roofs:
    """What is known of one picture.

    Attributes:
        resolution_m: Side of a working pixel, metres.
        pieces: int32 ``(height, width)`` of the working picture: superpixels.
        levels: Object of each piece, for each level of the hierarchy.
        odds: For each level the logarithm of the odds that an object is a building.
        light: float32 ``(height, width)``: logarithm of brightness.
        soil: float32 ``(height, width)``: how much it looks like soil, 0 for the place's soil.
        likelihood: float32 ``(height, width)``: probability that a building stands there.
    """

    resolution_m: float
    pieces: Pieces
    levels: Sequence[Labels]
    odds: Sequence[Table]
    light: Plane
    soil: Plane
    likelihood: Plane


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """A picture divided into objects.

    Attributes:
        resolution_m: Side of a working pixel, metres.
        pieces: int32 ``(height, width)`` of the working picture: superpixels.
        levels: Object of each piece, for each level of the hierarchy.
        light: float32 ``(height, width)``: logarithm of brightness.
        soil: float32 ``(height, width)``: how much it looks like soil, 0 for the place's soil.
        borders: Where the pieces touch.
        table: What was summed up over each piece.
    """

    resolution_m: float
    pieces: Pieces
    levels: Sequence[Labels]
    light: Plane
    soil: Plane
    borders: Borders
    table: dict[str, Table]

    def measures(self, ids: Labels) -> dict[str, Table]:
        """What each object of a level is like: the measures that :data:`BUILDING` names."""
        count = int(ids.max()) + 1
        total = {name: sum_by_label(ids, column, count) for name, column in self.table.items()}
        mean = {name: column / total["pixels"] for name, column in total.items()}
        area_m2 = total["pixels"] * self.resolution_m**2
        outline_m = np.maximum(self.borders.outline_m(ids), self.resolution_m)
        return {
            "small": np.maximum(0, np.log(_SMALL_M2 / area_m2)),
            "large": np.maximum(0, np.log(area_m2 / _LARGE_M2)),
            "rectangle": _rectangle(mean, total["pixels"]),
            "greyer": mean["greyer"],
            "plants": np.maximum(0, mean["green"] - _GREEN),
            "mottled": np.sqrt(np.maximum(mean["green2"] - mean["green"] ** 2, 0)),
            "glare": np.maximum(0, mean["excess"] - _GLARE),
            "dark": np.maximum(0, -mean["excess"] - _DARK),
            "compact": mean["index"],
            "shadow": total["cast"] * self.resolution_m / outline_m,
        }

    def judged(self, building: Odds = BUILDING) -> Roofs:
        """Judges which of its objects are buildings."""
        odds = [building(self.measures(ids)) for ids in self.levels]
        return Roofs(
            resolution_m=self.resolution_m,
            pieces=self.pieces,
            levels=self.levels,
            odds=odds,
            light=self.light,
            soil=self.soil,
            likelihood=pixel_probability(odds, self.levels, self.pieces),
        )


def roofs(
    picture: Picture,
    resolution_m: float,
    clear: NDArray[np.bool_] | None = None,
    building: Odds = BUILDING,
) -> Roofs:
    """Judges where buildings stand.

    Args:
        picture: uint8 ``(height, width, bands)``: red, green, blue and perhaps near infrared.
        resolution_m: Side of its pixels, metres.
        clear: bool ``(height, width)``: what is to be seen; all if ``None``.
        building: Odds that an object is one.
    """
    return segment(picture, resolution_m, clear).judged(building)


def pixel_probability(odds: Sequence[Table], levels: Sequence[Labels], pieces: Pieces) -> Plane:
    """Probability at each pixel: the mean of what the objects have that hold it, level by level."""
    each = [1 / (1 + np.exp(-odd[ids])) for odd, ids in zip(odds, levels, strict=True)]
    return np.asarray(np.mean(each, axis=0), np.float32)[pieces]


def segment(
    picture: Picture, resolution_m: float, clear: NDArray[np.bool_] | None = None
) -> Segmentation:
    """Divides a picture into objects; arguments as for :func:`roofs`."""
    picture, working_m = to_working_resolution(picture, resolution_m)
    height, width = picture.shape[:2]
    seen = np.ones((height, width), np.bool_)
    if clear is not None:
        size = width, height
        resized = cv2.resize(clear.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        seen = np.asarray(resized, np.bool_)
    planes = colours(picture, working_m, seen)
    weighted = [plane * weight for plane, weight in zip(planes, _CONTRASTS, strict=True)]
    pieces = superpixels(weighted)
    measured = _measure_pixels(*planes, working_m)
    table = _sum_by_superpixel(pieces, measured)
    borders = Borders.of(pieces, working_m)
    ids, pixels = pieces.ravel(), table["pixels"]
    colour = np.stack([sum_by_label(ids, plane.ravel(), 0) / pixels for plane in weighted], axis=1)
    levels = merge(borders, pixels * working_m**2, colour, _COSTS)
    return Segmentation(working_m, pieces, levels, planes[0], measured["soil"], borders, table)


def _measure_pixels(
    light: Plane, soil: Plane, green: Plane, red: Plane, working_m: float
) -> dict[str, Plane]:
    soil = soil - _TILE_COUNTS * np.maximum(0, red - _TILE_RED)
    candidates = (soil < _GREY) & (np.abs(green) < _GREEN)
    brightness = np.clip(np.exp(light) * _MIDDLE, 0, 255).astype(np.uint8)
    return {
        "soil": soil,
        "greyer": local_mean(soil, _PLACE_M, working_m) - soil,
        "green": green,
        "green2": green * green,
        "excess": light - local_mean(light, _PLACE_M, working_m),
        "index": building_index(brightness, working_m) / np.float32(_MIDDLE),
        "cast": shadows(light, candidates, working_m).cast,
    }


def _sum_by_superpixel(pieces: Pieces, planes: dict[str, Plane]) -> dict[str, Table]:
    """Sums of planes and of places over each piece."""
    ids = pieces.ravel()
    y, x = np.indices(pieces.shape, dtype=np.float64)
    places = {"x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}
    table = {"pixels": np.bincount(ids).astype(np.float64)}
    for name, plane in (places | planes).items():
        table[name] = sum_by_label(ids, plane.ravel(), 0)
    return table


def _rectangle(mean: dict[str, Table], pixels: Table) -> Table:
    """Area against that of the rectangle of the same second moments."""
    own = 1 / 12  # spread of a pixel in itself
    across = mean["xx"] - mean["x"] ** 2 + own
    down = mean["yy"] - mean["y"] ** 2 + own
    both = mean["xy"] - mean["x"] * mean["y"]
    spread = np.sqrt(np.maximum(across * down - both**2, _LEAST_SPREAD))
    return np.asarray(np.minimum(pixels / (12 * spread), 1))
