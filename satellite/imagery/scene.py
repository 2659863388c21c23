"""One image of one date, read window by window on any grid."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.acquisition import acquisition_time, to_utc
from satellite.imagery.bands import COLOURS, Role, identify_bands
from satellite.imagery.grid import Grid
from satellite.imagery.mosaic import corners
from satellite.imagery.opening import locate_image
from satellite.imagery.overlap import centre_of, common_grid
from satellite.imagery.pixels import Pixels, Valid, Validity, Values
from satellite.imagery.raster import Raster, files_of
from satellite.imagery.resampling import Positions, Resampling
from satellite.imagery.stretch import Span, spans_of
from satellite.imagery.views import Picture

__all__ = ["Role", "Scene", "common_grid", "open_scene"]

# Side of the squares in which a window is interpolated, pixels: their position maps take 32 MB, and
# OpenCV's limit is 32,767.
_SIDE = 2048


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The image's values for a part of a window.

    Attributes:
        rows: The part's rows in the window.
        cols: The part's columns in the window.
        values: ``(bands, height, width)`` as stored.
        valid: Valid mask of ``values``; ``None`` where all are valid.
        positions: Positions of the part's pixels on ``values``; ``None`` where they coincide.
    """

    rows: slice
    cols: slice
    values: Values
    valid: Valid | None
    positions: Positions | None


