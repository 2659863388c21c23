"""Passwords: compared with their hashes, whatever is typed."""

from __future__ import annotations

import pytest

from cv_engine.service.accounts.passwords import Passwords


@pytest.mark.parametrize("password", ["密码" * 8, "a b\tc", "\ud800 half a sign", ""])
def test_any_text_is_a_password(passwords: Passwords, password: str) -> None:
    kept = passwords.hash(password)
    assert passwords.fits(password, kept)
    assert not passwords.fits(password + "x", kept)


def test_without_a_hash_no_password_fits(passwords: Passwords) -> None:
    assert not passwords.fits("a password that opens nothing", None)
    assert not passwords.fits("a password", "not a hash")


def test_what_is_too_long_fits_nothing(passwords: Passwords) -> None:
    kept = passwords.hash("x" * 200)
    assert passwords.fits("x" * 200, kept)
    assert not passwords.fits("x" * 201, kept)
