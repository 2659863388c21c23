from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.verification.composing import View
from benchmarks.verification.materials import Materials, fold
from benchmarks.verification.things import Cutout
from benchmarks.verifier import _FOLDS, main

GREY = np.full((40, 60), 100, np.float32)


def test_missing_data_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("verifier: ")


def test_a_recording_and_a_class_of_things_are_in_one_fold_each() -> None:
    views = [View(f"{name}.mp4", GREY) for name in "abcdefghij" for _ in range(2)]
    cutouts = [Cutout(kind, GREY, GREY) for kind in ("bag", "box", "car", "cat") for _ in range(3)]
    parts = [fold(Materials(views, [], cutouts), index, _FOLDS) for index in range(_FOLDS)]
    clips = [{view.clip for view in part.views} for part in parts]
    kinds = [{cutout.kind for cutout in part.cutouts} for part in parts]
    assert sum(map(len, clips)) == len(set.union(*clips)) == 10
    assert sum(map(len, kinds)) == len(set.union(*kinds)) == 4
    assert sum(len(part.views) for part in parts) == 20
