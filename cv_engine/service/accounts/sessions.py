"""Sessions: somebody has logged in with a password, for a while.

A name that is tried again and again is locked for a while, longer each time; so is one that no
account has, so that no one learns which names there are. An attempt counts before the password is
compared: many at a time are no way around the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from cv_engine.cases.database.account_tables import account_attempts, account_sessions, accounts
from cv_engine.cases.database.store import Store
from cv_engine.service.accounts.account import Account, account_of, folded
from cv_engine.service.accounts.passwords import Passwords
from cv_engine.service.accounts.secret import digest, new_secret
from cv_engine.service.errors import ServiceError

#: Wrong passwords in a row before a name is locked.
ATTEMPTS = 5
_FIRST_LOCK = timedelta(minutes=1)
#: Longest time of a lock: long enough for guessing to be useless, short enough to wait for.
LONGEST_LOCK = timedelta(minutes=15)
_FORGOTTEN = timedelta(days=1)  # after the last attempt
_SEEN_EVERY = timedelta(minutes=1)  # between two notes that a session is in use


@dataclass(frozen=True)
class Sessions:
    """The sessions of a queue's accounts.

    Attributes:
        store: The store of the cases.
        passwords: Compares passwords.
        clock: Returns the present time (timezone-aware).
        idle: Time without a request after which a session ends.
        longest: Time after which every session ends.
    """

    store: Store
    passwords: Passwords
    clock: Callable[[], datetime]
    idle: timedelta
    longest: timedelta

    def log_in(self, name: str, password: str, before: str | None = None) -> tuple[str, Account]:
        """Begin a session with a name and a password.

        Args:
            name: Name of the account.
            password: The password.
            before: Secret of the session that the browser has had, which ends.

        Returns:
            The secret of the new session, and the account.

        Raises:
            ServiceError: Name or password are wrong, or the name is locked.
        """
        self._attempt(name)
        with self.store.reading() as connection:
            statement = accounts.select().where(accounts.c.folded == folded(name))
            row = connection.execute(statement).one_or_none()
        fits = self.passwords.fits(password, None if row is None else row.password)
        if row is None or not fits or row.disabled_at is not None:
            raise ServiceError("the name or the password is wrong", HTTPStatus.UNAUTHORIZED)
        return self.begin(account_of(row), before), account_of(row)

    def begin(self, account: Account, before: str | None = None) -> str:
        """Begin a session of somebody whose identity is proven; returns the session's secret."""
        secret, now = new_secret(), self.clock()
        row = {"digest": digest(secret), "account_id": account.id, "created_at": now}
        with self.store.writing() as connection:
            who = account_attempts.c.who == _who(account.name)
            connection.execute(account_attempts.delete().where(who))
            if before is not None:
                _end(connection, before)
            over = account_sessions.c.created_at <= now - self.longest
            connection.execute(account_sessions.delete().where(over))
            connection.execute(account_sessions.insert().values(**row, seen_at=now))
        structlog.get_logger(__name__).info("logged in", account=account.name)
        return secret

    def find(self, secret: str) -> Account | None:
        """The account of a session; ``None`` where the session has ended, or never began."""
        now = self.clock()
        columns = (account_sessions.c.seen_at, account_sessions.c.created_at.label("began_at"))
        with self.store.reading() as connection:
            joined = account_sessions.join(accounts)
            statement = sa.select(accounts, *columns).select_from(joined)
            row = connection.execute(
                statement.where(account_sessions.c.digest == digest(secret))
            ).one_or_none()
        if row is None or row.disabled_at is not None:
            return None
        if now >= row.seen_at + self.idle or now >= row.began_at + self.longest:
            return None
        if now >= row.seen_at + _SEEN_EVERY:
            with self.store.writing() as connection:
                used = account_sessions.update().where(account_sessions.c.digest == digest(secret))
                connection.execute(used.values(seen_at=now))
        return account_of(row)

    def end(self, secret: str) -> None:
        """End a session; one that has ended stays so."""
        with self.store.writing() as connection:
            _end(connection, secret)

    def _attempt(self, name: str) -> None:
        """Count an attempt, and refuse it while the name is locked."""
        now = self.clock()
        with self.store.writing() as connection:
            old = account_attempts.c.at <= now - _FORGOTTEN
            connection.execute(account_attempts.delete().where(old))
            row = {"who": _who(name), "attempts": 0, "at": now}
            insert = sqlite.insert if self.store.dialect == "sqlite" else postgresql.insert
            connection.execute(insert(account_attempts).values(row).on_conflict_do_nothing())
            mine = account_attempts.c.who == row["who"]
            known = connection.execute(
                account_attempts.select().where(mine).with_for_update()
            ).one()
            if known.locked_until is not None and known.locked_until > now:
                raise ServiceError(
                    "too many attempts with this name: wait, or ask an administrator for a new "
                    "password",
                    HTTPStatus.TOO_MANY_REQUESTS,
                    (known.locked_until - now).total_seconds(),
                )
            count = known.attempts + 1
            locked_until = None if count < ATTEMPTS else now + _lock(count)
            changed = account_attempts.update().where(mine)
            connection.execute(changed.values(attempts=count, at=now, locked_until=locked_until))
        if locked_until is not None:
            structlog.get_logger(__name__).warning(
                "a name is locked after wrong passwords", until=locked_until.isoformat()
            )


def _lock(attempts: int) -> timedelta:
    """How long a name is locked after so many attempts: twice as long each time."""
    doublings = min(attempts - ATTEMPTS, 10)  # the longest time is reached long before
    longer: int = 2**doublings
    return min(_FIRST_LOCK * longer, LONGEST_LOCK)


def _end(connection: Connection, secret: str) -> None:
    ended = account_sessions.delete().where(account_sessions.c.digest == digest(secret))
    connection.execute(ended)


def _who(name: str) -> str:
    return digest(folded(name))
