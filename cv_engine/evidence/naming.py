"""Names of evidence packages: each says which finding, or which person's note, it is of."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cv_engine.finding import Finding

_SOURCE_BYTES = 80  # the camera's share of a name; file systems allow 255 in all
_NAME = re.compile(r"[\w-]+-\d{8}T\d{6}Z-(?P<key>[0-9a-f]{16})")
_NOTE_NAME = re.compile(r"case-\d+-[a-z]+-\d+-[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Note:
    """What a person adds to a case with pictures.

    Attributes:
        case: The case's number.
        case_key: The case's key.
        step: What was done, such as ``"handled"``.
        number: Number of the package among the case's packages of people, from 1.
        by: Who adds it.
        role: The person's role.
        at: When it is added, timezone-aware.
        text: The person's note; may be empty.
        pictures: SHA-256 (hex) of each picture.
    """

    case: int
    case_key: str
    step: str
    number: int
    by: str
    role: str
    at: datetime
    text: str
    pictures: tuple[str, ...]

    @property
    def key(self) -> str:
        """Digest of the whole: two notes never have one name, in one store of several queues."""
        values = [self.case_key, self.step, self.by, self.at.isoformat(), self.text, *self.pictures]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def package_name(subject: Finding | Note) -> str:
    """Names a package.

    A finding's has kind, camera, start (UTC) and key, a note's the case, the step, number and key.
    """
    if isinstance(subject, Note):
        return _note_name(subject.case, subject.step, subject.number, subject.key)
    return _name(subject.kind, subject.source, subject.began, subject.key)


def name_in(content: Mapping[str, Any]) -> str | None:
    """The name of the package that a manifest of unknown origin belongs to.

    Args:
        content: The manifest.

    Returns:
        The name; ``None`` where the manifest describes neither a finding nor a note.
    """
    if isinstance(note := content.get("note"), dict):
        parts = (note.get(name) for name in ("case", "step", "number", "key"))
        name = _note_name(*parts)
        return name if is_note(name) else None
    finding = content.get("finding")
    given = finding if isinstance(finding, dict) else {}
    texts = [given.get(name) for name in ("kind", "source", "began", "key")]
    kind, source, began, key = (text if isinstance(text, str) else None for text in texts)
    if kind is None or source is None or began is None or key is None:
        return None
    try:
        name = _name(kind, source, datetime.fromisoformat(began), key)
    except (ValueError, OverflowError):
        return None
    return name if key_in(name) == key else None


def key_in(name: str) -> str | None:
    """The key of the finding that a package's name names; ``None`` for any other name."""
    match = _NAME.fullmatch(name)
    return None if match is None else match["key"]


def is_note(name: str) -> bool:
    """Whether a package's name is that of a person's note."""
    return _NOTE_NAME.fullmatch(name) is not None


def _note_name(case: object, step: object, number: object, key: object) -> str:
    return f"case-{case}-{step}-{number}-{key}"


def _name(kind: str, source: str, began: datetime, key: str) -> str:
    text = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", source)).strip("-")
    place = text.encode(errors="replace")[:_SOURCE_BYTES].decode(errors="ignore")
    slug = re.sub(r"[^a-z0-9_]+", "-", kind.lower())[:_SOURCE_BYTES]
    return f"{slug}-{place or 'camera'}-{began.astimezone(UTC):%Y%m%dT%H%M%SZ}-{key}"
