"""The register of a station's keys: which one signed when, and which is trusted no more.

The register is public: given to those who check packages, it says more than one fingerprint. Each
data folder has one private key, the one that signs now (`signing.SigningKey`); that of a key that
was replaced is destroyed, and packages that it signed are verified by its public key for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cv_engine.evidence.errors import EvidenceError, from_os_error
from cv_engine.evidence.signing import PUBLIC_KEY_BYTES, SigningKey, fingerprint
from cv_engine.files import write_atomically

SCHEMA = "cv-engine/keys/1"
PRIVATE, REGISTER = "signing-key.pem", "keys.json"
_LOCKED_S = 30.0  # longer than any process needs to change the register
_LARGEST_REGISTER = 1 << 20  # bytes; a key takes 300


@dataclass(frozen=True, slots=True)
class Revocation:
    """That a key is not trusted any more.

    Attributes:
        at: When the key was revoked.
        since: From when on a signature of the key proves nothing, such as when it was copied.
        why: The reason, in a person's words.
    """

    at: datetime
    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key of a station.

    Attributes:
        public_key: The 32 raw bytes.
        created: From when on the key signed; ``None`` for a key that is older than the register.
        retired: When another key took its place; ``None`` for the key that signs now.
        revoked: Why the key is not trusted any more, if so.
    """

    public_key: bytes
    created: datetime | None = None
    retired: datetime | None = None
    revoked: Revocation | None = None

    @property
    def fingerprint(self) -> str:
        """The key's name."""
        return fingerprint(self.public_key)


