"""Georeferenced scenes with known truth, made from a mosaic of tiles and then disturbed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.imagery.tiles import RESOLUTION_M, Sample, grid_of
from satellite.imagery.views import Picture

_Raster = NDArray[np.float32]
_Value = TypeVar("_Value", np.uint8, np.float32)

# Right and down; a good georeference of a satellite image at 0.5 m is no better.
_SHIFT_PX = (3.3, -2.7)
_WARP_PX = 1.0  # amplitude of the local displacement: terrain, the sensor's attitude
_WARP_WAVE_PX = 700.0
_GAIN = (0.8, 1.1, 1.2)  # red, green, blue
_BIAS = (18.0, -8.0, 6.0)  # grey levels
_CLOUD_SHARE = 0.08
_CLOUD_GRAIN_PX = 192  # of the noise that clouds are made of: the smallest are 100 m across
_CLOUD_GREY = 245.0
_SHADOW_OFFSET_PX = (230, 150)  # right, down: far enough to fall on other ground
_SHADOW_LIGHT = 0.45  # of the sun's, under the thickest cloud
# Opacity from which a pixel is covered; below, the ground's contrast is nearly unchanged.
_COVERED = 0.1
# Least usable share of a window whose shift is measured, and least contrast of its grey levels.
_SEEN = 0.9
_TEXTURE = 8.0
_FAR_PX = 10  # longest shift that is searched
# Most steps, and least change of the coefficient.
_ECC = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class Scenes:
    """Two images on disk, and their truth.

    Attributes:
        before: The earlier image, undisturbed.
        after: The later image, disturbed.
        truth: The undisturbed mosaic, on the grid of ``before``.
        covered: ``(h, w)``: the pixels under a cloud or its shadow, or outside the later image, on
            the same grid.
    """

    before: Path
    after: Path
    truth: Sample
    covered: NDArray[np.bool_]


def write_scenes(sample: Sample, folder: Path, *, seed: int, disturbed: bool = True) -> Scenes:
    """Writes a sample as two GeoTIFFs.

    Args:
        sample: A mosaic.
        folder: The folder to write to.
        seed: Seed of the clouds.
        disturbed: Whether the later image is moved, relit and clouded.

    Returns:
        The scenes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before, after = folder / "before.tif", folder / "after.tif"
    covered = np.zeros(sample.truth.shape, np.bool_)
    picture = sample.after
    if disturbed:
        opacity = clouds(sample.truth.shape, seed)
        shade = _moved(opacity, _SHADOW_OFFSET_PX)
        covered = (opacity > _COVERED) | (shade > _COVERED) | moved_out(sample.truth.shape)
        picture = clouded(sensed(displaced(picture)), displaced(opacity), displaced(shade))
    write(before, sample.before)
    write(after, picture)
    return Scenes(before, after, sample, covered)


def write(path: Path, picture: Picture, resolution_m: float = RESOLUTION_M) -> None:
    """Writes a picture ``(h, w, bands)`` as a tiled GeoTIFF on the tiles' grid."""
    grid = grid_of(picture.shape, resolution_m)
    profile = {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "count": picture.shape[2],
        "dtype": "uint8",
        "crs": grid.crs,
        "transform": grid.transform,
        "tiled": True,
        "compress": "deflate",
    }
    with rasterio.open(path, "w", photometric="RGB", **profile) as file:
        file.write(np.moveaxis(picture, 2, 0))


def displaced(picture: NDArray[_Value]) -> NDArray[_Value]:
    """Displaces the content by the shift and the warp, as a poor georeference does."""
    x, y = _places(picture.shape)
    dx, dy = _displacement(x, y)
    edge = cv2.BORDER_REFLECT_101
    moved = cv2.remap(picture, x - dx, y - dy, cv2.INTER_LANCZOS4, borderMode=edge)
    return np.asarray(moved, picture.dtype)


