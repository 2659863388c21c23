"""Tab completion, asked for as a shell asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cases.dispatch.made import write_city
from tests.commands.test_cli import ROOT


def _offers(folder: Path, typed: str) -> list[str]:
    """What bash would offer after a line that was typed."""
    words = f"cv-engine {typed}"
    environment = {
        "_CV_ENGINE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", "import cli; cli.app(prog_name='cv-engine')"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("cases list --state re", ["reported", "rejected"]),
        ("cases confirm --kind motor", ["motor_vehicle_parked"]),
        ("cases list --config city.yaml --department s", ["street", "sanitation"]),
        ("cases dispatch 1 --config city.yaml --to sa", ["sanitation"]),
        ("cases reject 1 --reason no", ["no_violation", "not_visible"]),
        ("cases return 1 --reason no", ["not_remedied", "no_proof"]),
        ("cases priority 1 --to u", ["urgent"]),
        ("cases list --department s", []),
        ("cases list --config missing.yaml --department s", []),
    ],
)
def test_names_are_completed(tmp_path: Path, typed: str, offered: list[str]) -> None:
    write_city(tmp_path)
    settings = {"cases": {"organisation": "organisation.yaml"}}
    (tmp_path / "city.yaml").write_text(yaml.safe_dump(settings))
    assert sorted(_offers(tmp_path, typed)) == sorted(offered)


def test_officers_are_completed(tmp_path: Path) -> None:
    write_city(tmp_path)
    settings = {"cases": {"organisation": "organisation.yaml"}}
    (tmp_path / "city.yaml").write_text(yaml.safe_dump(settings))
    assert _offers(tmp_path, "cases list --config city.yaml --officer Ch") == ["Chen", "Jie"]
