"""What every request passes through: headers, proxies, limits, errors."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel

from cv_engine.cases import ConflictError, ForbiddenError, QueueError
from cv_engine.cases.errors import NoStepError, NotFoundError
from cv_engine.config import Config
from cv_engine.config.service import ServiceConfig
from cv_engine.errors import EngineError, Failure
from cv_engine.service.app import BODY_BYTES, create_app
from tests.clock import Clock


class Body(BaseModel):
    number: int


def _app(config: Config, clock: Clock) -> FastAPI:
    app = create_app(config, clock)

    @app.get("/seen")
    def seen(request: Request) -> dict[str, Any]:
        return {"client": request.client and request.client.host, "scheme": request.url.scheme}

    @app.post("/body")
    def body(body: Body) -> int:
        return body.number

    return app


def _failing(app: FastAPI, error: Exception) -> TestClient:
    @app.get("/fails")
    def fails() -> None:
        raise error

    return TestClient(app, raise_server_exceptions=False)


def test_every_answer_has_the_security_headers(config: Config, clock: Clock) -> None:
    client = TestClient(_app(config, clock))
    for path in ("/seen", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
    secure = TestClient(_app(config, clock), base_url="https://city.example")
    assert "max-age" in secure.get("/seen").headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("proxy", "seen"),
    [
        ("10.1.2.3", {"client": "203.0.113.9", "scheme": "https"}),  # within the network
        ("10.2.0.1", {"client": "10.2.0.1", "scheme": "http"}),  # anybody else
    ],
)
def test_forwarded_headers_count_from_trusted_proxies_only(
    config: Config, clock: Clock, proxy: str, seen: dict[str, str]
) -> None:
    trusting = config.model_copy(
        update={"service": ServiceConfig(trusted_proxies=("10.1.0.0/16",))}
    )
    client = TestClient(_app(trusting, clock), client=(proxy, 50_000))
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "X-Forwarded-Proto": "https"}
    assert client.get("/seen", headers=headers).json() == seen


def test_a_name_in_place_of_an_address_is_no_trusted_proxy() -> None:
    with pytest.raises(ValueError, match="is no address"):
        ServiceConfig(trusted_proxies=("proxy.city.example",))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (QueueError("the box is empty"), 422),
        (NotFoundError("there is no case 12"), 404),
        (ForbiddenError("Vera may not confirm case 12"), 403),
        (ConflictError("case 12 has changed"), 409),
        (NoStepError("case 12 is closed"), 409),
        (QueueError("the server is away", Failure.UNAVAILABLE), 503),
        (EngineError("the disk is full", Failure.NO_SPACE), 507),
        (OSError(28, "No space left on device", "/srv/secret/path"), 507),
    ],
)
def test_errors_are_problem_details(
    config: Config, clock: Clock, error: Exception, status: int
) -> None:
    answer = _failing(_app(config, clock), error).get("/fails")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["instance"]) == (status, "/fails")
    assert ("/srv/secret" in told["detail"]) is False
    assert ("retry-after" in answer.headers) is (status == 503)


def test_a_bug_is_reported_without_its_details(config: Config, clock: Clock) -> None:
    answer = _failing(_app(config, clock), RuntimeError("password=hunter2")).get("/fails")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text


def test_a_value_that_cannot_be_used_is_named(config: Config, clock: Clock) -> None:
    client = TestClient(_app(config, clock))
    answer = client.post("/body", json={"number": "many"})
    assert answer.status_code == 422
    (wrong,) = answer.json()["errors"]
    assert wrong["where"] == "body.number"
    broken = client.post("/body", content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400
    assert broken.headers["content-type"] == "application/problem+json"


def test_an_oversized_body_is_refused(config: Config, clock: Clock) -> None:
    client = TestClient(_app(config, clock))
    answer = client.post("/body", content=b" " * (BODY_BYTES + 1))
    assert answer.status_code == 413

    def pieces() -> Any:
        for _ in range(BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    assert client.post("/body", content=pieces()).status_code == 413


def test_unknown_addresses_and_methods_are_problem_details(config: Config, clock: Clock) -> None:
    client = TestClient(_app(config, clock))
    for answer, status in ((client.get("/nothing"), 404), (client.delete("/seen"), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert "/openapi.json" in answer.json()["detail"]
