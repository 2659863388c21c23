"""A timestamping authority for each test, with keys that are made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cv_engine.evidence.timestamp.authority import Authority
from tests.evidence.timestamp.tsa import TimestampServer, make_authority


@pytest.fixture(scope="session")
def keys_of_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl on this machine")
    folder = tmp_path_factory.mktemp("tsa")
    make_authority(folder)
    return folder


@pytest.fixture
def tsa(keys_of_authority: Path) -> Iterator[TimestampServer]:
    with TimestampServer(keys_of_authority) as server:
        yield server


@pytest.fixture
def authority(tsa: TimestampServer) -> Authority:
    return Authority.of(tsa.url, tsa.certificate)
