"""Cases as GeoReport's service requests, and reports as findings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from cv_engine.cases import Case, State
from cv_engine.cases.export.geojson import utc_text
from cv_engine.cases.lifecycle import OPEN_STATES
from cv_engine.cases.taxonomy import CaseClass, Taxonomy
from cv_engine.finding import Finding, Place
from cv_engine.service.api.values import Name, Note

#: Zone of the cases that are filed here.
ZONE = "reports"
#: Radius within which the place lies that a person pins on a map, metres: across the street.
PIN_ACCURACY_M = 25.0
_CONFIDENCE = 0.5  # a person saw something: more is known when an officer has looked
_ADDRESS, _DESCRIPTION = "address", "description"


class Report(BaseModel):
    """A report, as it is posted; further fields of the specification are not kept.

    Names, addresses and telephone numbers of people who report stay out, since histories are kept
    for ever.
    """

    service_code: Name
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)
    long: float = Field(ge=-180, le=180, allow_inf_nan=False)
    description: Note = ""
    address_string: Name = ""


def service_row(kind: CaseClass, group: str) -> dict[str, Any]:
    """A kind of violation as a service."""
    return {
        "service_code": kind.kind,
        "service_name": kind.name,
        "description": kind.name_zh,
        "metadata": False,
        "type": "realtime",
        "keywords": kind.code,
        "group": group,
    }


def request_row(case: Case, taxonomy: Taxonomy) -> dict[str, Any]:
    """A case as a service request; notes and names of officers are left out."""
    lat, long = _lat_long(case)
    known = case.kind in taxonomy.kinds
    result = case.result
    return {
        "service_request_id": str(case.id),
        "status": "open" if case.state in OPEN_STATES or case.state is State.CITED else "closed",
        "status_notes": result.outcome or case.state.value,
        "service_name": taxonomy.classify(case.kind).name if known else case.kind,
        "service_code": case.kind,
        "description": case.attributes.get(_DESCRIPTION),
        "agency_responsible": case.handling.department,
        "service_notice": None,
        "requested_datetime": utc_text(case.filed_at),
        "updated_datetime": utc_text(_updated(case)),
        "expected_datetime": utc_text(case.handling.close_due_at),
        "address": case.attributes.get(_ADDRESS),
        "address_id": None,
        "zipcode": None,
        "lat": lat,
        "long": long,
        "media_url": None,
    }


def finding_of(report: Report, source: str, at: datetime) -> Finding:
    """A report as a finding.

    Args:
        report: The report.
        source: Who passes it on.
        at: When it arrived (timezone-aware).
    """
    point = {"type": "Point", "coordinates": [report.long, report.lat]}
    given = {_DESCRIPTION: report.description, _ADDRESS: report.address_string}
    place = Place(point, PIN_ACCURACY_M, "unknown", None)
    attributes = {name: value for name, value in given.items() if value}
    return Finding(report.service_code, source, ZONE, place, at, at, _CONFIDENCE, attributes)


def _updated(case: Case) -> datetime:
    result = case.result
    times = (
        *(case.filed_at, result.confirmed_at, result.dispatched_at),
        *(result.handled_at, result.verified_at, result.ended_at),
    )
    return max(at for at in times if at is not None)


def _lat_long(case: Case) -> tuple[float | None, float | None]:
    geometry = case.place.geometry
    if geometry is None:
        return None, None
    from shapely.geometry import shape

    point = shape(dict(geometry)).representative_point()
    return (None, None) if point.is_empty else (point.y, point.x)
