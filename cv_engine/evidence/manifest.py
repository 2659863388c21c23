"""The manifest: every file of a package with its hash, and the origin of the evidence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.naming import Note
from cv_engine.evidence.signing import PUBLIC_KEY_BYTES, fingerprint
from cv_engine.finding import Finding

SCHEMA = "cv-engine/evidence/1"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
_ADDED_LATER = "timestamp"  # the folder of what is added to a sealed package
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a package.

    Attributes:
        path: Relative to the package, with forward slashes.
        size: Bytes.
        sha256: Hex digest of the bytes.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """When a package was sealed.

    Attributes:
        at: The time by the station's clock, timezone-aware.
        authority: Address of the timestamping authority that is to confirm the time; ``None``
            where none was asked.
    """

    at: datetime
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What verification needs of a manifest.

    Attributes:
        files: Every file of the package except the manifest and its signature.
        public_key: The 32 raw bytes of the key that signed the manifest.
        content: The whole manifest as parsed.
        sealed: When the package was sealed; ``None`` in packages of earlier releases.
    """

    files: tuple[Entry, ...]
    public_key: bytes
    content: Mapping[str, Any]
    sealed: Sealed | None = None


def file_entry(path: str, size: int, sha256: str, view: str) -> dict[str, Any]:
    """One file of a package as the manifest lists it.

    Args:
        path: Relative to the package, with forward slashes.
        size: Bytes.
        sha256: Hex digest of the bytes.
        view: What the file shows, such as ``"closeup"`` or ``"clip"``.
    """
    return {"path": path, "size": size, "sha256": sha256, "view": view}


def compose(
    subject: Finding | Note,
    files: Sequence[Mapping[str, Any]],
    clips: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
    public_key: bytes,
    sealed: Sealed | None = None,
) -> bytes:
    """Encodes a manifest; equal content gives equal bytes.

    Args:
        subject: What the package is the evidence of.
        files: Every file of the package but the manifest and its signature.
        clips: Notes on the clips, those that could not be cut included.
        provenance: JSON values on the origin.
        public_key: The 32 raw bytes of the key that signs the manifest.
        sealed: When the package is sealed; ``None`` where that is not known.

    Raises:
        EvidenceError: An attribute or a provenance value is not JSON.
    """
    content = {
        "schema": SCHEMA,
        **(_note(subject) if isinstance(subject, Note) else _finding(subject)),
        "files": sorted(files, key=lambda file: str(file["path"])),
        "clips": list(clips),
        "provenance": dict(provenance),
        **({} if sealed is None else {"sealed": _seal_row(sealed)}),
        "signature": {
            "algorithm": "Ed25519",
            "file": SIGNATURE,
            "public_key": public_key.hex(),
            "fingerprint": fingerprint(public_key),
        },
    }
    try:
        text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()
    except (TypeError, ValueError) as error:
        raise EvidenceError(
            f"finding {subject.key}: the attributes or the provenance hold a value that is not "
            f"JSON: {error}"
        ) from error


def _finding(finding: Finding) -> dict[str, Any]:
    place = finding.place
    return {
        "finding": {
            "key": finding.key,
            "kind": finding.kind,
            "source": finding.source,
            "zone": finding.zone,
            "place": {
                "geometry": place.geometry,
                "accuracy_m": place.accuracy_m,
                "basis": place.basis,
                "image_box": place.image_box,
            },
            "began": finding.began.isoformat(),
            "observed": finding.observed.isoformat(),
            "confidence": finding.confidence,
            "attributes": dict(finding.attributes),
        }
    }


def _note(note: Note) -> dict[str, Any]:
    return {
        "note": {
            "key": note.key,
            "case": note.case,
            "case_key": note.case_key,
            "step": note.step,
            "number": note.number,
            "by": note.by,
            "role": note.role,
            "at": note.at.isoformat(),
            "text": note.text,
        }
    }


def parse(data: bytes) -> Manifest:
    """Decodes a manifest of unknown origin.

    Raises:
        EvidenceError: The manifest is malformed, or names a path outside the package.
    """
    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise EvidenceError(f"is not a manifest of the form {SCHEMA}")
    files, key = _entries(content.get("files")), _public_key(content)
    return Manifest(files, key, content, _sealed(content))


def _seal_row(sealed: Sealed) -> dict[str, str | None]:
    return {"at": sealed.at.astimezone(UTC).isoformat(), "timestamp_by": sealed.authority}


def _sealed(content: Mapping[str, Any]) -> Sealed | None:
    row = content.get("sealed")
    if row is None:
        return None
    try:
        at, authority = datetime.fromisoformat(row["at"]), row.get("timestamp_by")
    except (TypeError, ValueError, KeyError, AttributeError):
        raise EvidenceError("says no usable time at which it was sealed") from None
    if at.tzinfo is None:
        raise EvidenceError("says when it was sealed without a time zone")
    return Sealed(at, None if authority is None else str(authority))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has a key twice")
    return result


def _public_key(content: Mapping[str, Any]) -> bytes:
    signature = content.get("signature")
    if not isinstance(signature, dict):
        raise EvidenceError("names no public key")
    text = signature.get("public_key")
    try:
        key = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise EvidenceError("names no usable public key")
    if signature.get("fingerprint") != fingerprint(key):
        raise EvidenceError("names a fingerprint that does not match its public key")
    return key


def _entries(files: object) -> tuple[Entry, ...]:
    if not isinstance(files, list):
        raise EvidenceError("lists no files")
    entries = tuple(_entry(file) for file in files)
    if len({entry.path for entry in entries}) != len(entries):
        raise EvidenceError("lists a file twice")
    return entries


def _entry(file: object) -> Entry:
    if not isinstance(file, dict):
        raise EvidenceError(f"lists a file that is not an object: {str(file)[:80]!r}")
    path, size, digest = file.get("path"), file.get("size"), file.get("sha256")
    if not isinstance(path, str) or not _is_inside(path):
        raise EvidenceError(f"names a path outside the package: {str(path)[:80]!r}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise EvidenceError(f"gives no size for {path!r}")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise EvidenceError(f"gives no SHA-256 for {path!r}")
    return Entry(path, size, digest)


def _is_inside(path: str) -> bool:
    """Whether a path is relative, in its shortest form, and stays inside the package."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts)
        and "/".join(parts) == path
        and ".." not in parts
        and "\\" not in path
        and path.isprintable()
        and path not in (MANIFEST, SIGNATURE)
        and parts[0] != _ADDED_LATER
    )
