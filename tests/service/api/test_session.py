"""Logging in as a browser does: cookies, CSRF, fixation, brute force."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from cv_engine.cases.lifecycle import Role
from cv_engine.service.rates import Rate
from tests.service.made import PASSWORD, People

_LOG_IN = {"name": "Li Wei", "password": PASSWORD}


def test_a_session_is_a_cookie_that_no_script_and_no_other_site_reads(people: People) -> None:
    people.account()
    plain = people.stranger().post("/api/session", json=_LOG_IN).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(plain.split("; "))
    secure = people.stranger(base_url="https://testserver")
    cookie = secure.post("/api/session", json=_LOG_IN).headers["set-cookie"]
    assert cookie.startswith("__Host-cv-engine=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_passwords_are_not_taken_from_other_machines_without_https(people: People) -> None:
    people.account()
    answer = people.stranger("203.0.113.9").post("/api/session", json=_LOG_IN)
    assert (answer.status_code, "HTTPS" in answer.text) == (403, True)
    forwarded = people.stranger().post(
        "/api/session", json=_LOG_IN, headers={"X-Forwarded-For": "203.0.113.9"}
    )
    assert (forwarded.status_code, "trusted_proxies" in forwarded.text) == (403, True)


def test_a_session_that_somebody_else_chose_is_not_continued(people: People) -> None:
    people.account()
    victim = people.stranger()
    victim.cookies.set("cv-engine", "chosen-by-somebody")
    answer = victim.post("/api/session", json=_LOG_IN)
    assert answer.status_code == 201
    assert "chosen-by-somebody" not in answer.headers["set-cookie"]
    attacker = people.stranger()
    attacker.cookies.set("cv-engine", "chosen-by-somebody")
    assert attacker.get("/api/session").status_code == 401


def test_logging_in_again_ends_the_session_before(people: People) -> None:
    people.account()
    browser = people.logged_in()
    before = browser.cookies["cv-engine"]
    assert browser.post("/api/session", json=_LOG_IN).status_code == 201
    old = people.stranger()
    old.cookies.set("cv-engine", before)
    assert old.get("/api/session").status_code == 401


def test_logging_out_ends_the_session_everywhere(people: People) -> None:
    people.account()
    browser = people.logged_in()
    secret = browser.cookies["cv-engine"]
    assert browser.delete("/api/session").status_code == 204
    assert "cv-engine" not in browser.cookies
    browser.cookies.set("cv-engine", secret)
    assert browser.get("/api/session").status_code == 401


@pytest.mark.parametrize("token", [None, "", "0" * 64, "\u00e9"])
def test_a_change_without_the_csrf_token_of_the_session_is_refused(
    people: People, token: str | None
) -> None:
    people.account()
    browser = people.logged_in()
    del browser.headers["X-CSRF-Token"]
    headers = {} if token is None else {"X-CSRF-Token": token.encode("latin-1")}
    answer = browser.delete("/api/session", headers=headers)
    assert (answer.status_code, "X-CSRF-Token" in answer.text) == (403, True)
    assert browser.get("/api/session").status_code == 200


def test_the_csrf_token_of_another_session_is_refused(people: People) -> None:
    people.account()
    mine, other = people.logged_in(), people.logged_in()
    headers = {"X-CSRF-Token": other.headers["X-CSRF-Token"]}
    assert mine.delete("/api/session", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(people: People, headers: dict[str, str]) -> None:
    people.account()
    browser = people.logged_in()
    assert browser.delete("/api/session", headers=headers).status_code == 403
    assert people.stranger().post("/api/session", json=_LOG_IN, headers=headers).status_code == 403
    here = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert browser.delete("/api/session", headers=here).status_code == 204


def test_many_names_from_one_address_are_refused(people: People) -> None:
    stranger = people.stranger()
    most = Rate.LOG_IN.value.amount
    answers = [
        stranger.post("/api/session", json={"name": f"name {n}", "password": "x"})
        for n in range(most + 3)
    ]
    assert [answer.status_code for answer in answers] == [401] * most + [429] * 3
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_guessing_tokens_is_refused_even_for_the_right_one(people: People) -> None:
    program = people.program(people.account())
    stranger = people.stranger()
    for number in range(Rate.REFUSED.value.amount):
        headers = {"Authorization": f"Bearer cve_{number}"}
        assert stranger.get("/api/session", headers=headers).status_code == 401
    assert program.get("/api/session").status_code == 429


def test_a_token_and_a_cookie_together_count_as_the_token(people: People) -> None:
    people.account()
    browser = people.logged_in()
    answer = browser.get("/api/session", headers={"Authorization": "Bearer cve_wrong"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_does_only_what_it_is_for(people: People) -> None:
    chief = people.account("Chief", Role.ADMINISTRATOR)
    reading = people.program(chief, ["cases:read"])
    assert reading.get("/api/session").status_code == 200
    refused = reading.get("/api/accounts")
    assert (refused.status_code, "accounts:write" in refused.text) == (403, True)
    managing = people.program(chief, ["accounts:write"])
    assert managing.get("/api/accounts").status_code == 200
    making = managing.post("/api/tokens", json={"name": "t", "scopes": ["cases:read"], "days": 1})
    assert (making.status_code, "logged in" in making.text) == (403, True)


def test_the_page_of_the_first_link_makes_the_administrator(people: People, app: FastAPI) -> None:
    secret = people.shared.accounts.first_link()
    browser = people.stranger()
    form = browser.get(f"/password/{secret}")
    assert form.status_code == 200 and "Your name" in form.text
    wrong = browser.post(f"/password/{secret}", data={"name": "Chief", "password": "short"})
    assert wrong.status_code == 422 and "fewer than 15 letters" in wrong.text
    done = browser.post(f"/password/{secret}", data={"name": "<b>Chief", "password": PASSWORD})
    assert done.status_code == 200
    assert "&lt;b&gt;Chief" in done.text and "<b>Chief" not in done.text
    assert browser.get(f"/password/{secret}").status_code == 410
    assert people.logged_in("<b>Chief").get("/api/accounts").status_code == 200


def test_an_administrator_makes_and_changes_accounts(people: People) -> None:
    people.account("Chief", Role.ADMINISTRATOR)
    chief = people.logged_in("Chief")
    made = chief.post("/api/accounts", json={"name": "Wu", "role": "officer", "areas": ["north"]})
    assert (made.status_code, made.json()["areas"]) == (201, ["north"])
    link = chief.post("/api/accounts/Wu/link").json()["path"].rpartition("/")[2]
    answer = people.stranger().post("/api/password", json={"link": link, "password": PASSWORD})
    assert answer.status_code == 204
    wu = people.logged_in("Wu")
    assert wu.get("/api/session").json()["areas"] == ["north"]
    changed = chief.patch("/api/accounts/Wu", json={"areas": None, "role": "supervisor"})
    assert changed.json()["areas"] is None
    assert wu.get("/api/session").status_code == 401
    assert chief.patch("/api/accounts/nobody", json={}).status_code == 404  # codespell:ignore
    assert chief.patch("/api/accounts/Wu", json={"role": "king"}).status_code == 422
    log = chief.get("/api/accounts/log").json()
    assert [each["what"] for each in log][:2] == ["changed", "password set"]


def test_a_person_changes_the_password(people: People) -> None:
    people.account()
    browser = people.logged_in()
    new = PASSWORD + " and wait"
    wrong = browser.put("/api/session/password", json={"present": "x", "password": new})
    assert wrong.status_code == 403
    done = browser.put("/api/session/password", json={"present": PASSWORD, "password": new})
    assert done.status_code == 204
    answer = people.stranger().post("/api/session", json={"name": "Li Wei", "password": new})
    assert answer.status_code == 201
