"""Pairs of scenes of any size, made by repeating a city of tiles that is 95 % unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import rasterio

from benchmarks.imagery.scenes import write
from benchmarks.imagery.tiles import RESOLUTION_M, Sample, city
from satellite.imagery.grid import Grid
from satellite.imagery.views import Picture
from satellite.imagery.vrt import VirtualBand, VirtualSource, virtual_image

_CHANGED = 0.05  # share of the tiles that have change
_SEED = 1
_COLOURS = ("Red", "Green", "Blue")


@dataclass(frozen=True, slots=True)
class Ground:
    """Two images of one city on disk.

    Attributes:
        before: The earlier image.
        after: The later image.
        grid: The grid of both images.
    """

    before: Path
    after: Path
    grid: Grid


def write_ground(samples: Sequence[Sample], folder: Path, resolution_m: float) -> Ground:
    """Writes a city in which 5 % of the tiles have change.

    Args:
        samples: Real tiles.
        folder: The folder to write to.
        resolution_m: Side of the pixels, a multiple of that of the tiles.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scene = city(samples, _CHANGED, _SEED)
    paths = folder / "before.tif", folder / "after.tif"
    for path, picture in zip(paths, (scene.before, scene.after), strict=True):
        write(path, _coarser(picture, round(resolution_m / RESOLUTION_M)), resolution_m)
    with rasterio.open(paths[0]) as file:
        return Ground(*paths, Grid(file.crs, file.transform, file.width, file.height))


def _coarser(picture: Picture, factor: int) -> Picture:
    if factor == 1:
        return picture
    size = (picture.shape[1] // factor, picture.shape[0] // factor)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def repeated(ground: Ground, folder: Path, side: int) -> tuple[Path, Path]:
    """Makes two virtual images of ``side`` x ``side`` pixels in which the ground repeats itself.

    Each repetition is a file of its own for GDAL, by a link of another name: it is read, decoded
    and cached as if it were other ground.

    Returns:
        The earlier and the later image, with their dates in their names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _repeated(ground.before, ground.grid, folder / "city-20240501.vrt", side)
    return before, _repeated(ground.after, ground.grid, folder / "city-20250501.vrt", side)


def _repeated(image: Path, grid: Grid, path: Path, side: int) -> Path:
    with rasterio.open(image) as file:
        block = file.block_shapes[0]
    linked = []
    for row in range(ceil(side / grid.height)):
        for col in range(ceil(side / grid.width)):
            link = path.with_name(f"{path.stem}-{row}-{col}.tif")
            link.symlink_to(image.resolve())
            place = (col * grid.width, row * grid.height, grid.width, grid.height)
            linked.append(
                VirtualSource(str(link.absolute()), grid.width, grid.height, block, place, 1)
            )
    bands = [
        VirtualBand([replace(piece, band=number) for piece in linked], "uint8", colour=colour)
        for number, colour in enumerate(_COLOURS, 1)
    ]
    path.write_text(virtual_image(Grid(grid.crs, grid.transform, side, side), bands))
    return path
