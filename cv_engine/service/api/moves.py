"""What people do with cases: the steps of the process, and what else they change.

Every change names the version of the case that the person has seen. Of two people on one case the
second changes nothing, and reads what the first has done. A request whose answer was lost may be
sent again for the same reason.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile

from cv_engine.cases import Case
from cv_engine.cases.dispatch.attachment import Attachment
from cv_engine.cases.lifecycle import Action, Role
from cv_engine.cases.taxonomy.reasons import read_reason
from cv_engine.errors import EngineError, Failure
from cv_engine.service.access import Caller, need
from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.api.rows import CaseRow, case_row
from cv_engine.service.api.values import (
    CaseId,
    CaseNumber,
    Moment,
    Name,
    Note,
    Request,
    Sharing,
    To,
    Version,
)
from cv_engine.service.errors import ServiceError
from cv_engine.service.shared import Shared

router = APIRouter(prefix="/api", tags=["moves"])
Mover = Annotated[Caller, need(Role.OFFICER, Scope.MOVES)]
_MOST_PHOTOS = 10
#: Bytes of a request with photos.
PHOTO_BYTES = 160 << 20
_Reason = Annotated[
    Name | None,
    Field(examples=["no_violation"], description="Of the taxonomy, or a text of your own."),
]


class Step(Request):
    """What a step of the process needs."""

    action: Action = Field(examples=["confirm"])
    note: Note = ""
    reason: _Reason = None
    to: To | None = Field(default=None, description="Of a dispatch; the responsible one if null.")
    until: Moment | None = Field(default=None, description="Of a deferral.")


class OneStep(Step):
    """A step of one case."""

    version: Version


class Chosen(Request):
    """A case of several, as it was seen."""

    id: CaseId
    version: Version


class ManySteps(Step):
    """The same step of several cases."""

    cases: list[Chosen] = Field(min_length=1, max_length=500)


class Unchanged(BaseModel):
    """A case that was not changed."""

    id: int
    status: int = Field(examples=[409])
    detail: str


class Changed(BaseModel):
    """What became of several cases; each is a transaction of its own."""

    changed: list[CaseRow]
    unchanged: list[Unchanged]


class NewAssignment(Request):
    """Who gets a case; what is left out is that of who has it, else of who is responsible."""

    version: Version
    department: Name | None = None
    team: Name | None = None
    officer: Name | None = None
    note: Note = ""


class NewDeadline(Request):
    """A later deadline of the present stage."""

    version: Version
    due_at: Moment
    note: Note = ""
    reason: _Reason = None


class NewPriority(Request):
    """How soon a case is handled."""

    version: Version
    priority: Literal["urgent", "normal", "deferrable"]
    note: Note = ""


class NewNote(Request):
    """A note to a case in any state."""

    note: Note = Field(min_length=1)
    version: Version | None = None


class Merge(Request):
    """Which case continues with the findings of this one."""

    into: CaseId
    version: Version
    note: Note = ""


class Split(Request):
    """Which findings become a case of their own."""

    keys: list[Name] = Field(min_length=1, max_length=1000)
    version: Version
    note: Note = ""


class PhotoStep(Request):
    """What photos are added with."""

    action: Literal["handle", "verify", "note"]
    version: Version
    note: Note = ""


@router.post("/cases/{case_id}/moves")
def move(case_id: CaseNumber, step: OneStep, shared: Sharing, by: Mover) -> CaseRow:
    """Take a step with a case."""
    return case_row(_take(shared, by, case_id, step, step.version))


@router.post("/cases/moves")
def move_many(steps: ManySteps, shared: Sharing, by: Mover) -> Changed:
    """Take the same step with several cases, such as a camera's same false alarm."""
    changed: list[CaseRow] = []
    unchanged: list[Unchanged] = []
    for chosen in steps.cases:
        try:
            changed.append(case_row(_take(shared, by, chosen.id, steps, chosen.version)))
        except EngineError as error:
            if error.failure is not Failure.WRONG_INPUT and not changed:
                raise
            unchanged.append(Unchanged(id=chosen.id, status=error.http_status, detail=str(error)))
            if error.failure is not Failure.WRONG_INPUT:
                break  # the queue is away: the others are neither changed nor tried
    return Changed(changed=changed, unchanged=unchanged)


def _take(shared: Shared, by: Caller, case_id: int, step: Step, version: int) -> Case:
    queue, action = shared.queue, step.action
    by.need_case(queue.get(case_id))
    reason, note = read_reason(shared.services.taxonomy, action.value, step.reason, step.note)
    return queue.move(
        *(case_id, action, by.actor, note),
        reason=reason,
        to=None if step.to is None else step.to.assignment(),
        until=step.until,
        version=version,
    )


