"""Validation of findings at the queue's entry point, and the row that a valid one becomes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from cv_engine.cases.errors import QueueError
from cv_engine.cases.lifecycle import State
from cv_engine.cases.taxonomy import Taxonomy
from cv_engine.finding import Finding


def case_row(finding: Finding, taxonomy: Taxonomy) -> dict[str, Any]:
    """The row of table ``cases`` for a finding, without the time of filing.

    Raises:
        QueueError: The kind has no class, a text is empty or unprintable, the geometry is not
            WGS 84 GeoJSON, or the attributes are not JSON.
    """
    what = f"finding of {finding.kind} by {finding.source!r}"
    named = taxonomy.classify(finding.kind)
    _check_text(what, finding)
    place = finding.place
    box = (None,) * 4 if place.image_box is None else tuple(map(float, place.image_box))
    return {
        "key": finding.key,
        "kind": finding.kind,
        "standard": named.standard,
        "code": named.code,
        "source": finding.source,
        "zone": finding.zone,
        "state": State.REPORTED.value,
        "priority": named.priority.value,
        "began": finding.began,
        "observed": finding.observed,
        "confidence": float(finding.confidence),
        "accuracy_m": None if place.accuracy_m is None else float(place.accuracy_m),
        "basis": place.basis,
        **dict(zip(("box_x1", "box_y1", "box_x2", "box_y2"), box, strict=True)),
        "attributes": _json(what, "attributes", finding.attributes),
        "evidence": check_evidence(finding.evidence),
        **_geometry(what, place.geometry),
    }


def check_evidence(name: str | None) -> str | None:
    """Return the evidence folder's name unchanged.

    Raises:
        QueueError: The name is empty or absolute, or leads out of the evidence folder.
    """
    if name is None:
        return None
    path = PurePosixPath(name)
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts or "\\" in name:
        raise QueueError(f"evidence {name!r} must be the name of a folder inside evidence/")
    return name


def _check_text(what: str, finding: Finding) -> None:
    for name in ("source", "zone"):
        text = getattr(finding, name)
        if not text.strip() or not text.isprintable():
            raise QueueError(f"{what}: {name} {text!r} must be printable text")


def _json(what: str, name: str, value: Mapping[str, Any]) -> Any:
    """The value after a round trip through JSON: equal before and after storing."""
    try:
        text = json.dumps(dict(value), allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError) as error:
        raise QueueError(f"{what}: {name} is not JSON: {error}") from error
    if r"\u0000" in text:  # PostgreSQL keeps no NUL
        raise QueueError(f"{what}: {name} has a NUL character")
    return json.loads(text)


def _geometry(what: str, geometry: Mapping[str, Any] | None) -> dict[str, Any]:
    names = ("min_lon", "min_lat", "max_lon", "max_lat")
    if geometry is None:
        return {"geometry": None, **dict.fromkeys(names)}
    bounds = _point_bounds(geometry) or _bounds(what, geometry)
    if not all(math.isfinite(value) for value in bounds):
        raise QueueError(f"{what}: geometry is empty or has a value that is not a number")
    west, south, east, north = bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise QueueError(
            f"{what}: geometry reaches from {west}, {south} to {east}, {north}: it must be "
            "longitude, latitude in degrees (WGS 84)"
        )
    return {
        "geometry": _json(what, "geometry", geometry),
        **dict(zip(names, bounds, strict=True)),
    }


def _point_bounds(geometry: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """The bounds of a point, the place of most findings; ``None`` for anything else."""
    at = geometry.get("coordinates")
    if geometry.get("type") != "Point" or not isinstance(at, list | tuple) or len(at) != 2:
        return None
    if not all(type(value) in (int, float) for value in at):
        return None
    lon, lat = map(float, at)
    return lon, lat, lon, lat


def _bounds(what: str, geometry: Mapping[str, Any]) -> tuple[float, float, float, float]:
    import shapely
    from shapely.geometry import shape

    try:
        west, south, east, north = shape(dict(geometry)).bounds
    except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise QueueError(f"{what}: geometry is not GeoJSON: {error}") from error
    return west, south, east, north
