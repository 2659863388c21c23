"""Recordings are analysed whether or not the store of evidence is there; it gets all in the end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import open_queue
from cv_engine.config import Config
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.storage import opening
from cv_engine.evidence.storage.opening import open_store
from cv_engine.evidence.verify import verify
from cv_engine.recorded.analyze import Progress, Summary, analyze
from tests.evidence.packages import written
from tests.evidence.storage.object_server import BUCKET, ObjectServer, introduce
from tests.video.recordings import cut

pytest.importorskip("obstore", reason="the extra s3 is not installed")

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
ADDRESS = f"s3://{BUCKET}/west"
_SOON_S = 0.3  # patience where nothing is going to come
_LONGEST_S = 60.0  # a busy machine takes its time


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with ObjectServer(tmp_path / "server") as server:
        introduce(monkeypatch, server.url)
        yield server


@pytest.fixture
def config(tmp_path: Path) -> Config:
    settings: dict[str, Any] = {
        "data": tmp_path / "data",
        "video": {"sample_s": 1.0},
        "rules": {"parking": {"dwell_s": 10, "min_size": 0.222}, "clutter": {"dwell_s": 3}},
        "evidence": {"store": ADDRESS},
        "detector": {"input_size": 320},
    }
    return Config.model_validate(settings)


@pytest.fixture
def video(shared_data: Path, tmp_path: Path) -> Path:
    """The first seconds of a car park."""
    path = tmp_path / "park.mp4"
    cut(shared_data / "video" / "lot_leave_arrive.mp4", 0.0, 14.0, path)
    return path


def _run(video: Path | list[Path], config: Config, tell: Any = None) -> Summary:
    videos = video if isinstance(video, list) else [video]
    return analyze(videos, config=config, camera="car park", start=START, progress=tell)


def _named(config: Config) -> list[str]:
    """The packages that cases name."""
    with open_queue(config.queue) as queue:
        return sorted({name for case in queue.cases() for name in queue.evidence(case.id)})


def _check_all_is_kept(config: Config) -> None:
    store = open_store(ADDRESS)
    assert store.names() == _named(config) != []
    assert all(store.problems(name) == [] for name in store.names())
    assert list(config.evidence_root.iterdir()) == []


def test_store_that_is_away_costs_no_case_and_gets_its_evidence_from_the_next_run(
    server: ObjectServer, video: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop()
    with monkeypatch.context() as hasty:
        hasty.setattr(opening.open_store, "__defaults__", (_SOON_S,))
        first = _run(video, config)
    assert [video.status for video in first.videos] == ["done"]
    assert first.cases_new == len(first.cases) > 0
    assert sorted(first.unsent) == _named(config)
    assert all("does not answer" in reason for reason in first.unsent.values())
    assert all(verify(config.evidence_root / name) == [] for name in first.unsent)
    server.start()
    second = _run(video, config)
    assert [video.status for video in second.videos] == ["already done"]
    assert second.unsent == {}
    _check_all_is_kept(config)


class Killed(BaseException):
    """Stands for a kill at a sample of our choice."""


def test_run_that_is_broken_off_and_done_again_sends_each_once(
    server: ObjectServer, video: Path, shared_data: Path, config: Config
) -> None:
    """The second run comes by the same violations again, which are sent by then."""
    later = video.with_name("later.mp4")
    cut(shared_data / "video" / "lot_leave_arrive.mp4", 14.0, 18.0, later)
    end = time.monotonic() + _LONGEST_S

    def tell(progress: Progress) -> None:
        if progress.cases:
            while any(config.evidence_root.iterdir()):
                assert time.monotonic() < end
                time.sleep(0.01)
            raise Killed

    with pytest.raises(Killed):
        _run([video, later], config, tell)
    _check_all_is_kept(config)
    sent = written(server.folder)
    shutil.rmtree(config.data / "progress")  # else the run would resume after them
    again = _run([video, later], config)
    assert [video.status for video in again.videos] == ["done", "done"]
    assert again.cases_known > 0 and again.unsent == {}
    _check_all_is_kept(config)
    assert sent.items() <= written(server.folder).items()


def test_store_that_cannot_be_opened_is_reported_before_any_sample(
    monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    introduce(monkeypatch)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(EvidenceError, match="set AWS_SECRET_ACCESS_KEY in the environment"):
        _run(Path("nowhere"), config)
    assert not config.data.exists()