class Scene:
    """One image of one date.

    Memory depends on the window, not on the image's size, beside
    :data:`satellite.imagery.raster.CACHE_BYTES` of GDAL's cache. A scene may be shared between
    threads.

    Example:
        >>> before, after = open_scene("2024.tif"), open_scene("2025.tif")  # doctest: +SKIP
        >>> grid = common_grid(before, after)  # doctest: +SKIP
        >>> picture, valid = before.picture(grid, Window(0, 0, 1024, 1024))  # doctest: +SKIP

    Attributes:
        name: Short name for display: the file's stem, the folder's name or the STAC item's id.
        native: The image's own pixel grid; unlike other grids it may be rotated and not square.
        dtype: NumPy's name of the pixel type.
        roles: 1-based band number of each role.
        order_is_certain: Whether red and blue are known, rather than guessed.
        acquired: Acquisition time, UTC; ``None`` where none is recorded.
        resolution_m: Side of a pixel on the ground at the image's centre, metres.
    """

    def __init__(
        self,
        raster: Raster,
        pixels: Pixels,
        *,
        name: str,
        native: Grid,
        dtype: str,
        roles: Mapping[Role, int],
        order_is_certain: bool,
        acquired: datetime | None,
        files: Sequence[Path],
    ) -> None:
        self.name = name
        self.native = native
        self.dtype = dtype
        self.roles = roles
        self.order_is_certain = order_is_certain
        self.acquired = acquired
        self.resolution_m = native.resolution_m
        self._raster = raster
        self._pixels = pixels
        self._files = files
        self._resampling: tuple[Grid, Resampling] | None = None
        self._spans: dict[Role, Span] | None = None
        self._lock = threading.Lock()

    @property
    def label(self) -> str:
        """The user's name for the image, for messages."""
        return self._raster.label

    @property
    def crs(self) -> CRS:
        """The coordinate reference system."""
        return self.native.crs

    @property
    def width(self) -> int:
        """Columns of the image."""
        return self.native.width

    @property
    def height(self) -> int:
        """Rows of the image."""
        return self.native.height

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north in coordinates of ``crs``."""
        x, y = corners(self.native)
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    @property
    def exchanged(self) -> dict[Role, int]:
        """The roles with red and blue exchanged."""
        return {**self.roles, "red": self.roles["blue"], "blue": self.roles["red"]}

    @property
    def has_nir(self) -> bool:
        """Whether the image has a near-infrared band."""
        return "nir" in self.roles

    def read(
        self, grid: Grid, window: Window, roles: Sequence[Role]
    ) -> tuple[NDArray[np.float32], Valid]:
        """Reads bands on a grid.

        Where the grid's pixels differ from the image's, values are interpolated bilinearly; where
        grid pixels are more than 1.5 times as large, image pixels are averaged first.

        Args:
            grid: Any grid.
            window: Pixels of the grid; may reach beyond the grid and the image.
            roles: The bands to read.

        Returns:
            float32 ``(bands, height, width)`` in stored units, and the mask ``(height, width)`` of
            pixels valid in all these bands. Invalid pixels are 0.

        Raises:
            SatelliteError: The image lacks one of the bands, or cannot be read.
        """
        bands = [self._band(role) for role in roles]
        shape = (int(window.height), int(window.width))
        found = np.zeros((len(bands), *shape), np.float32)
        valid = np.zeros(shape, np.bool_)
        unique = sorted(set(bands))
        for part in self._parts(grid, window, unique):
            planes = [_floats(plane, part) for plane in part.values]
            ok = _valid(part)
            for index, band in enumerate(bands):
                plane = planes[unique.index(band)]
                found[index, part.rows, part.cols] = np.where(ok, plane, np.float32(0))
            valid[part.rows, part.cols] = ok
        return found, valid

    def picture(self, grid: Grid, window: Window, *, nir: bool = False) -> tuple[Picture, Valid]:
        """Reads a picture on a grid, like :meth:`read`.

        8-bit images are returned unchanged. Others are stretched linearly, in the same way all over
        the image: red, green and blue by the same factor, so that colours are kept.

        Args:
            grid: Any grid.
            window: Pixels of the grid; may reach beyond the grid and the image.
            nir: Whether to add near infrared as the fourth band.

        Returns:
            uint8 ``(height, width, 3 or 4)``, C-contiguous: red, green, blue and near infrared; and
            the valid mask ``(height, width)``. Invalid pixels are 0.

        Raises:
            SatelliteError: The image lacks one of the bands, or cannot be read.
        """
        roles: list[Role] = [*COLOURS, "nir"] if nir else list(COLOURS)
        bands = [self._band(role) for role in roles]
        shape = (int(window.height), int(window.width))
        found = np.zeros((*shape, len(bands)), np.uint8)
        valid = np.zeros(shape, np.bool_)
        unique = sorted(set(bands))
        show = self._show(roles)
        for part in self._parts(grid, window, unique):
            planes = [
                show[role](part.values[unique.index(band)])
                for role, band in zip(roles, bands, strict=True)
            ]
            shown = np.asarray(cv2.merge(planes), np.uint8)
            if part.positions is not None:
                shown = part.positions.values(shown)
            ok = _valid(part)
            if not ok.all():
                shown = np.asarray(cv2.bitwise_and(shown, shown, mask=ok.view(np.uint8)), np.uint8)
            found[part.rows, part.cols] = shown
            valid[part.rows, part.cols] = ok
        return found, valid

    def fingerprint(self) -> str:
        """A digest that is the same for the same unchanged files, opened in the same way."""
        native = self.native
        facts = [
            self._raster.address,
            native.crs.to_wkt(),
            *(repr(value) for value in (*native.transform[:6], native.width, native.height)),
            self.dtype,
            *(f"{role}={band}" for role, band in sorted(self.roles.items())),
        ]
        for path in self._files:
            stat = path.stat()
            facts.append(f"{path} {stat.st_size} {stat.st_mtime_ns}")
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def close(self) -> None:
        """Closes the image's files."""
        self._pixels.close()

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _band(self, role: Role) -> int:
        if role not in self.roles:
            raise SatelliteError(
                f"{self._raster.label}: none of its bands is known to show {role} (known: "
                f"{', '.join(f'{name} in {band}' for name, band in self.roles.items())}); give it: "
                f"--roles {role}=BAND (in the configuration: roles: {{{role}: BAND}})"
            )
        return self.roles[role]

    def _show(self, roles: Sequence[Role]) -> dict[Role, Callable[[Values], Values]]:
        """The conversion of each band to 8 bits."""
        if self.dtype == "uint8":
            return {role: lambda plane: plane for role in roles}
        with self._lock:
            if self._spans is None:
                known: list[Role] = [*COLOURS, "nir"] if self.has_nir else list(COLOURS)
                unique = sorted({self.roles[role] for role in known})
                samples = self._pixels.sample(unique)
                self._spans = spans_of(
                    {role: samples[unique.index(self.roles[role])] for role in known}
                )
            return {role: self._spans[role].picture for role in roles}

    def _parts(self, grid: Grid, window: Window, bands: Sequence[int]) -> Iterator[_Part]:
        """Reads the image's share of a window, in one part or several."""
        resampling = self._resampling_onto(grid)
        if resampling.offset is not None:
            col, row = resampling.offset
            moved = Window(window.col_off + col, window.row_off + row, window.width, window.height)
            own = _clipped(moved, self.native.window)
            if own is not None:
                rows = _slice(own.row_off - row - window.row_off, own.height)
                cols = _slice(own.col_off - col - window.col_off, own.width)
                yield _Part(rows, cols, *self._pixels.read(bands, own), None)
            return
        for square in _squares(window):
            positions = resampling.positions(square)
            if positions is not None:
                rows = _slice(square.row_off - window.row_off, square.height)
                cols = _slice(square.col_off - window.col_off, square.width)
                values, valid = self._pixels.read(bands, positions.window, resampling.shrink)
                yield _Part(rows, cols, values, valid, positions)

    def _resampling_onto(self, grid: Grid) -> Resampling:
        known = self._resampling
        if known is None or known[0] is not grid:
            known = (grid, Resampling(self.native, grid, self._raster.label))
            self._resampling = known
        return known[1]


