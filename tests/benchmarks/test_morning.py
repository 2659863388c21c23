from __future__ import annotations

import json

import pytest

from benchmarks.morning import main


@pytest.mark.slow
def test_no_driver_is_asked_twice_and_none_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kills", "9", "--cars", "8"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["kills"], result["cases"]) == (9, 24)
    assert (result["twice"], result["missing"], result["unwanted"]) == (0, 0, 0)
    assert result["sms"] + result["doubtful"] >= 12
    assert result["left"] > 0 and result["cited"] > 0 and result["withdrawn"] > 0
