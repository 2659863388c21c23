"""Names of evidence packages: each says which finding the package is of."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cv_engine.finding import Finding

_SOURCE_BYTES = 80  # the camera's share of a name; file systems allow 255 in all
_NAME = re.compile(r"[\w-]+-\d{8}T\d{6}Z-(?P<key>[0-9a-f]{16})")


def package_name(finding: Finding) -> str:
    """Names a finding's package: kind, camera, start (UTC) and key."""
    return _name(finding.kind, finding.source, finding.began, finding.key)


def name_in(content: Mapping[str, Any]) -> str | None:
    """The name of the package that a manifest of unknown origin belongs to.

    Args:
        content: The manifest.

    Returns:
        The name; ``None`` where the manifest describes no finding.
    """
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


def _name(kind: str, source: str, began: datetime, key: str) -> str:
    text = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", source)).strip("-")
    place = text.encode(errors="replace")[:_SOURCE_BYTES].decode(errors="ignore")
    slug = re.sub(r"[^a-z0-9_]+", "-", kind.lower())[:_SOURCE_BYTES]
    return f"{slug}-{place or 'camera'}-{began.astimezone(UTC):%Y%m%dT%H%M%SZ}-{key}"
