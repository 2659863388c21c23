"""An application on either database, with a clock that the tests set."""

from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.config import Config
from tests.cases.conftest import postgresql, postgresql_url, where
from tests.clock import Clock
from tests.service.made import NOW

__all__ = ["postgresql", "postgresql_url", "where"]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Settings with the queue in a file, where the database does not matter."""
    return Config(data=tmp_path / "data")
