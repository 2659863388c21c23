"""Who sends a request, and whether that person may.

A browser is known by the cookie of its session, a program by its token. A cookie is sent by the
browser whichever site asks for it: every change that comes with one also needs the session's CSRF
token, which only pages from here can read.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from cv_engine.cases import Actor, Case
from cv_engine.cases.lifecycle import Role
from cv_engine.service.accounts.account import Account
from cv_engine.service.accounts.secret import is_csrf_token
from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.errors import ServiceError, forbidden
from cv_engine.service.rates import Rate
from cv_engine.service.shared import Shared, shared_of

#: The header that carries the CSRF token.
CSRF_HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# A browser takes a cookie of the first name only over HTTPS and only from this host (RFC 6265bis).
_COOKIES = {"https": "__Host-cv-engine", "http": "cv-engine"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    Attributes:
        account: The person, or whom a program acts for.
        scopes: What the token is for; ``None`` for a person, who may do all that the role allows.
        session: Secret of the person's session.
        token: Secret of the program's token.
    """

    account: Account
    scopes: frozenset[Scope] | None = None
    session: str | None = None
    token: str | None = None

    @property
    def actor(self) -> Actor:
        """The person as histories name it."""
        return self.account.actor

    @property
    def areas(self) -> frozenset[str] | None:
        """The areas whose cases the person sees; ``None``: all."""
        return self.account.areas

    def sees(self, case: Case) -> bool:
        """Whether a case lies where the person is responsible."""
        return self.areas is None or case.handling.area in self.areas

    def need_case(self, case: Case) -> Case:
        """Return a case that the person may see.

        Raises:
            ServiceError: The case lies elsewhere.
        """
        if not self.sees(case):
            areas = ", ".join(sorted(self.areas or ())) or "none"
            raise forbidden(
                f"case {case.id} lies outside your areas ({areas}): ask an administrator for its "
                "area"
            )
        return case

    def need_everywhere(self, what: str) -> None:
        """Refuse what shows all cases to somebody who sees those of some areas.

        Raises:
            ServiceError: The person is limited to some areas.
        """
        if self.areas is not None:
            raise forbidden(f"{what} is for those who see the cases of all areas")


def need(role: Role, scope: Scope | None) -> Any:
    """A dependency: the caller, whose role and scopes are checked.

    Args:
        role: The least role.
        scope: The scope that a token needs; ``None``: no token will do, a person has to log in.
    """

    def check(request: Request) -> Caller:
        caller = caller_of(request)
        check_caller(caller, role, scope)
        return caller

    return Depends(check)


def check_caller(caller: Caller, role: Role, scope: Scope | None) -> None:
    """Refuse what a caller may not do; see :func:`need`.

    Raises:
        ServiceError: Role or scopes are too low.
    """
    if not caller.account.role.covers(role):
        raise forbidden(
            f"{caller.account.name} may not do this: it takes the role {role.value}, "
            f"{caller.account.name} is {caller.account.role.value}"
        )
    if caller.scopes is not None and scope not in caller.scopes:
        what = "a person who has logged in" if scope is None else f"the scope {scope.value}"
        raise forbidden(f"this token may not do this: it takes {what}")


def caller_by_key(request: Request, key: str | None) -> Caller:
    """Who sends a request that has a token as its key, as in Open311; cookies do not count.

    Raises:
        ServiceError: The caller is not known, or asks too often.
    """
    shared = shared_of(request)
    shared.rates.check(Rate.REFUSED, address_of(request))
    found = None if key is None else shared.tokens.find(key)
    caller = _by_token(request, shared) if found is None else Caller(*found, token=key)
    if caller is None:
        shared.rates.count(Rate.REFUSED, address_of(request))
        raise ServiceError(
            "send a token that has not ended as api_key, or as Authorization: Bearer TOKEN",
            HTTPStatus.UNAUTHORIZED,
        )
    shared.rates.count(Rate.REQUESTS, str(caller.account.id))
    return caller