def open_scene(
    source: str | Path,
    *,
    roles: Mapping[Role, int] | None = None,
    acquired: datetime | None = None,
    nodata: float | None = None,
    allow_remote: bool = False,
) -> Scene:
    """Opens an image.

    Args:
        source: Path or address (http, https, s3, gs) of an image that GDAL reads (GeoTIFF, COG,
            JPEG 2000, VRT, Erdas IMG), a folder of tiles, or a STAC item's JSON text.
        roles: 1-based band numbers by role, where the image lacks or misstates them.
        acquired: Acquisition time, in place of the recorded one; taken as UTC without a time zone.
        nodata: Value of empty pixels, in place of the recorded one.
        allow_remote: Whether a STAC item on this machine may name images elsewhere, which are
            fetched over the network.

    Raises:
        SatelliteError: The image cannot be used; the message says why and what to do.
    """
    found = locate_image(source, nodata, allow_remote=allow_remote)
    raster = found.raster
    given = {**found.roles, **(roles or {})}
    with raster.open() as dataset, raster.gdal("read", "use an image that GDAL reads whole"):
        native = Grid(dataset.crs, dataset.transform, dataset.width, dataset.height)
        _refuse_misplaced(native, raster.label)
        bands = identify_bands(dataset, raster.label, given)
        taken = acquired or found.acquired or acquisition_time(dataset, found.name)
        return Scene(
            raster,
            Pixels(raster, Validity.of(dataset, bands.alpha), list(bands.roles.values())),
            name=found.name,
            native=native,
            dtype=str(dataset.dtypes[0]),
            roles=bands.roles,
            order_is_certain=bands.certain,
            acquired=None if taken is None else to_utc(taken),
            files=files_of(dataset),
        )


def _refuse_misplaced(native: Grid, label: str) -> None:
    lon, lat = centre_of(native)
    resolution = native.resolution_m if np.isfinite([lon, lat]).all() and abs(lat) <= 90 else 0.0
    if not (np.isfinite(resolution) and resolution > 0):
        raise SatelliteError(
            f"{label}: its corners and its coordinate reference system "
            f"({native.crs.to_string()[:60]}) "
            f"give no place on Earth; find out which system it is in and set it: "
            f"gdal_edit.py -a_srs EPSG:... {label}"
        )


def _floats(plane: Values, part: _Part) -> NDArray[np.float32]:
    values = plane.astype(np.float32)
    if part.positions is None:
        return values
    if part.valid is not None:
        values[~part.valid] = 0  # NaN and infinity would spread by interpolation
    return np.asarray(part.positions.values(values), np.float32)


def _valid(part: _Part) -> Valid:
    if part.positions is not None:
        return part.positions.valid(part.valid)
    return np.ones(part.values.shape[1:], np.bool_) if part.valid is None else part.valid


def _clipped(window: Window, to: Window) -> Window | None:
    """The intersection of two windows."""
    left, top = max(window.col_off, to.col_off), max(window.row_off, to.row_off)
    right = min(window.col_off + window.width, to.col_off + to.width)
    bottom = min(window.row_off + window.height, to.row_off + to.height)
    if right <= left or bottom <= top:
        return None
    return Window(int(left), int(top), int(right - left), int(bottom - top))


def _squares(window: Window) -> Iterator[Window]:
    for top in range(0, int(window.height), _SIDE):
        for left in range(0, int(window.width), _SIDE):
            width = min(_SIDE, int(window.width) - left)
            height = min(_SIDE, int(window.height) - top)
            yield Window(window.col_off + left, window.row_off + top, width, height)


def _slice(start: float, length: float) -> slice:
    return slice(int(start), int(start + length))
