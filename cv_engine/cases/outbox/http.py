"""Requests to receivers: the client, and what the status of an answer means for what was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from cv_engine.cases.outbox.errors import OutletAway, Refused, RetryLater

if TYPE_CHECKING:
    import httpx

_ANSWER_S = 15.0  # as Standard Webhooks recommends; far below the lease of a relay or an attempt
_CONNECT_S = 5.0
#: What was sent is itself wrong for the receiver: sent again, it would be refused again.
_REFUSED = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 431, 451})
#: The receiver cannot take anything at present: busy, behind a gateway that does not reach it, or
#: not set up (a wrong address or secret), which a person has to correct. Nothing sent is at fault.
_AWAY = frozenset({401, 402, 403, 404, 407, 408, 429, 502, 503, 504})


def open_client() -> httpx.Client:
    """A client that follows no redirect: what is sent goes to the address that was configured."""
    import httpx

    limits = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
    return httpx.Client(timeout=limits, follow_redirects=False)


def judge(status: int, after_s: float) -> None:
    """Accept an answer, or say what its status means for what was sent.

    Args:
        status: The status of the answer.
        after_s: Seconds after which the receiver wants the next attempt; 0 if it does not say.

    Raises:
        OutletAway, RetryLater, Refused: What was sent was not taken.
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
