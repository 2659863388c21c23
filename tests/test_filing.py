"""From violations to cases: which pictures tell of them, and what happens when things go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import supervision as sv

from cv_engine.cases import Queue, open_queue
from cv_engine.config import Config
from cv_engine.evidence.signing import SigningKey
from cv_engine.filing import Filer
from cv_engine.footage import Footage, Recording
from cv_engine.rules.rule import Violation
from cv_engine.video.clock import Clock
from cv_engine.video.frame import Look
from cv_engine.video.source import open_video
from tests.video.recordings import HEIGHT, WIDTH, number_of, record, times
from zones.camera import Camera
from zones.zone import whole_frame

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
RATE = 10.0  # pictures per second; the n-th shows n
LENGTH_S = 20.0


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path / "queue.db") as queue:
        yield queue


@pytest.fixture
def footage(tmp_path: Path) -> Footage:
    """Two recordings, the second of which follows on 1 s after the end of the first."""
    footage = Footage()
    for number, began in enumerate((START, START + timedelta(seconds=LENGTH_S + 1))):
        path = record(tmp_path / f"{number}.mp4", times(round(LENGTH_S * RATE), RATE), gop=10)
        footage.add(Recording.of(open_video(path), Clock(began), "the start given"))
        footage.recordings[-1].seen_s = LENGTH_S - 1 / RATE
    return footage


@pytest.fixture
def asked() -> list[float]:
    """Media times of the pictures that the detector was asked about."""
    return []


@pytest.fixture
def filer(tmp_path: Path, queue: Queue, footage: Footage, asked: list[float]) -> Filer:
    def detect(look: Look) -> sv.Detections:
        asked.append(look.media_s)
        return sv.Detections(
            np.array([[0, 0, 20, 40]], np.float32),
            confidence=np.array([0.12], np.float32),
            class_id=np.array([0]),
            data={"class_name": np.array(["person"])},
        )

    return Filer(
        camera=Camera("market", None, ()),
        zones=[whole_frame(WIDTH, HEIGHT)],
        footage=footage,
        detect=detect,
        queue=queue,
        config=Config(data=tmp_path),
        key=SigningKey.load_or_create(tmp_path / "key.pem"),
        root=tmp_path / "evidence",
        model="digest",
        timezone="UTC",
        first_s=START.timestamp(),
    )


def _violation(
    began_s: float, observed_s: float, kind: str = "motor_vehicle_parked", thing: int = 1
) -> Violation:
    at = START.timestamp()
    box = (20.0, 10.0, 150.0, 80.0)
    return Violation(kind, "whole frame", thing, box, at + began_s, at + observed_s, 0.9)


@pytest.mark.parametrize(
    ("kind", "began_s", "observed_s", "expected"),
    [
        (
            "motor_vehicle_parked",
            2.0,
            14.0,
            {"start": [2, 3, 4], "between": [7, 8, 9], "end": [12, 13, 14]},
        ),
        ("clutter", 2.0, 14.0, {"start": [2, 3, 4], "end": [12, 13, 14]}),
        # Short: the candidates lie closer together, and a picture may stand for two roles.
        (
            "motor_vehicle_parked",
            2.0,
            5.0,
            {"start": [2, 2.5, 3], "between": [3, 3.5, 4], "end": [4, 4.5, 5]},
        ),
        # No time at all: one picture is all there is.
        ("motor_vehicle_parked", 2.0, 2.0, {"start": [2], "between": [2], "end": [2]}),
        # Across two files, the second half of which begins 1 s after the first one's end.
        (
            "motor_vehicle_parked",
            18.0,
            24.0,
            {"start": [18, 19, 19.9], "between": [19.9, 21, 22], "end": [22, 23, 24]},
        ),
    ],
)
def test_each_role_gets_its_own_moments(
    kind: str,
    began_s: float,
    observed_s: float,
    expected: dict[str, list[float]],
    filer: Filer,
    asked: list[float],
) -> None:
    stills = filer._stills(_violation(began_s, observed_s, kind))
    found: dict[str, list[float]] = {}
    for still in stills:
        found.setdefault(still.role, []).append((still.time - START).total_seconds())
    assert found == {role: pytest.approx(moments) for role, moments in expected.items()}
    for still in stills:
        second = (still.time - START).total_seconds()
        shown = second if second < LENGTH_S else second - LENGTH_S - 1
        assert number_of(still.image) == round(shown * RATE)
        assert still.others.confidence is not None
        assert still.others.confidence[0] == pytest.approx(0.12)
    assert len(asked) == len({still.time for still in stills})


def test_a_recording_that_is_gone_costs_its_stills_only(filer: Filer, footage: Footage) -> None:
    footage.recordings[0].release()
    footage.recordings[0].path.unlink()
    stills = filer._stills(_violation(10.0, 36.0))
    assert {still.role for still in stills} == {"between", "end"}


def test_filing_twice_is_filing_once(filer: Filer, queue: Queue, asked: list[float]) -> None:
    violation = _violation(2.0, 8.0)
    first = filer.file(violation)
    looked_at = len(asked)
    assert filer.file(violation).case_id == first.case_id
    assert filer.file(violation).outcome == "known"
    assert len(asked) == looked_at, "sound evidence is not made again"
    assert len(queue.history(first.case_id)) == 1


def test_damaged_evidence_is_made_again(filer: Filer, tmp_path: Path) -> None:
    violation = _violation(2.0, 8.0)
    filer.file(violation)
    (package,) = (tmp_path / "evidence").iterdir()
    (package / "manifest.sig").write_bytes(b"")
    filer.file(violation)
    names = sorted(path.name for path in (tmp_path / "evidence").iterdir())
    assert names == [package.name, f"{package.name}.damaged-1"]


def test_what_leaves_is_noted_with_its_time(filer: Filer, queue: Queue) -> None:
    filed = filer.file(_violation(2.0, 8.0))
    filer.left(_violation(2.0, 15.0))
    assert queue.get(filed.case_id).left_at == START + timedelta(seconds=15)
    assert not filer.keys
    filer.left(_violation(2.0, 17.0))  # nobody knows it any more
    assert queue.get(filed.case_id).left_at == START + timedelta(seconds=15)


def test_of_what_is_out_of_sight_nothing_is_said(filer: Filer, queue: Queue) -> None:
    filed = filer.file(_violation(2.0, 8.0))
    filer.forget(_violation(2.0, 15.0))
    assert queue.get(filed.case_id).left_at is None
    assert not filer.keys


def test_what_stood_there_at_first_came_earlier(filer: Filer) -> None:
    assert filer.finding(_violation(0.0, 8.0)).attributes["since_before_recording"] is True
    assert "since_before_recording" not in filer.finding(_violation(1.0, 8.0)).attributes
