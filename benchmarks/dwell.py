"""Stop events from real detections: does the tracker know what stands still?

Data: RoadTrack (Apache-2.0), detections per frame of three motorway cameras with the tracks of the
vehicles that stopped (P) and recordings without a stop (N); there are boxes but no pictures. A stop
found is right where it overlaps a stop of the truth in time and place; each stop of the truth
matches one found stop, any further one counts as false.

Many tracks of the truth start at frame 41: a vehicle that stood already at the first frame is
listed only after a confirmation of 40 frames. Such a stop is found from the first frames on, 1.3 s
before the truth's start. That costs nothing here, since a stop is matched by the frames that both
have; the errors of the start are printed for both kinds.
"""

from __future__ import annotations

import argparse
import json
import lzma
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from cv_engine.rules.dwell import Dwell, Event, Limits
from cv_engine.tracking.still import StillTracker, Tolerance

_CONFIRMED_AT_FRAME = 41
_SAME_PLACE_IOU = 0.3
_CLASSES = {2: "car", 5: "bus", 7: "truck"}


@dataclass(slots=True)
class Stop:
    """One stop.

    Attributes:
        boxes: The box ``(x1, y1, x2, y2)`` by frame.
        first: Frame in which the stop began.
    """

    boxes: dict[int, NDArray[np.float32]]
    first: int

    def overlap(self, other: Stop) -> float:
        """Median intersection over union in the frames that both have, 0 where there are none."""
        shared = sorted(self.boxes.keys() & other.boxes.keys())
        if not shared:
            return 0.0
        mine = np.stack([self.boxes[frame] for frame in shared])
        theirs = np.stack([other.boxes[frame] for frame in shared])
        return float(np.median(np.diagonal(sv.box_iou_batch(mine, theirs))))


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording: detections by frame, and the stops of the truth (none in N)."""

    name: str
    rows: NDArray[np.float64]
    truth: list[Stop]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self.rows[:, 0].max())


@dataclass(slots=True)
class Score:
    """Counts over recordings."""

    truth: int = 0
    found: int = 0
    right: int = 0

    @property
    def recall(self) -> float:
        """Share of the truth's stops found."""
        return self.right / self.truth if self.truth else 0.0

    @property
    def precision(self) -> float:
        """Share of the stops found that are in the truth."""
        return self.right / self.found if self.found else 0.0


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks dwell", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/roadtrack"))
    parser.add_argument("--fps", type=float, default=30.0, help="frames per second (default 30)")
    parser.add_argument("--dwell-s", type=float, default=3.0, help="shortest stop (default 3 s)")
    parser.add_argument("--every", type=int, default=1, help="sample every n-th frame only")
    parser.add_argument("--confidence", type=float, default=0.3, help="detector's threshold")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = _unpacked(options.data, Path(scratch))
        _report(list(_recordings(folder / "P")), list(_recordings(folder / "N")), options)
    return 0


def _report(
    with_stops: list[Recording], without: list[Recording], options: argparse.Namespace
) -> None:
    score = Score()
    errors_first: list[float] = []
    errors_later: list[float] = []
    for recording in with_stops:
        found = stops(recording, options)
        pairs = match(recording.truth, found)
        score.truth += len(recording.truth)
        score.found += len(found)
        score.right += len(pairs)
        for truth, stop in pairs:
            errors = errors_first if truth.first <= _CONFIRMED_AT_FRAME else errors_later
            errors.append((stop.first - truth.first) / options.fps)
    false = sum(len(stops(r, options)) for r in without)
    hours = sum(r.frames for r in without) / options.fps / 3600
    result = {
        "recall": round(score.recall, 4),
        "precision": round(score.precision, 4),
        "false_stops_per_hour": round(false / hours, 2) if hours else 0.0,
    }
    print(f"P: {len(with_stops)} recordings, {score.truth} stops, {score.found} found, ", end="")
    print(f"{score.right} right: recall {score.recall:.3f}, precision {score.precision:.3f}")
    print(f"N: {len(without)} recordings, {hours:.2f} h, {false} false stops")
    for name, errors in (("at frame 41", errors_first), ("later", errors_later)):
        if errors:
            low, middle, high = np.percentile(errors, (10, 50, 90))
            print(
                f"start found less start in the truth, truth starting {name}: "
                f"median {middle:+.1f} s, 10-90 %: {low:+.1f} to {high:+.1f} s ({len(errors)})"
            )
    print(json.dumps(result))


