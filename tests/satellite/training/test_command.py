from __future__ import annotations

import sys

import pytest

from satellite.training.__main__ import main


def test_a_missing_torch_is_reported_with_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [n for n in sys.modules if n.startswith("satellite.training.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["fit", "--data", "tiles", "--out", "out"]) == 2
    assert "training needs torch" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["fit"], ["fit", "--data", "x", "--epochs", "many"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
