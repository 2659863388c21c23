"""Logging in and out, and passwords."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cv_engine.cases.lifecycle import Role
from cv_engine.service.access import (
    Caller,
    address_of,
    check_origin,
    need,
    need_privacy,
    remove_session,
    session_secret,
    set_session,
)
from cv_engine.service.accounts.account import Account
from cv_engine.service.accounts.secret import csrf_token
from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.rates import Rate
from cv_engine.service.shared import Shared, shared_of

router = APIRouter(prefix="/api", tags=["session"])
_Shared = Annotated[Shared, Depends(shared_of)]
_Password = Annotated[str, Field(max_length=1000, examples=["blue herons nest by the old weir"])]


class LogIn(BaseModel):
    """A name and a password."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, examples=["Li Wei"])
    password: _Password


class NewPassword(BaseModel):
    """A new password, by a one-time link or by the present one."""

    model_config = ConfigDict(extra="forbid")

    password: _Password
    link: str | None = Field(
        default=None, max_length=200, description="The last part of the one-time link."
    )
    name: str = Field(
        default="", max_length=200, description="Of the first administrator, for the first link."
    )
    present: str | None = Field(
        default=None, max_length=1000, description="The present password, in place of a link."
    )


class Me(BaseModel):
    """Who has logged in."""

    name: str = Field(examples=["Li Wei"])
    role: Role = Field(examples=["officer"])
    areas: list[str] | None = Field(description="Whose cases are seen; null: all.")
    csrf_token: str | None = Field(
        description="Goes into the header X-CSRF-Token of every change; null for a token."
    )


def _me(account: Account, session: str | None) -> Me:
    areas = None if account.areas is None else sorted(account.areas)
    token = None if session is None else csrf_token(session)
    return Me(name=account.name, role=account.role, areas=areas, csrf_token=token)


@router.post("/session", status_code=201)
def log_in(given: LogIn, request: Request, response: Response, shared: _Shared) -> Me:
    """Log in: the answer sets the cookie of a new session."""
    check_origin(request)
    need_privacy(request)
    shared.rates.count(Rate.LOG_IN, address_of(request))
    secret, account = shared.sessions.log_in(
        given.name, given.password, before=session_secret(request)
    )
    set_session(request, response, secret, shared.config.service.session_s)
    return _me(account, secret)


@router.get("/session")
def who_am_i(by: Annotated[Caller, need(Role.VIEWER, Scope.CASES)]) -> Me:
    """Who has logged in, and the CSRF token of the session."""
    return _me(by.account, by.session)


@router.delete("/session", status_code=204)
def log_out(
    request: Request,
    response: Response,
    shared: _Shared,
    by: Annotated[Caller, need(Role.VIEWER, None)],
) -> None:
    """Log out: the session ends, in other tabs as well."""
    if by.session is not None:
        shared.sessions.end(by.session)
    remove_session(request, response)


@router.post("/password", status_code=204)
def set_password_by_link(given: NewPassword, request: Request, shared: _Shared) -> None:
    """Set a password by a one-time link; whoever was logged in with the account is not any more."""
    check_origin(request)
    need_privacy(request)
    shared.rates.count(Rate.LOG_IN, address_of(request))
    shared.accounts.set_password_by_link(given.link or "", given.password, given.name)


@router.put("/session/password", status_code=204)
def change_password(
    given: NewPassword,
    request: Request,
    response: Response,
    shared: _Shared,
    by: Annotated[Caller, need(Role.VIEWER, None)],
) -> None:
    """Change the password, by the present one; all sessions of the account end."""
    need_privacy(request)
    shared.rates.count(Rate.LOG_IN, address_of(request))
    shared.accounts.set_password(by.account.name, given.present or "", given.password)
    remove_session(request, response)
