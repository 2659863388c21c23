"""A data folder of release 0.1.0: cases and evidence stay, old checkpoints are set aside.

``tests/fixtures/release-0.1.0.tar.xz`` was made by that release on a drawn scene in which a bag is
put down at 10 s and another at 50 s, with a dwell of 30 s: ``recorded`` by a run over ``footage``
that was killed 10 s into ``b.mp4``, ``live`` by a camera that was killed after 100 s.
"""

from __future__ import annotations

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cv_engine.cases import Case, open_queue
from cv_engine.config import Config
from cv_engine.evidence.verify import verify
from cv_engine.recorded.analyze import analyze
from tests.killing import outcome
from tests.live.watched import settings, watched
from tests.tracking.scenes import Scene, Thing

RELEASE = Path(__file__).parents[1] / "fixtures" / "release-0.1.0.tar.xz"
START = datetime(2026, 5, 1, 8, tzinfo=UTC)
_RENAMED = {"left_at": "gone_at"}  # attributes of a case that had another name then


@pytest.fixture
def release(tmp_path: Path) -> Path:
    with tarfile.open(RELEASE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def _config(data: Path) -> Config:
    return Config.model_validate(
        {
            "data": data,
            "video": {"sample_s": 2.0},
            "rules": {"clutter": {"dwell_s": 30.0}},
            "evidence": {"redact": False, "before_s": 1.0, "after_s": 1.0, "jpeg_quality": 60},
        }
    )


def _cases(data: Path) -> list[Case]:
    with open_queue(data / "queue.db") as queue:
        return sorted(queue.cases(), key=lambda case: case.id)


def _files(data: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in (data / "evidence").rglob("*")
        if path.is_file()
    }


def test_a_run_over_the_same_footage_loses_and_doubles_no_case(
    release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = release / "recorded"
    (before,) = _cases(data)
    evidence = _files(data)
    videos = [release / "footage" / name for name in ("a.mp4", "b.mp4")]
    summary = analyze(videos, config=_config(data), camera="market", start=START)
    assert all(video.status != "failed" for video in summary.videos)
    assert capsys.readouterr().out.count("set aside") == 1
    assert len(list((data / "progress" / "other-versions").glob("*.checkpoint"))) == 1

    fresh = analyze(videos, config=_config(release / "fresh"), camera="market", start=START)
    assert (summary.cases_new, fresh.cases_new) == (1, 2)
    after = _cases(data)
    assert [case.key for case in after] == [case.key for case in _cases(release / "fresh")]
    assert (after[0].id, after[0].key, after[0].evidence) == (1, before.key, before.evidence)
    assert (after[0].began, after[0].filed_at) == (before.began, before.filed_at)
    assert evidence.items() <= _files(data).items()
    assert not outcome(data)["problems"]


def test_what_was_filed_is_read_as_it_was(release: Path) -> None:
    (written,) = json.loads((release / "recorded.json").read_text())
    (case,) = _cases(release / "recorded")
    now = {name: repr(getattr(case, _RENAMED.get(name, name))) for name in written}
    assert now == written
    assert case.evidence is not None
    assert not verify(release / "recorded" / "evidence" / case.evidence)


def test_a_camera_that_starts_without_its_past_keeps_its_cases_and_files_new_ones(
    release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = release / "live"
    (before,) = _cases(data)
    places = [(230, 120, 260, 150), (60, 120, 90, 150), (150, 60, 180, 90)]
    bags = [
        Thing("", place, seed, since)
        for place, seed, since in zip(places, (9, 11, 13), (10.0, 50.0, 160.0), strict=True)
    ]
    camera = watched(data, Scene(bags), settings(data))
    camera.machine.pass_by(130.0)  # killed after 100 s, started again half a minute later
    camera.until(300.0)
    camera.queue.close()
    assert capsys.readouterr().out.count("set aside") == 1
    first, second = _cases(data)
    assert first == before
    assert camera.second(second.began) == 160.0
