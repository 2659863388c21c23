"""Finds buildings in one picture, object by object, without a network.

A few measures of each object, each with a physical reason, are combined by logistic regression; the
coefficients are written out below.
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

# Weights of brightness, soil, plants and red when objects are formed: the two sides of a gabled
# roof differ in brightness, not in colour.
_CONTRASTS: Final = np.array([0.5, 8.0, 3.0, 3.0], np.float32)
# Largest cost of a merger at each level (squared contrast times metres to the power 3/2): objects
# of the size of a part of a roof, a roof, and a roof with similar surroundings.
_COSTS: Final = (0.15, 0.4, 1.0)
# Areas below and above which a building is less likely, square metres.
_SMALL_M2: Final = 80.0
_LARGE_M2: Final = 1500.0
# Excess brightness above which a surface glares, and deficit below which it is dark (logarithms):
# roofs lie between, except white ones.
_GLARE: Final = 0.1
_DARK: Final = 0.35
# Excess green up to which a surface is tinted rather than vegetated.
_GREEN: Final = 0.03
# Side of the surroundings with which an object is compared, metres.
_PLACE_M: Final = 60.0
# Grey level to which the median brightness is scaled for the building index.
_MIDDLE: Final = 90.0
# Excess red above which a surface is tile or paint; its soil index is reduced by twice the excess,
# since such surfaces are also yellower. No roof of the 9 tiles is red; their soils stay below 0.05.
_TILE_RED: Final = 0.08
_TILE_COUNTS: Final = np.float32(2)
# Soil index (0: soil) below which a pixel may be a roof, for finding the direction of shadows only.
_GREY: Final = -0.02
# Lower bound of an object's second moments, pixels squared: a line of pixels has no width.
_LEAST_SPREAD: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Odds:
    """Logistic regression: the odds of an event as a weighted sum of measures.

    Attributes:
        constant: Logarithm of the odds where every measure is 0.
        weights: Increase per unit of each measure.
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
        "large": -1.74,  # e-fold above 1500 m²: fields and road networks
        "rectangle": 1.19,  # 1 for a rectangle, less for curved or branched shapes
        "greyer": 39.5,  # less like soil than its surroundings
        "plants": -23.42,  # greener than the picture
        "mottled": -19.45,  # standard deviation of green within: plants
        "glare": -10.12,  # brighter than its surroundings: concrete, sand, bare ground
        "dark": -3.16,  # darker than its surroundings: deep shadow, water
        "compact": 37.94,  # morphological building index
        "shadow": 3.94,  # share of the outline that casts a shadow, minus shadow cast on it
    },
)


@dataclass(frozen=True, slots=True, eq=False)
class Roofs:
    """The buildings of one picture.

    Attributes:
        resolution_m: Side of a working pixel, metres.
        pieces: int32 ``(height, width)`` of the working picture: superpixel labels.
        levels: Object label of each superpixel, for each level of the hierarchy.
        odds: Logarithm of the odds that an object is a building, for each level.
        light: float32 ``(height, width)``: logarithm of brightness.
        soil: float32 ``(height, width)``: similarity to soil, 0 for the local soil.
        likelihood: float32 ``(height, width)``: probability of a building.
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
        pieces: int32 ``(height, width)`` of the working picture: superpixel labels.
        levels: Object label of each superpixel, for each level of the hierarchy.
        light: float32 ``(height, width)``: logarithm of brightness.
        soil: float32 ``(height, width)``: similarity to soil, 0 for the local soil.
        borders: Borders between superpixels.
        table: Sums of each plane over each superpixel.
    """

    resolution_m: float
    pieces: Pieces
    levels: Sequence[Labels]
    light: Plane
    soil: Plane
    borders: Borders
    table: dict[str, Table]

    def measures(self, ids: Labels) -> dict[str, Table]:
        """The measures in :data:`BUILDING` of each object of a level."""
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
        """Computes which objects are buildings."""
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
    """Finds buildings in a picture.

    Args:
        picture: uint8 ``(height, width, bands)``: red, green, blue and optionally near infrared.
        resolution_m: Side of a pixel, metres.
        clear: bool ``(height, width)``: pixels that are visible; ``None``: all.
        building: Odds that an object is a building.
    """
    return segment(picture, resolution_m, clear).judged(building)


def pixel_probability(odds: Sequence[Table], levels: Sequence[Labels], pieces: Pieces) -> Plane:
    """Probability at each pixel: the mean over levels of the probability of the pixel's object."""
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
    """Sums of planes and of coordinates over each superpixel."""
    ids = pieces.ravel()
    y, x = np.indices(pieces.shape, dtype=np.float64)
    places = {"x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}
    table = {"pixels": np.bincount(ids).astype(np.float64)}
    for name, plane in (places | planes).items():
        table[name] = sum_by_label(ids, plane.ravel(), 0)
    return table


def _rectangle(mean: dict[str, Table], pixels: Table) -> Table:
    """Ratio of an object's area to that of the rectangle with the same second moments."""
    own = 1 / 12  # second moment of a single pixel
    across = mean["xx"] - mean["x"] ** 2 + own
    down = mean["yy"] - mean["y"] ** 2 + own
    both = mean["xy"] - mean["x"] * mean["y"]
    spread = np.sqrt(np.maximum(across * down - both**2, _LEAST_SPREAD))
    return np.asarray(np.minimum(pixels / (12 * spread), 1))
