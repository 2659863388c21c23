"""The rasters of one comparison: tiles that can be resumed, then Cloud-Optimised GeoTIFFs."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window

from cv_engine.errors import failure_of_os_error, is_no_space
from cv_engine.files import remove_partials, write_atomically
from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid, Tile
from satellite.imagery.views import Change, Picture, Quality
from satellite.layers.cog import PROBABILITY, QUALITY, Mosaic, write_cog

_DESCRIPTION = "layers.json"
_TILES = "tiles"
_TILE_NAME = re.compile(r"r(\d{4,})c(\d{4,})")
# Side of the blocks within a tile's file, pixels: the least that any read has to decode.
_BLOCK = 256
# Deflate's fastest level: the files are read once or twice and then removed.
_WORK_LEVEL = 1


@dataclass(frozen=True, slots=True, eq=False)
class Rasters:
    """The rasters of one window of a comparison.

    Attributes:
        appeared: uint8 ``(height, width)``: probability times 255 that a building appeared.
        gone: uint8 ``(height, width)``: probability times 255 that a building was demolished.
        quality: uint8 ``(height, width)`` of :class:`~satellite.imagery.views.Quality`.
    """

    appeared: Picture
    gone: Picture
    quality: Picture

    @classmethod
    def of(cls, change: Change, quality: Picture) -> Rasters:
        """Scales a detector's probabilities; they become 0 where pixels cannot be compared."""
        clear = quality == Quality.CLEAR
        return cls(_scaled(change.appeared, clear), _scaled(change.gone, clear), quality)

    @classmethod
    def unknown(cls, height: int, width: int) -> Rasters:
        """A window without data: probability 0, quality NODATA."""
        zero = np.zeros((height, width), np.uint8)
        return cls(zero, zero.copy(), np.full((height, width), Quality.NODATA, np.uint8))

    def read(self, window: Window) -> Rasters:
        """A copy of a part; pixels beyond the edges have no data."""
        found = Rasters.unknown(window.height, window.width)
        height, width = self.quality.shape
        found.paste(window, self, Window(0, 0, width, height))
        return found

    def paste(self, window: Window, other: Rasters, place: Window) -> None:
        """Copies the intersection with another window into this one.

        Args:
            window: Place of this window on the grid.
            other: The rasters to copy from.
            place: Place of ``other`` on the grid; need not intersect ``window``.
        """
        top = max(window.row_off, place.row_off)
        left = max(window.col_off, place.col_off)
        bottom = min(window.row_off + window.height, place.row_off + place.height)
        right = min(window.col_off + window.width, place.col_off + place.width)
        if bottom <= top or right <= left:
            return
        ours = _slices(top, left, bottom, right, window)
        theirs = _slices(top, left, bottom, right, place)
        self.appeared[ours] = other.appeared[theirs]
        self.gone[ours] = other.gone[theirs]
        self.quality[ours] = other.quality[theirs]


class Reader(Protocol):
    """Reads the rasters of a comparison window by window."""

    def read(self, window: Window) -> Rasters:
        """Reads any window of the grid; pixels beyond its edges have no data."""
        ...


