"""Labelled pairs of tiles: unchanged, degraded, in mosaics, and made into pairs without change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from pathlib import Path

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Change, Detector, Picture, Quality, Views

#: Folder of the shared tiles (`levir`) and weights, from the repository's root.
SHARED = Path("../shared/data/satellite")
WEIGHTS = "tinycd_levir.pth"
RESOLUTION_M = 0.5  # of LEVIR-CD
# A UTM zone for mosaics without a place: metres, like the tiles.
_CRS = CRS.from_epsg(32650)
_CORNER = (500_000.0, 4_000_000.0)
_CORE_PX = 512  # side of the tiles given to a detector; not the samples' own borders in a row of 9

_SHADOW_PX = 6  # longest shadow of a house of one floor
_HOUSE_PX = (60, 1200)  # area of inserted houses: a shed of 15 m2 to a large house
# Least difference of a house from the ground under it, mean over the bands; less is not visible.
_VISIBLE = 12.0


@dataclass(frozen=True, slots=True)
class Light:
    """Ranges of the differences that season, air and sensor make on unchanged ground.

    Attributes:
        gain: Smallest and largest, per band: another sun angle, another atmosphere.
        bias: Smallest and largest, per band, grey levels: light scattered by the air.
        slope: Largest slope of the light across a picture: view angle, thin haze.
        noise: Standard deviation, grey levels, of sensor and compression.
        shift_px: Largest shift, each way: the residual of co-registration.
    """

    gain: tuple[float, float] = (0.8, 1.25)
    bias: tuple[float, float] = (-12.0, 12.0)
    slope: float = 0.05
    noise: float = 2.0
    shift_px: float = 1.0


OTHER_LIGHT = Light()
SAME_LIGHT = Light(gain=(1, 1), bias=(0, 0), slope=0, shift_px=0)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A labelled pair.

    Attributes:
        name: The file's name without its suffix, or the names of what the pair is made of.
        before: uint8 ``(h, w, 3)``, red, green, blue.
        after: The picture of the later date.
        truth: ``(h, w)``: the pixels of changed buildings; finer than degraded pictures.
    """

    name: str
    before: Picture
    after: Picture
    truth: NDArray[np.bool_]

    def views(self, resolution_m: float = RESOLUTION_M) -> Views:
        """The views for a detector, in which every pixel can be compared."""
        clear = np.zeros(self.before.shape[:2], np.uint8)
        return Views(self.before, self.after, clear, resolution_m)

    def swapped(self) -> Sample:
        """The sample with swapped dates: new buildings become demolitions."""
        return Sample(self.name, self.after, self.before, self.truth)


def tiles_in(data: Path) -> Path:
    """The folder with the tiles: the given one, or the one inside it."""
    for folder in (data, data / "levir", data / "satellite" / "levir"):
        if (folder / "label").is_dir():
            return folder
    return data


def weights_beside(data: Path) -> str:
    """The weights beside the tiles, or else of the shared data, or else of the manifest."""
    for folder in (tiles_in(data).parent, SHARED):
        if (path := folder / "weights" / WEIGHTS).is_file():
            return str(path)
    return "tinycd"


def load(folder: Path) -> list[Sample]:
    """Reads the pairs of a folder in LEVIR-CD's form.

    Args:
        folder: Contains ``A`` (before), ``B`` (after) and ``label`` (0 or 255) with files of the
            same names.

    Returns:
        The pairs in the order of their names, all of one size.

    Raises:
        SatelliteError: There are no pairs, or one is incomplete or of another size.
    """
    samples = [_load(folder, path) for path in sorted((folder / "label").glob("*.png"))]
    if not samples:
        raise SatelliteError(f"{folder}: there are no labels (label/*.png, with A/ and B/ beside)")
    for sample in samples:
        shapes = {picture.shape[:2] for picture in (sample.before, sample.after, sample.truth)}
        if shapes != {samples[0].truth.shape}:
            raise SatelliteError(f"{folder}: {sample.name} is not of the size of the first tile")
    return samples


def _load(folder: Path, label: Path) -> Sample:
    pictures = [cv2.imread(str(folder / date / label.name), cv2.IMREAD_COLOR) for date in "AB"]
    truth = cv2.imread(str(label), cv2.IMREAD_GRAYSCALE)
    if pictures[0] is None or pictures[1] is None or truth is None:
        raise SatelliteError(f"{folder}: {label.name} must be in A, B and label, as an image")
    before, after = (
        np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        for picture in pictures
        if picture is not None
    )
    return Sample(label.stem, before, after, np.asarray(truth > 127, np.bool_))


