"""Webhooks: events as signed HTTP requests, as the Standard Webhooks specification has them.

The specification: https://github.com/standard-webhooks/standard-webhooks. The receiver computes the
HMAC-SHA256 of ``webhook-id.webhook-timestamp.body`` with the shared secret and compares it with
``webhook-signature``; it refuses old timestamps, and takes each ``webhook-id`` once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING

from cv_engine.cases.outbox.errors import OutletAway, OutletError, Refused, RetryLater
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.outlet import EVERYTHING, Selection

if TYPE_CHECKING:
    import httpx

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a secret, by the specification
_ANSWER_S = 15.0  # as the specification recommends; far below the relay's lease
_CONNECT_S = 5.0
#: The event itself is wrong for the receiver: sent again, it would be refused again.
_REFUSED = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 431, 451})
#: The receiver cannot take any event at present: busy, behind a gateway that does not reach it, or
#: not set up (a wrong address or secret), which a person has to correct. No event is at fault.
_AWAY = frozenset({401, 402, 403, 404, 407, 408, 429, 502, 503, 504})


def read_secrets(text: str) -> tuple[bytes, ...]:
    """The keys of a secret's text; several, separated by spaces, while a secret is replaced.

    Args:
        text: ``whsec_`` and 24 to 64 bytes in base64, as the specification has it.

    Raises:
        OutletError: The text is no such secret; the message does not repeat it.
    """
    advice = 'make one with: echo "whsec_$(openssl rand -base64 32)"'
    keys = []
    for word in text.split():
        try:
            key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not word.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
            raise OutletError(
                f"the secret is not {_PREFIX} and {_SHORTEST} to {_LONGEST} bytes in base64; "
                f"{advice}"
            )
        keys.append(key)
    if not keys:
        raise OutletError(f"the secret is empty; {advice}")
    return tuple(keys)


def signature(key: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The signature of a request: ``v1,`` and the HMAC-SHA256 in base64.

    Args:
        key: The secret's bytes.
        message_id: Header ``webhook-id``.
        timestamp_s: Header ``webhook-timestamp``: seconds since 1970 (UTC).
        body: The request's body.
    """
    signed = b".".join((message_id.encode(), str(timestamp_s).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


@dataclass(frozen=True)
class Webhook:
    """An address that receives each event as a signed POST request.

    Attributes:
        name: Name of the outlet.
        url: The address.
        keys: Keys of the signatures, one signature for each.
        clock: Returns the present time (timezone-aware).
        selection: Which events it receives.
    """

    name: str
    url: str = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)
    clock: Callable[[], datetime]
    selection: Selection = EVERYTHING
    at_once: int = 1
    every_s: float = 0.0

    def is_open(self, now: datetime) -> bool:
        """``True``: a program takes events at any hour."""
        return True

    def send(self, events: Sequence[CaseEvent]) -> None:
        """Post each event; see :class:`~cv_engine.cases.outbox.outlet.Outlet`."""
        for event in events:
            self._post(event)

    def close(self) -> None:
        """Close the connections."""
        if "_client" in vars(self):
            self._client.close()
            del vars(self)["_client"]

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        # A redirect is not followed: signed events go to the address that was configured.
        limits = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
        return httpx.Client(timeout=limits, follow_redirects=False)

    def _post(self, event: CaseEvent) -> None:
        import httpx

        body, now = event.body(), self.clock()
        at_s = int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "cv-engine",
            "webhook-id": event.key,
            "webhook-timestamp": str(at_s),
            "webhook-signature": " ".join(
                signature(key, event.key, at_s, body) for key in self.keys
            ),
        }
        try:
            with self._client.stream("POST", self.url, content=body, headers=headers) as answer:
                status, after = answer.status_code, answer.headers.get("retry-after")
        except httpx.HTTPError as error:
            raise OutletAway(f"no answer ({type(error).__name__}: {error})") from error
        _judge(status, retry_after_s(after, now))


def _judge(status: int, after_s: float) -> None:
    """What a status means for the event.

    Raises:
        OutletAway, RetryLater, Refused: The event was not taken.
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
    raise RetryLater(text, after_s)


def retry_after_s(retry_after: str | None, now: datetime) -> float:
    """The value of a header ``Retry-After`` in seconds (RFC 9110, 10.2.3); 0 without one.

    Args:
        retry_after: The header's value.
        now: The present time (timezone-aware).
    """
    if retry_after is None:
        return 0.0
    if retry_after.strip().isdigit():
        return float(retry_after[:12])
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - now).total_seconds(), 0.0)
