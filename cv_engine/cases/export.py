"""Export: cases as GeoJSON (RFC 7946) or CSV (RFC 4180), piece by piece."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cv_engine.cases.case import Case
from cv_engine.cases.errors import QueueError

_COLUMNS = (
    *("id", "key", "kind", "standard", "code", "state", "source", "zone", "began", "observed"),
    *("gone_at", "longitude", "latitude", "accuracy_m", "basis", "image_box", "confidence"),
    *("evidence", "filed_at", "attributes", "version", "priority", "department", "team"),
    *("officer", "area", "due_at", "close_due_at", "reason", "outcome", "ended_at"),
)
#: Spreadsheets run a cell with such a beginning as a formula (OWASP, "CSV Injection"); the second
#: row holds the full-width forms, which some spreadsheets treat in the same way.
_FORMULA_STARTS = (
    *("=", "+", "-", "@", "\t", "\r", "\n", "|", "%"),
    *("\uff1d", "\uff0b", "\uff0d", "\uff20"),
)


def export(cases: Iterable[Case], form: str) -> Iterator[str]:
    r"""Write cases in a format that other programs read.

    Args:
        cases: The cases; read one at a time, so that any number fits in memory.
        form: ``"geojson"`` or ``"csv"``.

    Returns:
        The file in pieces of text, to be written as UTF-8 without changing line ends.

    Raises:
        QueueError: The format is unknown.

    Example:
        >>> "".join(export([], "geojson"))
        '{"type": "FeatureCollection", "features": []}\n'
    """
    writers: dict[str, Callable[[Iterable[Case]], Iterator[str]]] = {
        "geojson": _geojson,
        "csv": _csv,
    }
    if form not in writers:
        raise QueueError(f"cannot export as {form!r}; known: {', '.join(writers)}")
    return writers[form](cases)


def _geojson(cases: Iterable[Case]) -> Iterator[str]:
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


def _csv(cases: Iterable[Case]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    yield text.getvalue()
    for case in cases:
        text.seek(0)
        text.truncate()
        writer.writerow([safe_cell(cell) for cell in _row(case)])
        yield text.getvalue()


def _row(case: Case) -> list[object]:
    lon, lat = _middle(case.place.geometry)
    box = case.place.image_box
    return [
        *(case.id, case.key, case.kind, case.standard, case.code, case.state.value),
        *(
            case.source,
            case.zone,
            utc_text(case.began),
            utc_text(case.observed),
            utc_text(case.gone_at),
        ),
        *(lon, lat, case.place.accuracy_m, case.place.basis),
        None if box is None else " ".join(f"{value:g}" for value in box),
        *(case.confidence, case.evidence, utc_text(case.filed_at)),
        json.dumps(dict(case.attributes), ensure_ascii=False, sort_keys=True),
        *_process(case).values(),
    ]


def _middle(geometry: Mapping[str, Any] | None) -> tuple[float | None, float | None]:
    """Longitude and latitude of a point, or of a point inside a larger geometry."""
    if geometry is None:
        return None, None
    if geometry.get("type") == "Point":
        lon, lat = geometry["coordinates"][:2]
        return lon, lat
    from shapely.geometry import shape

    point = shape(dict(geometry)).representative_point()
    return (None, None) if point.is_empty else (point.x, point.y)


def safe_cell(cell: object) -> object:
    """The cell, with an apostrophe before text that a spreadsheet would run as a formula."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA_STARTS):
        return "'" + cell
    return cell


def utc_text(at: datetime | None) -> str | None:
    """A time for other programs: ISO 8601 in UTC, with a Z; ``None`` stays ``None``."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
