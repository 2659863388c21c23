"""Server-sent events: what happens to cases, as it happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.errors import EngineError
from cv_engine.service.access import Caller, still_known
from cv_engine.service.api.cases import Reader
from cv_engine.service.api.values import Sharing
from cv_engine.service.events import Events
from cv_engine.service.shared import Shared

router = APIRouter(prefix="/api", tags=["events"])
_RETRY_MS = 2000  # after which a browser connects again
_MOST_NUMBER = 2**63 - 1
_HEADERS = {"X-Accel-Buffering": "no"}  # nginx would collect the events


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "The events."}},
)
async def listen(
    request: Request,
    shared: Sharing,
    by: Reader,
    after: Annotated[int | None, Query(ge=0, le=_MOST_NUMBER)] = None,
    last_event_id: Annotated[str | None, Header(max_length=50)] = None,
) -> StreamingResponse:
    """What happens to the cases that you see, from now on, or after `Last-Event-ID` or `after`.

    The data of an event are those that outlets receive (docs/cases.md).
    """
    number = after
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        number = min(int(last_event_id), _MOST_NUMBER)
    events = request.app.state.events
    assert isinstance(events, Events)
    stream = _stream(events, number, by, shared)
    return StreamingResponse(stream, headers=_HEADERS, media_type="text/event-stream")


async def _stream(
    events: Events, after: int | None, by: Caller, shared: Shared
) -> AsyncIterator[str]:
    yield f"retry: {_RETRY_MS}\n\n"
    try:
        async for event in events.after(after):
            if event is None:
                if not await asyncio.to_thread(still_known, shared, by):
                    return
                yield ":\n\n"
            elif by.sees(event.case):
                yield _message(event)
    except EngineError:  # the queue is away: the browser connects again, from where it was
        return


def _message(event: CaseEvent) -> str:
    data = json.dumps(event.as_json(), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.entry.id}\nevent: {event.type}\ndata: {data}\n\n"
