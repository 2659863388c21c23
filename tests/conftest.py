"""Fixtures and settings that every package's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

# Derandomised, and without a deadline: a busy machine or another seed must not fail a sound change.
# `HYPOTHESIS_PROFILE=search pytest` looks for new counterexamples.
settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test clips, images and weights; the test is skipped where it is missing."""
    if not _SHARED.is_dir():
        pytest.skip(f"test data is not there: {_SHARED}")
    return _SHARED
