from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.detector import main


def test_the_last_line_has_the_figures(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--models", "yolox_nano", "--precisions", "fp32", "--limit", "8"]
    folders = ["--data", str(shared_data / "detector/coco128")]
    folders += ["--weights-dir", str(shared_data / "weights")]
    assert main(options + folders) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0.2 < figures["ap"] < figures["ap50"] < 1.0
    assert figures["models.yolox_nano.ap"] == figures["models"]["yolox_nano"]["ap"] == figures["ap"]
    assert figures["difference"] <= 1e-6


def test_bad_input_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "has no images" in capsys.readouterr().err
