"""Accounts: made, changed, and given their passwords; all of it recorded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa

from cv_engine.cases.lifecycle import Role
from cv_engine.service.accounts.accounts import LINK_LASTS, Accounts
from cv_engine.service.errors import ServiceError
from tests.clock import Clock
from tests.service.made import PASSWORD, People


@pytest.fixture
def accounts(people: People) -> Accounts:
    return people.shared.accounts


def test_the_first_link_makes_one_administrator_once(accounts: Accounts) -> None:
    earlier, secret = accounts.first_link(), accounts.first_link()
    assert earlier is not None and secret is not None
    with pytest.raises(ServiceError, match="used already"):
        accounts.set_password_by_link(earlier, PASSWORD, "Mallory")
    account = accounts.set_password_by_link(secret, PASSWORD, "Chief")
    assert (account.name, account.role, account.areas) == ("Chief", Role.ADMINISTRATOR, None)
    assert accounts.first_link() is None
    with pytest.raises(ServiceError, match="used already"):
        accounts.set_password_by_link(secret, PASSWORD, "Mallory")


def test_of_two_who_use_a_link_at_once_one_succeeds(accounts: Accounts) -> None:
    secret, together = accounts.first_link(), Barrier(2)
    assert secret is not None

    def use(name: str) -> bool:
        together.wait()
        try:
            accounts.set_password_by_link(secret, PASSWORD, name)
        except ServiceError:
            return False
        return True

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(use, ["Chief", "Mallory"])) == [False, True]
    assert len(accounts.all()) == 1


def test_a_link_ends_with_its_time_and_with_the_next_one(accounts: Accounts, clock: Clock) -> None:
    accounts.add("Li Wei", Role.OFFICER, "Chief")
    first, second = accounts.link("Li Wei", "Chief"), accounts.link("Li Wei", "Chief")
    with pytest.raises(ServiceError):
        accounts.set_password_by_link(first, PASSWORD)
    clock.advance(LINK_LASTS.total_seconds())
    with pytest.raises(ServiceError, match="time is over"):
        accounts.set_password_by_link(second, PASSWORD)


@pytest.mark.parametrize("password", ["short", "a" * 40, "Li WeiLi WeiLi Wei", "x" * 201])
def test_a_password_that_is_easily_guessed_is_refused_and_the_link_stays(
    accounts: Accounts, password: str
) -> None:
    accounts.add("Li Wei", Role.OFFICER, "Chief")
    secret = accounts.link("Li Wei", "Chief")
    with pytest.raises(ServiceError, match="the password"):
        accounts.set_password_by_link(secret, password)
    assert accounts.set_password_by_link(secret, PASSWORD).has_password


def test_the_last_administrator_stays(people: People) -> None:
    people.account("Chief", Role.ADMINISTRATOR)
    accounts = people.shared.accounts
    for change in ({"disabled": True}, {"role": Role.OFFICER}):
        with pytest.raises(ServiceError, match="last administrator"):
            accounts.change("Chief", "Chief", **change)
    people.account("Deputy", Role.ADMINISTRATOR)
    assert accounts.change("Chief", "Deputy", role=Role.OFFICER).role is Role.OFFICER


def test_every_change_is_recorded_and_stays(people: People) -> None:
    accounts = people.shared.accounts
    people.account("Li Wei", Role.OFFICER, ["north"])
    accounts.change("Li Wei", "Chief", role=Role.SUPERVISOR, everywhere=True)
    accounts.change("Li Wei", "Chief", disabled=True)
    accounts.change("Li Wei", "Chief", disabled=True)  # changes nothing
    log = [(change.what, change.by, dict(change.data)) for change in reversed(accounts.log())]
    assert log == [
        ("added", "Chief", {"role": "officer", "areas": ["north"]}),
        ("link made", "Chief", {}),
        ("password set", "Li Wei", {}),
        ("changed", "Chief", {"role": "supervisor", "areas": None}),
        ("changed", "Chief", {"disabled": True}),
    ]
    for statement in ("DELETE FROM account_log", "UPDATE account_log SET account = 'x'"):
        with (
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            accounts.store.writing() as connection,
        ):
            connection.execute(sa.text(statement))


@pytest.mark.parametrize("name", ["li wei", "  Ｌｉ Wei ", "LI WEI"])
def test_a_name_that_looks_like_another_one_is_taken(accounts: Accounts, name: str) -> None:
    accounts.add("Li Wei", Role.OFFICER, "Chief")
    with pytest.raises(ServiceError, match="Li Wei already"):
        accounts.add(name, Role.OFFICER, "Chief")


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "a\u202eb", "a" * 101])
def test_a_name_that_cannot_be_shown_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(ServiceError, match="name"):
        accounts.add(name, Role.OFFICER, "Chief")


def test_nothing_that_opens_an_account_is_in_the_database(people: People) -> None:
    account = people.account("Li Wei")
    secret, _ = people.shared.tokens.add(account, "t", ["cases:read"], timedelta(days=1), "Chief")
    session, _ = people.shared.sessions.log_in("Li Wei", PASSWORD)
    link = people.shared.accounts.link("Li Wei", "Chief")
    with people.shared.queue.store.reading() as connection:
        rows = "".join(
            str(connection.execute(sa.text(f"SELECT * FROM {table}")).all())
            for table in (
                *("accounts", "account_sessions", "account_tokens", "account_links"),
                *("account_log", "account_attempts"),
            )
        )
    for opening in (PASSWORD, secret, session, link):
        assert opening not in rows
    assert "$argon2id$" in rows
