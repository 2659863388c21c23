"""Webhooks to a real web server: signed, judged by their answers, in order."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from email.utils import format_datetime

import pytest

from cv_engine.cases import Queue
from cv_engine.cases.outbox.errors import OutletError
from cv_engine.cases.outbox.overview import Overview
from cv_engine.cases.outbox.relay import Counts
from cv_engine.cases.outbox.webhook import Webhook, read_secrets, signature
from tests.cases.made import finding
from tests.cases.outbox.conftest import relay_of
from tests.cases.outbox.receivers import WebServer
from tests.clock import Clock

_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
_OTHER = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba98").decode()


def _webhook(web: WebServer, clock: Clock, secret: str = _SECRET) -> Webhook:
    return Webhook("city", f"{web.url}/cases", read_secrets(secret), clock)


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the Standard Webhooks specification."""
    (key,) = read_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_verify_every_request(queue: Queue, web: WebServer, clock: Clock) -> None:
    webhook = _webhook(web, clock, f"{_SECRET} {_OTHER}")
    relay = relay_of(queue, webhook, clock)
    case = queue.file(finding()).case_id
    queue.confirm(case, "Wang", "对")
    assert relay.run_once() == Counts(sent=2)
    webhook.close()
    assert [request.path for request in web.requests] == ["/cases"] * 2
    assert [request.json()["id"] for request in web.requests] == ["1-1", "1-2"]
    for request in web.requests:
        assert request.headers["content-type"] == "application/json"
        assert request.headers["webhook-id"] == request.json()["id"]
        assert int(request.headers["webhook-timestamp"]) == int(clock.now.timestamp())
        signed = b".".join(
            (
                request.headers["webhook-id"].encode(),
                request.headers["webhook-timestamp"].encode(),
                request.body,
            )
        )
        sent = request.headers["webhook-signature"].split(" ")
        for secret, given in zip((_SECRET, _OTHER), sent, strict=True):
            key = base64.b64decode(secret.removeprefix("whsec_"))
            expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
            assert given == f"v1,{expected.decode()}"


@pytest.mark.parametrize(
    ("status", "outcome", "error"),
    [
        (204, Counts(sent=1), None),
        (400, Counts(dead=1), "HTTP 400"),
        (410, Counts(dead=1), "HTTP 410"),
        (422, Counts(dead=1), "HTTP 422"),
        (409, Counts(retried=1), "HTTP 409"),
        (500, Counts(retried=1), "HTTP 500"),
        (302, Counts(retried=1), "HTTP 302: redirects are not followed, correct the url"),
        (401, Counts(retried=1), "HTTP 401"),
        (404, Counts(retried=1), "HTTP 404"),
        (429, Counts(retried=1), "HTTP 429"),
        (503, Counts(retried=1), "HTTP 503"),
    ],
)
def test_the_answer_decides_what_becomes_of_an_event(
    queue: Queue, web: WebServer, clock: Clock, status: int, outcome: Counts, error: str | None
) -> None:
    web.answers.append((status, {"location": f"{web.url}/elsewhere"}))
    webhook = _webhook(web, clock)
    relay = relay_of(queue, webhook, clock)
    queue.file(finding())
    assert relay.run_once() == outcome
    assert [request.path for request in web.requests] == ["/cases"], "no redirect is followed"
    assert Overview(queue.store).outlets()[0].error == error
    if outcome.retried:
        clock.advance(6 * 3600)
        assert relay.run_once() == Counts(sent=1)
        assert len({request.headers["webhook-id"] for request in web.requests}) == 1
    webhook.close()


@pytest.mark.parametrize("form", ["seconds", "date", "nonsense"])
def test_the_time_that_the_answer_asks_for_is_waited(
    queue: Queue, web: WebServer, clock: Clock, form: str
) -> None:
    later = format_datetime(clock.now + timedelta(seconds=1800), usegmt=True)
    asked = {"seconds": "1800", "date": later, "nonsense": "soon"}[form]
    web.answers.append((503, {"retry-after": asked}))
    webhook = _webhook(web, clock)
    relay = relay_of(queue, webhook, clock)
    queue.file(finding())
    assert relay.run_once() == Counts(retried=1)
    clock.advance(1790)
    assert relay.run_once() == Counts(sent=int(form == "nonsense"))
    clock.advance(20)
    relay.run_once()
    assert len(web.requests) == 2
    webhook.close()


def test_a_server_that_is_away_gets_everything_when_it_is_back(queue: Queue, clock: Clock) -> None:
    gone = WebServer()
    gone.close()
    webhook = _webhook(gone, clock)
    relay = relay_of(queue, webhook, clock)
    for zone in "abc":
        queue.file(finding(zone=zone))
    assert relay.run_once() == Counts(retried=1)
    (state,) = Overview(queue.store).outlets()
    assert state.waiting == 3
    assert state.error is not None
    assert "no answer" in state.error
    webhook.close()


@pytest.mark.parametrize("text", ["", "secret", "whsec_", "whsec_???", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(OutletError, match="openssl") as refused:
        read_secrets(text)
    assert "c2hvcnQ" not in str(refused.value)
