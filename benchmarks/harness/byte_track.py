"""ByteTrack (Zhang et al., 2022): detections joined to tracks, weak ones too, by predicted boxes.

The common tracker of moving objects, here for the plain method only. Thresholds are those of its
authors' code: matching costs of 0.8, 0.5 and 0.7, activation above 0.25, and a second for which a
track may be lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import supervision as sv
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

_ACTIVE, _NEW = 0.25, 0.35  # scores: of the first association, and of a new track
_FIRST, _SECOND, _UNCONFIRMED = 0.8, 0.5, 0.7  # most that a match may cost
_LOST_S = 1.0
# Deviations of place and speed for each frame, shares of the box's height.
_PLACE, _SPEED = 1 / 20, 1 / 160
_ASPECT = (1e-2, 1e-5, 1e-1)  # deviations of place, speed and measurement of the aspect


@dataclass(slots=True)
class Tracked:
    """One track.

    Attributes:
        number: Counted from 1.
        word: Class of its first detection.
        seen_s: When it was last detected.
        confirmed: Whether it was detected in two frames in a row, or in the first.
        box: The last detection, xyxy.
    """

    number: int
    word: str
    seen_s: float
    confirmed: bool
    box: NDArray[np.float64]
    mean: NDArray[np.float64] = field(repr=False)
    spread: NDArray[np.float64] = field(repr=False)


class ByteTrack:
    """Tracks over the frames of one video."""

    def __init__(self) -> None:
        self._tracks: list[Tracked] = []
        self._count = 0
        self._began = False

    def update(self, time_s: float, detections: sv.Detections) -> list[Tracked]:
        """The confirmed tracks that a frame shows.

        Args:
            time_s: Of the frame, seconds.
            detections: With scores and ``class_name``, down to a low score.
        """
        for track in self._tracks:
            _predict(track)
        scores = np.asarray(detections.confidence, np.float64)
        boxes = np.asarray(detections.xyxy, np.float64)
        words = [str(word) for word in detections.data.get("class_name", [])]
        strong, weak = np.flatnonzero(scores > _ACTIVE), np.flatnonzero(scores <= _ACTIVE)
        confirmed = [track for track in self._tracks if track.confirmed]
        tentative = [track for track in self._tracks if not track.confirmed]
        seen: list[Tracked] = []

        def take(tracks: list[Tracked], chosen: NDArray[np.intp], most: float, weigh: bool) -> None:
            for i, j in _matches(tracks, boxes[chosen], scores[chosen] if weigh else None, most):
                _correct(tracks[i], boxes[chosen[j]], time_s)
                seen.append(tracks[i])
                used.add(int(chosen[j]))

        used: set[int] = set()
        take(confirmed, strong, _FIRST, True)
        missed = [track for track in confirmed if track not in seen]
        take(missed, weak, _SECOND, False)
        rest = np.array([n for n in strong if int(n) not in used], np.intp)
        take(tentative, rest, _UNCONFIRMED, True)
        self._tracks = [
            track
            for track in self._tracks
            if track.seen_s == time_s or (track.confirmed and time_s - track.seen_s <= _LOST_S)
        ]
        for n in strong:
            if int(n) not in used and scores[n] >= _NEW:
                self._tracks.append(self._new(boxes[n], words[n], time_s))
        self._began = True
        return [track for track in self._tracks if track.confirmed and track.seen_s == time_s]

    def _new(self, box: NDArray[np.float64], word: str, time_s: float) -> Tracked:
        self._count += 1
        measured = _measurement(box)
        height = measured[3]
        place = np.array([2 * _PLACE * height] * 2 + [_ASPECT[0], 2 * _PLACE * height])
        speed = np.array([10 * _SPEED * height] * 2 + [_ASPECT[1], 10 * _SPEED * height])
        mean = np.concatenate([measured, np.zeros(4)])
        spread = np.diag(np.square(np.concatenate([place, speed])))
        return Tracked(self._count, word, time_s, not self._began, box, mean, spread)


def _measurement(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Middle, aspect and height of a box."""
    width, height = box[2:] - box[:2]
    return np.array([*(box[:2] + box[2:]) / 2, width / max(1e-6, height), height])


def _boxes(tracks: list[Tracked]) -> NDArray[np.float64]:
    means = np.array([track.mean[:4] for track in tracks]).reshape(-1, 4)
    half = np.stack([means[:, 2] * means[:, 3], means[:, 3]], axis=1) / 2
    return np.hstack([means[:, :2] - half, means[:, :2] + half])


def _predict(track: Tracked) -> None:
    """Kalman's prediction with constant speed, one frame on."""
    step = np.eye(8) + np.eye(8, k=4)
    height = track.mean[3]
    place = [_PLACE * height] * 2 + [_ASPECT[0], _PLACE * height]
    speed = [_SPEED * height] * 2 + [_ASPECT[1], _SPEED * height]
    track.mean = step @ track.mean
    track.spread = step @ track.spread @ step.T + np.diag(np.square(place + speed))


def _correct(track: Tracked, box: NDArray[np.float64], time_s: float) -> None:
    """Kalman's correction by a detection."""
    height = track.mean[3]
    noise = np.diag(np.square([_PLACE * height] * 2 + [_ASPECT[2], _PLACE * height]))
    gain = track.spread[:, :4] @ np.linalg.inv(track.spread[:4, :4] + noise)
    track.mean = track.mean + gain @ (_measurement(box) - track.mean[:4])
    track.spread = track.spread - gain @ track.spread[:4]
    track.box, track.seen_s, track.confirmed = box, time_s, True


def _matches(
    tracks: list[Tracked],
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64] | None,
    most: float,
) -> list[tuple[int, int]]:
    """Pairs of track and detection, the cheapest whole, none dearer than ``most``."""
    if not tracks or not len(boxes):
        return []
    shared = np.asarray(sv.box_iou_batch(_boxes(tracks), boxes), np.float64)
    cost = 1 - (shared if scores is None else shared * scores[None])
    rows, columns = linear_sum_assignment(np.where(cost <= most, cost, 10.0))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if cost[i, j] <= most]
