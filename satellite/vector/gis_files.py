"""Polygons for a GIS: GeoJSON (RFC 7946) and GeoPackage."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from cv_engine.errors import failure_of_os_error
from cv_engine.files import atomic_file
from satellite.errors import SatelliteError
from satellite.vector.geodesy import to_lonlat

Value = str | int | float | bool | None

# Layers of the GeoPackage.
CHANGES = "changes"
NOT_COMPARED = "not_compared"
# The table in which QGIS looks for the styles of a GeoPackage's layers.
_STYLES = "layer_styles"
# Decimal places of a degree in GeoJSON: the seventh is 1 cm, well below any pixel.
_DECIMALS = 7


@dataclass(frozen=True, slots=True)
class Feature:
    """A polygon with properties.

    Attributes:
        polygon: In the coordinate reference system that is given to the writing function.
        properties: Name to text, number, truth value or ``None``.
    """

    polygon: shapely.Polygon | shapely.MultiPolygon
    properties: Mapping[str, Value]


def write_geojson(path: Path, features: Iterable[Feature], crs: CRS) -> None:
    """Writes features as GeoJSON in WGS 84; polygons are cut at the antimeridian.

    Args:
        path: The file; replaced atomically if it exists.
        features: The features.
        crs: Coordinate reference system of the polygons.

    Raises:
        SatelliteError: The file cannot be written.
    """

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8") as file:
            file.write('{"type": "FeatureCollection", "features": [')
            for number, feature in enumerate(features):
                file.write(",\n" if number else "\n")
                file.write(json.dumps(_geojson(feature, crs), ensure_ascii=False, allow_nan=False))
            file.write("\n]}\n")
            file.flush()
            os.fsync(file.fileno())

    write_whole(path, write)


def write_geopackage(
    path: Path,
    changes: Sequence[Feature],
    not_compared: Sequence[Feature],
    crs: CRS,
    styles: Mapping[str, str] | None = None,
) -> None:
    """Writes a GeoPackage with the layers ``changes`` and ``not_compared``.

    Args:
        path: The file, ending in ``.gpkg``; replaced atomically if it exists.
        changes: The changed buildings.
        not_compared: The areas that could not be compared.
        crs: Coordinate reference system of the polygons and of the file.
        styles: QGIS's default style (QML) of each layer, by the layer's name.

    Raises:
        SatelliteError: The file cannot be written, or pyogrio is not installed.
    """
    try:
        import pyogrio.errors
        import pyogrio.raw
    except ImportError as error:
        raise SatelliteError(
            f"{path}: writing a GeoPackage needs pyogrio; pip install 'cv-engine[satellite]', "
            "or ask for GeoJSON only"
        ) from error

    def write(part: Path) -> None:
        try:
            for layer, features in ((CHANGES, changes), (NOT_COMPARED, not_compared)):
                polygons = [shapely.multipolygons(shapely.get_parts(f.polygon)) for f in features]
                columns = _columns([feature.properties for feature in features])
                wkb = np.array([shapely.to_wkb(polygon) for polygon in polygons], dtype=object)
                placed = {"geometry_type": "MultiPolygon", "crs": crs.to_wkt()}
                pyogrio.raw.write(part, wkb, layer=layer, driver="GPKG", **columns, **placed)
            if styles:
                rows = [_style_row(layer, qml) for layer, qml in styles.items()]
                table = {"layer": _STYLES, "driver": "GPKG", "geometry_type": None}
                pyogrio.raw.write(part, None, **_columns(rows), **table)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
            # SQLite repeats its whole statement before the cause.
            raise OSError(str(error).rsplit(" failed: ", 1)[-1][:200]) from error

    write_whole(path, write)


def _style_row(layer: str, qml: str) -> dict[str, Value]:
    """A row of the table in which QGIS looks for styles."""
    return {
        "f_table_catalog": "",
        "f_table_schema": "",
        "f_table_name": layer,
        "f_geometry_column": "geom",
        "styleName": layer,
        "styleQML": qml,
        "styleSLD": "",
        "useAsDefault": True,
        "description": "",
        "owner": "",
        "update_time": "",
    }


def _geojson(feature: Feature, crs: CRS) -> dict[str, object]:
    shape = to_lonlat(feature.polygon, crs)
    rounded = shapely.transform(shape, lambda xy: np.round(xy, _DECIMALS))
    properties = dict(feature.properties)
    return {
        "type": "Feature",
        "geometry": json.loads(shapely.to_geojson(rounded)),
        "properties": properties,
    }


def _columns(rows: Sequence[Mapping[str, Value]]) -> dict[str, Any]:
    """The fields, the values of each, and a mask of the missing ones, as pyogrio takes them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [_column([row.get(name) for row in rows]) for name in names]
    return {
        "fields": names,
        "field_data": [values for values, _ in columns],
        "field_mask": [missing for _, missing in columns],
    }


def _column(values: list[Value]) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    missing = np.array([value is None for value in values], dtype=bool)
    kinds = {type(value) for value in values if value is not None}
    for kinds_held, dtype, empty in (
        ({bool}, np.bool_, False),
        ({int}, np.int64, 0),
        ({int, float}, np.float64, 0.0),
    ):
        if kinds and kinds <= kinds_held:
            return np.array([empty if v is None else v for v in values], dtype), missing
    return np.array([None if v is None else str(v) for v in values], dtype=object), missing


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file atomically: under another name first, then moved into place.

    Args:
        path: The file; its folder is made if missing.
        write: Writes the content to the path that it is called with.

    Raises:
        SatelliteError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, keep_suffix=True) as partial:
            write(partial)
    except OSError as error:
        raise SatelliteError(
            f"{path}: the file cannot be written ({error.strerror or error}); check that its "
            "folder is writable and has room",
            failure_of_os_error(error),
        ) from error
