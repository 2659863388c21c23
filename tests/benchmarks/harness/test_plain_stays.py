from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import supervision as sv

from benchmarks.harness.byte_track import ByteTrack
from benchmarks.harness.plain_stays import stays

Row = tuple[float, float, float, float, float, str]


def _detections(*rows: Row) -> sv.Detections:
    return sv.Detections(
        xyxy=np.array([row[:4] for row in rows], np.float32).reshape(-1, 4),
        confidence=np.array([row[4] for row in rows], np.float32),
        class_id=np.zeros(len(rows), int),
        data={"class_name": np.array([row[5] for row in rows], dtype=str)},
    )


def _passing_and_parking() -> Iterator[tuple[float, sv.Detections]]:
    """A car drives by all the time; another stops at 4 s, and goes at 10 s."""
    for n in range(75):
        time_s = n / 5
        x = 20 * n
        way = 300 - 60 * max(0, 4 - time_s) + 60 * max(0, time_s - 10)
        yield (
            time_s,
            _detections((x, 10, x + 80, 60, 0.8, "car"), (way, 200, way + 90, 260, 0.7, "car")),
        )


def test_what_stops_is_a_stay_and_what_passes_is_not() -> None:
    (found,) = stays(_passing_and_parking(), 3.0)
    assert found.kind == "motor_vehicle_parked"
    assert abs(found.start_s - 4.0) <= 0.6
    assert abs(found.end_s - 10.0) <= 0.6
    assert abs(found.box[0] - 300) < 30
    assert not found.from_first_sample


def _standing(word: str, score: float = 0.8) -> Iterator[tuple[float, sv.Detections]]:
    for n in range(30):
        yield n / 5, _detections((10, 10, 60, 60, score, word))


def test_persons_are_no_cases_and_bags_are_clutter() -> None:
    assert stays(_standing("person"), 3.0) == []
    (bag,) = stays(_standing("backpack"), 3.0)
    assert (bag.kind, bag.from_first_sample) == ("clutter", True)


def test_weak_detections_alone_begin_no_track() -> None:
    assert stays(_standing("car", 0.2), 3.0) == []


def test_a_weak_detection_continues_a_track() -> None:
    tracker = ByteTrack()
    for n in range(10):
        score = 0.15 if n in (4, 5) else 0.8
        (track,) = tracker.update(n / 5, _detections((10, 10, 60, 60, score, "car")))
        assert track.number == 1


def test_a_track_that_is_lost_for_long_is_a_new_one() -> None:
    tracker = ByteTrack()
    tracker.update(0.0, _detections((10, 10, 60, 60, 0.8, "car")))
    for n in range(1, 8):
        assert tracker.update(n / 5, _detections()) == []
    tracker.update(1.6, _detections((10, 10, 60, 60, 0.8, "car")))
    (track,) = tracker.update(1.8, _detections((10, 10, 60, 60, 0.8, "car")))
    assert track.number == 2
