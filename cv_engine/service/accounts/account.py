"""An account: a person or a program that may log in, with a role and areas."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Row

from cv_engine.cases.lifecycle import Actor, Role
from cv_engine.service.errors import ServiceError

_MOST_LETTERS = 100  # of a name; histories and lists show it in one line
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode: what makes two names look the same


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in.

    Attributes:
        id: Sequential number.
        name: The name that histories record.
        role: What the person may do.
        areas: Names of the areas of responsibility whose cases the person sees and moves; ``None``
            for all cases.
        created_at: When the account was made (UTC).
        disabled_at: Since when it cannot be used (UTC); ``None`` while it can.
        has_password: Whether a password was set.
    """

    id: int
    name: str
    role: Role
    areas: frozenset[str] | None
    created_at: datetime
    disabled_at: datetime | None = None
    has_password: bool = False

    @property
    def actor(self) -> Actor:
        """The person as histories name it."""
        return Actor(self.name, self.role)


def account_of(row: Row[Any]) -> Account:
    """A row of table ``accounts`` as an account."""
    return Account(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        areas=None if row.areas is None else frozenset(row.areas),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        has_password=row.password is not None,
    )


def checked_name(name: str) -> str:
    """A name without the space around it.

    Raises:
        ServiceError: The name is empty, too long, or has signs that cannot be seen.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not 0 < len(name) <= _MOST_LETTERS:
        raise ServiceError(f"a name has 1 to {_MOST_LETTERS} letters; write another one")
    if any(unicodedata.category(sign) in _UNPRINTABLE for sign in name):
        raise ServiceError("the name has a sign that cannot be seen; remove it")
    return name


def folded(name: str) -> str:
    """The name in the form in which names are compared."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def role_named(name: str) -> Role:
    """The role of a name.

    Raises:
        ServiceError: People have no such role.
    """
    known = [role.value for role in Role if role is not Role.ENGINE]
    if name not in known:
        raise ServiceError(f"there is no role {name!r}; known: {', '.join(known)}")
    return Role(name)
