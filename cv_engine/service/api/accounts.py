"""Accounts and tokens: who may log in, and which programs act for whom."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from cv_engine.cases.lifecycle import Role
from cv_engine.service.access import Caller, need
from cv_engine.service.accounts.account import Account, role_named
from cv_engine.service.accounts.log import Change
from cv_engine.service.accounts.tokens import LONGEST, Scope, Token
from cv_engine.service.shared import Shared, shared_of

router = APIRouter(prefix="/api", tags=["accounts"])
_Shared = Annotated[Shared, Depends(shared_of)]
_Administrator = Annotated[Caller, need(Role.ADMINISTRATOR, Scope.ACCOUNTS)]
_Person = Annotated[Caller, need(Role.VIEWER, None)]
_Name = Annotated[str, Field(max_length=200, examples=["Li Wei"])]
_Areas = Annotated[
    list[Annotated[str, Field(max_length=200)]] | None,
    Field(max_length=1000, examples=[["north"]], description="Whose cases are seen; null: all."),
]
_DAY_S = 86_400


class NewAccount(BaseModel):
    """An account that is to be made."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    role: str = Field(examples=["officer"])
    areas: _Areas = None


class ChangedAccount(BaseModel):
    """What changes in an account; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: str | None = Field(default=None, examples=["supervisor"])
    areas: _Areas = None
    disabled: bool | None = None


class AccountRow(BaseModel):
    """An account."""

    name: _Name
    role: Role
    areas: list[str] | None
    created_at: datetime
    disabled: bool
    has_password: bool


class Link(BaseModel):
    """A one-time link to set a password."""

    path: str = Field(examples=["/password/Hh3v..."], description="Shown once: pass it on.")


class NewToken(BaseModel):
    """A token that is to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, examples=["weekly report"], description="What it is for.")
    scopes: list[Scope] = Field(max_length=50, examples=[["cases:read"]])
    days: int = Field(ge=1, le=LONGEST.days, examples=[90])


class TokenRow(BaseModel):
    """A token, without its secret."""

    id: int
    account: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    ends_at: datetime
    revoked_at: datetime | None


class MadeToken(TokenRow):
    """A token that was just made."""

    secret: str = Field(description="Shown once; it goes into Authorization: Bearer SECRET.")


class ChangeRow(BaseModel):
    """One change of an account."""

    id: int
    at: datetime
    by: str
    account: str
    what: str
    data: dict[str, Any]


def _row(account: Account) -> AccountRow:
    return AccountRow(
        name=account.name,
        role=account.role,
        areas=None if account.areas is None else sorted(account.areas),
        created_at=account.created_at,
        disabled=account.disabled_at is not None,
        has_password=account.has_password,
    )


def _token_row(token: Token) -> TokenRow:
    return TokenRow.model_validate(token, from_attributes=True)


def _change_row(change: Change) -> ChangeRow:
    return ChangeRow.model_validate(change, from_attributes=True)


@router.get("/accounts")
def list_accounts(shared: _Shared, by: _Administrator) -> list[AccountRow]:
    """All accounts."""
    return [_row(account) for account in shared.accounts.all()]


@router.post("/accounts", status_code=201)
def add_account(given: NewAccount, shared: _Shared, by: _Administrator) -> AccountRow:
    """Make an account; the person sets a password by a link."""
    role = role_named(given.role)
    return _row(shared.accounts.add(given.name, role, by.account.name, given.areas))


@router.get("/accounts/log")
def account_log(
    shared: _Shared,
    by: _Administrator,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[ChangeRow]:
    """What changed in the accounts, the newest first; `before` takes the last `id` of a page."""
    return [_change_row(each) for each in shared.accounts.log(before=before, limit=limit)]


@router.patch("/accounts/{name}")
def change_account(
    name: str, given: ChangedAccount, shared: _Shared, by: _Administrator
) -> AccountRow:
    """Change an account; whoever is logged in with it has to log in again."""
    sent = given.model_fields_set
    return _row(
        shared.accounts.change(
            name,
            by.account.name,
            role=None if given.role is None else role_named(given.role),
            areas=given.areas,
            everywhere="areas" in sent and given.areas is None,
            disabled=given.disabled,
        )
    )


@router.post("/accounts/{name}/link", status_code=201)
def make_link(name: str, shared: _Shared, by: _Administrator) -> Link:
    """Make a one-time link by which the person sets a password; earlier links end."""
    return Link(path=f"/password/{shared.accounts.link(name, by.account.name)}")


@router.get("/tokens")
def list_tokens(shared: _Shared, by: _Person) -> list[TokenRow]:
    """The tokens that act for the person."""
    return [_token_row(token) for token in shared.tokens.of(by.account)]


@router.post("/tokens", status_code=201)
def make_token(given: NewToken, shared: _Shared, by: _Person) -> MadeToken:
    """Make a token that acts for the person."""
    lasts = timedelta(days=given.days)
    secret, token = shared.tokens.add(by.account, given.name, given.scopes, lasts, by.account.name)
    return MadeToken(**_token_row(token).model_dump(), secret=secret)


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(
    token_id: Annotated[int, Field(ge=1, le=2**31 - 1)], shared: _Shared, by: _Person
) -> None:
    """End a token of the person, or as an administrator anybody's."""
    everybody = by.account.role.covers(Role.ADMINISTRATOR)
    shared.tokens.revoke(token_id, by.account.name, None if everybody else by.account)
