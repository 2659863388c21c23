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
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from cv_engine.cases.outbox.errors import OutletAway, OutletError
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.http import judge, open_client, retry_after_s
from cv_engine.cases.outbox.outlet import EVERYTHING, Selection

if TYPE_CHECKING:
    import httpx

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a secret, by the specification


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
        return open_client()

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
        judge(status, retry_after_s(after, now))
