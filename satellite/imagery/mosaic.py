"""A folder of tiles as one image: a virtual mosaic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
import structlog
from rasterio.crs import CRS
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader

from satellite.errors import SatelliteError
from satellite.imagery.acquisition import acquisition_time
from satellite.imagery.grid import Grid
from satellite.imagery.raster import Raster
from satellite.imagery.resampling import apply
from satellite.imagery.vrt import TYPES, VirtualBand, VirtualSource, virtual_image

# Suffixes of image files. JPEG and PNG files are mostly previews of the others.
_SUFFIXES = (".tif", ".tiff", ".jp2", ".j2k", ".img", ".vrt")
# Offset between the pixels of two tiles above which a warning is logged, in pixels.
_OFF_PX = 0.05
# Largest difference in size of a whole tile due to different pixel sizes, in pixels.
_DRIFT_PX = 0.1
# Side of the coarse picture in which missing tiles are detected: one tile in 500 shows.
_COARSE = 1024
# Span of the tiles' acquisition times above which a warning is logged.
_DAYS_APART = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MosaicTile:
    """One file of a mosaic.

    Attributes:
        path: Path of the file.
        grid: Pixel grid of the file.
        dtype: NumPy's name of the pixel type.
        nodata: Value of empty pixels.
        colours: GDAL's name of each band's colour interpretation.
        names: Description of each band.
        block: Height and width of a block.
        masked: Whether the file has a mask.
        acquired: Acquisition time.
        column: Column of the file's first pixel in the mosaic, set once the mosaic is laid out.
        row: Row of the file's first pixel in the mosaic.
    """

    path: str
    grid: Grid
    dtype: str
    nodata: float | None
    colours: tuple[str, ...]
    names: tuple[str | None, ...]
    block: tuple[int, int]
    masked: bool
    acquired: datetime | None
    column: int = 0
    row: int = 0

    @classmethod
    def of(cls, dataset: DatasetReader, path: str, name: str) -> MosaicTile:
        """Describes an open file."""
        flags = dataset.mask_flag_enums[0]
        return cls(
            path,
            Grid(dataset.crs, dataset.transform, dataset.width, dataset.height),
            str(dataset.dtypes[0]),
            dataset.nodata,
            tuple(colour.name for colour in dataset.colorinterp),
            tuple(dataset.descriptions),
            dataset.block_shapes[0],
            MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags,
            acquisition_time(dataset, name),
        )

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Column, row, width and height in the mosaic."""
        return self.column, self.row, self.grid.width, self.grid.height


@dataclass(frozen=True, slots=True)
class TileMosaic:
    """A virtual mosaic of tiles.

    Attributes:
        text: The VRT's XML text.
        acquired: The median of the tiles' acquisition times.
    """

    text: str
    acquired: datetime | None


def images_in(folder: Path) -> list[Path]:
    """The images in a folder, sorted by name.

    Raises:
        SatelliteError: The folder holds no image.
    """
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        raise SatelliteError(
            f"{folder}: no images lie in this folder; its tiles must end in {', '.join(_SUFFIXES)}"
        )
    return found


def mosaic_of(paths: Sequence[Path], label: str, nodata: float | None) -> TileMosaic:
    """Makes a mosaic of tiles.

    Args:
        paths: The tiles; where they overlap the later ones are on top.
        label: The user's name for the mosaic.
        nodata: Value of empty pixels, in place of the recorded one.

    Raises:
        SatelliteError: A tile cannot be used, or does not match the others.
    """
    parts = []
    for path in paths:
        raster = Raster.at(path)
        with raster.open() as dataset:
            parts.append(MosaicTile.of(dataset, raster.address, path.stem))
    return mosaic_of_tiles(parts, label, nodata)


def mosaic_of_tiles(parts: Sequence[MosaicTile], label: str, nodata: float | None) -> TileMosaic:
    """Makes a mosaic of tiles that are already described; see :func:`mosaic_of`."""
    model = _model(parts)
    if model.dtype not in TYPES:
        raise SatelliteError(
            f"{label}: values of type {model.dtype} cannot be put together; convert the images: "
            f"gdal_translate -ot Float32 IN OUT"
        )
    parts = _placed(parts, model, label)
    left = min(part.column for part in parts)
    top = min(part.row for part in parts)
    parts = [replace(part, column=part.column - left, row=part.row - top) for part in parts]
    width = max(part.column + part.grid.width for part in parts)
    height = max(part.row + part.grid.height for part in parts)
    grid = Grid(model.grid.crs, _translated(model.grid.transform, left, top), width, height)
    covered = shapely.unary_union([_rectangle(part) for part in parts])
    gaps = covered.area < width * height
    if gaps:
        _report_missing(parts, grid, label)
    overlap = sum(_rectangle(part).area for part in parts) > covered.area
    text = _text(parts, grid, model.nodata if nodata is None else nodata, gaps, overlap)
    return TileMosaic(text, _date(parts, label))


def _model(parts: Sequence[MosaicTile]) -> MosaicTile:
    """A tile with the most common properties; refuses the first tile that differs."""
    common, count = Counter(_common_properties(part) for part in parts).most_common(1)[0]
    model = next(part for part in parts if _common_properties(part) == common)
    for part in parts:
        for (what, ours), (_, theirs) in zip(_common_properties(part), common, strict=True):
            if ours != theirs:
                raise SatelliteError(
                    f"{part.path}: it has {what} {ours}, but {count} of the {len(parts)} images "
                    f"in its folder have {theirs}; take it out, or convert it to be like them"
                )
    return model


