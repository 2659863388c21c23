"""Secrets that the service makes: random, and kept as digests only."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_BYTES = 32  # too many to be guessed, so that the digest needs no salt and no slow hash


def new_secret(prefix: str = "") -> str:
    """A random text for a session, a token or a link; letters, digits, ``-`` and ``_``."""
    return prefix + secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> str:
    """What is kept of a secret: SHA-256 in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def csrf_token(session: str) -> str:
    """The token that a page of a session sends with every change.

    Another site cannot read it, and whoever knows it does not know the session's secret.
    """
    return hmac.new(session.encode(), b"csrf", hashlib.sha256).hexdigest()


def is_csrf_token(given: str, session: str) -> bool:
    """Whether a token is that of a session; takes the same time for any."""
    expected = csrf_token(session).encode()
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected)
