"""Fixtures of the evidence tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cv_engine.cases import Queue, open_queue
from cv_engine.evidence.media.still import Still
from cv_engine.evidence.package import write
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.storage.opening import open_store
from cv_engine.evidence.storage.store import Store
from tests.evidence.media.scenes import car_park_still, parked
from tests.evidence.storage.object_server import BUCKET, Line, ObjectServer, introduce


@pytest.fixture(scope="session")
def video(shared_data: Path) -> Path:
    return shared_data / "video"


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load_or_create(tmp_path_factory.mktemp("key") / "signing.pem")


@pytest.fixture(scope="session")
def stills(video: Path) -> list[Still]:
    return [car_park_still(video, "start", 1.0), car_park_still(video, "end", 3.0)]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, stills: list[Still], key: SigningKey) -> Path:
    """A package without clip: small, to be copied and tampered with."""
    return write(tmp_path_factory.mktemp("evidence"), parked(), stills, key=key)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """A server of object storage."""
    with ObjectServer(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment with the credentials of the object server, and no other setting of S3."""
    introduce(monkeypatch)
    return monkeypatch


@pytest.fixture
def address(running: ObjectServer, environment: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An empty prefix in the running server's bucket."""
    environment.setenv("AWS_ENDPOINT_URL", running.url)
    return f"s3://{BUCKET}/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}/west"


@pytest.fixture
def store(address: str) -> Store:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    return open_store(address)


@pytest.fixture
def held(running: ObjectServer, address: str) -> Path:
    """The folder in which the server keeps the store's objects, for reading only."""
    return running.folder / address.removeprefix("s3://")


@pytest.fixture
def line(running: ObjectServer, environment: pytest.MonkeyPatch) -> Iterator[Line]:
    """A connection to the running server; the environment names it as the server."""
    line = Line(running.port)
    environment.setenv("AWS_ENDPOINT_URL", line.url)
    yield line
    line.close()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path / "queue.db") as queue:
        yield queue
