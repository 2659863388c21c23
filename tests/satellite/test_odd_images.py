"""Pairs of images as users reported them: missing tiles that read as black, and unseen cloud."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cli
from cv_engine.commands.exit_codes import run
from tests.satellite.levir import Tiles


def _compared(
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    detector: str = "cascade",
) -> dict[str, Any]:
    """The summary of the comparison of the two images of a folder."""
    weights = Tiles(shared_data).weights
    (tmp_path / "my.yaml").write_text(
        f"satellite: {{detector: {detector}, model: {weights}, workers: 1}}\n"
    )
    monkeypatch.chdir(tmp_path)
    images = sorted((shared_data / "odd" / name).glob("*.tif"), key=lambda path: path.stem[-8:])
    # The images are aligned already, which saves the tests the time.
    options = ["--no-align", "--config", "my.yaml"]
    assert run(cli.app, ["satellite", "diff", *map(str, images), *options]) == 0
    stored = json.loads((tmp_path / "satellite-diff/comparison.json").read_text())
    summary: dict[str, Any] = stored["summary"]
    return summary


def test_missing_tiles_that_read_as_black_are_not_compared(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = _compared(shared_data, tmp_path, monkeypatch, "14-missing-tiles-black")
    assert summary["sites"] == {}
    missing_km2 = 4 * 64**2 / 1e6
    assert missing_km2 <= summary["not_compared_km2"]["nodata"] < 1.2 * missing_km2  # cells of 5 m


def test_soft_cloud_over_half_of_rebuilt_ground_is_not_compared(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = _compared(shared_data, tmp_path, monkeypatch, "15-cloud-not-seen", "classical")
    assert 0.036 < summary["not_compared_km2"]["cloud"] < 0.045  # 0.039 is under more than 5 %
