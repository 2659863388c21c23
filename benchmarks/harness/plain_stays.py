"""The plain method for stays: a detector, a tracker of moving objects, and what stands still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from benchmarks.harness.byte_track import ByteTrack
from benchmarks.harness.event_score import Found
from models.detector import Detector

#: Pictures a second that the plain method gives to the detector.
PICTURES_PER_S = 5.0
_STILL_IOU = 0.7  # of a box with that in which its track came to rest
_MOTOR = ("car", "truck", "bus", "train", "boat")
_NON_MOTOR = ("bicycle", "motorcycle")
_NO_THINGS = ("person", "bird", "cat", "dog", "traffic light", "fire hydrant", "stop sign")


@dataclass(slots=True)
class Rest:
    """Where a track stands, since when and until when."""

    box: NDArray[np.float64]
    since_s: float
    until_s: float
    word: str


def plain_cases(video: Path, dwell_s: float, detector: Detector) -> list[Found]:
    """Whatever a track of the detector's stands still for the dwell, persons and animals aside."""
    tracked = (
        (time_s, detector([picture])[0]) for time_s, picture in _pictures(video, PICTURES_PER_S)
    )
    return stays(tracked, dwell_s)


def stays(detections: Iterator[tuple[float, sv.Detections]], dwell_s: float) -> list[Found]:
    """The stays of detections by time."""
    tracker = ByteTrack()
    rests: dict[int, Rest] = {}
    ended: list[Rest] = []
    first_s: float | None = None
    for time_s, found in detections:
        first_s = time_s if first_s is None else first_s
        for track in tracker.update(time_s, found):
            rest = rests.get(track.number)
            if rest is not None and _is_still(rest.box, track.box):
                rest.until_s = time_s
                continue
            if rest is not None:
                ended.append(rest)
            rests[track.number] = Rest(track.box, time_s, time_s, track.word)
    ended += rests.values()
    return [
        Found(
            kind, rest.since_s, rest.until_s, rest.box.astype(np.float32), rest.since_s == first_s
        )
        for rest in ended
        if rest.until_s - rest.since_s >= dwell_s and (kind := _kind(rest.word)) is not None
    ]


def _kind(word: str) -> str | None:
    if word in _MOTOR:
        return "motor_vehicle_parked"
    if word in _NON_MOTOR:
        return "non_motor_vehicle_parked"
    return None if word in _NO_THINGS else "clutter"


def _is_still(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return float(sv.box_iou_batch(first[None], second[None])[0, 0]) >= _STILL_IOU


def _pictures(video: Path, per_s: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Pictures of a video at a rate, with the seconds since the first."""
    with av.open(str(video)) as container:
        begin_s: float | None = None
        due_s = 0.0
        for frame in container.decode(video=0):
            begin_s = frame.time if begin_s is None else begin_s
            time_s = frame.time - begin_s
            if time_s + 1e-6 >= due_s:
                due_s = max(due_s + 1 / per_s, time_s + 0.5 / per_s)
                yield time_s, np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
