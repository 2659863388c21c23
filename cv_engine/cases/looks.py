"""The access log: who looked at an original, at contact data or at what is held of a plate.

The log is append-only and chained like a history: every access carries a hash of itself and of the
one before, and table ``chain_heads`` keeps the last one, so that no access can be changed, removed
or moved unseen. A plate is covered by a salted digest: erasing it, and the salt, leaves the chain
whole, and the digest tells no one what it was.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.chain import link_hash
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import chain_heads, looks
from cv_engine.cases.errors import QueueError
from cv_engine.cases.lifecycle import Role

_CHAIN = "looks"
_FIELDS = ("seq", "at", "who", "role", "what", "why", "case_id", "plate_sha256")
_SALT_BYTES = 16
_ROWS_AT_ONCE = 1_000  # of a stream


@dataclass(frozen=True, slots=True)
class Look:
    """One access to what is not for everybody.

    Attributes:
        who: The person's name.
        role: The person's role.
        what: What was looked at, such as ``"originals"`` or ``"contact"``; names no person and no
            plate, since it is kept for ever.
        why: The reason that the person gave.
        at: When, timezone-aware.
        case_id: Number of the case, if the access was to one.
        plate: The plate, if the access was to a vehicle's data.

    Raises:
        QueueError: A text is empty, such as the reason, or ``at`` has no time zone.
    """

    who: str
    role: Role
    what: str
    why: str
    at: datetime
    case_id: int | None = None
    plate: str | None = None

    def __post_init__(self) -> None:
        for name in ("who", "what", "why"):
            text = getattr(self, name)
            if not text.strip() or "\0" in text:
                raise QueueError(
                    f"an access without {name} is refused: say who looks at what, and why (--why)"
                )
        if self.at.tzinfo is None:
            raise QueueError("the time of an access has no time zone")


@dataclass(frozen=True, slots=True)
class LoggedLook:
    """An access in the log.

    Attributes:
        seq: The number, from 1.
        look: The access; without the plate where that was erased.
        erased: Whether the access had a plate that was erased.
        hash: Hash of the access and of the one before.
    """

    seq: int
    look: Look
    erased: bool
    hash: str


def record_look(store: Store, look: Look) -> None:
    """Add an access to the log; it is durable when this returns, so show nothing before.

    Args:
        store: The store of the cases.
        look: The access.

    Raises:
        QueueError: The store cannot be written: show nothing then.
    """
    salt = None if look.plate is None else secrets.token_hex(_SALT_BYTES)
    with store.writing() as connection:
        head = _locked_head(connection)
        row: dict[str, Any] = {
            "seq": head.seq + 1,
            "at": look.at,
            "who": look.who,
            "role": look.role.value,
            "what": look.what,
            "why": look.why,
            "case_id": look.case_id,
            "plate": look.plate,
            "salt": salt,
            "plate_sha256": None if salt is None else _digest(salt, look.plate or ""),
        }
        row["hash"] = link_hash(head.hash, [row[name] for name in _FIELDS])
        connection.execute(looks.insert().values(row))
        moved = chain_heads.update().where(chain_heads.c.name == _CHAIN)
        connection.execute(moved.values(seq=row["seq"], hash=row["hash"]))


def _locked_head(connection: Connection) -> Row[Any]:
    """The last link, locked until this transaction ends: looks are added one after the other."""
    first = sa.text(
        "INSERT INTO chain_heads (name, seq, hash) VALUES (:name, 0, '') ON CONFLICT DO NOTHING"
    )
    connection.execute(first, {"name": _CHAIN})
    head = chain_heads.select().where(chain_heads.c.name == _CHAIN).with_for_update()
    return connection.execute(head).one()


def last_look(connection: Connection, who: str, what: str, case_id: int) -> datetime | None:
    """When somebody last looked at something of a case; ``None`` where that was never.

    Args:
        connection: Connection to the store.
        who: The person's name.
        what: What was looked at, such as ``"originals"``.
        case_id: The case's number.
    """
    mine = (looks.c.case_id == case_id, looks.c.who == who, looks.c.what == what)
    statement = sa.select(looks.c.at).where(*mine).order_by(looks.c.seq.desc()).limit(1)
    return connection.execute(statement).scalar_one_or_none()


def each_look(
    connection: Connection, *, case_id: int | None = None, plate: str | None = None
) -> Iterator[LoggedLook]:
    """The accesses of the log, oldest first, read one at a time.

    Args:
        connection: Connection to the store.
        case_id: Only looks at this case.
        plate: Only looks at this vehicle's data.
    """
    statement = looks.select().order_by(looks.c.seq)
    if case_id is not None:
        statement = statement.where(looks.c.case_id == case_id)
    if plate is not None:
        statement = statement.where(looks.c.plate == plate)
    options = {"yield_per": _ROWS_AT_ONCE}
    with connection.execute(statement, execution_options=options) as rows:
        yield from map(_logged, rows)


def latest_looks(
    connection: Connection, *, case_id: int | None = None, before: int | None = None, limit: int
) -> list[LoggedLook]:
    """Some accesses of the log, the newest first.

    Args:
        connection: Connection to the store.
        case_id: Only looks at this case.
        before: Only accesses with smaller numbers.
        limit: Largest number of accesses.
    """
    statement = looks.select().order_by(looks.c.seq.desc()).limit(limit)
    if case_id is not None:
        statement = statement.where(looks.c.case_id == case_id)
    if before is not None:
        statement = statement.where(looks.c.seq < before)
    return [_logged(row) for row in connection.execute(statement)]


def _logged(row: Row[Any]) -> LoggedLook:
    look = Look(*(row.who, Role(row.role), row.what, row.why, row.at, row.case_id, row.plate))
    erased = row.plate is None and row.plate_sha256 is not None
    return LoggedLook(row.seq, look, erased, row.hash)


def erase_plate_of_looks(connection: Connection, plate: str) -> int:
    """Erase a plate from the log; who looked, when, and why stays.

    Returns:
        The number of entries that had the plate.
    """
    changed = looks.update().where(looks.c.plate == plate).values(plate=None, salt=None)
    return connection.execute(changed).rowcount


def broken_looks(connection: Connection) -> Iterator[tuple[int, str]]:
    """Check the log: every hash is computed again.

    Yields:
        The number of an access, and what is wrong with it.
    """
    previous, expected = "", 1
    statement = looks.select().order_by(looks.c.seq)
    with connection.execute(statement, execution_options={"yield_per": _ROWS_AT_ONCE}) as rows:
        for row in rows:
            values = [getattr(row, name) for name in _FIELDS]
            if row.seq != expected:
                yield expected, f"the access is missing, and all up to {row.seq - 1}"
            elif row.hash != link_hash(previous, values):
                yield (
                    row.seq,
                    "the access was changed, or is not in its place: its hash does not fit",
                )
            if row.plate is not None and row.plate_sha256 != _digest(row.salt or "", row.plate):
                yield row.seq, "the plate of the access was changed"
            previous, expected = row.hash, row.seq + 1
    head = connection.execute(chain_heads.select().where(chain_heads.c.name == _CHAIN)).first()
    if (head.seq, head.hash) != (expected - 1, previous) if head else expected > 1:
        yield expected, "the last accesses are missing: the log should end otherwise"


def _digest(salt: str, plate: str) -> str:
    return hashlib.sha256(f"{salt} {plate}".encode()).hexdigest()
