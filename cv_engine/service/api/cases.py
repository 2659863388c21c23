"""Cases: lists of them, and one with all that is known of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from cv_engine.cases import Filter, State
from cv_engine.cases.lifecycle import STEPS, Action, Role
from cv_engine.service.access import Caller, need
from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.api.rows import (
    CaseRow,
    EntryRow,
    FindingRow,
    case_row,
    entry_row,
    finding_row,
)
from cv_engine.service.api.values import (
    CaseNumber,
    Limit,
    Moment,
    Name,
    Sharing,
    cursor_of,
    read_box,
    read_cursor,
)
from cv_engine.service.shared import Shared

router = APIRouter(prefix="/api", tags=["cases"])
Reader = Annotated[Caller, need(Role.VIEWER, Scope.CASES)]


class Page(BaseModel):
    """Some cases of a list."""

    cases: list[CaseRow]
    next: str | None = Field(
        description="Address of the next page; null where there is none. What is filed meanwhile "
        "moves no case to another page; a case whose start turns out to be earlier may come again."
    )
    count: int | None = Field(description="Number of all cases of the list, where asked for.")


class Seen(BaseModel):
    """What the camera of a case knows of its thing."""

    presence: str = Field(examples=["seen"], description="gone, seen, unseen or unknown.")
    at: Moment
    blind_since: Moment | None


class WholeCase(CaseRow):
    """A case with all that is known of it."""

    actions: list[Action] = Field(description="The steps that you may take now.")
    merged_into: int | None
    deferred_until: Moment | None
    sighting: Seen
    findings: list[FindingRow]
    history: list[EntryRow]


def wanted_cases(
    shared: Sharing,
    by: Reader,
    kind: Annotated[Name | None, Query(examples=["motor_vehicle_parked"])] = None,
    zone: Annotated[Name | None, Query()] = None,
    camera: Annotated[Name | None, Query(description="Camera, area or sensor.")] = None,
    state: Annotated[State | None, Query()] = None,
    department: Annotated[Name | None, Query()] = None,
    team: Annotated[Name | None, Query()] = None,
    officer: Annotated[Name | None, Query()] = None,
    area: Annotated[Name | None, Query(description="Area of responsibility.")] = None,
    overdue: Annotated[bool, Query(description="Only cases whose deadline has passed.")] = False,
    since: Annotated[Moment | None, Query(description="Still seen at or after.")] = None,
    until: Annotated[Moment | None, Query(description="Began by.")] = None,
    box: Annotated[
        str | None,
        Query(
            max_length=200,
            description="west,south,east,north in degrees",
            examples=["121.50,29.80,121.60,29.90"],
        ),
    ] = None,
    text: Annotated[Name | None, Query(description="Words of the place, in any order.")] = None,
) -> Filter:
    """The filter of a request: never more than the caller sees."""
    return Filter(
        kind=kind,
        zone=zone,
        source=camera,
        state=state,
        department=department,
        team=team,
        officer=officer,
        area=area,
        areas=by.areas,
        overdue=shared.clock() if overdue else None,
        since=since,
        until=until,
        bbox=None if box is None else read_box(box),
        text=text,
    )


Wanted = Annotated[Filter, Depends(wanted_cases)]


@router.get("/cases")
def list_cases(
    request: Request,
    shared: Sharing,
    wanted: Wanted,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    count: Annotated[bool, Query(description="Count all cases of the list, too.")] = False,
) -> Page:
    """Cases, the newest first: by start, then by number."""
    from dataclasses import replace

    after = None if cursor is None else read_cursor(cursor)
    found = shared.queue.cases(replace(wanted, limit=limit + 1, after=after))
    following = None
    if len(found) > limit:
        found = found[:limit]
        url = request.url.include_query_params(cursor=cursor_of(found[-1]))
        following = f"{url.path}?{url.query}"
    return Page(
        cases=[case_row(case) for case in found],
        next=following,
        count=shared.queue.count(wanted) if count else None,
    )


@router.get("/cases/{case_id}")
def show_case(case_id: CaseNumber, shared: Sharing, by: Reader) -> WholeCase:
    """One case with its findings and its history, and the steps that the caller may take."""
    return whole(shared, by, case_id)


def whole(shared: Shared, by: Caller, case_id: int) -> WholeCase:
    """A case with all that is known of it, for somebody who may see it.

    Raises:
        NotFoundError: There is no such case.
        ServiceError: The case lies outside the caller's areas.
    """
    queue = shared.queue
    case = by.need_case(queue.get(case_id))
    sighting = queue.sighting(case_id)
    actions = [
        step.action
        for step in STEPS
        if step.before is case.state and by.account.role.covers(step.role)
    ]
    more: dict[str, Any] = {
        "actions": actions,
        "merged_into": case.result.merged_into,
        "deferred_until": case.handling.deferred_until,
        "sighting": Seen(
            presence=sighting.presence.value, at=sighting.at, blind_since=sighting.blind_since
        ),
        "findings": [finding_row(each) for each in queue.findings(case_id)],
        "history": [entry_row(each) for each in queue.history(case_id)],
    }
    return WholeCase(**case_row(case).model_dump(), **more)
