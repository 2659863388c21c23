from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.events import main


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["aboda_video4", "candela"])
def test_real_bags_are_found(
    clip: str, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(shared_data / "video")
    assert main(["--data", data, "--only", clip, "--no-plain"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["recall_strict"] == 1.0
    assert figures["false_cases"] == 0
    assert figures["cases_per_thing"] == 1.0
    assert "plain_recall" not in figures


def test_a_folder_without_truth_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(tmp_path)])
    assert stopped.value.code == 2
    assert "no clips.csv" in capsys.readouterr().err
