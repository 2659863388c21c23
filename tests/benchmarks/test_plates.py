"""The benchmark of plates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.plates import Answer, Result, accuracy, kind_of_failure, main, summary


@pytest.mark.parametrize(
    ("truth", "text", "kind"),
    [
        ("浙A12345", "", "no plate found"),
        ("浙A12345", "浙A1234", "another number of characters"),
        ("浙A12345", "湘A12345", "the province"),
        ("浙A1234D", "浙A12340", "one character that looks alike"),
        ("浙A12345", "浙A12347", "one other character"),
        ("浙A12345", "湘A12347", "several characters"),
    ],
)
def test_failures_are_told_apart(truth: str, text: str, kind: str) -> None:
    assert kind_of_failure(Answer(truth, text)) == kind


def test_the_last_line_has_shares_and_calibration() -> None:
    photos = [Answer("浙A12345", "浙A12345", 0.995), Answer("浙B12345", "浙A12345", 0.4)]
    crops = [Answer("浙C12345", "浙C12345", 0.999), Answer("浙D12345", "浙D12346", 0.991)]
    figures = summary([Result("own", photos, crops, 80.0, 4.0), Result("other", photos)])
    assert figures["photo_accuracy"] == 0.5
    assert figures["crop_accuracy"] == 0.5
    assert figures["ms_per_vehicle"] == 80.0
    assert figures["sure"] == 3
    assert figures["sure_right"] == pytest.approx(2 / 3)
    assert figures["references"] == {"other": {"photo_accuracy": 0.5, "crop_accuracy": None}}
    assert accuracy([]) is None


def test_pictures_of_any_folder_of_the_same_form_are_read(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("easypr_general/鲁B995EQ.jpg", "lprnet_crops/皖A051N0.jpg"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(shared_data / "plates" / name, tmp_path / name)
    weights = shared_data / "weights" / "clp_det.onnx"
    assert main(["--data", str(tmp_path), "--detector", str(weights), "--no-references"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["photo_accuracy"] == 1.0
    assert figures["crop_accuracy"] in (0.0, 1.0)
    assert figures["ms_per_vehicle"] > 0


def test_a_folder_without_pictures_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
