"""Fixtures of the evidence tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.evidence.package import write
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.still import Still
from tests.evidence.scenes import car_park_still, parked


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
