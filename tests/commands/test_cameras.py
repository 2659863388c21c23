"""`cv-engine cameras check`: what is wrong with how a camera is reached, without its password."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cli
from cv_engine.commands.exit_codes import run
from tests.live.stream.certificates import identity


def _check(folder: Path, entry: str, *options: str) -> int:
    config = folder / "c.yaml"
    config.write_text(f"cameras:\n  - {entry}\n")
    return run(cli.app, ["cameras", "check", "--config", str(config), *options])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://admin:s3#cret@10.0.0.5/x", "write it as %23"),
        ("rtsp://admin:s3/cret@10.0.0.5/x", "write it as %2F"),
        ("rtsp://admin:s3?cret@10.0.0.5/x", "write it as %3F"),
        ("rtsp://admin:s3cret@10.0.0.5:99999/x", "the port is no number from 1 to 65535"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_its_line(
    url: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(tmp_path, f"{{name: a, url: '{url}'}}") == 2
    shown = capsys.readouterr()
    assert f"{tmp_path}/c.yaml:2: cameras[0].url: " in shown.err
    assert expected in shown.err
    assert "cret" not in shown.err + shown.out


def test_an_at_in_a_password_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(tmp_path, "{name: a, url: 'rtsp://u:s3@cret@cam/x'}", "--format", "jsonl") == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["errors"] == 0
    assert "holds an @" in row["problems"][0]
    assert "cret" not in str(row)


def test_a_file_of_authorities_is_looked_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = "{name: a, url: 'rtsps://cam/x', tls_ca: ca.pem}"
    assert _check(tmp_path, entry, "--format", "jsonl") == 2
    assert "the file cannot be read" in capsys.readouterr().out
    (tmp_path / "ca.pem").write_text("none")
    assert _check(tmp_path, entry, "--format", "jsonl") == 2
    assert "the file holds no certificate" in capsys.readouterr().out
    identity(is_ca=True).write(tmp_path / "ca.pem")
    assert _check(tmp_path, entry) == 0


def test_a_password_that_is_not_in_the_environment_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = "{name: a, url: 'rtsp://cam/x', password_env: CAM_PW}"
    assert _check(tmp_path, entry, "--format", "jsonl") == 0
    assert "the environment variable CAM_PW is not set here" in capsys.readouterr().out
    monkeypatch.setenv("CAM_PW", "s3cret")
    assert _check(tmp_path, entry, "--format", "jsonl") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["problems"] == []
    assert "s3cret" not in shown
