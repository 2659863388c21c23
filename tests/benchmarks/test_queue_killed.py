from __future__ import annotations

import json

import pytest

from benchmarks.queue_killed import main


@pytest.mark.slow
def test_nothing_is_lost_by_some_kills(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kills", "12"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert sum(value for key, value in result.items() if key.startswith("killed.")) == 12
    assert result["problems"] == 0
    assert result["cases"] > 0
    assert result["events"] > 0