class Layers:
    """The rasters of one comparison on disk.

    Each tile is a small file that is written atomically, so a killed process loses at most the tile
    in progress. The memory used is that of one tile.

    Attributes:
        folder: The folder of the files.
        grid: The grid of the comparison.
        side: Side of the tiles, pixels.
    """

    def __init__(self, folder: Path, grid: Grid, side: int) -> None:
        self.folder = folder
        self.grid = grid
        self.side = side

    @classmethod
    def create(cls, folder: Path, grid: Grid, side: int) -> Layers:
        """Starts the rasters of a comparison, or resumes those in the folder.

        Args:
            folder: Folder of the files; made where it is missing.
            grid: The grid of the comparison.
            side: Side of the tiles that will be written, pixels, as given to ``Grid.tiles``.

        Raises:
            SatelliteError: The folder holds the rasters of another grid, or cannot be written.
        """
        if (folder / _DESCRIPTION).exists():
            found = cls.open(folder)
            if (found.grid, found.side) != (grid, side):
                raise SatelliteError(
                    f"{folder}: holds a comparison on another grid ({_described(found)}, not "
                    f"{_described(cls(folder, grid, side))}); choose another folder or remove "
                    "this one"
                )
            for part in (folder, folder / _TILES):
                remove_partials(part)
            return found
        description = {
            "crs": grid.crs.to_wkt(),
            "transform": list(grid.transform)[:6],
            "width": grid.width,
            "height": grid.height,
            "side": side,
        }
        try:
            (folder / _TILES).mkdir(parents=True, exist_ok=True)
            write_atomically(
                folder / _DESCRIPTION, json.dumps(description, indent=1).encode(), sync=True
            )
        except OSError as error:
            raise _write_error(error, folder) from error
        return cls(folder, grid, side)

    @classmethod
    def open(cls, folder: Path) -> Layers:
        """Opens the rasters that :meth:`create` started.

        Raises:
            SatelliteError: The folder holds no rasters of a comparison, or damaged ones.
        """
        path = folder / _DESCRIPTION
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            grid = Grid(
                CRS.from_wkt(said["crs"]),
                Affine(*said["transform"]),
                int(said["width"]),
                int(said["height"]),
            )
            return cls(folder, grid, int(said["side"]))
        except FileNotFoundError as error:
            raise SatelliteError(f"{folder}: there is no comparison here; run one first") from error
        except OSError as error:
            raise SatelliteError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise SatelliteError(
                f"{path}: is damaged ({error!r}); remove the folder and run the comparison again"
            ) from error

    @property
    def probability(self) -> Path:
        """The Cloud-Optimised GeoTIFF of the change probability, once finished."""
        return self.folder / "probability.tif"

    @property
    def quality(self) -> Path:
        """The Cloud-Optimised GeoTIFF of the quality layer, once finished."""
        return self.folder / "quality.tif"

    @property
    def finished(self) -> bool:
        """Whether both Cloud-Optimised GeoTIFFs exist."""
        return self.probability.exists() and self.quality.exists()

    def done(self) -> set[str]:
        """Names of the finished tiles."""
        if self.finished:
            return {tile.name for tile in self.grid.tiles(self.side, 0)}
        return {path.stem for path in (self.folder / _TILES).glob("*.tif")}

    def write(self, tile: Tile, change: Change, quality: Picture) -> None:
        """Writes the core of one tile, durably, to the disk.

        Args:
            tile: One of ``grid.tiles(side, margin)`` with any margin.
            change: The detector's result for the tile's padded window.
            quality: uint8 of :class:`~satellite.imagery.views.Quality` for the padded window.

        Raises:
            SatelliteError: The tile cannot be written; earlier tiles are kept.
        """
        inner = tile.inner
        core = Change(change.appeared[inner], change.gone[inner])
        rasters = Rasters.of(core, np.ascontiguousarray(quality[inner]))
        shape = (tile.core.height, tile.core.width)
        at = (tile.core.row_off, tile.core.col_off)
        if rasters.quality.shape != shape or at != (tile.row * self.side, tile.col * self.side):
            raise ValueError(f"tile {tile.name} is not of these layers or its arrays do not fit")
        try:
            data = self._encoded(rasters, tile.core)
            write_atomically(self._tile_path(tile.row, tile.col), data, sync=True)
        except OSError as error:
            raise _write_error(error, self.folder) from error

    def read(self, window: Window) -> Rasters:
        """Reads any window; pixels beyond the grid and in unfinished tiles have no data."""
        found = Rasters.unknown(window.height, window.width)
        try:
            if self.finished:
                with (
                    rasterio.open(self.probability) as change,
                    rasterio.open(self.quality) as quality,
                ):
                    files = (change, change, quality)
                    _read_into(found, window, self.grid.window, files, (1, 2, 1))
            else:
                self._read_tiles(found, window)
        except RasterioError as error:
            raise SatelliteError(
                f"{self.folder}: a file of the comparison is damaged ({error}); remove the folder "
                "and run the comparison again"
            ) from error
        return found

    def _read_tiles(self, found: Rasters, window: Window) -> None:
        last_row = (self.grid.height - 1) // self.side
        last_col = (self.grid.width - 1) // self.side
        for row in _tiles_reached(window.row_off, window.height, self.side, last_row):
            for col in _tiles_reached(window.col_off, window.width, self.side, last_col):
                path = self._tile_path(row, col)
                if path.exists():
                    with rasterio.open(path) as file:
                        place = self._tile_window(row, col)
                        _read_into(found, window, place, (file, file, file), (1, 2, 3))

    def finish(self) -> None:
        """Merges the tiles to ``probability.tif`` and ``quality.tif`` and removes the tiles.

        Missing tiles become NODATA in the quality layer. A second call does nothing.

        Raises:
            SatelliteError: The files cannot be written; the tiles are kept, so finish again.
        """
        if not self.finished:
            mosaic = Mosaic(self.grid, self._parts())
            try:
                for path, layer in ((self.probability, PROBABILITY), (self.quality, QUALITY)):
                    write_cog(path, mosaic, layer)
            except OSError as error:
                raise _write_error(error, self.folder) from error
        shutil.rmtree(self.folder / _TILES, ignore_errors=True)

    def _parts(self) -> list[tuple[str, Window]]:
        """Path within the folder, and place on the grid, of each finished tile."""
        parts = []
        for path in sorted((self.folder / _TILES).glob("*.tif")):
            match = _TILE_NAME.fullmatch(path.stem)
            if match:
                parts.append(
                    (f"{_TILES}/{path.name}", self._tile_window(int(match[1]), int(match[2])))
                )
        return parts

    def _tile_path(self, row: int, col: int) -> Path:
        return self.folder / _TILES / f"r{row:04d}c{col:04d}.tif"

    def _tile_window(self, row: int, col: int) -> Window:
        x, y = col * self.side, row * self.side
        width, height = min(self.side, self.grid.width - x), min(self.side, self.grid.height - y)
        return Window(x, y, width, height)

    def _encoded(self, rasters: Rasters, core: Window) -> bytes:
        # Encoded in memory, so that Python writes the file: GDAL does not report a full disk.
        with MemoryFile() as memory:
            with memory.open(
                driver="GTiff",
                width=core.width,
                height=core.height,
                count=3,
                dtype="uint8",
                crs=self.grid.crs,
                transform=self.grid.transform_of(core),
                tiled=True,
                blockxsize=_BLOCK,
                blockysize=_BLOCK,
                interleave="band",
                compress="deflate",
                zlevel=_WORK_LEVEL,
                sparse_ok=True,  # blocks of zeros take no space
            ) as file:
                file.write(np.stack([rasters.appeared, rasters.gone, rasters.quality]))
            return bytes(memory.getbuffer())


