"""Fixtures and settings that every package's tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# The command line sets this too, before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# In memory, where a durable commit does not wait for the disk: the tests make thousands of them.
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 4 << 30  # far more than a run of all tests needs
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

_ROOT = Path(__file__).resolve().parents[1]
SHARED = _ROOT.parent / "shared" / "data"

# Derandomised, and without a deadline: a busy machine or another seed must not fail a sound change.
# `HYPOTHESIS_PROFILE=search pytest` looks for new counterexamples.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_xdist_auto_num_workers() -> int:
    """Two more than the number of cores: the processes with tests in real time mostly wait."""
    return len(os.sched_getaffinity(0)) + 2 if hasattr(os, "sched_getaffinity") else 3


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Files of tests in real time run in three processes: more at once would delay each other.

    A file whose fixtures serve all of its tests stays in one process, which makes them once.
    The largest groups start first. (Groups by mark, `--dist loadgroup`, have no effect with
    pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if not _in_real_time(path):
            return path if _shares_fixtures(path) else nodeid
        if not path.startswith("tests/live/"):
            return "elsewhere"
        return "live, faults" if "faults" in path else "live"


@cache
def _source(path: str) -> str:
    return (_ROOT / path).read_text(encoding="utf-8")


def _in_real_time(path: str) -> bool:
    return "mark.real_time" in _source(path)


def _shares_fixtures(path: str) -> bool:
    return 'scope="module"' in _source(path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Tests are assigned one by one, except for those in real time."""
    return Scheduling(config, log)


_LATER = 10  # nice


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lowers the priority of processes that run no tests in real time."""
    priority = os.getpriority(os.PRIO_PROCESS, 0)
    if (
        "PYTEST_XDIST_WORKER" in os.environ
        and not _in_real_time(item.nodeid.partition("::")[0])
        and priority < _LATER
    ):
        os.nice(_LATER - priority)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test clips, images and weights; without it the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip(f"there is no test data: {SHARED}")
    return SHARED


@pytest.fixture(autouse=True)
def default_log() -> Iterator[None]:
    """Restores the log after each test: commands set its level for the whole process."""
    yield
    structlog.reset_defaults()
