"""The accounts of a queue: made, changed, and given their passwords."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.database.account_tables import account_links, account_sessions, accounts
from cv_engine.cases.database.store import Store
from cv_engine.cases.lifecycle import Role
from cv_engine.service.accounts.account import Account, account_of, checked_name, folded
from cv_engine.service.accounts.log import Change, changes, record
from cv_engine.service.accounts.oidc import Identity
from cv_engine.service.accounts.passwords import Passwords, check_password
from cv_engine.service.accounts.secret import digest, new_secret
from cv_engine.service.errors import ServiceError, forbidden, missing

#: How long a link to set a password can be used: until the person is at work again.
LINK_LASTS = timedelta(days=3)
#: The same for the first administrator, who has started the service.
FIRST_LINK_LASTS = timedelta(hours=1)
#: Who acts where the program does.
PROGRAM = "cv-engine"


@dataclass(frozen=True)
class Accounts:
    """The accounts of a queue.

    Every method is one transaction; every change is recorded in the log of accounts.

    Attributes:
        store: The store of the cases.
        passwords: Makes hashes.
        clock: Returns the present time (timezone-aware).
    """

    store: Store
    passwords: Passwords
    clock: Callable[[], datetime]

    def all(self) -> list[Account]:
        """All accounts, by name."""
        with self.store.reading() as connection:
            found = connection.execute(accounts.select().order_by(accounts.c.folded))
            return [account_of(row) for row in found]

    def get(self, name: str) -> Account:
        """The account of a name.

        Raises:
            ServiceError: There is none.
        """
        with self.store.reading() as connection:
            return account_of(_need(connection, name))

    def log(self, *, before: int | None = None, limit: int = 100) -> list[Change]:
        """What changed in the accounts, the newest first; see :func:`changes`."""
        with self.store.reading() as connection:
            return changes(connection, before=before, limit=limit)

    def add(self, name: str, role: Role, by: str, areas: Collection[str] | None = None) -> Account:
        """Make an account, which has no password yet.

        Args:
            name: The name that histories will record.
            role: What the person may do.
            by: Who makes it.
            areas: Names of the areas whose cases the person sees; ``None``: all.

        Raises:
            ServiceError: The name cannot be used, or is taken.
        """
        with self.store.writing() as connection:
            return account_of(self._add(connection, checked_name(name), role, by, areas))

    def change(
        self,
        name: str,
        by: str,
        *,
        role: Role | None = None,
        areas: Collection[str] | None = None,
        everywhere: bool = False,
        disabled: bool | None = None,
    ) -> Account:
        """Change an account; who has logged in with it has to log in again.

        Args:
            name: Name of the account.
            by: Who changes it.
            role: The new role; ``None``: as before.
            areas: The new areas; ``None``: as before.
            everywhere: Whether the person sees all cases from now on.
            disabled: Whether the account cannot be used any more; ``None``: as before.

        Raises:
            ServiceError: There is no such account, or it is the last administrator's.
        """
        with self.store.writing() as connection:
            row = _need(connection, name, lock=True)
            values: dict[str, Any] = {}
            if role is not None and role.value != row.role:
                values["role"] = role.value
            if everywhere and row.areas is not None:
                values["areas"] = None
            elif areas is not None and set(areas) != set(row.areas or ()):
                values["areas"] = sorted(set(areas))
            if disabled is not None and disabled is not (row.disabled_at is not None):
                values["disabled_at"] = self.clock() if disabled else None
            if not values:
                return account_of(row)
            connection.execute(accounts.update().where(accounts.c.id == row.id).values(values))
            _need_administrator(connection, row)
            told = {key: value for key, value in values.items() if key != "disabled_at"}
            if "disabled_at" in values:
                told["disabled"] = disabled
            record(connection, self.clock(), by, row.name, "changed", **told)
            self._end_sessions(connection, row.id)
            return account_of(_need(connection, name))

    def link(self, name: str, by: str) -> str:
        """The secret of a link by which the person sets a password; earlier links end.

        Raises:
            ServiceError: There is no such account.
        """
        with self.store.writing() as connection:
            row = _need(connection, name, lock=True)
            record(connection, self.clock(), by, row.name, "link made")
            return self._link(connection, row.id, LINK_LASTS)

    def first_link(self) -> str | None:
        """The secret of a link by which the first administrator is made; ``None`` if there is one.

        Earlier such links end.
        """
        with self.store.writing() as connection:
            if _has_administrator(connection):
                return None
            return self._link(connection, None, FIRST_LINK_LASTS)

    def link_is_for(self, secret: str) -> str | None:
        """The name of the account that a link is for; ``None`` for the first administrator's.

        Raises:
            ServiceError: The link has been used, or its time is over.
        """
        with self.store.reading() as connection:
            return self._linked(connection, secret)

    def set_password_by_link(self, secret: str, password: str, name: str = "") -> Account:
        """Set a password by a link, which can be used once.

        Args:
            secret: Secret of the link.
            password: The new password.
            name: Name of the first administrator, where the link is for that account.

        Raises:
            ServiceError: The link cannot be used, or the password is easily guessed.
        """
        known = self.link_is_for(secret)
        name = checked_name(name) if known is None else known
        check_password(password, name)
        hashed = self.passwords.hash(password)
        with self.store.writing() as connection:
            self._linked(connection, secret)
            used = account_links.delete().where(account_links.c.digest == digest(secret))
            if connection.execute(used).rowcount == 0:  # by another request meanwhile
                raise _used()
            if known is None:
                if _has_administrator(connection):
                    raise _used()
                self._add(connection, name, Role.ADMINISTRATOR, PROGRAM, None)
            return self._set_password(connection, name, hashed, name)

    def set_password(self, name: str, old: str, new: str) -> Account:
        """Set a password by somebody who knows the present one; all sessions end.

        Raises:
            ServiceError: The present password is another, or the new one is easily guessed.
        """
        with self.store.reading() as connection:
            row = _need(connection, name)
        if not self.passwords.fits(old, row.password):
            raise ServiceError("the present password is another one", HTTPStatus.FORBIDDEN)
        check_password(new, row.name)
        hashed = self.passwords.hash(new)
        with self.store.writing() as connection:
            return self._set_password(connection, name, hashed, row.name)

    def of_identity(self, identity: Identity) -> Account:
        """The account of somebody who has logged in at the city's provider.

        The first time it is the account of the provider's name for the person, where that has no
        password; from then on it is bound to the identity, whatever the name becomes.

        Raises:
            ServiceError: There is no such account, it is disabled, or it is somebody else's.
        """
        with self.store.writing() as connection:
            subject = accounts.c.subject == identity.subject
            row = connection.execute(accounts.select().where(subject)).one_or_none()
            if row is None:
                named = accounts.c.folded == folded(identity.name)
                found = accounts.select().where(named).with_for_update()
                row = connection.execute(found).one_or_none()
                if row is None or row.password is not None or row.subject is not None:
                    raise forbidden(
                        f"there is no account for {identity.name}: ask an administrator to add one "
                        "of this name (`cv-engine accounts add`)"
                    )
                bound = accounts.update().where(accounts.c.id == row.id)
                connection.execute(bound.values(subject=identity.subject))
                record(connection, self.clock(), PROGRAM, row.name, "bound to the city's log-in")
            if row.disabled_at is not None:
                raise forbidden(f"the account {row.name} is disabled")
            return account_of(row)

    def _set_password(self, connection: Connection, name: str, hashed: str, by: str) -> Account:
        row = _need(connection, name, lock=True)
        changed = accounts.update().where(accounts.c.id == row.id)
        connection.execute(changed.values(password=hashed))
        record(connection, self.clock(), by, row.name, "password set")
        self._end_sessions(connection, row.id)
        return account_of(_need(connection, name))

    def _add(
        self,
        connection: Connection,
        name: str,
        role: Role,
        by: str,
        areas: Collection[str] | None,
    ) -> Row[Any]:
        known = sa.select(accounts.c.name).where(accounts.c.folded == folded(name))
        taken = connection.execute(known).scalar_one_or_none()
        if taken is not None:
            raise ServiceError(
                f"there is an account {taken} already: choose another name", HTTPStatus.CONFLICT
            )
        row = {
            "name": name,
            "folded": folded(name),
            "role": role.value,
            "areas": None if areas is None else sorted(set(areas)),
            "created_at": self.clock(),
        }
        connection.execute(accounts.insert().values(row))
        told = {"role": role.value, "areas": row["areas"]}
        record(connection, self.clock(), by, name, "added", **told)
        return _need(connection, name)

    def _link(self, connection: Connection, account_id: int | None, lasts: timedelta) -> str:
        secret = new_secret()
        same = account_links.c.account_id
        earlier = same.is_(None) if account_id is None else same == account_id
        connection.execute(account_links.delete().where(earlier))
        row = {"digest": digest(secret), "account_id": account_id, "ends_at": self.clock() + lasts}
        connection.execute(account_links.insert().values(row))
        return secret

    def _linked(self, connection: Connection, secret: str) -> str | None:
        joined = account_links.outerjoin(accounts)
        found = sa.select(account_links.c.ends_at, accounts.c.name, accounts.c.disabled_at)
        statement = found.select_from(joined).where(account_links.c.digest == digest(secret))
        row = connection.execute(statement).one_or_none()
        if row is None or row.ends_at <= self.clock() or row.disabled_at is not None:
            raise _used()
        return None if row.name is None else str(row.name)

    def _end_sessions(self, connection: Connection, account_id: int) -> None:
        of_account = account_sessions.c.account_id == account_id
        connection.execute(account_sessions.delete().where(of_account))


def _used() -> ServiceError:
    return ServiceError(
        "the link was used already, or its time is over: ask an administrator for a new one "
        "(`cv-engine accounts link NAME`)",
        HTTPStatus.GONE,
    )


def _need(connection: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    statement = accounts.select().where(accounts.c.folded == folded(name))
    statement = statement.with_for_update() if lock else statement
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise missing(f"there is no account {name!r}")
    return row


def _administrators() -> sa.Select[Any]:
    """Administrators who can log in."""
    usable = sa.or_(accounts.c.password.is_not(None), accounts.c.subject.is_not(None))
    return sa.select(accounts.c.id).where(
        accounts.c.role == Role.ADMINISTRATOR.value, accounts.c.disabled_at.is_(None), usable
    )


def _has_administrator(connection: Connection) -> bool:
    return connection.execute(_administrators().limit(1)).first() is not None


def _need_administrator(connection: Connection, changed: Row[Any]) -> None:
    """Refuse a change after which no one can manage the accounts."""
    was = changed.role == Role.ADMINISTRATOR.value and changed.disabled_at is None
    if was and not _has_administrator(connection):
        raise ServiceError(
            f"{changed.name} is the last administrator: make another one first",
            HTTPStatus.CONFLICT,
        )
