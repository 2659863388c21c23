"""Sessions: begun by a password, ended by time; guessing is locked out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.service.accounts.sessions import ATTEMPTS, LONGEST_LOCK, _lock
from cv_engine.service.errors import ServiceError
from tests.clock import Clock
from tests.service.made import PASSWORD, People


def _status(people: People, name: str, password: str) -> int:
    try:
        people.shared.sessions.log_in(name, password)
    except ServiceError as error:
        return int(error.status)
    return HTTPStatus.CREATED


def test_a_session_ends_when_it_is_idle_and_when_it_is_old(people: People, clock: Clock) -> None:
    people.account()
    sessions = people.shared.sessions
    secret, _ = sessions.log_in("Li Wei", PASSWORD)
    clock.advance(sessions.idle.total_seconds() - 1)
    assert sessions.find(secret) is not None
    clock.advance(sessions.idle.total_seconds())
    assert sessions.find(secret) is None
    secret, _ = sessions.log_in("Li Wei", PASSWORD)
    used = 0.0
    while used < sessions.longest.total_seconds() - 600:
        clock.advance(600)
        used += 600
        assert sessions.find(secret) is not None
    clock.advance(600)
    assert sessions.find(secret) is None


@pytest.mark.parametrize("name", ["Li Wei", "no such name"])
def test_a_name_is_locked_after_wrong_passwords_whether_there_is_one_or_not(
    people: People, clock: Clock, name: str
) -> None:
    people.account()
    assert [_status(people, name, "wrong") for _ in range(ATTEMPTS)] == [401] * ATTEMPTS
    with pytest.raises(ServiceError, match="too many attempts") as caught:
        people.shared.sessions.log_in(name, PASSWORD)
    assert caught.value.retry_after_s == 60
    clock.advance(60)
    assert _status(people, name, "wrong") == 401
    clock.advance(60)
    assert _status(people, name, PASSWORD) == 429  # twice as long


def test_the_right_password_ends_the_count(people: People, clock: Clock) -> None:
    people.account()
    for _ in range(3):
        assert [_status(people, "Li Wei", "wrong") for _ in range(ATTEMPTS - 1)] == [401] * 4
        assert _status(people, "li wei", PASSWORD) == 201


def test_many_guesses_at_once_are_no_more_than_some(people: People) -> None:
    people.account()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: _status(people, "Li Wei", "wrong"), range(24)))
    assert statuses.count(401) == ATTEMPTS
    assert statuses.count(429) == 24 - ATTEMPTS


@given(st.integers(ATTEMPTS, 10**6))
def test_a_lock_never_becomes_shorter_and_has_a_longest_time(attempts: int) -> None:
    assert _lock(attempts) <= _lock(attempts + 1) <= LONGEST_LOCK


def test_a_changed_account_has_to_log_in_again(people: People) -> None:
    people.account()
    sessions, accounts = people.shared.sessions, people.shared.accounts
    secret, _ = sessions.log_in("Li Wei", PASSWORD)
    accounts.change("Li Wei", "Chief", areas=["north"])
    assert sessions.find(secret) is None
    secret, _ = sessions.log_in("Li Wei", PASSWORD)
    accounts.set_password("Li Wei", PASSWORD, PASSWORD + "!")
    assert sessions.find(secret) is None
    assert _status(people, "Li Wei", PASSWORD) == 401


def test_a_disabled_account_is_no_account(people: People) -> None:
    account = people.account()
    program = people.program(account)
    secret, _ = people.shared.sessions.log_in("Li Wei", PASSWORD)
    people.shared.accounts.change("Li Wei", "Chief", disabled=True)
    assert people.shared.sessions.find(secret) is None
    assert _status(people, "Li Wei", PASSWORD) == 401
    assert program.get("/api/session").status_code == 401
