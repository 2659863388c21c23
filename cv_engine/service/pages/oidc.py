"""Logging in at the city's own provider: there, and back."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse

from cv_engine.service.access import address_of, need_privacy, session_secret, set_session
from cv_engine.service.accounts.oidc import Attempt, Provider
from cv_engine.service.errors import ServiceError, missing
from cv_engine.service.rates import Rate
from cv_engine.service.shared import Shared, shared_of

router = APIRouter(include_in_schema=False)
#: Where browsers come back to, after the address of the service.
CALLBACK = "/login/oidc/callback"
_COOKIE = "cv-engine-login"
_LASTS_S = 600  # to type a password and a second factor
_Text = Annotated[str, Query(max_length=4000)]


@router.get("/login/oidc")
def go(request: Request, shared: Annotated[Shared, Depends(shared_of)]) -> RedirectResponse:
    """Send a browser to the provider."""
    need_privacy(request)
    shared.rates.count(Rate.LOG_IN, address_of(request))
    attempt = Attempt.new()
    answer = RedirectResponse(_provider(shared).begin(attempt), HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        *(_COOKIE, str(attempt), _LASTS_S),
        path=CALLBACK,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(CALLBACK)
def come_back(
    request: Request,
    shared: Annotated[Shared, Depends(shared_of)],
    state: _Text = "",
    code: _Text = "",
    error: _Text = "",
) -> RedirectResponse:
    """Begin the session of whoever has logged in at the provider."""
    need_privacy(request)
    shared.rates.count(Rate.LOG_IN, address_of(request))
    attempt = Attempt.read(request.cookies.get(_COOKIE, ""))
    if attempt is None or error or not code:
        raise ServiceError(
            "logging in was not finished: begin again at /login/oidc", HTTPStatus.FORBIDDEN
        )
    identity = _provider(shared).finish(attempt, state, code)
    account = shared.accounts.of_identity(identity)
    secret = shared.sessions.begin(account, before=session_secret(request))
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(_COOKIE, path=CALLBACK)
    set_session(request, answer, secret, shared.config.service.session_s)
    return answer


def _provider(shared: Shared) -> Provider:
    if shared.provider is None:
        raise missing("there is no other log-in: set service.oidc in the configuration")
    return shared.provider
