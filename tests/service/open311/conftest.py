"""The tests of Open311 use a queue in a file."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def where(tmp_path: Path) -> str:
    return str(tmp_path / "queue.db")
