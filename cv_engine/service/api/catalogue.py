"""The catalogue: kinds with their classes, reasons, departments, areas of responsibility."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cv_engine.service.api.cases import Reader
from cv_engine.service.api.values import Sharing

router = APIRouter(prefix="/api", tags=["catalogue"])


class ClassRow(BaseModel):
    """One class of cases."""

    kind: str = Field(examples=["clutter"])
    standard: str = Field(examples=["GB/T 47678.5-2026"])
    code: str = Field(examples=["06036"])
    provisional: bool = Field(description="Whether the code was never checked.")
    name: str
    name_zh: str
    department: str | None
    priority: str


class ReasonRow(BaseModel):
    """One reason that people give for a step."""

    id: str = Field(examples=["no_violation"])
    name: str
    name_zh: str
    actions: list[str] = Field(examples=[["reject"]])


class TaxonomyRow(BaseModel):
    """The classes of cases and the reasons of steps."""

    version: str
    default_standard: str
    classes: list[ClassRow]
    reasons: list[ReasonRow]


class DepartmentRow(BaseModel):
    """Who handles cases."""

    id: str = Field(examples=["sanitation"])
    name: str
    name_zh: str
    teams: list[str]


class OrganisationRow(BaseModel):
    """Departments and areas of responsibility."""

    departments: list[DepartmentRow]
    areas: list[str] = Field(description="Names; their ground is at /api/areas.")


@router.get("/taxonomy")
def taxonomy(shared: Sharing, by: Reader) -> TaxonomyRow:
    """The classes of cases and the reasons of steps."""
    known = shared.services.taxonomy
    return TaxonomyRow(
        version=known.version,
        default_standard=known.default_standard,
        classes=[
            ClassRow.model_validate(each, from_attributes=True) for each in known.classes.values()
        ],
        reasons=[
            ReasonRow(
                id=each.id, name=each.name, name_zh=each.name_zh, actions=sorted(each.actions)
            )
            for each in known.reasons.values()
        ],
    )


@router.get("/organisation")
def organisation(shared: Sharing, by: Reader) -> OrganisationRow:
    """The departments with their teams, and the names of the areas of responsibility."""
    known = shared.services.organisation
    if known is None:
        return OrganisationRow(departments=[], areas=[])
    return OrganisationRow(
        departments=[
            DepartmentRow(id=each.id, name=each.name, name_zh=each.name_zh, teams=list(each.teams))
            for each in known.departments.values()
        ],
        areas=sorted({area.name for area in known.areas}),
    )


@router.get("/areas")
def areas(shared: Sharing, by: Reader) -> dict[str, Any]:
    """The areas of responsibility as GeoJSON."""
    from shapely.geometry import mapping

    known = shared.services.organisation
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": mapping(area.polygon),
                "properties": {
                    "name": area.name,
                    "department": area.department,
                    "team": area.team,
                    "kinds": None if area.kinds is None else sorted(area.kinds),
                },
            }
            for area in (() if known is None else known.areas)
        ],
    }
