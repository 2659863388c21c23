from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.commands.options import Format
from cv_engine.commands.session import Session


def test_the_data_option_overrides_the_configuration(tmp_path: Path) -> None:
    assert Session(None, tmp_path).config.data == tmp_path
    assert Session(None, tmp_path).evidence_root == tmp_path / "evidence"
    assert Session(None, None).config.data.name == "cv-engine-data"


def test_json_lines_keep_other_scripts_unescaped(capsys: pytest.CaptureFixture[str]) -> None:
    Session(None, None, Format.JSONL).line({"zone": "东门"})
    assert capsys.readouterr().out == '{"zone": "东门"}\n'
