"""Cases as GeoJSON (RFC 7946), piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cv_engine.cases.case import Case


def geojson(cases: Iterable[Case]) -> Iterator[str]:
    r"""Write cases as a feature collection.

    Args:
        cases: The cases; read one at a time, so that any number fits in memory.

    Returns:
        The file in pieces of text, to be written as UTF-8.

    Example:
        >>> "".join(geojson([]))
        '{"type": "FeatureCollection", "features": []}\n'
    """
    yield '{"type": "FeatureCollection", "features": ['
    separator = "\n"
    for case in cases:
        yield separator + json.dumps(feature(case), ensure_ascii=False, allow_nan=False)
        separator = ",\n"
    yield "]}\n" if separator == "\n" else "\n]}\n"


def feature(case: Case) -> dict[str, Any]:
    """One case as a GeoJSON feature; the geometry is null if the place is unknown."""
    box = case.place.image_box
    return {
        "type": "Feature",
        "id": case.id,
        "geometry": _right_handed(case.place.geometry),
        "properties": {
            "key": case.key,
            "kind": case.kind,
            "standard": case.standard,
            "code": case.code,
            "state": case.state.value,
            "source": case.source,
            "zone": case.zone,
            "began": utc_text(case.began),
            "observed": utc_text(case.observed),
            "gone_at": utc_text(case.gone_at),
            "accuracy_m": case.place.accuracy_m,
            "basis": case.place.basis,
            "image_box": None if box is None else list(box),
            "confidence": case.confidence,
            "evidence": case.evidence,
            "filed_at": utc_text(case.filed_at),
            "attributes": dict(case.attributes),
            **_process(case),
        },
    }


def flat(case: Case) -> dict[str, Any]:
    """One case as a flat JSON object: the properties of :func:`feature`, with id and geometry."""
    exported = feature(case)
    return {"id": case.id, **exported["properties"], "geometry": exported["geometry"]}


def _process(case: Case) -> dict[str, Any]:
    """Who has to act on a case, by when, and what became of it."""
    handling, result = case.handling, case.result
    return {
        "version": case.version,
        "priority": case.priority,
        "department": handling.department,
        "team": handling.team,
        "officer": handling.officer,
        "area": handling.area,
        "due_at": utc_text(handling.due_at),
        "close_due_at": utc_text(handling.close_due_at),
        "reason": result.reason,
        "outcome": result.outcome,
        "ended_at": utc_text(result.ended_at),
    }


def _right_handed(geometry: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The geometry with outer rings counter-clockwise, as RFC 7946 (3.1.6) requires."""
    if geometry is None:
        return None
    if geometry.get("type") not in {"Polygon", "MultiPolygon", "GeometryCollection"}:
        return dict(geometry)
    import shapely
    from shapely.geometry import mapping, shape

    turned = shapely.orient_polygons(shape(dict(geometry)))
    return {**mapping(turned)}


def utc_text(at: datetime | None) -> str | None:
    """A time for other programs: ISO 8601 in UTC, with a Z; ``None`` stays ``None``."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
