"""A city's queue on either database, with cases of vehicles and their evidence on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cv_engine.cases import open_queue
from cv_engine.evidence.signing import SigningKey
from tests.cases.conftest import postgresql, postgresql_url, where
from tests.cases.made import Clock
from tests.privacy.city import City

__all__ = ["postgresql", "postgresql_url", "where"]


@pytest.fixture
def city(where: str, tmp_path: Path) -> Iterator[City]:
    clock, key = Clock(), SigningKey.load_or_create(tmp_path / "key.pem")
    with open_queue(where, clock=clock) as queue:
        yield City(queue, tmp_path / "evidence", key, clock)
