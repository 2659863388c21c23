"""The routes of GeoReport v2: services, and requests in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path, PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from cv_engine.cases import Case, Filter
from cv_engine.cases.dispatch.attachment import Attachment
from cv_engine.cases.lifecycle import OPEN_STATES, Role, State
from cv_engine.errors import EngineError
from cv_engine.service.access import Caller, address_of, caller_by_key, check_caller
from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.api.values import CaseNumber, Moment, Sharing
from cv_engine.service.errors import ServiceError, missing
from cv_engine.service.open311.formats import RESPONSES, Format, answer
from cv_engine.service.open311.requests import Report, finding_of, request_row, service_row
from cv_engine.service.rates import Rate
from cv_engine.service.shared import Shared

router = APIRouter(prefix="/open311/v2", tags=["open311"], responses=RESPONSES)
#: Bytes of a report with its photo.
REPORT_BYTES = 24 << 20
_MOST = 1000  # requests of an answer, by the specification
_SPAN = timedelta(days=90)  # without dates, by the specification
_Key = Annotated[
    str | None, Query(max_length=200, description="A token; or send Authorization: Bearer.")
]
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            name: {
                "schema": {
                    "type": "object",
                    "required": ["service_code", "lat", "long"],
                    "properties": {
                        "api_key": {"type": "string"},
                        "service_code": {"type": "string", "examples": ["clutter"]},
                        "lat": {"type": "number", "minimum": -90, "maximum": 90},
                        "long": {"type": "number", "minimum": -180, "maximum": 180},
                        "description": {"type": "string"},
                        "address_string": {"type": "string"},
                    },
                }
            }
            for name in ("application/x-www-form-urlencoded", "multipart/form-data")
        },
    }
}


def _reader(request: Request, key: str | None) -> Caller:
    caller = caller_by_key(request, key)
    check_caller(caller, Role.VIEWER, Scope.CASES)
    return caller


def _told(form: Format, error: EngineError) -> Response:
    """An error as GeoReport has it."""
    row = {"code": error.http_status, "description": str(error)}
    return answer(form, "errors", "error", [row], error.http_status)


def _answered(form: Format, ask: Callable[[], Response]) -> Response:
    try:
        return ask()
    except EngineError as error:
        return _told(form, error)


@router.get("/services.{form}")
def services(form: Format, request: Request, shared: Sharing, api_key: _Key = None) -> Response:
    """The kinds of violation that can be reported."""

    def ask() -> Response:
        _reader(request, api_key)
        taxonomy = shared.services.taxonomy
        rows = [
            service_row(each, major.name or major.code)
            for major, classes in taxonomy.tree().items()
            for each in classes
        ]
        return answer(form, "services", "service", rows)

    return _answered(form, ask)


@router.get("/services/{code}.{form}")
def service(
    code: str, form: Format, request: Request, shared: Sharing, api_key: _Key = None
) -> Response:
    """What a report of a kind needs beside the place: nothing."""

    def ask() -> Response:
        _reader(request, api_key)
        if code not in shared.services.taxonomy.kinds:
            raise missing(f"there is no service {code}")
        return answer(form, "service_definitions", "service_definition", [{"service_code": code}])

    return _answered(form, ask)


@router.get("/requests.{form}")
def requests(
    form: Format,
    request: Request,
    shared: Sharing,
    api_key: _Key = None,
    service_request_id: Annotated[
        str | None, Query(max_length=10_000, description="Numbers with commas between.")
    ] = None,
    service_code: Annotated[str | None, Query(max_length=200)] = None,
    start_date: Annotated[Moment | None, Query()] = None,
    end_date: Annotated[Moment | None, Query()] = None,
    status: Annotated[str | None, Query(max_length=50, examples=["open"])] = None,
) -> Response:
    """Cases as service requests: those named, or up to 1000 of a span, else of 90 days."""

    def ask() -> Response:
        by = _reader(request, api_key)
        if service_request_id is not None:
            found = _named(shared, by, service_request_id)
        else:
            until = end_date or shared.clock()
            wanted = Filter(
                kind=service_code,
                areas=by.areas,
                since=start_date or until - _SPAN,
                until=until,
                limit=_MOST,
            )
            found = _of_status(shared, wanted, status)
        taxonomy = shared.services.taxonomy
        rows = [request_row(case, taxonomy) for case in found]
        return answer(form, "service_requests", "request", rows)

    return _answered(form, ask)


@router.get("/requests/{case_id}.{form}")
def one_request(
    case_id: CaseNumber, form: Format, request: Request, shared: Sharing, api_key: _Key = None
) -> Response:
    """One case as a service request."""

    def ask() -> Response:
        case = _reader(request, api_key).need_case(shared.queue.get(case_id))
        row = request_row(case, shared.services.taxonomy)
        return answer(form, "service_requests", "request", [row])

    return _answered(form, ask)


@router.post("/requests.{form}", status_code=201, max_body_size=REPORT_BYTES, openapi_extra=_FORM)
async def report(form: Format, request: Request, shared: Sharing, api_key: _Key = None) -> Response:
    """Report something, with a photo (multipart, field `media`) where there is one."""
    try:
        await run_in_threadpool(shared.rates.count, Rate.REPORTS, address_of(request))
        async with request.form(max_files=1, max_fields=30) as given:
            key = api_key or _field(given, "api_key") or None
            return await run_in_threadpool(_file, form, request, shared, key, given)
    except EngineError as error:
        return _told(form, error)


def _file(
    form: Format, request: Request, shared: Shared, key: str | None, given: FormData
) -> Response:
    from cv_engine.evidence.attaching import STEPS
    from cv_engine.evidence.media.photo import photo_of

    by = caller_by_key(request, key)
    check_caller(by, Role.OFFICER, Scope.REPORTS)
    try:
        fields = {name: value for name, value in given.items() if isinstance(value, str)}
        sent = Report.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        raise ServiceError(f"{where}: {wrong['msg']}", HTTPStatus.BAD_REQUEST) from None
    media = given.get("media")
    photos = []
    if isinstance(media, UploadFile):
        photos = [photo_of(media.file.read(), Path(PurePath(media.filename or "photo").name))]
    queue = shared.queue
    case_id = queue.file(finding_of(sent, by.account.name, shared.clock())).case_id
    if photos:

        def record(package: Attachment) -> Case:
            return queue.note(case_id, by.actor, sent.description, evidence=package)

        shared.services.attacher.attach(
            case_id, STEPS["note"], by.actor, sent.description, photos, shared.clock(), record
        )
    row = {"service_request_id": str(case_id), "service_notice": None, "account_id": None}
    return answer(form, "service_requests", "request", [row], HTTPStatus.CREATED)


def _field(given: FormData, name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


def _named(shared: Shared, by: Caller, numbers: str) -> list[Case]:
    found = []
    for number in numbers.split(",")[:_MOST]:
        if not (number.strip().isascii() and number.strip().isdigit()):
            raise ServiceError(f"service_request_id {number[:40]}: not a number")
        found.append(by.need_case(shared.queue.get(int(number))))
    return found


def _of_status(shared: Shared, wanted: Filter, status: str | None) -> list[Case]:
    """The newest cases of a status, which several states are."""
    if status is None:
        return shared.queue.cases(wanted)
    names = {name.strip() for name in status.split(",")}
    if not names <= {"open", "closed"}:
        raise ServiceError(f"status {status}: write open, closed or both")
    opened = {*OPEN_STATES, State.CITED}
    states = [state for state in State if ("open" if state in opened else "closed") in names]
    found = [case for state in states for case in shared.queue.cases(replace(wanted, state=state))]
    return sorted(found, key=lambda case: (case.began, case.id), reverse=True)[:_MOST]
