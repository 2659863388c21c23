"""Logging in at the city's own provider, which is a real server here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from joserfc.jwk import RSAKey

from cv_engine.cases.lifecycle import Role
from cv_engine.config import Config, ConfigError, load_config
from cv_engine.config.oidc import OidcConfig
from cv_engine.config.service import ServiceConfig
from cv_engine.service.accounts.passwords import Passwords
from cv_engine.service.app import create_app
from tests.clock import Clock
from tests.service.accounts.provider import CLIENT, SECRET, TestProvider
from tests.service.made import NOW, People


@pytest.fixture
def provider() -> Iterator[TestProvider]:
    with TestProvider("Li Wei", int(NOW.timestamp())) as running:
        yield running


@pytest.fixture
def city(
    provider: TestProvider, clock: Clock, passwords: Passwords, tmp_path: Path
) -> Iterator[People]:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    oidc = OidcConfig(issuer=provider.issuer, client_id=CLIENT, client_secret_file=secret)
    service = ServiceConfig(address="http://testserver", oidc=oidc)
    app = create_app(Config(data=tmp_path / "data", service=service), clock, passwords=passwords)
    yield People(app)
    app.state.shared.close()


def _log_in(browser: TestClient, provider: TestProvider, **change: str) -> Any:
    begun = browser.get("/login/oidc", follow_redirects=False)
    assert begun.status_code == 303, begun.text
    query = {**provider.log_in(begun.headers["location"]), **change}
    return browser.get("/login/oidc/callback", params=query, follow_redirects=False)


def test_a_person_of_the_provider_gets_the_account_of_the_name(
    city: People, provider: TestProvider
) -> None:
    city.shared.accounts.add("Li Wei", Role.SUPERVISOR, "Chief", ["north"])
    browser = city.stranger()
    answer = _log_in(browser, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    me = browser.get("/api/session").json()
    assert (me["name"], me["role"], me["areas"]) == ("Li Wei", "supervisor", ["north"])
    provider.name = "Li Wei-Chen"  # married since
    assert _log_in(city.stranger(), provider).status_code == 303
    (bound,) = [c for c in city.shared.accounts.log() if c.what.startswith("bound")]
    assert bound.account == "Li Wei"


def test_whoever_has_no_account_or_that_of_somebody_else_is_refused(
    city: People, provider: TestProvider
) -> None:
    answer = _log_in(city.stranger(), provider)
    assert (answer.status_code, "no account for Li Wei" in answer.text) == (403, True)
    city.account("Li Wei")  # which has a password
    assert _log_in(city.stranger(), provider).status_code == 403
    city.shared.accounts.add("Chen", Role.OFFICER, "Chief")
    provider.name = "Chen"
    assert _log_in(city.stranger(), provider).status_code == 303
    provider.claims = {"sub": "other"}
    assert _log_in(city.stranger(), provider).status_code == 403
    city.shared.accounts.change("Chen", "Chief", disabled=True)
    provider.claims = {}
    assert _log_in(city.stranger(), provider).status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"nonce": "of another attempt"},
        {"exp": 1},
        {"preferred_username": None},
    ],
)
def test_an_identity_that_is_not_for_this_attempt_is_refused(
    city: People, provider: TestProvider, claims: dict[str, Any]
) -> None:
    city.shared.accounts.add("Li Wei", Role.OFFICER, "Chief")
    provider.claims = claims
    browser = city.stranger()
    assert _log_in(browser, provider).status_code == 403
    assert browser.get("/api/session").status_code == 401


def test_another_key_signs_no_identity(city: People, provider: TestProvider) -> None:
    city.shared.accounts.add("Li Wei", Role.OFFICER, "Chief")
    provider.signing_key = RSAKey.generate_key(2048, {"kid": "1"})
    assert _log_in(city.stranger(), provider).status_code == 403


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(
    city: People, provider: TestProvider
) -> None:
    city.shared.accounts.add("Li Wei", Role.OFFICER, "Chief")
    assert _log_in(city.stranger(), provider, state="chosen").status_code == 403
    assert _log_in(city.stranger(), provider, code="stolen").status_code == 403
    attacker = city.stranger().get("/login/oidc", follow_redirects=False)
    query = provider.log_in(attacker.headers["location"])
    victim = city.stranger().get("/login/oidc/callback", params=query)
    assert victim.status_code == 403


def test_a_provider_that_is_away_is_said_to_be(city: People, provider: TestProvider) -> None:
    issuer = provider.issuer
    provider.__exit__(None, None, None)
    answer = city.stranger().get("/login/oidc", follow_redirects=False)
    assert (answer.status_code, issuer in answer.text) == (503, True)
    provider.__enter__()


def test_without_a_provider_there_is_no_such_log_in(people: People) -> None:
    answer = people.stranger().get("/login/oidc")
    assert (answer.status_code, "service.oidc" in answer.text) == (404, True)


def test_the_file_of_the_secret_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    path = tmp_path / "config.yaml"
    path.write_text(
        "service:\n  address: https://cases.city.example\n  oidc:\n"
        "    {issuer: https://login.city.example, client_id: a, client_secret_file: secret}\n"
    )
    oidc = load_config(path).service.oidc
    assert oidc is not None
    assert oidc.secret({}) == SECRET
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match="client_secret_file"):
        oidc.secret({})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"oidc": {"issuer": "https://x", "client_id": "a"}}, "client_secret_env is missing"),
        (
            {"oidc": {"issuer": "x", "client_id": "a", "client_secret_env": "S"}},
            "no web address",
        ),
        (
            {"oidc": {"issuer": "https://x", "client_id": "a", "client_secret_env": "S"}},
            "address is missing",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ServiceConfig.model_validate(settings)
