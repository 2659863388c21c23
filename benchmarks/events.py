"""Cases against events that people read off the clips.

Every clip is analysed as a user would, whole frame, with a short dwell since the clips are short.
An event is found (*loose*) by a case of the right kind that overlaps it in time and place, and
found *strictly* if the boxes also agree (IoU of at least 0.5) and the start lies within the event's
tolerance and two seconds. Each case matches one event.

A case without an event is false only where ``clips.csv`` says that the truth lists every new event
of its kind, and only if it began after the first sample: a thing that stands there from the
beginning and matches no row is not judged.

The plain method is judged on the same clips in the same run: the same detector five times a second,
ByteTrack, and whatever stands still for the dwell. Intervals hold 95 % of the values over clips
drawn again (bootstrap).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.engine_cases import cases_of, short_dwell_config
from benchmarks.harness.event_figures import Figures, confidence_error, figures, reliability, total
from benchmarks.harness.event_score import Score, judge
from benchmarks.harness.labelled_clips import TABLES, Clip, read_clips, read_events
from benchmarks.harness.plain_stays import plain_cases
from cv_engine.config import load_config
from cv_engine.pipeline.camera_setup import detector_of


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="benchmarks events",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/video"))
    parser.add_argument("--dwell-s", type=float, default=3.0, help="shortest stay (default 3 s)")
    parser.add_argument(
        "--sample-s", type=float, help="interval between samples (default dwell / 6, at most 2 s)"
    )
    parser.add_argument("--only", help="analyse only clips whose name contains this")
    parser.add_argument("--no-plain", action="store_true", help="leave out the plain method")
    options = parser.parse_args(argv)
    for name in TABLES:
        if not (options.data / name).is_file():
            parser.error(
                f"{options.data}: there is no {name}; --data is a folder of labelled clips"
            )
    clips = [
        clip
        for clip in read_clips(options.data)
        if options.only is None or options.only in clip.path.name
    ]
    ours = _ours(clips, options)
    print("\n".join(line for score in ours for line in score.lines))
    rows = {"cv-engine": figures(ours)}
    if not options.no_plain:
        rows["plain"] = figures(_plain(clips, options))
    _table(rows)
    error = round(confidence_error(total(ours)), 4)
    table = reliability(total(ours))
    print(json.dumps(_result(rows) | {"reliability": table, "confidence_error": error}))
    return 0


def _ours(clips: Sequence[Clip], options: argparse.Namespace) -> list[Score]:
    scores = []
    with tempfile.TemporaryDirectory() as scratch:
        for clip in clips:
            data = Path(scratch) / clip.path.stem
            config = short_dwell_config(data, options.dwell_s, options.sample_s)
            score, name = Score(), clip.path.name
            cases = cases_of(clip.path, config)
            judge(score, read_events(options.data, name), cases, clip.exhaustive, name)
            scores.append(score)
    return scores


def _plain(clips: Sequence[Clip], options: argparse.Namespace) -> list[Score]:
    detector = detector_of(load_config(None))
    scores = []
    for clip in clips:
        score, name = Score(), clip.path.name
        cases = plain_cases(clip.path, options.dwell_s, detector)
        judge(score, read_events(options.data, name), cases, clip.exhaustive, name)
        scores.append(score)
    return scores


def _table(rows: dict[str, Figures]) -> None:
    print(
        f"\n{'':10s}{'recall':18s}{'strict':18s}{'precision':18s}{'false':>6s}  "
        f"{'cases per thing':18s}{'start error, s':18s}"
    )
    for name, row in rows.items():
        print(
            f"{name:10s}{row.recall!s:18s}{row.strict!s:18s}{row.precision!s:18s}{row.false:6d}  "
            f"{row.cases_per_thing!s:18s}{row.start_error_s!s:18s}"
        )


def _result(rows: dict[str, Figures]) -> dict[str, object]:
    result: dict[str, object] = {}
    for name, row in rows.items():
        start = "" if name == "cv-engine" else f"{name}_"
        named = {
            "recall": row.recall,
            "precision": row.precision,
            "f1": row.f1,
            "recall_strict": row.strict,
            "precision_strict": row.precision_strict,
            "cases_per_thing": row.cases_per_thing,
            "start_error_s": row.start_error_s,
        }
        for figure, value in named.items():
            result[f"{start}{figure}"] = round(value.value, 4)
            result[f"{start}{figure}_interval"] = [round(value.low, 4), round(value.high, 4)]
        result[f"{start}false_cases"] = row.false
    return result
