"""Statistics: what was filed, closed and on time in a period."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cv_engine.cases.statistics import Figures, Period, Selection, figures_and_total, repeat_places
from cv_engine.cases.statistics.repeats import LEAST_CASES, RADIUS_M
from cv_engine.figure_rows import By
from cv_engine.service.access import Caller
from cv_engine.service.api.cases import Reader
from cv_engine.service.api.values import Name, Sharing
from cv_engine.service.errors import ServiceError, forbidden
from cv_engine.service.shared import Shared

router = APIRouter(prefix="/api", tags=["statistics"])
_PeriodText = Annotated[
    str | None,
    Query(
        max_length=50,
        description="2026, 2026-Q4, 2026-11, 2026-W48, 2026-11-30 or 2026-11-01..2026-11-30; "
        "this month if left out.",
        examples=["2026-11"],
    ),
]


class FigureRow(BaseModel):
    """Counts, rates (0 to 1) and median times (seconds) of a row; see docs/cases.md."""

    value: str | None = Field(examples=["clutter"], description="Null: cases without a value.")
    received: int
    filed: int
    rejected: int
    withdrawn: int
    closed: int
    reworked: int
    due: int
    deferred: int
    settled: int
    on_time: int
    filing_rate: float | None
    closing_rate: float | None
    on_time_rate: float | None
    rework_rate: float | None
    confirm_s: float | None
    handle_s: float | None
    close_s: float | None


class Statistics(BaseModel):
    """The figures of a period."""

    period: str = Field(examples=["2026-11"])
    timezone: str = Field(examples=["Asia/Shanghai"])
    rows: list[FigureRow]
    total: FigureRow


class PlaceRow(BaseModel):
    """A place with several cases of one kind."""

    kind: str
    longitude: float
    latitude: float
    radius_m: float
    cases: list[int]


@router.get("/statistics")
def statistics(
    shared: Sharing,
    caller: Reader,
    period: _PeriodText = None,
    by: Annotated[By, Query(description="What the rows are.")] = By.CLASS,
    times: Annotated[bool, Query(description="Median times, too; slower.")] = False,
    kind: Annotated[Name | None, Query()] = None,
    department: Annotated[Name | None, Query()] = None,
    zone: Annotated[Name | None, Query()] = None,
    area: Annotated[Name | None, Query()] = None,
) -> Statistics:
    """The figures of a period, a row for each class, department, day, ..."""
    if by is By.PLACE:
        raise ServiceError("by=place: repeat places are at /api/statistics/places")
    asked = _period(shared, period)
    chosen = Selection(kind, department, zone, _area(caller, area))
    with shared.queue.store.snapshot() as connection:
        rows, total = figures_and_total(connection, asked, by, chosen, times=times)
    return Statistics(
        period=asked.name,
        timezone=str(asked.zone),
        rows=[_row(value, figures) for value, figures in rows.items()],
        total=_row(None, total),
    )


@router.get("/statistics/places")
def places(
    shared: Sharing,
    caller: Reader,
    period: _PeriodText = None,
    radius_m: Annotated[float, Query(ge=1, le=1000)] = RADIUS_M,
    least: Annotated[int, Query(ge=2, le=1000)] = LEAST_CASES,
    kind: Annotated[Name | None, Query()] = None,
    department: Annotated[Name | None, Query()] = None,
    zone: Annotated[Name | None, Query()] = None,
    area: Annotated[Name | None, Query()] = None,
) -> list[PlaceRow]:
    """Places where cases of one kind were filed again and again in a period."""
    chosen = Selection(kind, department, zone, _area(caller, area))
    with shared.queue.store.snapshot() as connection:
        found = repeat_places(
            connection, _period(shared, period), chosen, radius_m=radius_m, least=least
        )
    return [PlaceRow.model_validate(each, from_attributes=True) for each in found]


def _period(shared: Shared, text: str | None) -> Period:
    zone = shared.services.city_zone
    return Period.month_of(shared.clock(), zone) if text is None else Period.parse(text, zone)


def _area(caller: Caller, area: str | None) -> str | None:
    """The area that is counted: one of the caller's, where the caller is limited to some."""
    if caller.areas is None:
        return area
    if area is None and len(caller.areas) == 1:
        (area,) = caller.areas
    if area not in caller.areas:
        listed = ", ".join(sorted(caller.areas)) or "none"
        raise forbidden(f"name one of your areas with area=...: {listed}")
    return area


def _row(value: str | None, figures: Figures) -> FigureRow:
    rates = ("filing_rate", "closing_rate", "on_time_rate", "rework_rate")
    given = {rate: getattr(figures, rate) for rate in rates}
    return FigureRow(value=value, **asdict(figures), **given)
