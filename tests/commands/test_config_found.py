"""Which configuration a command uses without --config, and which queue it says that it reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cv_engine.cases import open_queue
from tests.cases.made import finding
from tests.commands.program import Done, run_program

Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("CV_ENGINE_CONFIG", raising=False)
    return partial(run_program, tmp_path)


def _configured(path: Path, data: str) -> Path:
    """A configuration whose data folder has a queue with one case."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"data: {data}\n")
    (path.parent / data).mkdir()
    with open_queue(path.parent / data / "queue.db") as queue:
        queue.file(finding())
    return path


def test_a_configuration_beside_is_used(run: Run, tmp_path: Path) -> None:
    _configured(tmp_path / "cv-engine.yaml", "here")
    done = run("cases", "list")
    assert "market-street" in done.stdout
    assert (
        f"1 case of the queue {tmp_path / 'here' / 'queue.db'} (of cv-engine.yaml)" in done.stderr
    )


def test_the_environment_names_one_and_comes_before_that_beside(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _configured(tmp_path / "cv-engine.yaml", "here")
    other = _configured(tmp_path / "city" / "city.yaml", "there")
    monkeypatch.setenv("CV_ENGINE_CONFIG", str(other))
    assert f"{tmp_path / 'city' / 'there' / 'queue.db'}" in run("cases", "list").stderr


def test_what_is_typed_comes_first(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CV_ENGINE_CONFIG", str(tmp_path / "missing.yaml"))
    typed = _configured(tmp_path / "mine.yaml", "mine")
    assert "1 case" in run("cases", "list", "--config", typed).stderr
    done = run("cases", "list")
    assert done.returncode == 2
    assert "missing.yaml" in done.stderr


def test_a_list_of_no_cases_says_why(run: Run, tmp_path: Path) -> None:
    done = run("cases", "list")
    assert f"there is no queue at {tmp_path}/cv-engine-data/queue.db yet" in done.stderr
    assert not (tmp_path / "cv-engine-data").exists()
    with open_queue(tmp_path / "cv-engine-data" / "queue.db") as queue:
        assert "nothing has been filed in the queue" in run("cases", "list").stderr
        queue.file(finding())
    done = run("cases", "list", "--state", "confirmed")
    assert "no case matches: none of 1 case of the queue" in done.stderr


def test_reading_makes_no_queue(run: Run, tmp_path: Path) -> None:
    done = run("cases", "export", "--data", "typo")
    assert done.returncode == 2
    assert "there is no queue at" in done.stderr
    assert not (tmp_path / "typo").exists()
