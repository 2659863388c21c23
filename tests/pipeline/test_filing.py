"""From violations to cases: which pictures become evidence, and what happens when things leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv

from cv_engine.cases import Filed, Queue, QueueError, open_queue
from cv_engine.config import Config
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.signing import SigningKey
from cv_engine.finding import CAMERA_BLIND
from cv_engine.live.worker.unwatched import UnwatchedTimes
from cv_engine.pipeline.filing import FiledKeys, Filer, thing_of, utc_of
from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.rules.registry import kinds
from cv_engine.rules.stays import Violation
from cv_engine.video.clock import Clock
from cv_engine.video.frame import Sample
from cv_engine.video.source import open_video
from tests.video.recordings import HEIGHT, WIDTH, number_of, record, times
from zones.camera import Camera
from zones.zone import whole_frame

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
RATE = 10.0  # pictures per second; the n-th shows n
LENGTH_S = 20.0
LIMIT_S = 10.0


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path / "queue.db") as queue:
        yield queue


@pytest.fixture
def footage(tmp_path: Path) -> Footage:
    """Two recordings; the second begins 1 s after the end of the first."""
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
def filer(tmp_path: Path, queue: Queue, asked: list[float]) -> Filer:
    def detect(sample: Sample) -> sv.Detections:
        asked.append(sample.media_s)
        return sv.Detections(
            np.array([[0, 0, 20, 40]], np.float32),
            confidence=np.array([0.12], np.float32),
            class_id=np.array([0]),
            data={"class_name": np.array(["person"])},
        )

    return Filer(
        camera=Camera("market", None, ()),
        zones=[whole_frame(WIDTH, HEIGHT, kinds())],
        detect=detect,
        cases=CaseFiler(
            queue, SigningKey.load_or_create(tmp_path / "key.pem"), tmp_path / "evidence"
        ),
        config=Config(data=tmp_path),
        model="digest",
        timezone="UTC",
        first_s=START.timestamp(),
    )


def _violation(
    began_s: float, observed_s: float, kind: str = "motor_vehicle_parked", thing: int = 1
) -> Violation:
    at = START.timestamp()
    box = (20.0, 10.0, 150.0, 80.0)
    limit = {"limit_s": LIMIT_S}
    return Violation(kind, "whole frame", thing, box, at + began_s, at + observed_s, 0.9, limit)


@pytest.mark.parametrize(
    ("kind", "began_s", "observed_s", "expected"),
    [
        pytest.param(
            "motor_vehicle_parked",
            2.0,
            18.0,
            {
                "start": [2, 3, 4],
                "between": [6, 7, 8],
                "limit": [12, 13, 14],
                "end": [16, 17, 18],
            },
            id="the limit and the end are both shown",
        ),
        pytest.param(
            "clutter",
            2.0,
            12.4,
            {"start": [2, 3, 4], "limit": [12, 12.4]},
            id="filed at the limit, as of a stream",
        ),
        pytest.param(
            "clutter",
            2.0,
            5.0,
            {"start": [2, 2.5, 3], "limit": [5]},
            id="shorter than the limit, which a zone has raised meanwhile",
        ),
        pytest.param(
            "motor_vehicle_parked",
            2.0,
            2.0,
            {"start": [2], "between": [2], "limit": [2]},
            id="no time at all: one picture is all there is",
        ),
        pytest.param(
            "motor_vehicle_parked",
            14.0,
            30.0,
            {
                "start": [14, 15, 16],
                "between": [18, 19, 19.9],
                "limit": [24, 25, 26],
                "end": [28, 29, 30],
            },
            id="across two files; the second begins 1 s after the end of the first",
        ),
    ],
)
def test_each_role_gets_its_own_moments(
    kind: str,
    began_s: float,
    observed_s: float,
    expected: dict[str, list[float]],
    filer: Filer,
    footage: Footage,
    asked: list[float],
) -> None:
    stills = filer._stills(_violation(began_s, observed_s, kind), footage)
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
    stills = filer._stills(_violation(14.0, 36.0), footage)
    assert {still.role for still in stills} == {"limit", "end"}


def test_filing_twice_is_filing_once(
    filer: Filer, queue: Queue, asked: list[float], footage: Footage
) -> None:
    violation = _violation(2.0, 8.0)
    key, first = filer.file(violation, footage)
    asked_before = len(asked)
    assert filer.file(violation, footage) == (key, Filed(first.case_id, "known"))
    assert len(asked) == asked_before, "sound evidence is not made again"
    assert len(queue.history(first.case_id)) == 1


def test_damaged_evidence_is_made_again(filer: Filer, tmp_path: Path, footage: Footage) -> None:
    violation = _violation(2.0, 8.0)
    filer.file(violation, footage)
    (package,) = (tmp_path / "evidence").iterdir()
    (package / "manifest.sig").write_bytes(b"")
    filer.file(violation, footage)
    names = sorted(path.name for path in (tmp_path / "evidence").iterdir())
    assert names == [package.name, f"{package.name}.damaged-1"]


def test_a_thing_that_leaves_is_noted_with_its_time(
    filer: Filer, queue: Queue, footage: Footage
) -> None:
    key, filed = filer.file(_violation(2.0, 8.0), footage)
    filer.gone(key, START.timestamp() + 15)
    assert queue.get(filed.case_id).gone_at == START + timedelta(seconds=15)


def test_keys_are_those_of_the_things_that_still_stand() -> None:
    keys = FiledKeys()
    keys.add(_violation(2.0, 8.0), "a")
    keys.add(_violation(2.0, 8.0, thing=2), "b")
    assert keys.get(_violation(2.0, 15.0)) == "a"
    keys.discard(_violation(2.0, 15.0))
    assert keys.get(_violation(2.0, 17.0)) is None
    keys.discard(_violation(2.0, 17.0))
    assert keys.keys == {("motor_vehicle_parked", "whole frame", 2): "b"}


def test_what_stood_there_at_first_came_earlier(filer: Filer) -> None:
    assert filer.finding(_violation(0.0, 8.0)).attributes["since_before_recording"] is True
    assert "since_before_recording" not in filer.finding(_violation(1.0, 8.0)).attributes


def test_a_case_carries_what_its_zone_says_on_that_day(filer: Filer) -> None:
    plain = filer.finding(_violation(1.0, 8.0)).attributes
    assert {"warning", "notice", "address"}.isdisjoint(plain)
    zone = replace(
        filer.zones[0], notice="at_once", warning_until=START.date(), address="7 Market Street"
    )
    filer = replace(filer, zones=[zone])
    said = filer.finding(_violation(1.0, 8.0)).attributes
    assert (said["warning"], said["notice"], said["address"]) == (
        *(True, "at_once", "7 Market Street"),
    )
    later = replace(filer, utc=lambda seconds: utc_of(seconds + 86_400))
    assert "warning" not in later.finding(_violation(1.0, 8.0)).attributes


def test_what_was_over_before_the_first_sample_is_of_an_earlier_view(filer: Filer) -> None:
    filer = replace(filer, first_s=START.timestamp() + 9)
    assert "since_before_recording" not in filer.finding(_violation(1.0, 8.0)).attributes


def _package(root: Path) -> Path:
    (package,) = root.iterdir()
    return package


def _manifest(root: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((_package(root) / "manifest.json").read_bytes())
    return written


@pytest.mark.parametrize(
    ("began_s", "observed_s", "clips"),
    [
        (6.0, 12.0, {"clip": (1.0, 17.0)}),
        # Each of its own recording, in that recording's time.
        (10.0, 31.0, {"clip-start": (5.0, 15.0), "clip-end": (5.0, 15.0)}),
    ],
)
def test_clips_show_beginning_and_end(
    began_s: float,
    observed_s: float,
    clips: dict[str, tuple[float, float]],
    filer: Filer,
    footage: Footage,
) -> None:
    filer.file(_violation(began_s, observed_s), footage)
    manifest = _manifest(filer.cases.root)
    asked = {
        clip["name"]: (clip["asked_start_s"], clip["asked_end_s"]) for clip in manifest["clips"]
    }
    assert asked == {name: pytest.approx(span) for name, span in clips.items()}
    for clip in manifest["clips"]:
        assert clip["pictures"] == pytest.approx(10 * (clip["end_s"] - clip["start_s"]), abs=2)
        assert (_package(filer.cases.root) / clip["path"]).is_file()


@pytest.mark.parametrize("stream", [False, True])
def test_evidence_tells_where_it_comes_from(stream: bool, filer: Filer, footage: Footage) -> None:
    footage.stream = stream
    filer.file(_violation(10.0, 31.0), footage)
    provenance = _manifest(filer.cases.root)["provenance"]
    assert provenance["clock"] == "the start given"
    if stream:
        # The parts that it was cut from are discarded: their names would mean nothing.
        assert provenance["source"] == {"stream": "market"}
        assert "began_in" not in provenance
    else:
        assert provenance["source"]["name"] == "1.mp4"
        assert provenance["began_in"] == {"name": "0.mp4"}


def test_where_no_video_was_kept_the_case_has_no_pictures(filer: Filer, queue: Queue) -> None:
    key, filed = filer.file(_violation(2.0, 8.0), Footage(stream=True))
    assert queue.get(filed.case_id).evidence is None
    assert not filer.cases.root.exists()
    filer.gone(key, START.timestamp() + 15)
    assert queue.get(filed.case_id).gone_at == START + timedelta(seconds=15)


def test_times_are_those_of_the_clock_that_is_handed_in(
    filer: Filer, queue: Queue, footage: Footage
) -> None:
    """A stream's own time, which only its clock can turn into UTC."""
    shift = START.timestamp() - 100.0
    filer = replace(filer, utc=lambda seconds: datetime.fromtimestamp(seconds + shift, UTC))
    box = (20.0, 10.0, 150.0, 80.0)
    stay = Violation("clutter", "whole frame", 1, box, 102.0, 108.0, 0.9)
    key, filed = filer.file(stay, footage)
    case = queue.get(filed.case_id)
    assert (case.began, case.observed) == (
        *(START + timedelta(seconds=2), START + timedelta(seconds=8)),
    )
    filer.seen(key, 110.0)
    assert queue.get(case.id).observed == START + timedelta(seconds=10)
    filer.gone(key, 115.0)
    assert queue.get(case.id).gone_at == START + timedelta(seconds=15)


