"""Pairs of pictures whose true shift, light and change are known, made from the LEVIR tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from satellite.imagery.grid import Grid
from satellite.imagery.views import Picture

View = Callable[[Window], tuple[Picture, NDArray[np.bool_]]]
Plane = NDArray[np.float32]

SHIFT = (3.3, -2.7)
TILE_PX = 256


def tiles(shared_data: Path) -> list[str]:
    """Names of the nine tiles."""
    return sorted(path.stem for path in (shared_data / "satellite/levir/A").glob("*.png"))


def tile(shared_data: Path, date: Literal["A", "B"], name: str) -> Picture:
    """One tile, red, green, blue."""
    path = shared_data / f"satellite/levir/{date}/{name}.png"
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def label(shared_data: Path, name: str) -> NDArray[np.bool_]:
    """Mask of changed buildings in one tile."""
    picture = cv2.imread(
        str(shared_data / f"satellite/levir/label/{name}.png"), cv2.IMREAD_GRAYSCALE
    )
    assert picture is not None
    return np.asarray(picture > 0)


def mosaic(
    shared_data: Path, date: Literal["A", "B"], order: Sequence[int] = range(9), side: int = 3
) -> Picture:
    """Tiles side by side, ``side`` in a row."""
    names = tiles(shared_data)
    rows = [
        np.hstack([tile(shared_data, date, names[i]) for i in order[side * row : side * (row + 1)]])
        for row in range(len(order) // side)
    ]
    return np.ascontiguousarray(np.vstack(rows))


def view(picture: Picture, valid: NDArray[np.bool_] | None = None) -> View:
    """A reader of windows of a picture, which may reach beyond it."""
    held = np.ones(picture.shape[:2], bool) if valid is None else valid
    rim = 512

    def read(window: Window) -> tuple[Picture, NDArray[np.bool_]]:
        rows = slice(window.row_off + rim, window.row_off + rim + window.height)
        cols = slice(window.col_off + rim, window.col_off + rim + window.width)
        return np.ascontiguousarray(wide[rows, cols]), wide_held[rows, cols]

    wide = np.pad(picture, ((rim, rim), (rim, rim), (0, 0)))
    wide_held = np.pad(held, rim)
    return read


def grid(picture: Picture, resolution_m: float = 0.5) -> Grid:
    """A grid for a picture."""
    transform = Affine(resolution_m, 0, 500_000, 0, -resolution_m, 3_300_000)
    return Grid(CRS.from_epsg(32650), transform, picture.shape[1], picture.shape[0])


def field(shape: tuple[int, ...], amplitude: float = 1.0, period: float = 400.0) -> Plane:
    """A shift of 3.3 and -2.7 pixels with a local warp, ``(2, height, width)``."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) + np.float32(0.5)
    turn = 2 * np.pi / period
    dx = SHIFT[0] + amplitude * np.sin(turn * y + 0.5) * np.cos(turn / 1.3 * x)
    dy = SHIFT[1] + amplitude * np.cos(turn * x + 1.0) * np.cos(turn / 1.2 * y)
    return np.stack([dx, dy]).astype(np.float32)


def warped(picture: Picture, moved: Plane) -> Picture:
    """A picture warped by a field: at p it shows the original at p - field(p)."""
    y, x = np.mgrid[: moved.shape[1], : moved.shape[2]].astype(np.float32)
    border = cv2.BORDER_REFLECT
    found = cv2.remap(picture, x - moved[0], y - moved[1], cv2.INTER_CUBIC, borderMode=border)
    return np.asarray(found, np.uint8)


def truth(moved: Plane, offset: Plane | None = None) -> Plane:
    """The true shift of a warped picture at each pixel of the original, plus an offset."""
    start = np.zeros_like(moved) if offset is None else offset
    y, x = np.mgrid[: moved.shape[1], : moved.shape[2]].astype(np.float32)
    found = start + moved.mean(axis=(1, 2), keepdims=True)
    for _ in range(6):
        found = start + np.stack(
            [
                cv2.remap(
                    part,
                    x + found[0],
                    y + found[1],
                    cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REPLICATE,
                )
                for part in moved
            ]
        )
    return np.asarray(found, np.float32)


def blobs(shape: tuple[int, ...], share: float, seed: int = 0) -> NDArray[np.bool_]:
    """A share of an area in blobs of about 50 pixels."""
    noise = np.random.default_rng(seed).normal(size=shape[:2]).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 25)
    return np.asarray(smooth > np.quantile(smooth, 1 - share))


def changed(picture: Picture, share: float, seed: int = 0) -> Picture:
    """A picture with a share of its ground replaced."""
    other = np.roll(picture[::-1], (170, 110), (0, 1))
    return np.where(blobs(picture.shape, share, seed)[..., None], other, picture)


def lit(
    picture: Picture, gain: Sequence[float], bias: Sequence[float], noise: float = 0
) -> Picture:
    """A picture with other gain and bias."""
    values = picture * np.asarray(gain) + np.asarray(bias)
    values += noise * np.random.default_rng(7).normal(size=picture.shape)
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
