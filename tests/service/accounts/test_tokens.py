"""Tokens: what they are for, and when they end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.errors import ServiceError
from tests.clock import Clock
from tests.service.made import People


def test_a_token_ends_with_its_time_and_when_it_is_revoked(people: People, clock: Clock) -> None:
    account, tokens = people.account(), people.shared.tokens
    scopes = [Scope.CASES]
    secret, made = tokens.add(account, "report", scopes, timedelta(days=30), "Chief")
    assert tokens.find(secret) == (account, frozenset(scopes))
    assert tokens.find(secret + "x") is None
    clock.advance(30 * 86_400)
    assert tokens.find(secret) is None
    secret, made = tokens.add(account, "report", scopes, timedelta(days=30), "Chief")
    tokens.revoke(made.id, "Chief")
    tokens.revoke(made.id, "Chief")
    assert tokens.find(secret) is None
    assert [change.what for change in people.shared.accounts.log()].count("token revoked") == 1


@pytest.mark.parametrize(
    ("scopes", "days", "said"),
    [(["everything"], 30, "no scope"), ([], 30, "name a scope"), (["cases:read"], 400, "366 days")],
)
def test_a_token_for_anything_or_for_ever_is_refused(
    people: People, scopes: list[str], days: int, said: str
) -> None:
    account = people.account()
    with pytest.raises(ServiceError, match=said):
        people.shared.tokens.add(account, "t", scopes, timedelta(days=days), "Chief")


def test_people_end_their_own_tokens_only(people: People) -> None:
    li, chen = people.account("Li Wei"), people.account("Chen Jie")
    tokens = people.shared.tokens
    _, made = tokens.add(li, "t", ["cases:read"], timedelta(days=1), "Li Wei")
    with pytest.raises(ServiceError, match="no token"):
        tokens.revoke(made.id, "Chen Jie", chen)
