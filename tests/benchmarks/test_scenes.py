from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import scenes
from benchmarks.scenes import main
from tests.benchmarks.composed.props import background, cutouts


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain shapes in place of photographs."""
    monkeypatch.setattr(scenes, "load_cutouts", lambda *_: cutouts())
    monkeypatch.setattr(scenes, "load_backgrounds", lambda *_: [background()])


@pytest.mark.slow
@pytest.mark.usefixtures("shapes")
def test_a_scene_from_seed_to_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    command = ["--seeds", "2:3", "--event", "put", "--keep", str(kept), "--verbose"]
    assert main(command) == 0
    out = capsys.readouterr().out.splitlines()
    figures = json.loads(out[-1])
    assert figures["scenes"] == 1
    assert figures["things"] >= 1
    assert 0 <= figures["f1"] <= 1
    assert set(figures["f1_by_condition"]) >= {"event=put"}
    assert (kept / "clips.csv").is_file()
    assert len(list(kept.glob("scene-*"))) == 1
    assert any(line.startswith("event=put") for line in out)


@pytest.mark.usefixtures("shapes")
def test_scenes_of_another_condition_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--seeds", "2:4", "--only", "light=of the moon"]) == 2
    assert "light=of the moon" in capsys.readouterr().err


@pytest.mark.parametrize("seeds", ["5", "a:b", "1:2:3"])
def test_seeds_that_are_no_range_are_refused(
    seeds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", seeds])
    assert "FIRST:END" in capsys.readouterr().err


def test_clips_are_not_mixed_with_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clips.csv").write_text("video\n")
    with pytest.raises(SystemExit):
        main(["--seeds", "2:3", "--keep", str(tmp_path)])
    assert "not empty" in capsys.readouterr().err
