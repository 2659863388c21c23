"""Fixtures and settings that every package's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# As the command line does, before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

# Derandomised, and without a deadline: a busy machine or another seed must not fail a sound change.
# `HYPOTHESIS_PROFILE=search pytest` looks for new counterexamples.
settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests in real time mostly wait."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 2


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in real time run in two processes: more of them at once would wait for each other.

    They begin first, since nothing makes them shorter.
    """
    items.sort(key=lambda item: item.get_closest_marker("real_time") is None)
    for item in items:
        if item.get_closest_marker("real_time") is not None:
            place = "live" if item.path.parent.name == "live" else "elsewhere"
            item.add_marker(pytest.mark.xdist_group(f"real time, {place}"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test clips, images and weights; the test is skipped where it is missing."""
    if not _SHARED.is_dir():
        pytest.skip(f"test data is not there: {_SHARED}")
    return _SHARED


@pytest.fixture(autouse=True)
def default_log() -> Iterator[None]:
    """Each test begins with a log that drops nothing: commands choose levels, for the whole process."""
    yield
    structlog.reset_defaults()
