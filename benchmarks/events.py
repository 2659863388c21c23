"""Cases against events that people read off the clips.

Every clip is analysed as a user would, whole frame, with a short dwell since the clips are short.
An event is found (*loose*) by a case of the right kind that overlaps it in time and place, and
found *strictly* if the boxes also agree (IoU of at least 0.5) and the start lies within the event's
tolerance and two seconds. Each case matches one event.

A case without an event is false only where ``clips.csv`` says that the truth lists every new event
of its kind, and only if it began after the first sample: a thing that stands there from the
beginning and matches no row is not judged.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from cv_engine.cases import Case, Filter, open_queue
from cv_engine.config import Config, load_config
from cv_engine.recorded.analyze import analyze

_START = datetime(2026, 5, 1, tzinfo=UTC)
_LOOSE_IOU = 0.1
_STRICT_IOU = 0.5
_STRICT_EXTRA_S = 2.0
# Samples in the shortest dwell: enough to tell a stay from a slow pass.
_SAMPLES_PER_DWELL = 6
_RULE_OF = {"abandoned": "clutter", "vehicle": "parked"}


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the truth."""

    video: str
    kind: str
    start_s: float
    end_s: float
    box: NDArray[np.float32]
    tolerance_s: float


@dataclass(frozen=True, slots=True)
class Found:
    """One case in a clip's own seconds."""

    kind: str
    start_s: float
    end_s: float
    box: NDArray[np.float32]
    from_first_sample: bool


@dataclass(slots=True)
class Score:
    """Counts over clips."""

    events: int = 0
    found: int = 0
    found_strictly: int = 0
    false: int = 0
    matched: int = 0
    matched_strictly: int = 0
    lines: list[str] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks events", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/video"))
    parser.add_argument("--dwell-s", type=float, default=3.0, help="shortest stay (default 3 s)")
    parser.add_argument(
        "--sample-s", type=float, help="interval between samples (default dwell / 6)"
    )
    parser.add_argument("--only", help="analyse only clips whose name contains this")
    options = parser.parse_args(argv)
    for name in ("clips.csv", "events.csv"):
        if not (options.data / name).is_file():
            parser.error(
                f"{options.data}: there is no {name}; --data is a folder of labelled clips"
            )
    score = Score()
    with tempfile.TemporaryDirectory() as scratch:
        for video, exhaustive in _clips(options.data):
            if options.only is None or options.only in video.name:
                data = Path(scratch) / video.stem
                cases = list(_cases(video, _config(data, options.dwell_s, options.sample_s)))
                _judge(score, _events(options.data, video.name), cases, exhaustive, video.name)
    print("\n".join(score.lines))
    print(json.dumps(_result(score)))
    return 0


def _result(score: Score) -> dict[str, float]:
    recall = score.found / max(1, score.events)
    precision = score.matched / max(1, score.matched + score.false)
    return {
        "recall": round(recall, 4),
        "precision": round(precision, 4),
        "f1": round(2 * recall * precision / max(1e-9, recall + precision), 4),
        "recall_strict": round(score.found_strictly / max(1, score.events), 4),
        "precision_strict": round(score.matched_strictly / max(1, score.matched + score.false), 4),
        "false_cases": score.false,
    }


def _judge(
    score: Score,
    events: Sequence[Event],
    cases: Sequence[Found],
    exhaustive: Sequence[str],
    video: str,
) -> None:
    score.lines.append(f"{video}: {len(cases)} cases, {len(events)} events")
    pairs = _pairs(events, cases)
    for i, event in enumerate(events):
        case = pairs.get(i)
        score.events += 1
        if case is None:
            score.lines.append(f"  MISSED  {event.kind} at {event.start_s} s")
            continue
        strict = _is_strict(event, cases[case])
        score.found += 1
        score.found_strictly += strict
        score.matched += 1
        score.matched_strictly += strict
        score.lines.append(
            f"  {'strict' if strict else 'loose':7s} {event.kind} at {event.start_s} s: began "
            f"{cases[case].start_s:.1f} s, IoU {_iou(event.box, cases[case].box):.2f}"
        )
    for j, case_found in enumerate(cases):
        counted = any(_is_kind(kind, case_found.kind) for kind in exhaustive)
        if j in pairs.values() or case_found.from_first_sample or not counted:
            continue
        score.false += 1
        box = case_found.box.round().astype(int).tolist()
        score.lines.append(f"  FALSE   {case_found.kind} at {case_found.start_s:.1f} s, {box}")


def _pairs(events: Sequence[Event], cases: Sequence[Found]) -> dict[int, int]:
    """The case that matches each event, best overlap first."""
    candidates = []
    for i, event in enumerate(events):
        for j, case in enumerate(cases):
            overlap = _iou(event.box, case.box)
            in_time = case.start_s <= event.end_s and event.start_s <= case.end_s
            if _is_kind(event.kind, case.kind) and in_time and overlap >= _LOOSE_IOU:
                candidates.append((_is_strict(event, case), overlap, i, j))
    pairs: dict[int, int] = {}
    for _, _, i, j in sorted(candidates, reverse=True):
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _is_strict(event: Event, case: Found) -> bool:
    late = abs(case.start_s - event.start_s)
    in_place = _iou(event.box, case.box) >= _STRICT_IOU
    return in_place and late <= event.tolerance_s + _STRICT_EXTRA_S


def _is_kind(truth: str, kind: str) -> bool:
    """Whether the truth's ``abandoned_bag`` or ``vehicle_parked`` is this kind of case."""
    return any(truth.startswith(start) and rule in kind for start, rule in _RULE_OF.items())


def _iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(sv.box_iou_batch(first[None], second[None])[0, 0])


def _cases(video: Path, config: Config) -> Iterator[Found]:
    """The cases of one clip, analysed from scratch."""
    analyze([video], config=config, camera=video.stem, start=_START)
    with open_queue(config.queue) as queue:
        for case in queue.each(Filter()):
            yield _found(case)


def _found(case: Case) -> Found:
    start_s = (case.began - _START).total_seconds()
    end_s = ((case.left_at or case.observed) - _START).total_seconds()
    box = np.asarray(case.place.image_box, np.float32)
    first = bool(case.attributes.get("since_before_recording"))
    return Found(case.kind, start_s, end_s, box, first)


def _config(data: Path, dwell_s: float, sample_s: float | None) -> Config:
    config = load_config(None)
    parking = {"dwell_s": dwell_s, "non_motor_dwell_s": dwell_s}
    rules = config.rules.updated({"parking": parking, "clutter": {"dwell_s": dwell_s}})
    sampled = {"sample_s": sample_s or dwell_s / _SAMPLES_PER_DWELL}
    return config.model_copy(
        update={
            "data": data,
            "rules": rules,
            "video": config.video.model_copy(update=sampled),
        }
    )


def _clips(data: Path) -> Iterator[tuple[Path, list[str]]]:
    with (data / "clips.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield data / row["video"], [kind for kind in row["exhaustive"].split(";") if kind]


def _events(data: Path, video: str) -> list[Event]:
    with (data / "events.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["video"] == video]
    events = []
    for row in rows:
        x, y, width, height = (float(row[name]) for name in ("x", "y", "w", "h"))
        box = np.array([x, y, x + width, y + height], np.float32)
        start_s, end_s = float(row["start_s"]), float(row["end_s"])
        events.append(Event(video, row["kind"], start_s, end_s, box, float(row["tol_start_s"])))
    return events
