"""The page of a one-time link, on which a person sets a password."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse

from cv_engine.service.access import address_of, check_origin, need_privacy
from cv_engine.service.accounts.passwords import LEAST_LETTERS
from cv_engine.service.errors import ServiceError
from cv_engine.service.pages.rendering import page
from cv_engine.service.rates import Rate
from cv_engine.service.shared import Shared, shared_of

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
_TEMPLATE = "password.html"


@router.get("/password/{link}")
def show(
    link: str, request: Request, shared: Annotated[Shared, Depends(shared_of)]
) -> HTMLResponse:
    """The form."""
    shared.rates.count(Rate.LOG_IN, address_of(request))
    name = shared.accounts.link_is_for(link)
    return _form(name, name or "")


@router.post("/password/{link}")
def take(
    link: str,
    request: Request,
    shared: Annotated[Shared, Depends(shared_of)],
    password: Annotated[str, Form(max_length=1000)],
    name: Annotated[str, Form(max_length=200)] = "",
) -> HTMLResponse:
    """Set the password; what cannot be used is asked for again."""
    check_origin(request)
    need_privacy(request)
    shared.rates.count(Rate.LOG_IN, address_of(request))
    known = shared.accounts.link_is_for(link)
    try:
        account = shared.accounts.set_password_by_link(link, password, name)
    except ServiceError as error:
        return _form(known, known or name, str(error), error.http_status)
    return page(_TEMPLATE, done=True, name=account.name)


def _form(known: str | None, name: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    return page(
        _TEMPLATE,
        status,
        done=False,
        asks_name=known is None,
        name=name,
        wrong=wrong,
        least=LEAST_LETTERS,
    )
