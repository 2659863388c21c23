"""Audit: whether a case is as the queue wrote it, and who looked at what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cv_engine.cases.audit import audit
from cv_engine.cases.lifecycle import Role
from cv_engine.cases.looks import latest_looks
from cv_engine.service.access import Caller, need
from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.api.values import CaseNumber, Limit, Sharing

router = APIRouter(prefix="/api", tags=["audit"])
_Auditor = Annotated[Caller, need(Role.SUPERVISOR, Scope.AUDIT)]


class AuditProblem(BaseModel):
    """One thing that is not as the queue wrote it."""

    seq: int | None = Field(description="Number of the history's entry; null: the case itself.")
    what: str = Field(examples=["entry"])
    text: str
    remark: bool = Field(description="Whether it may have a harmless reason.")


class LookRow(BaseModel):
    """One access of the log."""

    seq: int
    at: datetime
    who: str
    role: Role
    what: str = Field(examples=["originals"])
    why: str
    case_id: int | None
    plate: str | None
    erased: bool = Field(description="Whether a person's request erased the plate.")


@router.get("/cases/{case_id}/audit")
def audit_case(case_id: CaseNumber, shared: Sharing, by: _Auditor) -> list[AuditProblem]:
    """Compute the history's hashes again, and compare the case with it; nothing where all fits."""
    by.need_case(shared.queue.get(case_id))
    with shared.queue.store.snapshot() as connection:
        found = list(audit(connection, [case_id]))
    return [AuditProblem.model_validate(each, from_attributes=True) for each in found]


@router.get("/looks")
def list_looks(
    shared: Sharing,
    by: _Auditor,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    case: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only this case.")] = None,
    limit: Limit = 100,
) -> list[LookRow]:
    """Who saw originals and contact data, when and why; `before` takes the last `seq` of a page."""
    by.need_everywhere("the access log")
    with shared.queue.store.reading() as connection:
        found = latest_looks(connection, case_id=case, before=before, limit=limit)
    return [
        LookRow(
            seq=each.seq,
            erased=each.erased,
            **{
                name: getattr(each.look, name)
                for name in ("at", "who", "role", "what", "why", "case_id", "plate")
            },
        )
        for each in found
    ]
