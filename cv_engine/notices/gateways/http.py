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

from cv_engine.cases.outbox.errors import OutletAway, RetryLater
from cv_engine.cases.outbox.http import judge, open_client, retry_after_s
from cv_engine.notices.errors import InDoubt
from cv_engine.notices.gateways.gateway import Message, Outcome, Report

if TYPE_CHECKING:
    import httpx

_LONGEST_ANSWER = 65_536  # bytes that are read of an answer; what gateways say is far shorter
_FIELD = re.compile(r"\{(to|text|key)\}")
#: The gateway gave up before it knew.
_TIMED_OUT = 408
#: The first request with the same key is still under way (IETF draft on Idempotency-Key).
_UNDER_WAY = 409
#: The one failure of a server by which it says that it has taken nothing.
_UNAVAILABLE = 503


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
        return open_client()


def _judge(status: int, after_s: float) -> None:
    """What a status means for the message.

    Raises:
        OutletAway, RetryLater, Refused, InDoubt: The message was not taken, or it is not known.
    """
    failed = status >= 500 and status != _UNAVAILABLE
    if failed or status in (_TIMED_OUT, _UNDER_WAY):
        raise InDoubt(f"HTTP {status}")
    judge(status, after_s)


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