def test_a_thing_that_is_still_there_is_noted(filer: Filer, queue: Queue, footage: Footage) -> None:
    key, filed = filer.file(_violation(2.0, 8.0), footage)
    filer.seen(key, START.timestamp() + 60)
    assert queue.get(filed.case_id).observed == START + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("from_s", "to_s", "outcome"),
    [
        (-22.0, 38.0, "joined"),
        (-22.0, 30.0, "joined"),  # hidden for a while once the camera was watched again
        (18.0, 38.0, "new"),  # the case was seen for the last time well before
        (-22.0, 10.0, "new"),  # watched for long, and nothing was there
    ],
)
def test_a_thing_that_may_have_stood_there_unwatched_continues_its_case(
    from_s: float, to_s: float, outcome: str, filer: Filer, queue: Queue, footage: Footage
) -> None:
    """The program was away, and its state was lost."""
    first = filer.file(_violation(2.0, 8.0), footage).filed
    at = START.timestamp()
    lost_s = filer.config.tracking.lost_s
    unwatched = UnwatchedTimes(lost_s, 600.0, [(at + from_s, at + to_s)])
    stay = _violation(38.0, 40.0, thing=7)
    again = filer.file(stay, footage, unwatched.missed(stay.began)).filed
    assert again.outcome == outcome
    assert (again.case_id == first.case_id) == (outcome == "joined")


