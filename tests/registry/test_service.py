"""A registry over HTTP: a real server that is slow, fails and recovers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from cv_engine.cases.lifecycle import Role
from cv_engine.cases.looks import Look
from cv_engine.registry import (
    Contact,
    Exemption,
    Kind,
    Merchant,
    Permit,
    Registry,
    RegistryError,
    RegistryUnavailable,
    Spot,
    Status,
    Vehicle,
)
from cv_engine.registry.service.service import Service, ServiceOptions
from tests.registry.made import NOW

_CAR = {"plate": "浙B12345", "layout": "blue", "status": "stolen", "has_contact": True}


class City:
    """What the server answers.

    Attributes:
        answers: JSON by path; others are not there.
        status: Status of every answer.
        raw: The body of every answer, in place of JSON.
        asked: The requests: path and question.
        headers: Headers of the last request.
        release: Answers wait for it.
        part: Bytes of a part of an answer.
        each_part: Called between two parts of an answer.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.status = 200
        self.raw: bytes | None = None
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.headers: dict[str, str] = {}
        self.release = threading.Event()
        self.release.set()
        self.part = 1 << 20
        self.each_part: Callable[[], None] = lambda: None
        self.url = ""


class Clock:
    """Steady seconds that only pass when the test says so."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def city() -> Iterator[City]:
    state = City()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            state.asked.append((path, parse_qs(parts.query)))
            state.headers = dict(self.headers)
            state.release.wait(60)
            body = state.raw if state.raw is not None else _json(state.answers.get(path))
            try:
                self.send_response(state.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for at in range(0, len(body), state.part):
                    self.wfile.write(body[at : at + state.part])
                    state.each_part()
            except OSError:  # the client has given up
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _service(city: City, clock: Clock, **options: Any) -> Service:
    return Service(ServiceOptions(city.url, **{"failures": 3, **options}), clock)


def test_records_are_those_of_the_service(city: City) -> None:
    city.answers = {
        "/vehicles/浙B12345": _CAR,
        "/merchants/7": {"id": "7", "name": "shop", "colour": "an unknown field"},
        "/merchants": [{"id": "7", "name": "shop", "longitude": 121.5, "latitude": 29.8}],
        "/permits/stalls": [
            {"number": "1", "zone": "market", "hours": "Mo-Su 00:00-24:00"},
            {"number": "2", "zone": "market", "valid_to": "2026-04-30"},
        ],
        "/exemptions": [{"plate": "浙B12345", "reason": "works", "valid_from": "2026-05-01"}],
        "/vehicles/浙B12345/contact": {"name": "王小明", "phone": "13800000000"},
    }
    looks: list[Look] = []
    sources = dict.fromkeys(Kind, _service(city, Clock(), token="s3cret"))
    with Registry(sources, looks.append, lambda: NOW) as opened:
        car = Vehicle("浙B12345", "blue", Status.STOLEN, None, has_contact=True)
        assert opened.vehicle("浙b·12345") == car
        assert opened.vehicle("浙B99999") is None
        assert opened.merchant("7") == Merchant("7", "shop")
        assert [each.id for each in opened.merchants(Spot(121.5, 29.8), 30)] == ["7"]
        permits = opened.permits(Kind.STALLS, NOW, zone="market", spot=Spot(121.5, 29.8, 2.5))
        assert permits == (Permit("1", zone="market", hours="Mo-Su 00:00-24:00"),)
        assert city.asked[-1] == (
            "/permits/stalls",
            {
                "day": ["2026-05-01"],
                "zone": ["market"],
                "longitude": ["121.500000"],
                "latitude": ["29.800000"],
                "accuracy_m": ["2.5"],
            },
        )
        works = Exemption("浙B12345", "works", valid_from=date(2026, 5, 1))
        assert opened.exemptions("浙B12345", "market", NOW) == (works,)
        found = opened.contact("浙B12345", who="ann", role=Role.SUPERVISOR, why="case 7")
        assert found == Contact("王小明", "13800000000")
    assert len(looks) == 1
    assert city.headers["Authorization"] == "Bearer s3cret"


def test_an_answer_is_used_again_for_its_time_and_contact_data_never(city: City) -> None:
    city.answers = {"/vehicles/A1": {"plate": "A1"}, "/vehicles/A1/contact": {"phone": "138"}}
    clock = Clock()
    with closing(_service(city, clock, cache_s=60.0, cache_entries=2)) as service:
        for _ in range(3):
            assert service.vehicle("A1") is not None
            assert service.vehicle("A2") is None
        assert len(city.asked) == 2, "what is not registered is remembered, too"
        clock.s += 61
        city.answers["/vehicles/A2"] = {"plate": "A2"}
        assert service.vehicle("A2") is not None
        assert len(city.asked) == 3
        for _ in range(2):
            assert service.contact(Kind.VEHICLES, "A1") == Contact(phone="138")
        assert len(city.asked) == 5
        for plate in ("A3", "A4", "A2"):
            service.vehicle(plate)
        assert len(city.asked) == 8, "two answers are kept"


def test_without_a_cache_every_question_is_asked(city: City) -> None:
    city.answers = {"/vehicles/A1": {"plate": "A1"}}
    with closing(_service(city, Clock(), cache_s=0.0)) as service:
        for _ in range(3):
            service.vehicle("A1")
    assert len(city.asked) == 3


def test_a_service_that_fails_is_left_alone_until_it_has_recovered(city: City) -> None:
    city.answers = {f"/vehicles/A{n}": {"plate": f"A{n}"} for n in range(99)}
    clock = Clock()
    with closing(_service(city, clock, pause_s=30.0)) as service:
        city.status = 503
        for n in range(3):
            with pytest.raises(RegistryUnavailable, match="answered with status 503"):
                service.vehicle(f"A{n}")
        with pytest.raises(RegistryUnavailable, match=r"3 times in a row: .* attempt is in 30 s"):
            service.vehicle("A4")
        assert len(city.asked) == 3
        clock.s += 30
        with pytest.raises(RegistryUnavailable, match="status 503"):
            service.vehicle("A5")  # one trial
        with pytest.raises(RegistryUnavailable, match="attempt is in 30 s"):
            service.vehicle("A6")
        assert len(city.asked) == 4
        clock.s += 30
        city.status = 200
        assert service.vehicle("A7") is not None
        assert service.vehicle("A8") is not None
        city.status = 500
        with pytest.raises(RegistryUnavailable, match="status 500"):
            service.vehicle("A9")
        city.status = 200
        assert service.vehicle("A10") is not None, "one failure is not three"
        assert service.vehicle("A1") is not None, "a failure is not remembered as an answer"


def test_one_caller_tries_a_service_while_others_wait(city: City) -> None:
    city.answers = {"/vehicles/A1": {"plate": "A1"}}
    clock = Clock()
    with closing(_service(city, clock, failures=1, pause_s=30.0)) as service:
        city.status = 500
        with pytest.raises(RegistryUnavailable):
            service.vehicle("A0")
        city.status = 200
        clock.s += 31
        city.release.clear()
        found: list[object] = []
        trial = threading.Thread(target=lambda: found.append(service.vehicle("A1")))
        trial.start()
        while len(city.asked) < 2:
            trial.join(0.01)
        with pytest.raises(RegistryUnavailable, match="attempt is in 30 s"):
            service.vehicle("A2")
        city.release.set()
        trial.join()
        assert found == [Vehicle("A1")]
        assert service.vehicle("A2") is None


def test_a_service_that_does_not_answer_in_time_is_not_waited_for(city: City) -> None:
    city.release.clear()
    with (
        closing(_service(city, Clock(), timeout_s=0.2)) as service,
        pytest.raises(RegistryUnavailable, match=r"gave no answer within 0.2 s"),
    ):
        service.vehicle("A1")


def test_an_answer_that_trickles_in_is_not_waited_for(city: City) -> None:
    clock = Clock()

    def pass_time() -> None:
        clock.s += 0.5

    city.answers = {"/vehicles/A1": {"plate": "A1"}}
    city.part, city.each_part = 1, pass_time
    with (
        closing(_service(city, clock, timeout_s=2.0)) as service,
        pytest.raises(RegistryUnavailable, match="gave no answer within 2 s"),
    ):
        service.vehicle("A1")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"<html>", "is not that of docs/registry.md"),
        (200, b'{"plate": 7}', r"Expected `str`, got `int` - at `\$.plate`"),
        (200, b'{"plate": "A1", "status": "king"}', "Invalid enum value 'king'"),
        (200, b"x" * 5_000_000, "the answer is too long"),
        (302, b"", "redirects .* write the new address as registry.service.url"),
        (401, b"", "refuses the token .* check registry.service.token_env"),
        (404, b"", "has no such address .* check registry.service.url"),
        (429, b"", "answered with status 429"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(
    city: City, status: int, body: bytes, expected: str
) -> None:
    city.status, city.raw = status, body
    with (
        closing(_service(city, Clock())) as service,
        pytest.raises(RegistryUnavailable, match=expected),
    ):
        service.vehicle("A1")


def test_a_service_that_is_not_there_says_so() -> None:
    service = Service(ServiceOptions("http://127.0.0.1:9"), Clock())
    with (
        closing(service),
        pytest.raises(RegistryUnavailable, match=r"cannot be reached .* check registry.service"),
    ):
        service.vehicle("A1")


def test_a_wrong_certificate_file_is_reported_before_the_first_question(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(RegistryError, match=rf"registry.service.tls_ca: .*{name} cannot be"):
            Service(ServiceOptions("https://a.example", tls_ca=tmp_path / name), Clock())
