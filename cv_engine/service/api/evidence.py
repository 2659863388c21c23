"""Evidence: the copies that may be handed out, and originals for those who say why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import FileResponse

from cv_engine.cases.lifecycle import Role
from cv_engine.cases.looks import last_look
from cv_engine.privacy.originals import ORIGINALS, log_look_at_originals
from cv_engine.service.access import Caller, need
from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.api.cases import Reader
from cv_engine.service.api.values import CaseNumber, Note, Request, Sharing
from cv_engine.service.errors import forbidden
from cv_engine.service.packages import Package, ServedFile
from cv_engine.service.shared import Shared

router = APIRouter(prefix="/api", tags=["evidence"])
#: How long an access that was logged lasts: as long as somebody needs to look at one case.
LOOK_LASTS = timedelta(minutes=15)
_SHAREABLE = {"Cache-Control": "private, max-age=3600"}
_FILE_POLICY = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}


class FileRow(BaseModel):
    """One file of an evidence package."""

    path: str = Field(examples=["shareable/overview-start.jpg"])
    url: str
    media_type: str = Field(examples=["image/jpeg"])
    size: int
    sha256: str
    view: str | None = Field(examples=["overview"])
    role: str | None = Field(examples=["start"])
    time: str | None
    shareable: bool = Field(
        description="Whether other people and plates are hidden. The others are originals: POST "
        "a reason to /api/cases/{id}/originals first."
    )


class PackageRow(BaseModel):
    """One evidence package of a case."""

    name: str
    purged_at: datetime | None = Field(description="When it was deleted.")
    purged_by: str | None = Field(description="The rule by which it was deleted.")
    files: list[FileRow]


class Why(Request):
    """Why somebody looks at originals; the access log keeps it."""

    why: Note = Field(min_length=1, examples=["appeal 17: is it the right car?"])


class Allowed(BaseModel):
    """Until when the originals of a case may be looked at."""

    until: datetime


def _file_row(case_id: int, package: str, file: ServedFile) -> FileRow:
    url = f"/api/cases/{case_id}/evidence/{quote(package)}/{quote(file.path)}"
    return FileRow(
        path=file.path,
        url=url,
        media_type=file.media_type,
        size=file.size,
        sha256=file.sha256,
        shareable=file.is_shareable,
        **file.about,
    )


def _package_row(case_id: int, package: Package) -> PackageRow:
    purged = package.purged
    return PackageRow(
        name=package.name,
        purged_at=None if purged is None else purged.at,
        purged_by=None if purged is None else purged.rule,
        files=[_file_row(case_id, package.name, file) for file in package.files],
    )


@router.get("/cases/{case_id}/evidence")
def list_evidence(case_id: CaseNumber, shared: Sharing, by: Reader) -> list[PackageRow]:
    """The evidence packages of a case, with their files."""
    by.need_case(shared.queue.get(case_id))
    return [_package_row(case_id, package) for package in shared.packages.of_case(case_id)]


@router.post("/cases/{case_id}/originals", status_code=201)
def look_at_originals(
    case_id: CaseNumber,
    given: Why,
    shared: Sharing,
    by: Annotated[Caller, need(Role.OFFICER, Scope.ORIGINALS)],
) -> Allowed:
    """Say why you look at the originals of a case; the access log keeps it for ever."""
    by.need_case(shared.queue.get(case_id))
    now = shared.clock()
    log_look_at_originals(shared.queue, case_id, by.actor, given.why, now)
    return Allowed(until=now + LOOK_LASTS)


@router.get(
    "/cases/{case_id}/evidence/{package}/{path:path}",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/jpeg": {}, "video/mp4": {}}, "description": "The file."},
        206: {"description": "A part of it, for a Range."},
        416: {"description": "The file has no such part."},
    },
)
def get_file(
    case_id: CaseNumber, package: str, path: str, shared: Sharing, by: Reader
) -> FileResponse:
    """A file of an evidence package, or a part of it (Range)."""
    by.need_case(shared.queue.get(case_id))
    file, about = shared.packages.file(case_id, package, path)
    if not about.is_shareable:
        _need_look(shared, by, case_id)
    headers = {**_FILE_POLICY, **(_SHAREABLE if about.is_shareable else {})}
    name = f"case-{case_id}-{file.name}"
    return FileResponse(
        file,
        headers=headers,
        media_type=about.media_type,
        filename=name,
        content_disposition_type="inline",
    )


def _need_look(shared: Shared, by: Caller, case_id: int) -> None:
    """Refuse an original to somebody whose reason is not in the access log.

    Raises:
        ForbiddenError: The role does not allow it.
        ServiceError: No reason was given, or long ago.
    """
    by.actor.need(Role.OFFICER, f"look at the originals of case {case_id}")
    if by.scopes is not None and Scope.ORIGINALS not in by.scopes:
        raise forbidden(f"this token may not do this: it takes the scope {Scope.ORIGINALS.value}")
    with shared.queue.store.reading() as connection:
        looked = last_look(connection, by.account.name, ORIGINALS, case_id)
    if looked is None or shared.clock() >= looked + LOOK_LASTS:
        raise forbidden(
            f"this is an original: say why you look at it first (POST /api/cases/{case_id}"
            '/originals {"why": "..."})'
        )