def test_with_a_new_view_all_keys_but_the_cameras_own_are_discarded() -> None:
    gone = _violation(3.0, 8.0, kind="clutter", thing=2)
    blind = _violation(2.0, 9.0, CAMERA_BLIND, thing=0)
    keys = FiledKeys()
    for violation, key in ((_violation(2.0, 8.0), "a"), (gone, "b"), (blind, "c")):
        keys.add(violation, key)
    keys.discard_view(but={thing_of(gone)})
    assert keys.keys == {thing_of(gone): "b", thing_of(blind): "c"}


def test_a_camera_that_shows_nothing_is_a_case_where_the_camera_stands(
    filer: Filer, queue: Queue
) -> None:
    filer = replace(filer, camera=Camera("market", (29.87, 121.55), ()))
    blind = Violation(
        CAMERA_BLIND,
        "camera",
        0,
        (0.0, 0.0, 192.0, 96.0),
        START.timestamp() + 1,
        START.timestamp() + 601,
        1.0,
        {"reason": "dark"},
    )
    case = queue.get(filer.file(blind, Footage(stream=True)).filed.case_id)
    assert (case.kind, case.standard) == ("camera_blind", "cv-engine")
    assert case.attributes == {"reason": "dark"}
    assert case.place.geometry == {"type": "Point", "coordinates": [121.55, 29.87]}
    assert case.place.basis == "camera"


def test_what_cannot_be_noted_can_be_noted_later(
    filer: Filer, queue: Queue, footage: Footage, tmp_path: Path
) -> None:
    key, filed = filer.file(_violation(2.0, 8.0), footage)
    away = open_queue(tmp_path / "away" / "queue.db")  # knows nothing of the finding
    with pytest.raises(QueueError):
        replace(filer, cases=replace(filer.cases, queue=away)).gone(key, START.timestamp() + 15)
    away.close()
    filer.gone(key, START.timestamp() + 15)
    assert queue.get(filed.case_id).gone_at == START + timedelta(seconds=15)
