"""Errors as problem details (RFC 9457): what is wrong, where, and what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from cv_engine.credentials import without_credentials
from cv_engine.errors import EngineError, failure_of
from cv_engine.service.errors import ServiceError
from models.errors import ModelError
from zones.errors import ZoneError

#: The media type of problem details.
PROBLEM = "application/problem+json"
_RETRY_S = 5  # of a queue or a store that is away
_NOT_JSON = "json_invalid"  # pydantic's name of the error
_ADVICE = {
    HTTPStatus.NOT_FOUND: "see /openapi.json for the addresses that exist",
    HTTPStatus.METHOD_NOT_ALLOWED: "see /openapi.json for the methods of this address",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "send less at a time",
}


class Wrong(BaseModel):
    """One value of a request that cannot be used."""

    where: str = Field(examples=["query.limit"], description="Part of the request, and its name.")
    what: str = Field(examples=["Input should be less than or equal to 500"])


class Problem(BaseModel):
    """What is wrong, where, and what to do (RFC 9457)."""

    type: str = Field(default="about:blank", examples=["about:blank"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(
        examples=["case 12 has changed since you read it (version 3, now 4): rejected by Li"],
        description="What is wrong and what to do, for people.",
    )
    instance: str = Field(examples=["/api/cases/12/moves"], description="The request's path.")
    errors: list[Wrong] | None = Field(default=None, description="Every value that cannot be used.")


#: What every route may answer beside its own answers, for the OpenAPI description.
RESPONSES: dict[int | str, dict[str, Any]] = {
    int(status): {
        "description": status.phrase,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
}


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    errors: list[Wrong] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that failed.

    Args:
        request: The request.
        status: The status.
        detail: What is wrong, and what to do.
        errors: Every value of the request that cannot be used.
        headers: Further headers of the answer.
    """
    told = Problem(
        title=_title(status),
        status=status,
        detail=without_credentials(detail),
        instance=request.url.path,
        errors=errors,
    )
    content = told.model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=PROBLEM)


def add_handlers(app: FastAPI) -> None:
    """Let an application answer every error with problem details."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    for kind in (EngineError, ModelError, ZoneError, OSError):
        app.add_exception_handler(kind, _engine_error)
    app.add_exception_handler(Exception, _bug)


def describe_problems(app: FastAPI) -> None:
    """Add the problem details to an application's OpenAPI description."""
    describe = app.openapi

    def with_problems() -> dict[str, Any]:
        described = describe()
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        if Problem.__name__ not in schemas:
            _, found = models_json_schema(
                [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
            )
            schemas |= found["$defs"]
        return described

    app.openapi = with_problems  # type: ignore[method-assign]


def _engine_error(request: Request, error: Exception) -> Response:
    failure = failure_of(error)
    if failure is None:
        return _bug(request, error)
    status = error.http_status if isinstance(error, EngineError) else failure.http_status
    text = str(error) if isinstance(error, EngineError | ModelError | ZoneError) else _told(error)
    retry_after_s = error.retry_after_s if isinstance(error, ServiceError) else None
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after_s = _RETRY_S
    headers = {} if retry_after_s is None else {"Retry-After": str(math.ceil(retry_after_s))}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(request, status, text, headers=headers)


def _told(error: Exception) -> str:
    """An error of the operating system without the paths of this machine."""
    return f"the disk does not do what is needed ({getattr(error, 'strerror', None) or error})"


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    errors = [Wrong(where=".".join(map(str, each["loc"])), what=each["msg"]) for each in found]
    if any(each["type"] == _NOT_JSON for each in found):
        detail = "the body is not JSON: send a JSON object"
        return problem(request, HTTPStatus.BAD_REQUEST, detail, errors=errors)
    first = "; ".join(f"{each.where}: {each.what}" for each in errors)
    detail = f"{first}; correct that, and send the request again"
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    advice = _ADVICE.get(HTTPStatus(error.status_code))
    detail = f"{error.detail}: {advice}" if advice else str(error.detail)
    return problem(request, error.status_code, detail, headers=error.headers)


def _bug(request: Request, error: Exception) -> Response:
    structlog.get_logger(__name__).error("a request failed", path=request.url.path, exc_info=error)
    detail = "an unexpected error: nothing half-done was kept. The log of the service has details"
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
