"""An application on either database, with a clock that the tests set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from cv_engine.config import Config
from cv_engine.service.accounts.passwords import Passwords
from cv_engine.service.app import create_app
from tests.cases.conftest import postgresql, postgresql_url, where
from tests.clock import Clock
from tests.service.made import NOW, People

__all__ = ["postgresql", "postgresql_url", "where"]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Settings with the queue in a file, where the database does not matter."""
    return Config(data=tmp_path / "data")


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    """The real hash, with the least work."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def app(where: str, tmp_path: Path, clock: Clock, passwords: Passwords) -> Iterator[FastAPI]:
    """An application on either database."""
    settings = Config(data=tmp_path / "data", store=where)
    made = create_app(settings, clock, passwords=passwords)
    yield made
    made.state.shared.close()


@pytest.fixture
def people(app: FastAPI) -> People:
    """People and programs who send requests to the application."""
    return People(app)