def moved_out(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels that lie outside the picture once it is displaced, bool ``(h, w)``."""
    height, width = shape[0], shape[1]
    x, y = _places(shape)
    dx, dy = _displacement(x, y)
    inside = (x + dx >= 0) & (x + dx <= width - 1) & (y + dy >= 0) & (y + dy <= height - 1)
    return np.asarray(~inside, np.bool_)


def _places(shape: tuple[int, ...]) -> tuple[_Raster, _Raster]:
    x, y = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in (shape[1], shape[0])))
    return x, y


def _displacement(x: _Raster, y: _Raster) -> tuple[_Raster, _Raster]:
    """Displacement to the right and down, pixels.

    It varies so slowly that it is the same at both ends of a displacement.
    """
    wave = np.float32(2 * np.pi / _WARP_WAVE_PX)
    right, down = np.float32(_SHIFT_PX[0]), np.float32(_SHIFT_PX[1])
    warp = np.float32(_WARP_PX)
    return right + warp * np.sin(wave * y), down + warp * np.cos(wave * x)


def clouds(shape: tuple[int, ...], seed: int) -> _Raster:
    """Opacity of scattered clouds, 0 to 1; about 8 % of the pixels have some."""
    height, width = shape[0], shape[1]
    rng = np.random.default_rng(seed)
    field = np.zeros((height, width), np.float32)
    for octave, weight in enumerate((1.0, 0.4, 0.2)):  # the rest is the ragged edge
        grain = _CLOUD_GRAIN_PX >> octave
        noise = rng.normal(0, weight, (height // grain + 3, width // grain + 3)).astype(np.float32)
        smooth = cv2.resize(noise, None, fx=grain, fy=grain, interpolation=cv2.INTER_CUBIC)
        field += smooth[grain : grain + height, grain : grain + width]
    floor = np.quantile(field, 1 - _CLOUD_SHARE)
    thickness = (field - floor) / max(1e-6, float(field.max() - floor))
    return np.asarray(np.clip(4 * thickness, 0, 1), np.float32)


def clouded(picture: Picture, opacity: _Raster, shade: _Raster) -> Picture:
    """The ground with clouds over it and their shadows on it."""
    light = 1 - (1 - _SHADOW_LIGHT) * shade[..., None]
    seen = picture * light * (1 - opacity[..., None]) + _CLOUD_GREY * opacity[..., None]
    return np.asarray(np.clip(np.rint(seen), 0, 255), np.uint8)


def sensed(picture: Picture) -> Picture:
    """The picture with another gain and bias per band."""
    return np.asarray(np.clip(np.rint(picture * np.array(_GAIN) + _BIAS), 0, 255), np.uint8)


def _moved(raster: _Raster, by: tuple[int, int]) -> _Raster:
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float64)
    size = (raster.shape[1], raster.shape[0])
    return np.asarray(cv2.warpAffine(raster, matrix, size, flags=cv2.INTER_NEAREST), np.float32)


def misregistration(
    moved: Picture, fixed: Picture, usable: NDArray[np.bool_], side: int = 96
) -> NDArray[np.float64]:
    """Measures the misregistration of a picture.

    Args:
        moved: The aligned picture, ``(h, w, bands)``.
        fixed: The same content in its true place.
        usable: ``(h, w)``: pixels that both show; windows with less than nine tenths are left out.
        side: Side of the windows that are matched, pixels.

    Returns:
        Length of the shift in each window with texture, pixels: to the pixel by correlation, then
        by the enhanced correlation coefficient (Evangelidis and Psarakis, 2008), which is
        independent of gain and bias.
    """
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (moved, fixed)]
    shifts = []
    for y in range(0, fixed.shape[0] - side + 1, side // 2):
        for x in range(0, fixed.shape[1] - side + 1, side // 2):
            place = (slice(y, y + side), slice(x, x + side))
            one, two = (np.asarray(grey[place], np.float32) for grey in greys)
            if usable[place].mean() < _SEEN or min(one.std(), two.std()) < _TEXTURE:
                continue
            shift = _shift(two, one)
            if shift is not None:
                shifts.append(shift)
    return np.asarray(shifts, np.float64)


def _shift(fixed: _Raster, moved: _Raster) -> float | None:
    """Length of the shift between two windows; ``None`` if they do not match."""
    inner = fixed[_FAR_PX:-_FAR_PX, _FAR_PX:-_FAR_PX].copy()
    likeness = cv2.matchTemplate(moved, inner, cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(likeness)
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    try:
        _, found = cv2.findTransformECC(inner, moved, matrix, cv2.MOTION_TRANSLATION, _ECC)
    except cv2.error:  # no convergence
        return None
    return float(np.hypot(found[0, 2] - _FAR_PX, found[1, 2] - _FAR_PX))