def caller_of(request: Request) -> Caller:
    """Who sends a request.

    Raises:
        ServiceError: The caller is not known, asks too often, or sends a change without CSRF token.
    """
    shared = shared_of(request)
    shared.rates.check(Rate.REFUSED, address_of(request))
    found = _by_token(request, shared) or _by_session(request, shared)
    if found is None:
        if "Authorization" in request.headers or session_secret(request) is not None:
            shared.rates.count(Rate.REFUSED, address_of(request))
        raise ServiceError(
            "log in, or send a token that has not ended (Authorization: Bearer TOKEN)",
            HTTPStatus.UNAUTHORIZED,
        )
    shared.rates.count(Rate.REQUESTS, str(found.account.id))
    return found


def still_known(shared: Shared, caller: Caller) -> bool:
    """Whether a caller of some time ago may still ask, with the same role and areas."""
    if caller.session is not None:
        return shared.sessions.find(caller.session) == caller.account
    if caller.token is not None:
        found = shared.tokens.find(caller.token)
        return found is not None and found[0] == caller.account
    return False


def _by_token(request: Request, shared: Shared) -> Caller | None:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    secret = secret.strip()
    found = shared.tokens.find(secret)
    return None if found is None else Caller(*found, token=secret)


def _by_session(request: Request, shared: Shared) -> Caller | None:
    secret = session_secret(request)
    if secret is None or "Authorization" in request.headers:
        return None
    account = shared.sessions.find(secret)
    if account is None:
        return None
    if request.method not in _SAFE:
        check_origin(request)
        if not is_csrf_token(request.headers.get(CSRF_HEADER, ""), secret):
            raise forbidden(
                f"the header {CSRF_HEADER} is missing or of another session: GET /api/session "
                "gives it; load the page again"
            )
    return Caller(account, session=secret)


def check_origin(request: Request) -> None:
    """Refuse a change that a page of another site sends.

    Raises:
        ServiceError: The browser says that the page is of another site.
    """
    origin = request.headers.get("Origin")
    here = request.headers.get("Host", "")
    if request.headers.get("Sec-Fetch-Site") == "cross-site" or (
        origin is not None and urlsplit(origin).netloc.lower() != here.lower()
    ):
        raise forbidden("the request comes from a page of another site: open the page of this one")


def session_secret(request: Request) -> str | None:
    """The secret of the session that a browser has, whether it has ended or not."""
    return request.cookies.get(_COOKIES[_scheme(request)])


def set_session(request: Request, response: Response, secret: str, lasts_s: float) -> None:
    """Give a browser the cookie of its session, which no script can read."""
    response.set_cookie(
        _COOKIES[_scheme(request)],
        secret,
        max_age=int(lasts_s),
        secure=_scheme(request) == "https",
        httponly=True,
        samesite="lax",
    )


def remove_session(request: Request, response: Response) -> None:
    """Let a browser forget the cookie of its session."""
    secure = _scheme(request) == "https"
    response.delete_cookie(_COOKIES[_scheme(request)], secure=secure, httponly=True, samesite="lax")


def address_of(request: Request) -> str:
    """The address that a request comes from; of IPv6 the network that one line has."""
    host = request.client.host if request.client is not None else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))


def need_privacy(request: Request) -> None:
    """Refuse to take a password that everybody on the way can read.

    Raises:
        ServiceError: The request comes from another machine without HTTPS.
    """
    if _scheme(request) == "https" or shared_of(request).config.service.allow_http:
        return
    if "X-Forwarded-For" in request.headers:
        raise forbidden(
            "a proxy sends this request, and is not trusted or does not say that HTTPS is used: "
            "add its address to service.trusted_proxies, and let it send X-Forwarded-Proto"
        )
    host = request.client.host if request.client is not None else ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise forbidden(
            "passwords are taken over HTTPS only: put a proxy with a certificate before the "
            "service, or set service.allow_http in the configuration"
        )


def _scheme(request: Request) -> str:
    return "https" if request.url.scheme == "https" else "http"
