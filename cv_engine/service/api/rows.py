"""Rows of answers: cases, their findings and histories."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from cv_engine.cases import Case, Entry, State
from cv_engine.cases.export.geojson import flat
from cv_engine.cases.filing.filed import FiledFinding

_POINT = {"type": "Point", "coordinates": [121.544, 29.868]}


class CaseRow(BaseModel):
    """A case."""

    id: int = Field(examples=[12])
    key: str
    kind: str = Field(examples=["motor_vehicle_parked"])
    standard: str = Field(examples=["GB/T 47678.5-2026"])
    code: str = Field(examples=["09009"])
    state: State = Field(examples=["reported"])
    source: str = Field(examples=["market-street"], description="Camera, area or sensor.")
    zone: str = Field(examples=["pavement"])
    began: datetime
    observed: datetime = Field(description="When it was last seen.")
    gone_at: datetime | None = Field(description="When it was known to be gone.")
    geometry: dict[str, Any] | None = Field(examples=[_POINT], description="GeoJSON, WGS 84.")
    accuracy_m: float | None
    basis: str
    image_box: list[float] | None = Field(description="x1, y1, x2, y2 in pixels.")
    confidence: float = Field(examples=[0.87])
    attributes: dict[str, Any]
    evidence: str | None = Field(description="The first package; see /api/cases/{id}/evidence.")
    filed_at: datetime
    version: int = Field(examples=[3])
    priority: str = Field(examples=["normal"])
    department: str | None
    team: str | None
    officer: str | None
    area: str | None
    due_at: datetime | None
    close_due_at: datetime | None
    reason: str | None
    outcome: str | None
    ended_at: datetime | None


class EntryRow(BaseModel):
    """One entry of a case's history."""

    id: int
    seq: int
    at: datetime
    event: str = Field(examples=["state"])
    by: str = Field(examples=["Li Wei"])
    role: str = Field(examples=["officer"])
    note: str
    from_state: State | None
    to_state: State | None
    data: dict[str, Any]
    hash: str


class FindingRow(BaseModel):
    """One finding of a case."""

    key: str
    source: str
    zone: str
    geometry: dict[str, Any] | None
    accuracy_m: float | None
    image_box: list[float] | None
    began: datetime
    observed: datetime
    gone_at: datetime | None
    confidence: float
    evidence: str | None


def case_row(case: Case) -> CaseRow:
    """A case as a row."""
    return CaseRow.model_validate(flat(case))


def entry_row(entry: Entry) -> EntryRow:
    """An entry of a history as a row."""
    return EntryRow.model_validate(entry, from_attributes=True)


def finding_row(finding: FiledFinding) -> FindingRow:
    """A finding as a row."""
    box, geometry = finding.place.image_box, finding.place.geometry
    return FindingRow(
        key=finding.key,
        source=finding.source,
        zone=finding.zone,
        geometry=None if geometry is None else dict(geometry),
        accuracy_m=finding.place.accuracy_m,
        image_box=None if box is None else list(box),
        began=finding.began,
        observed=finding.observed,
        gone_at=finding.gone_at,
        confidence=finding.confidence,
        evidence=finding.evidence,
    )
