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
from cv_engine.service.headers import SecurityHeaders
from cv_engine.service.problems import RESPONSES, add_handlers
from cv_engine.services import Services

#: Bytes of a body, where a route takes no files: the largest are thousands of cases' numbers.
BODY_BYTES = 1 << 20


def create_app(config: Config, clock: Callable[[], datetime]) -> FastAPI:
    """Make the application; the queue is opened now, and closed when the application stops.

    Args:
        config: Settings.
        clock: Returns the present time (timezone-aware).

    Raises:
        EngineError: The queue, or a file of the city, cannot be used.
    """
    services = Services(config, clock)
    _ = services.queue
    app = FastAPI(
        title="cv-engine",
        version=version("cv-engine"),
        lifespan=_lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        responses=RESPONSES,
        max_body_size=BODY_BYTES,
    )
    app.state.services = services
    add_handlers(app)
    # The last one that is added sees a request first.
    app.add_middleware(SecurityHeaders)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(config.service.trusted_proxies))
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.stopping = asyncio.Event()
    try:
        yield
    finally:
        await asyncio.to_thread(app.state.services.close)
