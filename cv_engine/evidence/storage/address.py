"""Addresses of evidence in object storage."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cv_engine.evidence.errors import EvidenceError

_ADDRESS = re.compile(r"s3://(?P<bucket>[A-Za-z0-9_.-]+)(?:/(?P<prefix>[^?#]*))?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # two letters or more: C:/ is a folder


@dataclass(frozen=True, slots=True)
class Address:
    """A place in object storage.

    Attributes:
        bucket: The bucket's name.
        prefix: The beginning of all objects' names, without a slash at either end.
    """

    bucket: str
    prefix: str


def is_address(text: str) -> bool:
    """Whether a text names a server, well-formed or not, rather than a folder."""
    return _SCHEME.match(text) is not None


def read_address(text: str) -> Address:
    """Reads ``s3://bucket/prefix``.

    Raises:
        EvidenceError: The text is no such address.
    """
    match = _ADDRESS.fullmatch(text)
    parts = (match["prefix"] or "").strip("/").split("/") if match else []
    if match is None or (len(parts) > 1 and "" in parts) or {".", ".."} & set(parts):
        # The text is not repeated in the message: it may hold a password.
        raise EvidenceError(
            "this is no address of evidence in object storage; write it as s3://bucket/prefix, and "
            "set credentials as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        )
    return Address(match["bucket"], "/".join(parts))


def split_address(address: str) -> tuple[str, str]:
    """Splits ``s3://bucket/prefix/NAME`` into the store's address and the package's name."""
    store, _, name = address.rstrip("/").rpartition("/")
    return store, name
