"""A text message gateway that is spoken to with plain HTTP and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cv_engine.cases.outbox.errors import OutletAway, Refused, RetryLater
from cv_engine.cases.outbox.webhook import retry_after_s
from cv_engine.notices.errors import InDoubt
from cv_engine.notices.gateways.gateway import Message, Outcome, Report

if TYPE_CHECKING:
    import httpx

_ANSWER_S = 15.0  # far below the time after which an attempt counts as interrupted
_CONNECT_S = 5.0
_LONGEST_ANSWER = 65_536  # bytes that are read of an answer; what gateways say is far shorter
_FIELD = re.compile(r"\{(to|text|key)\}")
#: The message itself is wrong: sent again, it would be refused again.
_REFUSED = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 431, 451})
#: The gateway takes nothing at present, and has not taken the message.
_AWAY = frozenset({401, 402, 403, 404, 407, 429, 503})
#: The gateway answered before it knew, or something between answered in its place.
_DOUBTFUL = frozenset({408, 500, 502, 504})
#: The first request with the same key is still under way (IETF draft on Idempotency-Key).
_UNDER_WAY = 409


@dataclass(frozen=True)
class HttpGateway:
    """A gateway that takes a message as a POST request with a JSON body.

    Attributes:
        url: The address.
        body: The JSON object to send; ``{to}``, ``{text}`` and ``{key}`` in its texts are replaced.
        clock: Returns the present time (timezone-aware).
        headers: Headers of every request, such as the authorization.
        key_header: Header with the idempotency key; ``None`` where the gateway knows none.
        id_pointer: JSON pointer (RFC 6901) to the message's number in the answer; ``None`` without.
        report_url: Address of the delivery report, with ``{id}``; ``None`` without reports.
        report_pointer: JSON pointer to the status in the report.
        delivered: Statuses of a message that has arrived.
        undelivered: Statuses of a message that will not arrive.
    """

    url: str = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)
    clock: Callable[[], datetime]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_header: str | None = "Idempotency-Key"
    id_pointer: str | None = None
    report_url: str | None = field(default=None, repr=False)
    report_pointer: str = "/status"
    delivered: Collection[str] = ("delivered",)
    undelivered: Collection[str] = ("undelivered", "failed", "rejected", "expired")

    @property
    def name(self) -> str:
        """The host of the address."""
        from urllib.parse import urlsplit

        return urlsplit(self.url).hostname or "gateway"

    @property
    def is_idempotent(self) -> bool:
        """Whether the gateway gets the key in a header that it heeds."""
        return self.key_header is not None

    @property
    def reports(self) -> bool:
        """Whether the gateway is asked for reports."""
        return self.report_url is not None and self.id_pointer is not None

    def send(self, message: Message) -> str | None:
        """See :meth:`cv_engine.notices.gateways.gateway.Gateway.send`."""
        import httpx

        values = {"to": message.to, "text": message.text, "key": message.key}
        headers = dict(self.headers)
        if self.key_header is not None:
            headers[self.key_header] = message.key
        try:
            answer = self._client.post(self.url, json=_filled(self.body, values), headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise OutletAway(f"no connection ({type(error).__name__}: {error})") from error
        except httpx.UnsupportedProtocol as error:
            raise OutletAway(f"{error}; correct the url") from error
        except httpx.HTTPError as error:
            raise InDoubt(f"no answer ({type(error).__name__}: {error})") from error
        _judge(answer.status_code, retry_after_s(answer.headers.get("retry-after"), self.clock()))
        return None if self.id_pointer is None else _text_at(_json(answer), self.id_pointer)

    def report(self, message_id: str) -> Report:
        """See :meth:`cv_engine.notices.gateways.gateway.Gateway.report`."""
        import httpx

        address = (self.report_url or "").replace("{id}", quote(message_id, safe=""))
        try:
            answer = self._client.get(address, headers=dict(self.headers))
        except httpx.HTTPError as error:
            raise RetryLater(f"no report ({type(error).__name__}: {error})") from error
        if answer.status_code != 200:
            raise RetryLater(f"no report (HTTP {answer.status_code})")
        status = _text_at(_json(answer), self.report_pointer)
        if status is None:
            raise RetryLater(f"the report has nothing at {self.report_pointer}")
        if status in self.delivered:
            return Report(Outcome.DELIVERED, status)
        outcome = Outcome.UNDELIVERED if status in self.undelivered else Outcome.PENDING
        return Report(outcome, status)

    def close(self) -> None:
        """Close the connections."""
        if "_client" in vars(self):
            self._client.close()
            del vars(self)["_client"]

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        # No redirect is followed: numbers and texts go to the address that was configured.
        limits = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
        return httpx.Client(timeout=limits, follow_redirects=False)


def _judge(status: int, after_s: float) -> None:
    """What a status means for the message.

    Raises:
        OutletAway, RetryLater, Refused, InDoubt: The message was not taken, or it is not known.
    """
    text = f"HTTP {status}"
    if 200 <= status < 300:
        return
    if status in _REFUSED:
        raise Refused(text)
    if 300 <= status < 400:
        raise OutletAway(f"{text}: redirects are not followed, correct the url", after_s)
    if status in _AWAY:
        raise OutletAway(text, after_s)
    if status in _DOUBTFUL or status >= 500 or status == _UNDER_WAY:
        raise InDoubt(text)
    raise RetryLater(text, after_s)


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """A JSON value with the fields in its texts replaced."""
    if isinstance(value, Mapping):
        return {key: _filled(each, values) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, values) for each in value]
    if not isinstance(value, str):
        return value
    return _FIELD.sub(lambda match: values[match[1]], value)


def _json(answer: httpx.Response) -> Any:
    if len(answer.content) > _LONGEST_ANSWER:
        return None
    try:
        return json.loads(answer.content)
    except ValueError:
        return None


def _text_at(document: Any, pointer: str) -> str | None:
    """The text or number at a JSON pointer; ``None`` where there is none."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    if isinstance(document, bool) or not isinstance(document, str | int):
        return None
    return str(document)
