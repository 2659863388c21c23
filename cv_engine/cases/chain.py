"""The hash chain of a case's history: every entry carries the hash of the one before.

The first entry carries the case's key in place of a hash, so that no entry fits another case. The
case keeps the hash of its last entry and their number, so that neither a changed nor a missing nor
a moved entry goes unseen: see :mod:`cv_engine.cases.audit`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

#: Fields of an entry that its hash covers, in this order.
_FIELDS = ("seq", "at", "event", "by", "role", "note", "from_state", "to_state", "data")
_AT = _FIELDS.index("at")

_to_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def entry_hash(previous: str, entry: Mapping[str, Any]) -> str:
    """The hash of an entry of a history.

    Args:
        previous: Hash of the entry before; the case's key for the first.
        entry: Columns of table ``history``; ``at`` is timezone-aware.

    Returns:
        SHA-256 in hex over the previous hash and the entry's fields as JSON.
    """
    at: datetime = entry["at"]
    values = [entry[name] for name in _FIELDS]
    values[_AT] = at.astimezone(UTC).isoformat()
    text = _to_json([previous, *values])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
