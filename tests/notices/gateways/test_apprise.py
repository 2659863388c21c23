"""A service of apprise: its JSON service posts to a real server."""

from __future__ import annotations

import socket

import pytest

from cv_engine.cases.outbox.errors import OutletAway, RetryLater
from cv_engine.notices.errors import InDoubt, NoticeError
from cv_engine.notices.gateways.apprise import AppriseGateway
from cv_engine.notices.gateways.gateway import Message
from tests.cases.outbox.receivers import WebServer

_MESSAGE = Message("key-1", "+8613800000000", "请驶离 & leave")


def _gateway(address: str) -> AppriseGateway:
    return AppriseGateway(f"json://{address}/sms/{{to}}?redirect=no")


def test_the_number_and_the_text_reach_the_service(web: WebServer) -> None:
    gateway = _gateway(web.address)
    gateway.check()
    assert gateway.send(_MESSAGE) is None
    (request,) = web.requests
    assert request.path.startswith("/sms/+8613800000000")
    assert request.json()["message"] == "请驶离 & leave"
    assert not gateway.is_idempotent
    assert not gateway.reports


def test_a_service_that_refuses_has_not_taken_the_message(web: WebServer) -> None:
    web.answers.append((400, {}))
    with pytest.raises(RetryLater) as caught:
        _gateway(web.address).send(_MESSAGE)
    assert type(caught.value) is RetryLater
    assert "8613800000000" not in str(caught.value)


def test_a_service_that_fails_may_have_taken_it(web: WebServer) -> None:
    web.answers.append((500, {}))
    with pytest.raises(InDoubt):
        _gateway(web.address).send(_MESSAGE)


def test_a_service_that_is_not_there_has_not_taken_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(OutletAway):
        _gateway(f"127.0.0.1:{port}").send(_MESSAGE)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("json://127.0.0.1/sms", "lacks {to}"),
        ("json://secret/{to}?retry=3", "asks apprise to retry"),
        ("nothing://secret/{to}", "is not one of apprise"),
        ("{to}", "is not one of apprise"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_unrepeated(address: str, message: str) -> None:
    with pytest.raises(NoticeError, match=message) as caught:
        AppriseGateway(address).check()
    assert "secret" not in str(caught.value)