class KeyRing:
    """The keys of one data folder.

    Args:
        folder: The data folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.private = folder / PRIVATE
        self.register = folder / REGISTER

    def load_or_create(self, now: datetime) -> SigningKey:
        """Returns the key that signs now; makes and registers one where there is none.

        Args:
            now: The present time, timezone-aware.

        Raises:
            EvidenceError: The key or the register cannot be read or written.
        """
        made = not self.private.exists()
        key = SigningKey.load_or_create(self.private)
        if _active(self.records()) == key.fingerprint:
            return key
        with self._changing() as records:  # another process may have replaced the key meanwhile
            key = key.current()
            if _active(records) != key.fingerprint:
                _refuse_replaced(records, key, self.private)
                # Also where a run was killed after it replaced the key and before it said so.
                _enter(records, key, now, now if made or records else None)
        return key

    def records(self) -> list[KeyRecord]:
        """Returns all keys, the oldest first; none where there is no register.

        Raises:
            EvidenceError: The register cannot be read.
        """
        return read_register(self.register) if self.register.exists() else []

    def create(self, now: datetime) -> SigningKey:
        """Makes the first key.

        Raises:
            EvidenceError: There is one, or it cannot be written.
        """
        if self.private.exists():
            raise EvidenceError(
                f"{self.private}: there is a key already; `cv-engine evidence keys rotate` "
                "replaces it"
            )
        return self.load_or_create(now)

    def rotate(self, now: datetime) -> SigningKey:
        """Replaces the key; programs that run sign with the new one from their next package on.

        Raises:
            EvidenceError: There is no key, or the files cannot be read or written.
        """
        if not self.private.exists():
            raise EvidenceError(
                f"{self.private}: there is no key yet; `cv-engine evidence keys create` makes one"
            )
        self.load_or_create(now)
        with self._changing() as records:
            key = SigningKey.replace(self.private)
            _enter(records, key, now, now)
            return key

    def revoke(self, key: str, why: str, since: datetime, now: datetime) -> KeyRecord:
        """Revokes a key; the one that signs now is replaced first.

        Args:
            key: Beginning of the key's fingerprint, as long as no other key has it.
            why: The reason.
            since: From when on signatures of the key prove nothing, timezone-aware.
            now: The present time, timezone-aware.

        Returns:
            The revoked key.

        Raises:
            EvidenceError: No key or several are meant, the key is revoked already, the time lies
                in the future, or the files cannot be read or written.
        """
        record = chosen(self.records(), key)
        if record.revoked is not None:
            said = record.revoked
            raise EvidenceError(
                f"key {record.fingerprint} was revoked at {said.at.isoformat()} already: {said.why}"
            )
        if since > now:
            raise EvidenceError(f"{since.isoformat()} lies in the future; give a time that is past")
        if record.retired is None:
            self.rotate(now)
        with self._changing() as records:
            place = [each.public_key for each in records].index(record.public_key)
            records[place] = replace(records[place], revoked=Revocation(now, since, why))
            return records[place]

    @contextmanager
    def _changing(self) -> Iterator[list[KeyRecord]]:
        try:
            with FileLock(self._folder / f"{REGISTER}.lock", timeout=_LOCKED_S):
                records = self.records()
                yield records
                write_atomically(self.register, encode_register(records), sync=True)
        except Timeout as error:
            raise EvidenceError(f"{self.register}: another process holds it; try again") from error
        except OSError as error:
            raise from_os_error(error, self.register) from error


def chosen(records: Sequence[KeyRecord], key: str) -> KeyRecord:
    """The key whose fingerprint begins with some text.

    Raises:
        EvidenceError: There is none, or several.
    """
    start = key.replace(":", "").strip().lower()
    found = [each for each in records if start and each.fingerprint.startswith(start)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(each.fingerprint[:16] for each in found or records) or "none"
    raise EvidenceError(
        f"{key!r} names {'several keys' if found else 'no key'} of this station: {known}"
    )


def encode_register(records: Sequence[KeyRecord]) -> bytes:
    """Writes a register as JSON."""
    keys = [_row(record) for record in records]
    return (json.dumps({"schema": SCHEMA, "keys": keys}, indent=1) + "\n").encode()


def read_register(path: Path) -> list[KeyRecord]:
    """Reads a register.

    Raises:
        EvidenceError: The file cannot be read, or is none.
    """
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST_REGISTER))
        if content["schema"] != SCHEMA:
            raise ValueError(f"its form is not {SCHEMA}")
        return [_record(row) for row in content["keys"]]
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise EvidenceError(f"{path}: is no register of keys: {error!s:.100}") from error


def _refuse_replaced(records: Sequence[KeyRecord], key: SigningKey, path: Path) -> None:
    for record in records:
        if record.public_key == key.public_key and record.retired is not None:
            raise EvidenceError(
                f"{path}: holds a key that was replaced at {record.retired.isoformat()}; restore "
                "the present one, or move the file away, so that a new key is made"
            )


def _enter(
    records: list[KeyRecord], key: SigningKey, now: datetime, created: datetime | None
) -> None:
    """Registers the key that signs now; the one before it is retired."""
    for place, record in enumerate(records):
        if record.retired is None:
            records[place] = replace(record, retired=now)
    records.append(KeyRecord(key.public_key, created))


def _active(records: Sequence[KeyRecord]) -> str | None:
    return next((each.fingerprint for each in records if each.retired is None), None)


def _row(record: KeyRecord) -> dict[str, Any]:
    revoked = record.revoked
    return {
        "fingerprint": record.fingerprint,
        "public_key": record.public_key.hex(),
        "created": _text(record.created),
        "retired": _text(record.retired),
        "revoked": None
        if revoked is None
        else {"at": _text(revoked.at), "since": _text(revoked.since), "why": revoked.why},
    }


def _record(row: Any) -> KeyRecord:
    key, revoked = bytes.fromhex(row["public_key"]), row["revoked"]
    if len(key) != PUBLIC_KEY_BYTES or row["fingerprint"] != fingerprint(key):
        raise ValueError("a fingerprint is not that of its public key")
    revocation = None
    if revoked is not None:
        at, since = _needed(revoked["at"]), _needed(revoked["since"])
        revocation = Revocation(at, since, str(revoked["why"]))
    return KeyRecord(key, _time(row["created"]), _time(row["retired"]), revocation)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else _needed(text)


def _needed(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return time