def degraded(sample: Sample, factor: int) -> Sample:
    """Degrades a sample to a coarser sensor: the mean over each square of ``factor`` pixels.

    The truth is unchanged, on the fine grid.
    """
    height, width = sample.truth.shape
    size = (width // factor, height // factor)
    before, after = (
        np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        for picture in (sample.before, sample.after)
    )
    return Sample(f"{sample.name}/{factor}", before, after, sample.truth)


def unchanged(sample: Sample, number: int, seed: int) -> Sample:
    """Makes a pair without change from one date of a sample: only light and sensor differ.

    Args:
        sample: The sample whose ground is used.
        number: Even numbers use the earlier date, odd ones the later; ``number // 2`` chooses the
            rotation.
        seed: Seed of the light.

    Returns:
        The pair, without change.
    """
    ground = _ground(sample, number)
    after = relit(ground, np.random.default_rng((seed, number)))
    return Sample(f"{sample.name}+{number}", ground, after, np.zeros(ground.shape[:2], np.bool_))


def _ground(sample: Sample, number: int) -> Picture:
    """One of the 16 pictures made by turning and mirroring a sample's dates."""
    picture = sample.after if number % 2 else sample.before
    turned = np.rot90(picture, number // 2 % 4)
    return np.ascontiguousarray(turned[::-1] if number // 8 % 2 else turned)


def relit(picture: Picture, rng: np.random.Generator, light: Light = OTHER_LIGHT) -> Picture:
    """The ground in another light, by another sensor, with a small shift."""
    height, width, bands = picture.shape
    moved = (
        picture if not light.shift_px else _moved(picture, rng.uniform(-1, 1, 2) * light.shift_px)
    )
    slope = rng.uniform(-light.slope, light.slope, 2)
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, np.newaxis]
    shading = (1 + slope[0] * down + slope[1] * across)[..., np.newaxis]
    lit = moved * shading * rng.uniform(*light.gain, bands) + rng.uniform(*light.bias, bands)
    noisy = lit + rng.normal(0, light.noise, lit.shape)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


def _moved(picture: Picture, by: NDArray[np.float64]) -> Picture:
    size = (picture.shape[1], picture.shape[0])
    matrix, edge = np.array([[1, 0, by[0]], [0, 1, by[1]]]), cv2.BORDER_REFLECT_101
    moved = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=edge)
    return np.asarray(moved, np.uint8)


def inserted(samples: Sequence[Sample], count: int, seed: int) -> Iterator[Sample]:
    """Makes pairs with a single changed house, which the screen must keep.

    A labelled house is cut out of one sample and inserted, with a shadow, into one date of another.
    Every second house is new, the others are gone.

    Args:
        samples: The samples whose houses and ground are used.
        count: Number of pairs.
        seed: Seed of everything random.

    Yields:
        Pairs that differ only in the house and the light.
    """
    rng = np.random.default_rng(seed)
    houses = [house for sample in samples for house in _houses(sample)]
    while count and houses:
        house = houses[int(rng.integers(len(houses)))]
        sample = samples[int(rng.integers(len(samples)))]
        ground = (sample.before, sample.after)[rng.integers(2)]
        built, truth = _built(ground, house, rng)
        if np.abs(built[truth].mean(0) - ground[truth].mean(0)).mean() < _VISIBLE:
            continue
        count -= 1
        before, after = (ground, built) if count % 2 else (built, ground)
        yield Sample(f"{sample.name}+house{count}", before, relit(after, rng), truth)


def _houses(sample: Sample) -> list[tuple[Picture, NDArray[np.bool_]]]:
    """The labelled houses that lie completely inside a sample, with their masks."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(sample.truth.view(np.uint8))
    height, width = sample.truth.shape
    found = []
    for label, (x, y, wide, high, area) in enumerate(stats[1:], 1):
        whole = x > 0 and y > 0 and x + wide < width and y + high < height
        if whole and _HOUSE_PX[0] <= area <= _HOUSE_PX[1]:
            place = slice(y, y + high), slice(x, x + wide)
            found.append((sample.after[place], np.asarray(labels[place] == label)))
    return found


def _built(
    ground: Picture, house: tuple[Picture, NDArray[np.bool_]], rng: np.random.Generator
) -> tuple[Picture, NDArray[np.bool_]]:
    """Ground with a house and its shadow in a random place, and the mask of the house."""
    turns = int(rng.integers(4))
    picture, mask = np.rot90(house[0], turns), np.rot90(house[1], turns)
    height, width = ground.shape[:2]
    y = rng.integers(_SHADOW_PX, height - mask.shape[0] - _SHADOW_PX)
    x = rng.integers(_SHADOW_PX, width - mask.shape[1] - _SHADOW_PX)
    place = slice(y, y + mask.shape[0]), slice(x, x + mask.shape[1])
    truth = np.zeros((height, width), np.bool_)
    truth[place] = mask
    shaded = np.zeros_like(truth)
    sun = rng.uniform(-_SHADOW_PX, _SHADOW_PX, 2)
    for step in np.linspace(0, 1, _SHADOW_PX + 1):
        down, right = np.rint(step * sun).astype(int)
        shaded |= np.roll(truth, (down, right), (0, 1))
    built = np.where(shaded[..., None], ground // 2, ground)
    built[place][mask] = picture[mask]
    return np.ascontiguousarray(built), truth


def mirrored(sample: Sample, beyond: int) -> Sample:
    """Extends a sample by its mirror image, ``beyond`` pixels wide."""
    border = (beyond, beyond, beyond, beyond)
    before, after, truth = (
        np.asarray(cv2.copyMakeBorder(part, *border, cv2.BORDER_REFLECT_101), np.uint8)
        for part in (sample.before, sample.after, sample.truth.view(np.uint8))
    )
    return Sample(sample.name, before, after, truth.view(np.bool_))


def mosaic(samples: Sequence[Sample], columns: int) -> Sample:
    """Joins samples of one size into rows; their number is a multiple of ``columns``."""
    rows = [samples[i : i + columns] for i in range(0, len(samples), columns)]
    before = np.vstack([np.hstack([sample.before for sample in row]) for row in rows])
    after = np.vstack([np.hstack([sample.after for sample in row]) for row in rows])
    truth = np.vstack([np.hstack([sample.truth for sample in row]) for row in rows])
    return Sample("mosaic", before, after, truth)


def city(
    samples: Sequence[Sample], changed_share: float, seed: int, light: Light = OTHER_LIGHT
) -> Sample:
    """Makes a scene of all samples scattered among unchanged ground.

    Args:
        samples: Real pairs, changed or not.
        changed_share: Largest share of the scene's tiles with change.
        seed: Seed of the places and the light.
        light: Differences of the later date on all unchanged ground: one image has one light.

    Returns:
        The scene, as near to a square as possible.
    """
    changed = sum(bool(sample.truth.any()) for sample in samples)
    wanted = max(len(samples), ceil(changed / changed_share))
    columns = ceil(sqrt(wanted))
    placed: list[Sample | None] = [*samples]
    placed += [None] * (columns * ceil(wanted / columns) - len(samples))
    rng = np.random.default_rng(seed)
    tiles = [placed[i] or _same(samples, i) for i in rng.permutation(len(placed))]
    ground = mosaic(tiles, columns)
    after = relit(ground.after, rng, light)
    real = mosaic([replace(tile, truth=_full(tile, tile in samples)) for tile in tiles], columns)
    return replace(ground, after=np.where(real.truth[..., np.newaxis], ground.after, after))


def _same(samples: Sequence[Sample], number: int) -> Sample:
    """A pair of the same picture of one of the samples."""
    ground = _ground(samples[number % len(samples)], number // len(samples))
    return Sample(f"ground {number}", ground, ground, np.zeros(ground.shape[:2], np.bool_))


def _full(sample: Sample, value: bool) -> NDArray[np.bool_]:
    return np.full(sample.truth.shape, value, np.bool_)


def grid_of(shape: tuple[int, ...], resolution_m: float = RESOLUTION_M) -> Grid:
    """A grid for a picture ``(h, w, ...)`` without a place."""
    across = Affine(resolution_m, 0, _CORNER[0], 0, -resolution_m, _CORNER[1])
    return Grid(_CRS, across, shape[1], shape[0])


def tiled(detector: Detector, views: Views, side: int = _CORE_PX) -> Change:
    """Judges views tile by tile, as scenes that do not fit into memory are judged.

    Args:
        detector: The detector; its margin is read around each tile.
        views: The whole scene.
        side: Side of a tile's core, pixels.

    Returns:
        The result of all cores, joined.
    """
    shape = views.quality.shape
    change = Change(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    for tile in grid_of(shape).tiles(side, detector.margin_px):
        part = detector(replace(cut(views, tile.padded), core=tile.inner))
        rows, cols = tile.core.toslices()
        change.appeared[rows, cols] = part.appeared[tile.inner]
        change.gone[rows, cols] = part.gone[tile.inner]
    return change


def cut(views: Views, window: Window) -> Views:
    """A window of views, without data beyond their border."""
    height, width = views.quality.shape
    x, y = int(window.col_off), int(window.row_off)
    right, bottom = x + int(window.width), y + int(window.height)
    rows, cols = slice(max(0, y), min(height, bottom)), slice(max(0, x), min(width, right))
    border = (max(0, -y), max(0, bottom - height), max(0, -x), max(0, right - width))

    def part(picture: Picture, beyond: int) -> Picture:
        inside = np.ascontiguousarray(picture[rows, cols])
        value = (beyond,) * 4
        return np.asarray(
            cv2.copyMakeBorder(inside, *border, cv2.BORDER_CONSTANT, value=value), np.uint8
        )

    return Views(
        part(views.before, 0),
        part(views.after, 0),
        part(views.quality, Quality.NODATA),
        views.resolution_m,
    )
