"""A watcher on both databases, and fixtures of other tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from cv_engine.cases import Queue, open_queue
from cv_engine.sensors.device import Watching
from cv_engine.sensors.message import ClockBounds
from cv_engine.sensors.registry import Registry, open_registry
from cv_engine.sensors.watcher import Watcher
from tests.cases.conftest import postgresql, postgresql_url, where
from tests.mosquitto import mosquitto
from tests.sensors.made import Clock, device

# Fixtures, which pytest finds by their names.
__all__ = ["mosquitto", "postgresql", "postgresql_url", "where"]


@dataclass
class Street:
    """One registered cover, and the watcher of its messages."""

    where: str
    clock: Clock
    queue: Queue
    registry: Registry
    watcher: Watcher


@pytest.fixture
def street(where: str) -> Iterator[Street]:
    """A watcher with the cover ``cover-1``, on either database, with a clock that the test sets."""
    clock = Clock()
    with ExitStack() as stack:
        queue = stack.enter_context(open_queue(where, clock=clock))
        registry = stack.enter_context(open_registry(where))
        registry.register([device()], clock.now)
        watcher = Watcher(registry, queue, Watching(), ClockBounds(), clock)
        watcher.start()
        yield Street(where, clock, queue, registry, watcher)