def _common_properties(part: MosaicTile) -> tuple[tuple[str, str], ...]:
    """The properties that all tiles of a mosaic must share, as texts."""
    x, y = part.grid.transform.a, part.grid.transform.e
    if part.grid.transform.b or part.grid.transform.d:
        x, y = np.hypot(x, part.grid.transform.d), np.hypot(y, part.grid.transform.b)
    return (
        ("coordinate reference system", _crs_name(part.grid.crs)),
        ("number of bands", str(len(part.colours))),
        ("type of values", part.dtype),
        ("resolution", f"{x:.4g} x {abs(y):.4g}"),
        ("bands", ", ".join(part.colours)),
        ("nodata value", str(part.nodata)),
    )


def _crs_name(crs: CRS) -> str:
    return str(crs.to_string())


def _placed(parts: Sequence[MosaicTile], model: MosaicTile, label: str) -> list[MosaicTile]:
    """Places each tile on the pixel grid of one of them."""
    found = []
    worst = 0.0
    for part in parts:
        step = ~model.grid.transform @ part.grid.transform
        width = max(part.grid.width, model.grid.width)
        height = max(part.grid.height, model.grid.height)
        drift = max(
            *(abs(value) * width for value in (step.a - 1, step.d)),
            *(abs(value) * height for value in (step.e - 1, step.b)),
        )
        if drift > _DRIFT_PX:
            raise SatelliteError(
                f"{part.path}: its pixels differ from those of {model.path} in size or direction; "
                f"bring the images to one grid: gdalwarp -tr ... -tap"
            )
        column, row = round(step.c), round(step.f)
        worst = max(worst, abs(step.c - column), abs(step.f - row))
        found.append(replace(part, column=column, row=row))
    if worst > _OFF_PX:
        structlog.get_logger(__name__).warning(
            "the tiles do not share one pixel grid: the nearest pixels are used",
            image=label,
            off_px=round(worst, 2),
        )
    _refuse_stacked(found, label)
    return found


def _refuse_stacked(parts: Sequence[MosaicTile], label: str) -> None:
    box, count = Counter(part.box for part in parts).most_common(1)[0]
    if count > 1:
        first, second = [part.path for part in parts if part.box == box][:2]
        raise SatelliteError(
            f"{label}: {Path(first).name} and {Path(second).name} show the same place; if they are "
            f"bands of one image, put them together: gdalbuildvrt -separate image.vrt ...; if they "
            f"are of different dates, keep one date in a folder"
        )


def _translated(transform: Any, columns: int, rows: int) -> Any:
    return transform @ type(transform).translation(columns, rows)


def _rectangle(part: MosaicTile) -> shapely.Polygon:
    column, row, width, height = part.box
    return shapely.box(column, row, column + width, row + height)


def _report_missing(parts: Sequence[MosaicTile], grid: Grid, label: str) -> None:
    """Warns of ground between the tiles that no tile covers."""
    step = max(1, -(-max(grid.width, grid.height) // _COARSE))
    there = np.zeros((grid.height // step + 1, grid.width // step + 1), np.bool_)
    for part in parts:
        column, row, width, height = part.box
        # An edge that two tiles share falls on the same line of the coarse picture.
        rows = slice(row // step, (row + height) // step)
        there[rows, column // step : (column + width) // step] = True
    either_or = np.logical_or.accumulate
    across = either_or(there, axis=1) & either_or(there[:, ::-1], axis=1)[:, ::-1]
    down = either_or(there, axis=0) & either_or(there[::-1], axis=0)[::-1]
    missing = int(((across | down) & ~there).sum())
    if missing:
        area_km2 = missing * (step * grid.resolution_m / 1000) ** 2
        _warn_missing(label, float(f"{area_km2:.3g}"))


@cache
def _warn_missing(label: str, area_km2: float) -> None:
    """Warns once per mosaic, however often it is opened."""
    structlog.get_logger(__name__).warning(
        "tiles are missing: their ground cannot be compared",
        image=label,
        missing_km2=area_km2,
    )


def _text(
    parts: Sequence[MosaicTile], grid: Grid, nodata: float | None, gaps: bool, overlap: bool
) -> str:
    model = parts[0]
    alpha = "alpha" in model.colours
    masked = any(part.masked for part in parts)
    masked_by: Literal["nodata", "mask"] | None = None
    if overlap and (alpha or masked):
        masked_by = "mask"
    elif overlap and nodata is not None:
        masked_by = "nodata"
    bands = [
        VirtualBand(
            [_source(part, number, masked_by) for part in parts],
            model.dtype,
            nodata,
            colour.capitalize(),
            name,
        )
        for number, (colour, name) in enumerate(zip(model.colours, model.names, strict=True), 1)
    ]
    if masked or (gaps and nodata is None and not alpha):
        return virtual_image(grid, bands, [_source(part, "mask,1", "nodata") for part in parts])
    return virtual_image(grid, bands)


def _source(
    part: MosaicTile, band: int | str, masked_by: Literal["nodata", "mask"] | None
) -> VirtualSource:
    return VirtualSource(
        part.path, part.grid.width, part.grid.height, part.block, part.box, band, masked_by
    )


def _date(parts: Sequence[MosaicTile], label: str) -> datetime | None:
    """The median of the tiles' acquisition times."""
    dates = sorted(part.acquired for part in parts if part.acquired is not None)
    if not dates:
        return None
    if dates[-1] - dates[0] > _DAYS_APART:
        structlog.get_logger(__name__).warning(
            "the tiles were taken at different times: their median is used",
            image=label,
            first=dates[0].isoformat(),
            last=dates[-1].isoformat(),
        )
    return dates[(len(dates) - 1) // 2]


def corners(grid: Grid) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Coordinates x and y of an image's corners, ``(2, 4)``, clockwise from its first pixel."""
    return np.array(
        apply(
            grid.transform,
            np.array([0.0, grid.width, grid.width, 0.0]),
            np.array([0.0, 0.0, grid.height, grid.height]),
        )
    )
