"""API tokens: a program acts for an account, within some scopes, until a day."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Row

from cv_engine.cases.database.account_tables import account_tokens, accounts
from cv_engine.cases.database.store import Store
from cv_engine.service.accounts.account import Account, account_of, checked_name
from cv_engine.service.accounts.log import record
from cv_engine.service.accounts.secret import digest, new_secret
from cv_engine.service.errors import ServiceError, missing

#: How a token begins, so that one that was published by mistake is recognised.
PREFIX = "cve_"
#: Longest life of a token: somebody has to say every year that it is still needed.
LONGEST = timedelta(days=366)


class Scope(StrEnum):
    """What a token is for; the account's role restricts it further."""

    CASES = "cases:read"  # cases, their evidence as it may be handed out, events, statistics
    MOVES = "cases:write"  # steps of cases
    ORIGINALS = "originals:read"
    CAMERAS = "cameras:read"  # cameras, their state, their zones
    AUDIT = "audit:read"
    ACCOUNTS = "accounts:write"
    REPORTS = "reports:write"  # reports of citizens and of other systems (Open311)


@dataclass(frozen=True, slots=True)
class Token:
    """A token, without the secret.

    Attributes:
        id: Sequential number.
        account: Name of the account that it acts for.
        name: What it is for.
        scopes: What it may be used for.
        created_at: When it was made (UTC).
        ends_at: When it ends (UTC).
        revoked_at: When somebody ended it before (UTC); ``None`` where no one has.
    """

    id: int
    account: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    ends_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class Tokens:
    """The tokens of a queue's accounts.

    Attributes:
        store: The store of the cases.
        clock: Returns the present time (timezone-aware).
    """

    store: Store
    clock: Callable[[], datetime]

    def add(
        self, account: Account, name: str, scopes: Collection[str], lasts: timedelta, by: str
    ) -> tuple[str, Token]:
        """Make a token.

        Args:
            account: Whom it acts for.
            name: What it is for.
            scopes: What it may be used for.
            lasts: How long, at most :data:`LONGEST`.
            by: Who makes it.

        Returns:
            The secret, which is shown once, and the token.

        Raises:
            ServiceError: There is no such scope, or the time is too long.
        """
        known = [scope.value for scope in Scope]
        unknown = sorted(set(scopes) - set(known))
        if unknown or not scopes:
            which = f"there is no scope {unknown[0]!r}" if unknown else "name a scope"
            raise ServiceError(f"{which}; known: {', '.join(known)}")
        if not timedelta(0) < lasts <= LONGEST:
            raise ServiceError(f"a token lasts 1 to {LONGEST.days} days")
        secret, now = new_secret(PREFIX), self.clock()
        row = {
            "digest": digest(secret),
            "account_id": account.id,
            "name": checked_name(name),
            "scopes": sorted(set(scopes)),
            "created_at": now,
            "ends_at": now + lasts,
        }
        with self.store.writing() as connection:
            connection.execute(account_tokens.insert().values(row))
            told = {"token": row["name"], "scopes": row["scopes"]}
            record(connection, now, by, account.name, "token made", **told)
            found = _select().where(account_tokens.c.digest == row["digest"])
            return secret, _token(connection.execute(found).one())

    def of(self, account: Account | None = None) -> list[Token]:
        """The tokens of an account, or of all, the newest first."""
        statement = _select().order_by(account_tokens.c.id.desc())
        if account is not None:
            statement = statement.where(account_tokens.c.account_id == account.id)
        with self.store.reading() as connection:
            return [_token(row) for row in connection.execute(statement)]

    def find(self, secret: str) -> tuple[Account, frozenset[Scope]] | None:
        """The account and the scopes of a token; ``None`` where it has ended, or never was."""
        of_token = (account_tokens.c.scopes, account_tokens.c.ends_at, account_tokens.c.revoked_at)
        statement = sa.select(accounts, *of_token).select_from(account_tokens.join(accounts))
        with self.store.reading() as connection:
            row = connection.execute(
                statement.where(account_tokens.c.digest == digest(secret))
            ).one_or_none()
        if row is None or row.disabled_at is not None or row.revoked_at is not None:
            return None
        if row.ends_at <= self.clock():
            return None
        return account_of(row), _scopes(row)

    def revoke(self, token_id: int, by: str, account: Account | None = None) -> None:
        """End a token; one that was ended stays so.

        Args:
            token_id: The token's number.
            by: Who ends it.
            account: Only a token of this account.

        Raises:
            ServiceError: There is no such token.
        """
        statement = _select().where(account_tokens.c.id == token_id)
        if account is not None:
            statement = statement.where(account_tokens.c.account_id == account.id)
        with self.store.writing() as connection:
            row = connection.execute(statement).one_or_none()
            if row is None:
                raise missing(f"there is no token {token_id}")
            if row.revoked_at is not None:
                return
            ended = account_tokens.update().where(account_tokens.c.id == token_id)
            connection.execute(ended.values(revoked_at=self.clock()))
            record(connection, self.clock(), by, row.account, "token revoked", token=row.name)


def _select() -> sa.Select[Any]:
    account = accounts.c.name.label("account")
    return sa.select(account_tokens, account).select_from(account_tokens.join(accounts))


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        account=row.account,
        name=row.name,
        scopes=_scopes(row),
        created_at=row.created_at,
        ends_at=row.ends_at,
        revoked_at=row.revoked_at,
    )


def _scopes(row: Row[Any]) -> frozenset[Scope]:
    """The scopes of a token that this version of the program knows."""
    known = {scope.value for scope in Scope}
    return frozenset(Scope(name) for name in row.scopes if name in known)
