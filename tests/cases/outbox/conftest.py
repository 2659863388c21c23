"""Receivers, and relays whose time the test sets."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from cv_engine.cases import Queue
from cv_engine.cases.outbox.outlet import Outlet
from cv_engine.cases.outbox.relay import Relay
from tests.cases.made import at
from tests.cases.outbox.receivers import MailServer, WebServer
from tests.clock import Clock
from tests.mosquitto import mosquitto

__all__ = ["mosquitto"]  # a fixture, which pytest finds by its name


@pytest.fixture
def clock() -> Clock:
    return Clock(at(100_000))


def relay_of(queue: Queue, outlet: Outlet, clock: Clock) -> Relay:
    """A relay of an outlet that receives everything from now on."""
    relay = Relay(queue.store, outlet, clock, random.Random(1))
    relay.register()
    return relay


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()
