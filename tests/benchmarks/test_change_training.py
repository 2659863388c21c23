from __future__ import annotations

import numpy as np
import pytest

from benchmarks.change_training import main, summary
from satellite.training.validation import validate
from tests.satellite.training.places import place

PLACES = [place(seed=i, name=str(i)) for i in range(2)]


def test_the_summary_has_figures_before_and_after() -> None:
    nothing = {sample.name: np.zeros((96, 96), np.float32) for sample in PLACES}
    right = {sample.name: sample.appeared.astype(np.float32) for sample in PLACES}
    found = summary(validate([[sample] for sample in PLACES], nothing, right))
    assert (found["f1"], found["f1_before"]) == (1.0, 0.0)
    assert found["tiles"] == {"0": 1.0, "1": 1.0}


def test_missing_data_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "nowhere", "--weights", "none.pth"]) == 2
    assert "change-training: " in capsys.readouterr().err
