"""OGC API - Features (OGC 17-069r4): the cases as a layer, for QGIS and other GIS programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from starlette.responses import JSONResponse

from cv_engine.cases import Filter, State
from cv_engine.cases.export.geojson import feature, utc_text
from cv_engine.service.api.cases import Reader, wanted_cases
from cv_engine.service.api.values import (
    CaseNumber,
    Limit,
    Name,
    Sharing,
    cursor_of,
    read_cursor,
)
from cv_engine.service.errors import ServiceError

router = APIRouter(prefix="/ogc", tags=["features"])
_GEOJSON = "application/geo+json"
_OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
_CONFORMS = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
]
_MOMENT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_OPEN = ("", "..")  # of an interval


class GeoJson(JSONResponse):
    """Features, with their media type also in the OpenAPI description."""

    media_type = _GEOJSON


def _link(request: Request, path: str, rel: str, kind: str = "application/json") -> dict[str, str]:
    return {"href": f"{str(request.base_url).rstrip('/')}{path}", "rel": rel, "type": kind}


def _cases(request: Request) -> dict[str, Any]:
    path = "/ogc/collections/cases"
    return {
        "id": "cases",
        "title": "Cases",
        "description": "Cases of violations, as far as the caller sees them.",
        "itemType": "feature",
        "crs": ["http://www.opengis.net/def/crs/OGC/1.3/CRS84"],
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}},
        "links": [
            _link(request, path, "self"),
            _link(request, f"{path}/items", "items", _GEOJSON),
        ],
    }


@router.get("")
def landing_page(request: Request, by: Reader) -> dict[str, Any]:
    """The landing page."""
    return {
        "title": "cv-engine",
        "description": "Cases of violations.",
        "links": [
            _link(request, "/ogc", "self"),
            _link(request, "/openapi.json", "service-desc", _OPENAPI),
            _link(request, "/ogc/conformance", "conformance"),
            _link(request, "/ogc/collections", "data"),
        ],
    }


@router.get("/conformance")
def conformance(by: Reader) -> dict[str, Any]:
    """The conformance classes."""
    return {"conformsTo": _CONFORMS}


@router.get("/collections")
def collections(request: Request, by: Reader) -> dict[str, Any]:
    """The collections: the cases."""
    links = [_link(request, "/ogc/collections", "self")]
    return {"links": links, "collections": [_cases(request)]}


@router.get("/collections/cases")
def collection(request: Request, by: Reader) -> dict[str, Any]:
    """The collection of the cases."""
    return _cases(request)


@router.get("/collections/cases/items", response_class=GeoJson)
def items(
    request: Request,
    shared: Sharing,
    by: Reader,
    bbox: Annotated[
        str | None, Query(max_length=200, examples=["121.50,29.80,121.60,29.90"])
    ] = None,
    datetime: Annotated[
        str | None,
        Query(max_length=100, description="A time, or START/END; .. for an open end."),
    ] = None,
    kind: Annotated[Name | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
    zone: Annotated[Name | None, Query()] = None,
    source: Annotated[Name | None, Query()] = None,
    department: Annotated[Name | None, Query()] = None,
    area: Annotated[Name | None, Query()] = None,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> GeoJson:
    """Cases as GeoJSON features, the newest first."""
    since, until = _interval(datetime)
    wanted: Filter = wanted_cases(
        *(shared, by, kind, zone, source, state, department, None, None, area, False),
        *(since, until, bbox),
    )
    after = None if cursor is None else read_cursor(cursor)
    found = shared.queue.cases(replace(wanted, limit=limit + 1, after=after))
    links = [{"href": str(request.url), "rel": "self", "type": _GEOJSON}]
    if len(found) > limit:
        found = found[:limit]
        following = request.url.include_query_params(cursor=cursor_of(found[-1]))
        links.append({"href": str(following), "rel": "next", "type": _GEOJSON})
    content = {
        "type": "FeatureCollection",
        "features": [feature(case) for case in found],
        "numberReturned": len(found),
        "timeStamp": utc_text(shared.clock()),
        "links": links,
    }
    return GeoJson(content)


@router.get("/collections/cases/items/{case_id}", response_class=GeoJson)
def item(case_id: CaseNumber, request: Request, shared: Sharing, by: Reader) -> GeoJson:
    """One case as a GeoJSON feature."""
    case = by.need_case(shared.queue.get(case_id))
    path = f"/ogc/collections/cases/items/{case_id}"
    links = [
        _link(request, path, "self", _GEOJSON),
        _link(request, "/ogc/collections/cases", "collection"),
    ]
    return GeoJson({**feature(case), "links": links})


def _interval(text: str | None) -> tuple[datetime | None, datetime | None]:
    """Start and end of an interval (RFC 3339, 5.6); of a single time, both are that time.

    Raises:
        ServiceError: The text is no interval.
    """
    if text is None:
        return None, None
    try:
        ends = list(_ends(text))
    except (ValidationError, ValueError):
        ends = []
    if len(ends) not in (1, 2):
        raise ServiceError(
            f"datetime {text}: write a time such as 2026-05-01T08:00:00Z, or two with a / between"
        )
    return ends[0], ends[-1]


def _ends(text: str) -> Iterator[datetime | None]:
    for part in text.split("/"):
        at = None if part in _OPEN else _MOMENT.validate_strings(part)
        if at is not None and not 1970 <= at.year <= 2199:
            raise ValueError
        yield at
