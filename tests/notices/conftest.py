"""Cities on both databases, and gateways that are real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cv_engine.cases import open_queue
from cv_engine.cases.audit import audit
from tests.cases.conftest import postgresql, postgresql_url, where
from tests.cases.outbox.receivers import WebServer
from tests.notices.made import City, Phones, import_city, noon, registry_of

__all__ = ["postgresql", "postgresql_url", "where"]  # fixtures, which pytest finds by their names


@pytest.fixture
def phones() -> Phones:
    return Phones()


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the city's registries, which no test changes."""
    return import_city(tmp_path_factory.mktemp("registries"))


@pytest.fixture
def city(where: str, phones: Phones, imported: Path) -> Iterator[City]:
    """A city at noon; in the end its histories are whole."""
    clock = noon()
    with open_queue(where, clock=clock) as queue:
        with registry_of(imported, queue, clock) as registry:
            yield City(queue, clock, phones, registry)
        with queue.store.snapshot() as connection:
            assert [str(each) for each in audit(connection) if not each.remark] == []


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()
