"""Every route times every role: strangers are 401, a role or a scope that is too low is 403."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from cv_engine.cases.lifecycle import Role
from cv_engine.service.accounts.tokens import Scope
from tests.service.made import People

VIEWER, OFFICER, SUPERVISOR, ADMINISTRATOR = list(Role)[:4]

#: The least role, and the scope that a token needs; `None`: a token will not do.
_CASES = (VIEWER, Scope.CASES)
_MOVES = (OFFICER, Scope.MOVES)
_ACCOUNTS = (ADMINISTRATOR, Scope.ACCOUNTS)
_PERSON = (VIEWER, None)
TABLE: dict[tuple[str, str], tuple[Role, Scope | None]] = {
    ("GET", "/api/session"): _CASES,
    ("DELETE", "/api/session"): _PERSON,
    ("PUT", "/api/session/password"): _PERSON,
    ("GET", "/api/accounts"): _ACCOUNTS,
    ("POST", "/api/accounts"): _ACCOUNTS,
    ("GET", "/api/accounts/log"): _ACCOUNTS,
    ("PATCH", "/api/accounts/{name}"): _ACCOUNTS,
    ("POST", "/api/accounts/{name}/link"): _ACCOUNTS,
    ("GET", "/api/tokens"): _PERSON,
    ("POST", "/api/tokens"): _PERSON,
    ("DELETE", "/api/tokens/{token_id}"): _PERSON,
    ("GET", "/api/cases"): _CASES,
    ("GET", "/api/cases/{case_id}"): _CASES,
    ("POST", "/api/cases/{case_id}/moves"): _MOVES,
    ("POST", "/api/cases/moves"): _MOVES,
    ("POST", "/api/cases/{case_id}/assignment"): _MOVES,
    ("POST", "/api/cases/{case_id}/deadline"): _MOVES,
    ("POST", "/api/cases/{case_id}/priority"): _MOVES,
    ("POST", "/api/cases/{case_id}/notes"): _MOVES,
    ("POST", "/api/cases/{case_id}/merge"): _MOVES,
    ("POST", "/api/cases/{case_id}/split"): _MOVES,
    ("POST", "/api/cases/{case_id}/photos"): _MOVES,
    ("GET", "/api/cases/{case_id}/evidence"): _CASES,
    ("POST", "/api/cases/{case_id}/originals"): (OFFICER, Scope.ORIGINALS),
    ("GET", "/api/cases/{case_id}/evidence/{package}/{path:path}"): _CASES,
    ("GET", "/api/cases/{case_id}/audit"): (SUPERVISOR, Scope.AUDIT),
    ("GET", "/api/events"): _CASES,
    ("GET", "/api/statistics"): _CASES,
    ("GET", "/api/statistics/places"): _CASES,
    ("GET", "/api/taxonomy"): _CASES,
    ("GET", "/api/organisation"): _CASES,
    ("GET", "/api/areas"): _CASES,
    ("GET", "/api/cameras"): (VIEWER, Scope.CAMERAS),
    ("GET", "/api/cameras/{name}/zones"): (VIEWER, Scope.CAMERAS),
    ("POST", "/api/zones/check"): (VIEWER, Scope.CAMERAS),
    ("GET", "/api/looks"): (SUPERVISOR, Scope.AUDIT),
    ("GET", "/ogc"): _CASES,
    ("GET", "/ogc/conformance"): _CASES,
    ("GET", "/ogc/collections"): _CASES,
    ("GET", "/ogc/collections/cases"): _CASES,
    ("GET", "/ogc/collections/cases/items"): _CASES,
    ("GET", "/ogc/collections/cases/items/{case_id}"): _CASES,
}
#: What strangers may ask for: to log in, or to set a password by a link.
OPEN = {
    *(("POST", "/api/session"), ("POST", "/api/password")),
    *(("GET", "/password/{link}"), ("POST", "/password/{link}")),
    *(("GET", "/login/oidc"), ("GET", "/login/oidc/callback")),
}
#: For tokens only: their own tests are in `tests/service/open311`.
OPEN311 = {
    ("GET", "/open311/v2/services.{form}"),
    ("GET", "/open311/v2/services/{code}.{form}"),
    ("GET", "/open311/v2/requests.{form}"),
    ("GET", "/open311/v2/requests/{case_id}.{form}"),
    ("POST", "/open311/v2/requests.{form}"),
}
#: A valid body, so that a refusal is not one of the body.
BODIES = {
    "/api/accounts": {"name": "Wu", "role": "officer"},
    "/api/accounts/{name}": {},
    "/api/tokens": {"name": "t", "scopes": ["cases:read"], "days": 1},
    "/api/session/password": {"password": "x"},
    "/api/cases/{case_id}/moves": {"action": "confirm", "version": 1},
    "/api/cases/moves": {"action": "confirm", "cases": [{"id": 99, "version": 1}]},
    "/api/cases/{case_id}/assignment": {"version": 1},
    "/api/cases/{case_id}/deadline": {"version": 1, "due_at": "2027-01-01T00:00:00Z"},
    "/api/cases/{case_id}/priority": {"version": 1, "priority": "urgent"},
    "/api/cases/{case_id}/notes": {"note": "x"},
    "/api/cases/{case_id}/merge": {"into": 98, "version": 1},
    "/api/cases/{case_id}/split": {"keys": ["k"], "version": 1},
    "/api/cases/{case_id}/originals": {"why": "x"},
    "/api/zones/check": {},
}
_VALUES = {"case_id": 99, "name": "nothing", "token_id": 99, "package": "p", "path": "p"}


def _routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    for route in app.routes:
        included = getattr(route, "original_router", None)
        for each in [route] if included is None else included.routes:
            if isinstance(each, APIRoute):
                yield from ((method, each.path) for method in each.methods or ())


def _send(client: TestClient, method: str, path: str) -> int:
    url = path.replace("{path:path}", "{path}").format(**_VALUES)
    body = BODIES.get(path) if method in ("POST", "PUT", "PATCH") else None
    return int(client.request(method, url, json=body).status_code)


@pytest.fixture
def each_role(people: People) -> dict[Role, TestClient]:
    found = {}
    for role in (VIEWER, OFFICER, SUPERVISOR, ADMINISTRATOR):
        people.account(role.value, role)
        found[role] = people.logged_in(role.value)
    return found


#: Sent last: these end the session.
_ENDING = ("DELETE", "/api/session")
#: Answers only when its stream ends; its own tests ask for it.
_STREAM = ("GET", "/api/events")


def test_the_table_has_every_route(app: FastAPI) -> None:
    served = {route for route in _routes(app) if route[1] != "/openapi.json"}
    assert served == TABLE.keys() | OPEN | OPEN311


def test_strangers_are_asked_to_log_in(people: People) -> None:
    stranger = people.stranger()
    assert {route: _send(stranger, *route) for route in TABLE} == dict.fromkeys(TABLE, 401)


def test_who_has_too_low_a_role_is_refused_and_the_others_are_not(
    each_role: dict[Role, TestClient],
) -> None:
    routes = [route for route in TABLE if route not in (_ENDING, _STREAM)]
    for role, client in each_role.items():
        for route in [*routes, _ENDING]:
            refused = _send(client, *route) == 403
            least, _ = TABLE[route]
            # The present password is another one: that is 403 for everybody.
            expected = not role.covers(least) or route[1] == "/api/session/password"
            assert refused == expected, (role, route)


@pytest.mark.parametrize("scope", list(Scope))
def test_a_token_is_refused_where_it_is_for_something_else(people: People, scope: Scope) -> None:
    program = people.program(people.account("Chief", ADMINISTRATOR), [scope])
    for route, (_, needed) in TABLE.items():
        if route != _STREAM:
            assert (_send(program, *route) == 403) == (needed is not scope), route
