"""The hash chains: every link carries a hash of itself and of the link before.

The first entry of a case's history carries the case's key in place of a hash, so that no entry fits
another case. The case keeps the hash of its last entry and their number, so that neither a changed
nor a missing nor a moved entry goes unseen: see :mod:`cv_engine.cases.audit`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

#: Fields of an entry that its hash covers, in this order.
_FIELDS = ("seq", "at", "event", "by", "role", "note", "from_state", "to_state", "data")

_to_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def link_hash(previous: str, values: Sequence[Any]) -> str:
    """The hash of a link of a chain.

    Args:
        previous: Hash of the link before, or what the chain begins with.
        values: JSON values, and times (timezone-aware).

    Returns:
        SHA-256 in hex over the previous hash and the values as JSON, times as ISO 8601 in UTC.
    """
    plain = [
        value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for value in values
    ]
    text = _to_json([previous, *plain])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def entry_hash(previous: str, entry: Mapping[str, Any]) -> str:
    """The hash of an entry of a history.

    Args:
        previous: Hash of the entry before; the case's key for the first.
        entry: Columns of table ``history``; ``at`` is timezone-aware.

    Returns:
        See :func:`link_hash`.
    """
    return link_hash(previous, [entry[name] for name in _FIELDS])
