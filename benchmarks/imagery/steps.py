"""The benefit of each step of preparation: scenes of known truth, judged with it and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.imagery.scenes import Scenes, misregistration
from benchmarks.imagery.score import MARKED, OBJECT_PX, Mask, score_pixels
from benchmarks.imagery.tiles import RESOLUTION_M
from satellite.compare.comparison import TILE_PX
from satellite.imagery.scene import open_scene
from satellite.imagery.views import Change, Detector, Picture, Quality
from satellite.layers.layers import Rasters
from satellite.registration.pair import Pair
from satellite.vector.buildings import Building, outline

# Greatest distance between the middles of a labelled building and its polygon, metres.
_SAME_M = 6.0


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of preparation that are done.

    Attributes:
        name: Name in the table.
        align: Whether local shifts are estimated and removed.
        normalise: Whether differences of light are removed.
        masks: Whether cloud, shadow, haze, snow and water are masked.
    """

    name: str
    align: bool = True
    normalise: bool = True
    masks: bool = True


ALL = Steps("all steps")
VARIANTS = (
    ALL,
    Steps("no alignment", align=False),
    Steps("no normalisation", normalise=False),
    Steps("no masks", masks=False),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of a pair of scenes.

    Attributes:
        f1: F1 of each detector over the pixels outside clouds and shadows; pixels masked there by
            mistake count as missed.
        f1_compared: F1 without masked pixels, which the program reports as not compared.
        offset_m: Median distance of each detector's polygons from the labelled buildings' middles.
        residual_px: 95th percentile of the remaining shift, over windows with texture.
        residual_same_px: The same percentile over windows with less than a tenth changed. Elsewhere
            the two images differ in texture, and the shift is interpolated from around.
        masked: Share of the clear pixels that was not compared.
        unmasked: Share of the covered pixels that was compared.
    """

    f1: Mapping[str, float]
    f1_compared: Mapping[str, float]
    offset_m: Mapping[str, float]
    residual_px: float
    residual_same_px: float
    masked: float
    unmasked: float


def mean_of(outcomes: Sequence[Outcome]) -> Outcome:
    """The means of the figures of several pairs of scenes."""

    def means(maps: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return {name: fmean([one[name] for one in maps]) for name in maps[0]}

    return Outcome(
        f1=means([one.f1 for one in outcomes]),
        f1_compared=means([one.f1_compared for one in outcomes]),
        offset_m=means([one.offset_m for one in outcomes]),
        residual_px=fmean([one.residual_px for one in outcomes]),
        residual_same_px=fmean([one.residual_same_px for one in outcomes]),
        masked=fmean([one.masked for one in outcomes]),
        unmasked=fmean([one.unmasked for one in outcomes]),
    )


def judge(
    scenes: Scenes, steps: Steps, detectors: Mapping[str, Detector], covered: Mask | None = None
) -> Outcome:
    """Compares two scenes as the program does, and scores the detectors.

    Args:
        scenes: Two images and their truth.
        steps: The steps of preparation.
        detectors: The detectors by their names in the figures.
        covered: Pixels that are not scored, in place of those covered by the scenes' clouds.

    Returns:
        The figures.

    Raises:
        SatelliteError: The images cannot be aligned.
    """
    with open_scene(scenes.before) as before, open_scene(scenes.after) as after:
        pair = Pair(
            before,
            after,
            align=steps.align,
            normalise=steps.normalise,
            masks=steps.masks,
        )
        seen, quality, changes = _compared(pair, detectors)
        clear = ~(scenes.covered if covered is None else covered)
        usable = clear & (quality == Quality.CLEAR)
        f1, f1_compared, offset = {}, {}, {}
        for name, change in changes.items():
            marked = np.maximum(change.appeared, change.gone) >= MARKED
            f1[name] = score_pixels(marked, scenes.truth.truth, clear).f1
            f1_compared[name] = score_pixels(marked, scenes.truth.truth, usable).f1
            polygons = outline(Rasters.of(change, quality), pair.grid)
            offset[name] = _offset_m(polygons, scenes.truth.truth & clear, pair)
        same = usable & ~scenes.truth.truth
        residuals = [
            _nearly_all(misregistration(seen, scenes.truth.after, part)) for part in (usable, same)
        ]
        masked = quality != Quality.CLEAR
        return Outcome(
            f1=f1,
            f1_compared=f1_compared,
            offset_m=offset,
            residual_px=residuals[0],
            residual_same_px=residuals[1],
            masked=float(masked[clear].mean()),
            unmasked=float((~masked)[~clear].mean()) if scenes.covered.any() else 0.0,
        )


def _nearly_all(shifts: NDArray[np.float64]) -> float:
    return float(np.quantile(shifts, 0.95)) if len(shifts) else float("nan")


def _compared(
    pair: Pair, detectors: Mapping[str, Detector]
) -> tuple[Picture, Picture, dict[str, Change]]:
    """The prepared later image, the quality, and each detector's result, of the whole grid."""
    shape = (pair.grid.height, pair.grid.width)
    seen, quality = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    changes = {
        name: Change(np.zeros(shape, np.float32), np.zeros(shape, np.float32)) for name in detectors
    }
    margin = max(detector.margin_px for detector in detectors.values())
    for tile in pair.grid.tiles(TILE_PX, margin):
        views = pair.read_tile(tile)
        core = tile.core.toslices()
        seen[core] = views.after[tile.inner][..., :3]
        quality[core] = views.quality[tile.inner]
        for name, detector in detectors.items():
            change = detector(views)
            changes[name].appeared[core] = change.appeared[tile.inner]
            changes[name].gone[core] = change.gone[tile.inner]
    return seen, quality, changes


def _offset_m(buildings: Sequence[Building], truth: Mask, pair: Pair) -> float:
    """Median distance of the labelled buildings' middles from those of the polygons on them."""
    labels, count = ndimage.label(truth, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    wanted = [label for label in range(1, count + 1) if sizes[label] >= OBJECT_PX]
    middles = np.array(ndimage.center_of_mass(truth, labels, wanted)).reshape(-1, 2)
    places = [~pair.grid.transform @ building.polygon.centroid.coords[0] for building in buildings]
    found = np.array(places).reshape(-1, 2)[:, ::-1]  # rows and columns, corners of pixels
    if not len(middles) or not len(found):
        return float("nan")
    distance = np.linalg.norm(middles[:, None] + 0.5 - found[None], axis=2).min(axis=1)
    same = distance[distance * RESOLUTION_M <= _SAME_M] * RESOLUTION_M
    return float(np.median(same)) if len(same) else float("nan")
