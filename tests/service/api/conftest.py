"""The tests of the API use a queue in a file; those of the queue's own work take both databases."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def where(tmp_path: Path) -> str:
    return str(tmp_path / "queue.db")
