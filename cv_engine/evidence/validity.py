"""Whether the key that signed a package held when the package was sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from cv_engine.evidence.keys import KeyRecord
from cv_engine.evidence.manifest import Manifest
from cv_engine.evidence.signing import fingerprint

# By so much a machine's clock may have been set between a package and the register, such as by its
# time service: a backdated package is off by hours or days.
_SET_BY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Proven:
    """By what a package is known to be no younger than a time.

    Attributes:
        at: The time.
        by: Who says so.
    """

    at: datetime
    by: str

    @classmethod
    def of(cls, stamped: datetime | None, filed: datetime | None) -> Self | None:
        """The earliest proof.

        Args:
            stamped: Time of a valid timestamp.
            filed: When the queue recorded the manifest's digest.
        """
        known = [(stamped, "its timestamp"), (filed, "the case's history")]
        proofs = [cls(at, by) for at, by in known if at is not None]
        return min(proofs, key=lambda proof: proof.at, default=None)


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """What the register of keys says about a signature.

    Attributes:
        wrong: Why the signature proves nothing; empty where the key held.
        notes: What happened to the key later.
    """

    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def key_statement(
    manifest: Manifest,
    keys: Sequence[KeyRecord],
    proven: Proven | None,
    *,
    only_these: bool = True,
) -> KeyStatement:
    """Judges a signature by the register of the station's keys.

    A manifest says itself when it was sealed, and whoever has a key can write any time. So a
    package of a revoked key counts only where somebody else proves that it is older than the
    revocation's ``since``.

    Args:
        manifest: The manifest.
        keys: The station's keys.
        proven: What proves the package's age, if anything does.
        only_these: Whether a key that is not in the register is wrong, or only noted: another
            machine of the same city has a register of its own.
    """
    signer = fingerprint(manifest.public_key)
    record = next((each for each in keys if each.public_key == manifest.public_key), None)
    if record is None and only_these:
        return KeyStatement([f"was made with {signer}, which is no key of this station"])
    if record is None:
        note = (
            f"signed with {signer}, which is in no register here; whether that key holds is not "
            "checked: name the register of the machine that made the package with --keys"
        )
        return KeyStatement(notes=[note])
    said, sealed = KeyStatement(), None if manifest.sealed is None else manifest.sealed.at
    if sealed is not None and record.created is not None and sealed < record.created - _SET_BY:
        said.wrong.append(
            f"was made with key {signer[:16]} of {_text(record.created)}, but the package says "
            f"that it was sealed before, at {_text(sealed)}"
        )
    if sealed is not None and record.retired is not None and sealed > record.retired + _SET_BY:
        said.wrong.append(
            f"was made with key {signer[:16]}, which another one replaced at "
            f"{_text(record.retired)}, but the package says that it was sealed later, at "
            f"{_text(sealed)}"
        )
    if record.revoked is not None:
        _judge_revoked(record, proven, said)
    return said


def _judge_revoked(record: KeyRecord, proven: Proven | None, said: KeyStatement) -> None:
    revoked = record.revoked
    assert revoked is not None
    about = f"key {record.fingerprint[:16]} is revoked since {_text(revoked.since)}: {revoked.why}"
    if proven is None:
        said.wrong.append(f"{about}; nothing proves that the package is older")
    elif proven.at >= revoked.since:
        said.wrong.append(f"{about}; the package is known from {_text(proven.at)} on only")
    else:
        said.notes.append(
            f"{about}; the package is older, as {proven.by} of {_text(proven.at)} proves"
        )


def _text(time: datetime) -> str:
    return time.isoformat(sep=" ", timespec="seconds")