def _scaled(probability: NDArray[np.float32], clear: NDArray[np.bool_]) -> Picture:
    if not probability.any():  # the usual case
        return np.zeros(probability.shape, np.uint8)
    scaled = np.rint(np.clip(probability, 0.0, 1.0) * 255).astype(np.uint8)
    scaled[~clear] = 0
    return scaled


def _slices(top: int, left: int, bottom: int, right: int, window: Window) -> tuple[slice, slice]:
    y, x = window.row_off, window.col_off
    return slice(top - y, bottom - y), slice(left - x, right - x)


def _read_into(
    found: Rasters,
    window: Window,
    place: Window,
    files: tuple[rasterio.DatasetReader, ...],
    bands: tuple[int, int, int],
) -> None:
    """Reads into ``found``, at ``window``, from files that cover ``place`` of the grid."""
    top, left = max(window.row_off, place.row_off), max(window.col_off, place.col_off)
    bottom = min(window.row_off + window.height, place.row_off + place.height)
    right = min(window.col_off + window.width, place.col_off + place.width)
    if bottom <= top or right <= left:
        return
    part = Window(left - place.col_off, top - place.row_off, right - left, bottom - top)
    read = [file.read(band, window=part) for file, band in zip(files, bands, strict=True)]
    found.paste(window, Rasters(*read), Window(left, top, right - left, bottom - top))


def _tiles_reached(offset: int, length: int, side: int, last: int) -> range:
    """Rows or columns of the tiles that a window intersects."""
    return range(max(0, offset // side), min(last, (offset + length - 1) // side) + 1)


def _write_error(error: OSError, folder: Path) -> SatelliteError:
    if is_no_space(error):
        return SatelliteError(
            f"{folder}: the disk is full or its quota used up ({error.strerror}); what was done is "
            "kept: free some space and run the comparison again, it resumes there",
            failure_of_os_error(error),
        )
    return SatelliteError(
        f"{folder}: cannot be written ({error.strerror or error}); what was done is kept: make the "
        "folder writable, or make room, and run the comparison again",
        failure_of_os_error(error),
    )


def _described(layers: Layers) -> str:
    grid = layers.grid
    west, _, _, north = grid.bounds
    return (
        f"{grid.width} x {grid.height} px of {grid.transform.a:.6g} from {west:.10g}, "
        f"{north:.10g}, tiles of {layers.side} px"
    )
