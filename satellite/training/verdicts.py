"""A city's verdicts on cases as labels: confirmed is change, rejected is no change, else unknown.

A folder of verdicts holds::

    verdicts.geojson   a FeatureCollection (RFC 7946, WGS 84), a polygon for each decided case
    A/NAME.tif         the earlier of the compared images, 8-bit or other, with a CRS
    B/NAME.tif         the later image on the same pixels

and each feature's properties are

    verdict   "confirmed" or "rejected"
    pair      NAME of the images in which the case was found
    change    "appeared" (default) or "gone": the confirmed change
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.features import rasterize
from rasterio.warp import transform_geom
from rasterio.windows import Window, from_bounds
from rasterio.windows import transform as transform_of
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.training.samples import Mask, Sample, to_8bit

_FILE = "verdicts.geojson"
_WGS84 = CRS.from_epsg(4326)
# Side of the square around a case, metres: a crop of the network at 0.5 m.
_SIDE_M = 128.0
_VERDICTS = ("confirmed", "rejected")
_CHANGES = ("appeared", "gone")


@dataclass(frozen=True, slots=True)
class _Verdict:
    number: int
    place: Mapping[str, Any]
    pair: str
    confirmed: bool
    gone: bool


def read_verdicts(folder: Path, side_m: float = _SIDE_M) -> list[Sample]:
    """Reads decided cases, each with its surroundings.

    Args:
        folder: A folder of the form described above.
        side_m: Side of the square around a case, metres; larger for larger cases.

    Returns:
        A sample for each case; known only within the polygons of this and other cases.

    Raises:
        SatelliteError: A file is missing or cannot be read, or a case lies outside of its images.
    """
    verdicts = sorted(_verdicts(folder / _FILE), key=lambda verdict: verdict.pair)
    samples: list[Sample] = []
    for pair, group in groupby(verdicts, key=lambda verdict: verdict.pair):
        samples += _samples(folder, pair, list(group), side_m)
    return samples


def _verdicts(path: Path) -> Iterator[_Verdict]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SatelliteError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise SatelliteError(f"{path}: not GeoJSON: {error}") from None
    features = content.get("features") if isinstance(content, dict) else None
    if not isinstance(features, list) or not features:
        raise SatelliteError(f"{path}: holds no features: a FeatureCollection of cases is expected")
    for number, feature in enumerate(features, 1):
        yield _verdict(path, number, feature)


def _verdict(path: Path, number: int, feature: Any) -> _Verdict:
    where = f"{path}: feature {number}"
    properties = (feature.get("properties") if isinstance(feature, dict) else None) or {}
    verdict, pair = properties.get("verdict"), properties.get("pair")
    change = properties.get("change", "appeared")
    if verdict not in _VERDICTS:
        raise SatelliteError(f"{where}: its verdict is {verdict!r}: write {' or '.join(_VERDICTS)}")
    if change not in _CHANGES:
        raise SatelliteError(f"{where}: its change is {change!r}: write {' or '.join(_CHANGES)}")
    if not isinstance(pair, str) or not pair or Path(pair).name != pair:
        raise SatelliteError(f"{where}: its pair is {pair!r}: write the images' name without .tif")
    try:
        place = shape(feature["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError, ShapelyError):
        place = shapely.Polygon()
    if place.geom_type not in ("Polygon", "MultiPolygon") or place.is_empty:
        raise SatelliteError(f"{where}: has no polygon")
    return _Verdict(number, mapping(place), pair, verdict == "confirmed", change == "gone")


def _samples(
    folder: Path, pair: str, verdicts: Sequence[_Verdict], side_m: float
) -> Iterator[Sample]:
    paths = [folder / part / f"{pair}.tif" for part in ("A", "B")]
    try:
        with rasterio.open(paths[0]) as before, rasterio.open(paths[1]) as after:
            _check(before, after, paths)
            grid = Grid(before.crs, before.transform, before.width, before.height)
            places = [transform_geom(_WGS84, before.crs, v.place) for v in verdicts]
            for verdict, place in zip(verdicts, places, strict=True):
                window = _window(grid, shape(place).bounds, side_m)
                if window is None:
                    raise SatelliteError(
                        f"{folder / _FILE}: feature {verdict.number} lies outside {paths[0].name}: "
                        "name the pair in which the case was found"
                    )
                pictures = [_picture(source, window) for source in (before, after)]
                masks = _masks(grid, window, list(zip(verdicts, places, strict=True)))
                name = f"{pair}/{verdict.number}"
                yield Sample(name, pictures[0], pictures[1], *masks, grid.resolution_m)
    except RasterioError as error:
        raise SatelliteError(f"{paths[0]} or {paths[1]}: not readable: {error}") from None


def _check(before: Any, after: Any, paths: Sequence[Path]) -> None:
    if before.crs is None:
        raise SatelliteError(f"{paths[0]}: has no CRS: verdicts cannot be placed in it")
    if (before.crs, before.transform, before.shape) != (after.crs, after.transform, after.shape):
        raise SatelliteError(
            f"{paths[1]}: does not lie on the pixels of {paths[0]}: give the images as they were "
            "compared"
        )


def _window(grid: Grid, bounds: tuple[float, ...], side_m: float) -> Window | None:
    """The pixels around a case, clipped to the image; ``None`` where the case lies outside."""
    case = from_bounds(*bounds, transform=grid.transform)
    side = max(side_m / grid.resolution_m, case.width, case.height)
    row, col = case.row_off + (case.height - side) / 2, case.col_off + (case.width - side) / 2
    top, left = max(0, round(row)), max(0, round(col))
    bottom, right = min(grid.height, round(row + side)), min(grid.width, round(col + side))
    inside = case.row_off < grid.height and case.col_off < grid.width
    inside = inside and case.row_off + case.height > 0 and case.col_off + case.width > 0
    return Window(left, top, right - left, bottom - top) if inside else None


def _picture(source: Any, window: Window) -> Any:
    bands = source.read([1, 2, 3] if source.count >= 3 else [1, 1, 1], window=window)
    return to_8bit(np.moveaxis(bands, 0, -1))


def _masks(
    grid: Grid, window: Window, cases: Sequence[tuple[_Verdict, Mapping[str, Any]]]
) -> tuple[Mask, Mask, Mask]:
    """Masks of what appeared, what is gone, and where one of the two is known."""

    def burnt(places: list[Mapping[str, Any]]) -> Mask:
        size = (int(window.height), int(window.width))
        if not places:
            return np.zeros(size, np.uint8)
        transform = transform_of(window, grid.transform)
        return np.asarray(rasterize(places, size, transform=transform), np.uint8)

    appeared = burnt([place for verdict, place in cases if verdict.confirmed and not verdict.gone])
    gone = burnt([place for verdict, place in cases if verdict.confirmed and verdict.gone])
    return appeared, gone, burnt([place for _, place in cases])