@router.post("/cases/{case_id}/assignment")
def assign(case_id: CaseNumber, given: NewAssignment, shared: Sharing, by: Mover) -> CaseRow:
    """Give an open case to another department, team or person; the state stays the same."""
    queue = shared.queue
    case = by.need_case(queue.get(case_id))
    to = queue.next_assignment(case, given.department, given.team, given.officer)
    return case_row(queue.assign(case_id, to, by.actor, given.note, version=given.version))


@router.post("/cases/{case_id}/deadline")
def extend(case_id: CaseNumber, given: NewDeadline, shared: Sharing, by: Mover) -> CaseRow:
    """Give the present stage of a case a later deadline (supervisors)."""
    queue = shared.queue
    by.need_case(queue.get(case_id))
    name, text = read_reason(shared.services.taxonomy, "extend", given.reason, given.note)
    note = ": ".join(part for part in (name, text) if part)
    return case_row(queue.extend(case_id, given.due_at, by.actor, note, version=given.version))


@router.post("/cases/{case_id}/priority")
def set_priority(case_id: CaseNumber, given: NewPriority, shared: Sharing, by: Mover) -> CaseRow:
    """Make an open case more or less urgent; its deadlines follow."""
    queue = shared.queue
    by.need_case(queue.get(case_id))
    return case_row(
        queue.set_priority(case_id, given.priority, by.actor, given.note, version=given.version)
    )


@router.post("/cases/{case_id}/notes")
def add_note(case_id: CaseNumber, given: NewNote, shared: Sharing, by: Mover) -> CaseRow:
    """Add a note to a case in any state."""
    by.need_case(shared.queue.get(case_id))
    return case_row(shared.queue.note(case_id, by.actor, given.note, version=given.version))


@router.post("/cases/{case_id}/merge")
def merge(case_id: CaseNumber, given: Merge, shared: Sharing, by: Mover) -> CaseRow:
    """Let another case continue with the findings of a case; the answer is that other case."""
    queue = shared.queue
    for number in (case_id, given.into):
        by.need_case(queue.get(number))
    return case_row(queue.merge(case_id, given.into, by.actor, given.note, given.version))


@router.post("/cases/{case_id}/split")
def split(case_id: CaseNumber, given: Split, shared: Sharing, by: Mover) -> CaseRow:
    """Move findings of a case to a new case, which is the answer."""
    by.need_case(shared.queue.get(case_id))
    return case_row(shared.queue.split(case_id, given.keys, by.actor, given.note, given.version))


_PHOTO_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["action", "version", "photos"],
                    "properties": {
                        "action": {"type": "string", "enum": ["handle", "verify", "note"]},
                        "version": {"type": "integer", "minimum": 1},
                        "note": {"type": "string"},
                        "photos": {
                            "type": "array",
                            "maxItems": _MOST_PHOTOS,
                            "items": {"type": "string", "format": "binary"},
                        },
                    },
                }
            }
        },
    }
}


@router.post("/cases/{case_id}/photos", max_body_size=PHOTO_BYTES, openapi_extra=_PHOTO_FORM)
async def add_photos(
    case_id: CaseNumber, request: HttpRequest, shared: Sharing, by: Mover
) -> CaseRow:
    """Handle, verify or note a case with photos, which join its evidence unchanged.

    The body is read only now that the caller is known.
    """
    from starlette.concurrency import run_in_threadpool

    async with request.form(max_files=_MOST_PHOTOS, max_fields=10) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        try:
            step = PhotoStep.model_validate(fields)
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ".".join(map(str, wrong["loc"]))
            raise ServiceError(f"form.{where}: {wrong['msg']}") from None
        files = [file for file in form.getlist("photos") if isinstance(file, UploadFile)]
        if not files:
            raise ServiceError("send a photo (JPEG or PNG) in the field `photos`")
        return await run_in_threadpool(_attach, shared, by, case_id, step, files)


def _attach(
    shared: Shared, by: Caller, case_id: int, step: PhotoStep, files: list[UploadFile]
) -> CaseRow:
    from pathlib import Path

    from cv_engine.evidence.attaching import STEPS
    from cv_engine.evidence.media.photo import photo_of

    queue = shared.queue
    by.need_case(queue.get(case_id))
    photos = [
        photo_of(file.file.read(), Path(PurePath(file.filename or "photo").name)) for file in files
    ]

    def record(package: Attachment) -> Case:
        given: dict[str, Any] = {"evidence": package, "version": step.version}
        if step.action == "note":
            return queue.note(case_id, by.actor, step.note, **given)
        return queue.move(case_id, Action(step.action), by.actor, step.note, **given)

    word = STEPS[step.action]
    return case_row(
        shared.services.attacher.attach(
            case_id, word, by.actor, step.note, photos, shared.clock(), record
        )
    )
