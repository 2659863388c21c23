"""The log of accounts: every change of one, by whom and when; append-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from cv_engine.cases.database.account_tables import account_log


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an account.

    Attributes:
        id: Sequential number.
        at: When (UTC).
        by: Who changed it.
        account: Name of the account.
        what: What changed, such as ``"role"``.
        data: The values; never a secret.
    """

    id: int
    at: datetime
    by: str
    account: str
    what: str
    data: Mapping[str, Any]


def record(
    connection: Connection, at: datetime, by: str, account: str, what: str, **data: Any
) -> None:
    """Add a change to the log, in the transaction that makes it."""
    row = {"at": at, "by": by, "account": account, "what": what, "data": data}
    connection.execute(account_log.insert().values(row))


def changes(connection: Connection, *, before: int | None = None, limit: int = 100) -> list[Change]:
    """The changes of all accounts, the newest first.

    Args:
        connection: Connection to the store.
        before: Only changes with smaller numbers.
        limit: Largest number of changes.
    """
    statement = account_log.select().order_by(account_log.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(account_log.c.id < before)
    return [Change(**row._mapping) for row in connection.execute(statement)]
