"""The application: what it serves, and what every request passes through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.metadata import version

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from cv_engine.config import Config
from cv_engine.service.accounts.passwords import Passwords
from cv_engine.service.api import (
    accounts,
    audit,
    cameras,
    cases,
    catalogue,
    events,
    evidence,
    features,
    moves,
    session,
    statistics,
)
from cv_engine.service.events import Events
from cv_engine.service.headers import SecurityHeaders
from cv_engine.service.open311 import routes
from cv_engine.service.pages import oidc, password
from cv_engine.service.problems import RESPONSES, add_handlers, describe_problems
from cv_engine.service.shared import Shared, share
from cv_engine.services import Services

_PARTS = (
    *(session, accounts, cases, moves, evidence, events, statistics, catalogue, cameras, audit),
    *(features, routes, password, oidc),
)
#: Bytes of a body, where a route takes no files: the largest are thousands of cases' numbers.
BODY_BYTES = 1 << 20


def create_app(
    config: Config, clock: Callable[[], datetime], *, passwords: Passwords | None = None
) -> FastAPI:
    """Make the application; the queue is opened now, and closed when the application stops.

    Args:
        config: Settings.
        clock: Returns the present time (timezone-aware).
        passwords: Compares passwords; with the parameters of the library if ``None``.

    Raises:
        EngineError: The queue, or a file of the city, cannot be used.
    """
    shared = share(Services(config, clock), passwords)
    app = FastAPI(
        title="cv-engine",
        version=version("cv-engine"),
        lifespan=_lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        responses=RESPONSES,
        max_body_size=BODY_BYTES,
    )
    app.state.shared = shared
    add_handlers(app)
    for part in _PARTS:
        app.include_router(part.router)
    describe_problems(app)
    # The last one that is added sees a request first.
    app.add_middleware(SecurityHeaders)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(config.service.trusted_proxies))
    return app


def first_link(app: FastAPI) -> str | None:
    """The secret of a link by which the first administrator is made; ``None`` if there is one."""
    shared = app.state.shared
    assert isinstance(shared, Shared)
    return shared.accounts.first_link()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    shared = app.state.shared
    assert isinstance(shared, Shared)
    app.state.stopping = stopping = asyncio.Event()
    app.state.events = Events(shared.queue.store)
    following = asyncio.create_task(app.state.events.run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await following
        await asyncio.to_thread(shared.close)
