"""A run that is killed and run again finds exactly what an undisturbed run finds."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import open_queue
from cv_engine.config import Config, load_config
from cv_engine.evidence.manifest import MANIFEST
from cv_engine.recorded import recordings
from cv_engine.recorded.analyze import Progress, Summary, analyze
from tests.killing import outcome, run, timed
from tests.video.recordings import cut

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
# The clip has a key frame every 2 s: cut there, the pieces show just what the whole shows.
CUT_S = 6.0
LENGTH_S = 13.0


@pytest.fixture(scope="module")
def pieces(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A car park in two files of one camera, one following on the other."""
    folder = tmp_path_factory.mktemp("footage")
    source = shared_data / "video" / "lot_leave_arrive.mp4"
    first, second = folder / "a.mp4", folder / "b.mp4"
    cut(source, 0.0, CUT_S, first)
    cut(source, CUT_S, LENGTH_S, second)
    return [first, second]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "quick.yaml"
    path.write_text(
        "video: {sample_s: 1.0}\n"
        "rules: {parking: {dwell_s: 10, min_size: 0.222}, clutter: {dwell_s: 3}}\n"
        "detector: {input_size: 320}\n"
    )
    return path


@pytest.fixture(scope="module")
def undisturbed(
    pieces: list[Path], settings: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], float]:
    """What an undisturbed run finds, and the seconds it takes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    took = timed(_arguments(pieces, settings, folder / "data"), folder)
    found = outcome(folder / "data")
    assert len(found["cases"]) >= 3
    assert not found["problems"]
    assert not found["partial"]
    return found, took


def _arguments(pieces: list[Path], settings: Path, data: Path) -> list[object]:
    camera = ["--camera", "car park", "--start", START.isoformat()]
    return ["analyze", *pieces, *camera, "--config", settings, "--data", data]


def test_kill_9_at_any_moment_changes_nothing(
    pieces: list[Path],
    settings: Path,
    undisturbed: tuple[dict[str, Any], float],
    tmp_path: Path,
) -> None:
    expected, took = undisturbed
    moments = random.Random(1)
    arguments = _arguments(pieces, settings, tmp_path / "data")
    for _ in range(3):
        run(arguments, tmp_path, kill_after_s=moments.uniform(0.4 * took, 0.8 * took))
    done = run(arguments, tmp_path)
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path / "data") == expected


def test_what_still_stands_there_was_last_seen_at_the_end(
    pieces: list[Path], config: Config
) -> None:
    """Not at its limit: case, manifest and pictures say how long it stood."""
    _analysed(pieces, config)
    with open_queue(config.queue) as queue:
        parked = [case for case in queue.cases() if case.kind == "motor_vehicle_parked"]
    assert len(parked) >= 2
    for case in parked:
        assert case.gone_at is None and case.evidence is not None
        assert (case.observed - START).total_seconds() == pytest.approx(LENGTH_S, abs=1.5)
        assert case.attributes["limit_s"] == 10
        manifest = json.loads((config.evidence_root / case.evidence / MANIFEST).read_bytes())
        assert manifest["finding"]["observed"] == case.observed.isoformat()
        last = max(file["time"] for file in manifest["files"] if "time" in file)
        assert datetime.fromisoformat(last) <= case.observed
        assert datetime.fromisoformat(last) - case.began >= timedelta(seconds=10)


class Killed(BaseException):
    """Stands for a kill at a sample of our choice."""


def _analysed(
    pieces: list[Path], config: Config, stop: tuple[str, float] | None = None, **options: Any
) -> Summary:
    def tell(progress: Progress) -> None:
        if stop is not None and progress.video.name == stop[0] and progress.done_s >= stop[1]:
            raise Killed

    return analyze(pieces, config=config, camera="car park", start=START, progress=tell, **options)


@pytest.fixture
def config(settings: Path, tmp_path: Path) -> Config:
    return load_config(settings).model_copy(update={"data": tmp_path / "data"})


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves a checkpoint after each sample."""
    monkeypatch.setattr(recordings, "CHECKPOINT_EVERY_S", 0.0)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    ("piece", "second"),
    [
        pytest.param("a.mp4", 5.0, marks=pytest.mark.slow),
        pytest.param("b.mp4", 0.0, marks=pytest.mark.slow),
        ("b.mp4", 5.0),
    ],
)
def test_a_run_resumes_in_the_middle_of_a_file(
    piece: str,
    second: float,
    pieces: list[Path],
    config: Config,
    undisturbed: tuple[dict[str, Any], float],
) -> None:
    with pytest.raises(Killed):
        _analysed(pieces, config, (piece, second))
    sampled: list[float] = []
    again = analyze(
        pieces,
        config=config,
        camera="car park",
        start=START,
        progress=lambda progress: sampled.append(progress.done_s),
    )
    report = again.videos[0 if piece == "a.mp4" else 1]
    assert outcome(config.data) == undisturbed[0]
    if second:
        assert sampled[0] >= second - 1.0
        assert "resumed at" in report.message
    assert again.videos[0].status == ("done" if piece == "a.mp4" else "already done")


def test_without_its_checkpoint_what_goes_before_is_sampled_again(
    pieces: list[Path], config: Config, undisturbed: tuple[dict[str, Any], float]
) -> None:
    with pytest.raises(Killed):
        _analysed(pieces, config, ("b.mp4", 4.0))
    (checkpoint,) = (config.data / "progress").glob("*.checkpoint")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    again = _analysed(pieces, config)
    assert [video.status for video in again.videos] == ["already done", "done"]
    assert outcome(config.data) == undisturbed[0]


def test_the_next_file_may_come_in_another_run(
    pieces: list[Path], config: Config, undisturbed: tuple[dict[str, Any], float]
) -> None:
    _analysed(pieces[:1], config)
    analyze(pieces[1:], config=config, camera="car park", start=START + timedelta(seconds=CUT_S))
    found = outcome(config.data)
    assert found["cases"] == undisturbed[0]["cases"]
    assert found["history"] == undisturbed[0]["history"]


def test_twice_is_once(
    pieces: list[Path], config: Config, undisturbed: tuple[dict[str, Any], float]
) -> None:
    first = _analysed(pieces, config)
    second = _analysed(pieces, config)
    assert [video.status for video in second.videos] == ["already done"] * 2
    assert (first.cases_new, second.cases_new) == (len(undisturbed[0]["cases"]), 0)
    assert second.cases == first.cases
    assert outcome(config.data) == undisturbed[0]


def test_two_files_show_what_the_whole_shows(
    shared_data: Path, config: Config, undisturbed: tuple[dict[str, Any], float], tmp_path: Path
) -> None:
    whole = tmp_path / "whole.mp4"
    cut(shared_data / "video" / "lot_leave_arrive.mp4", 0.0, LENGTH_S, whole)
    _analysed([whole], config)
    found, expected = (
        sorted((case["kind"], case["zone"], case["began"]) for case in cases)
        for cases in (outcome(config.data)["cases"], undisturbed[0]["cases"])
    )
    assert found == expected


def test_other_settings_join_the_cases_that_are_there(
    pieces: list[Path], config: Config, undisturbed: tuple[dict[str, Any], float]
) -> None:
    _analysed(pieces, config)
    rules = config.rules.updated({"parking": {"dwell_s": 11.0}})
    again = _analysed(pieces, config.model_copy(update={"rules": rules}))
    assert [video.status for video in again.videos] == ["done", "done"]
    assert again.cases_new == 0
    assert again.cases_known >= 3
    assert len(outcome(config.data)["cases"]) == len(undisturbed[0]["cases"])
