"""The features of a GeoJSON file (RFC 7946) in degrees WGS 84 or in pixels."""

from __future__ import annotations

from typing import Any

from zones.document import Document
from zones.errors import Problem, ZoneError

_MOST_FEATURES = 10_000  # each is compared with others; no camera watches so many
_DEGREES_ONLY = ("crs84", "4326", "4490")  # names of WGS 84 and CGCS2000 in a file's crs


def feature_locations(document: Document) -> list[list[str | int]]:
    """Locations of the features; the file may be a FeatureCollection or a single Feature.

    Raises:
        ZoneError: The file is no GeoJSON, has no or too many features, or is not in degrees.
    """
    value = document.value
    kind = value.get("type") if isinstance(value, dict) else None
    advice = 'write {"type": "FeatureCollection", "features": [...]}'
    if kind == "Feature":
        return [[]]
    if kind != "FeatureCollection":
        what = f"the file is no GeoJSON FeatureCollection (its type is {kind!r:.60})"
        raise ZoneError(Problem(document.where([]), what, advice))
    features = value.get("features")
    if not isinstance(features, list) or not features:
        raise ZoneError(Problem(document.where(["features"]), "there are no features", advice))
    if len(features) > _MOST_FEATURES:
        what = f"there are more than {_MOST_FEATURES:,} features"
        advice = "divide the file; a camera may have one of its own"
        raise ZoneError(Problem(document.where(["features"]), what, advice))
    name = _crs_name(value.get("crs"))
    if name and not any(known in name.lower() for known in _DEGREES_ONLY):
        what = f"the file is in {name:.60}"
        raise ZoneError(
            Problem(document.where(["crs"], "crs"), what, "export it in WGS 84 (EPSG:4326)")
        )
    return [["features", index] for index in range(len(features))]


def _crs_name(crs: Any) -> str | None:
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return name if isinstance(name, str) else None
