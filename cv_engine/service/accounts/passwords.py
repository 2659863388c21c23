"""Passwords: hashed with Argon2id (RFC 9106), some at a time."""

from __future__ import annotations

from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cv_engine.service.accounts.account import folded
from cv_engine.service.errors import ServiceError

#: Letters of a password, at least: NIST SP 800-63B-4, where there is no second factor, asks for 15.
LEAST_LETTERS = 15
_MOST_LETTERS = 200  # a sentence; more only keeps the processor busy
_LEAST_DIFFERENT = 5  # letters, so that it is no single one repeated
_AT_ONCE = 2  # hashes; each takes 64 MiB and one core


class Passwords:
    """Makes and compares hashes of passwords.

    Args:
        hasher: The parameters of Argon2id; the library's own, RFC 9106's second choice, if
            ``None``.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = BoundedSemaphore(_AT_ONCE)
        # Compared with where there is no account, so that the answer takes as long.
        self._none = self.hash("a password that opens nothing")

    def hash(self, password: str) -> str:
        """The hash of a password, with its salt and parameters."""
        with self._turn:
            return self._hasher.hash(password.encode("utf-8", "surrogatepass"))

    def fits(self, password: str, kept: str | None) -> bool:
        """Whether a password is that of a hash; takes as long where there is none."""
        if kept is None or len(password) > _MOST_LETTERS:
            kept, password = self._none, ""
        with self._turn:
            try:
                return self._hasher.verify(kept, password.encode("utf-8", "surrogatepass"))
            except (VerificationError, InvalidHashError):
                return False


def check_password(password: str, name: str) -> None:
    """Refuse a password that is easily guessed.

    Args:
        password: The new password.
        name: Name of the account.

    Raises:
        ServiceError: The password is too short or too long, is the name, or has few letters.
    """
    if len(password) < LEAST_LETTERS:
        raise ServiceError(
            f"the password has fewer than {LEAST_LETTERS} letters: take a sentence that only you "
            "would write"
        )
    if len(password) > _MOST_LETTERS:
        raise ServiceError(
            f"the password has more than {_MOST_LETTERS} letters: take a shorter one"
        )
    rest = folded(password).replace(folded(name), "")
    if len(set(rest)) < _LEAST_DIFFERENT:
        raise ServiceError(
            "the password is easily guessed: it repeats a few letters, or the name; take another"
        )