def stops(recording: Recording, options: argparse.Namespace) -> list[Stop]:
    """The stops that the tracker and the dwell state machine find in a recording."""
    tracker = StillTracker(Tolerance(lost_s=4.0))
    limits = Limits(dwell_s=options.dwell_s, gap_s=4.0)
    dwells: dict[int, Dwell] = {}
    found: dict[int, Stop] = {}
    for frame, detections in _samples(recording, options.every, options.confidence):
        time_s = frame / options.fps
        for track in tracker.update(time_s, detections):
            present = track.seen == time_s and track.share >= tracker.tolerance.confirm_share
            state = dwells.get(track.id, Dwell())
            dwells[track.id], event = state.step(limits, time_s, present, track.began)
            if event is Event.DUE and track.id not in found:
                found[track.id] = Stop({}, round(track.began * options.fps))
            if track.id in found:
                found[track.id].boxes[frame] = track.box.copy()
    return list(found.values())


def match(truth: Sequence[Stop], found: Sequence[Stop]) -> list[tuple[Stop, Stop]]:
    """Pairs of truth and found stops, best overlap first, each used once."""
    candidates = []
    for i, wanted in enumerate(truth):
        for j, stop in enumerate(found):
            overlap = wanted.overlap(stop)
            if overlap >= _SAME_PLACE_IOU:
                candidates.append((overlap, i, j))
    pairs, used_truth, used_found = [], set(), set()
    for _, i, j in sorted(candidates, reverse=True):
        if i not in used_truth and j not in used_found:
            used_truth.add(i)
            used_found.add(j)
            pairs.append((truth[i], found[j]))
    return pairs


def _samples(
    recording: Recording, every: int, confidence: float
) -> Iterator[tuple[int, sv.Detections]]:
    rows = recording.rows
    rows = rows[(rows[:, 6] >= confidence) & np.isin(rows[:, 7], list(_CLASSES))]
    starts = np.searchsorted(rows[:, 0], np.arange(1, recording.frames + 2))
    for frame in range(1, recording.frames + 1, every):
        part = rows[starts[frame - 1] : starts[frame]]
        xyxy = np.concatenate([part[:, 2:4], part[:, 2:4] + part[:, 4:6]], axis=1)
        yield (
            frame,
            sv.Detections(
                xyxy=xyxy.astype(np.float32),
                confidence=part[:, 6].astype(np.float32),
                class_id=part[:, 7].astype(int),
                data={"class_name": np.array([_CLASSES[int(c)] for c in part[:, 7]], dtype=str)},
            ),
        )


def _recordings(folder: Path) -> Iterator[Recording]:
    for place in sorted(folder.iterdir()):
        text = (place / "det.txt").read_text().strip()
        if not text:
            continue  # a recording that was never taken
        rows = np.loadtxt(text.splitlines(), delimiter=",", ndmin=2)
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        truth_file = place / "gt.txt"
        yield Recording(place.name, rows, _truth(truth_file) if truth_file.exists() else [])


def _truth(path: Path) -> list[Stop]:
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    found = []
    for number in np.unique(rows[:, 1]):
        track = rows[rows[:, 1] == number]
        xyxy = np.concatenate([track[:, 2:4], track[:, 2:4] + track[:, 4:6]], axis=1)
        frames = track[:, 0].astype(int)
        boxes = dict(zip(frames.tolist(), xyxy.astype(np.float32), strict=True))
        found.append(Stop(boxes, int(frames.min())))
    return found


def _unpacked(data: Path, scratch: Path) -> Path:
    """The folder with P and N, unpacked where the data is an archive."""
    if (data / "P").is_dir():
        return data
    archive = data if data.is_file() else next(iter(sorted(data.glob("*.tar.xz"))), None)
    if archive is None:
        raise SystemExit(f"{data}: neither the folders P and N nor a .tar.xz is there")
    with lzma.open(archive) as packed, tarfile.open(fileobj=packed) as tar:
        tar.extractall(scratch, filter="data")
    place = next(scratch.rglob("P"), None)
    if place is None:
        raise SystemExit(f"{archive}: there is no folder P in it")
    return place.parent
