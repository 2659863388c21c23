"""Analyses mutated recordings: none may stop the batch, crash, hang or take too much memory."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import av
import numpy as np

from benchmarks.harness.log import warnings_to_stderr
from benchmarks.oddities.child import Child, forget_peak, peak_bytes
from benchmarks.oddities.mutation import mutated

HANG_S = 60.0
MOST_BYTES = 2 << 30
# Mutants that are analysed in one call, before a sound recording.
_BATCH = 10
_WIDTH, _HEIGHT, _RATE, _PICTURES = 320, 180, 10, 50
_START = datetime(2026, 5, 1, 8, tzinfo=UTC)
# Extension, encoder and B-frames of each sound recording.
_FORMS = (
    ("mp4", "libx264", 2),
    ("mkv", "libx264", 2),
    ("avi", "mpeg4", 0),
    ("ts", "libx264", 2),
    ("mov", "mjpeg", 0),
    ("h264", "libx264", 0),
    ("flv", "libx264", 0),
)


@dataclass(slots=True)
class Outcome:
    """What became of mutated recordings.

    Attributes:
        statuses: How many were analysed, and how many failed with a reason.
        faults: What went wrong, a line each, by kind.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, kind: str, what: str) -> None:
        """Notes a fault."""
        self.faults.setdefault(kind, []).append(what)

    def row(self) -> dict[str, int]:
        """The figures for the last line of the benchmark."""
        kinds = ("crashes", "tracebacks", "hangs", "over_2_gb")
        return {
            "mutants": sum(self.statuses.values()) + sum(map(len, self.faults.values())),
            "analysed": self.statuses["done"],
            "failed": self.statuses["failed"],
            **{kind: len(self.faults.get(kind, ())) for kind in kinds},
        }


def sound_recordings(folder: Path) -> list[Path]:
    """Writes a short recording in each form: a square that comes, and stays."""
    paths = []
    for extension, encoder, b_frames in _FORMS:
        path = folder / f"sound.{extension}"
        with av.open(str(path), "w") as out:
            stream = out.add_stream(encoder, rate=_RATE)
            assert isinstance(stream, av.VideoStream)
            jpeg = encoder == "mjpeg"
            stream.width, stream.height = _WIDTH, _HEIGHT
            stream.pix_fmt = "yuvj420p" if jpeg else "yuv420p"
            stream.codec_context.gop_size = _RATE
            stream.codec_context.max_b_frames = b_frames
            stream.codec_context.thread_count = 1
            for number in range(_PICTURES):
                frame = av.VideoFrame.from_ndarray(_picture(number), "bgr24")
                frame.pts, frame.time_base = number, Fraction(1, _RATE)
                out.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
            out.mux(stream.encode(None))
        paths.append(path)
    return paths


@cache
def _picture(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = np.random.default_rng(0).integers(60, 120, (_HEIGHT, _WIDTH, 3), np.uint8)
    left = min(20 + 12 * number, 180)
    image[80:130, left : left + 90] = (40, 60, 200)
    image[:8, : 4 * number + 4] = 255
    return image


def mutants(sound: Sequence[Path], count: int, seed: int, folder: Path) -> Iterator[Path]:
    """Writes mutated recordings, one at a time; equal seeds give equal bytes."""
    for number in range(count):
        source = sound[number % len(sound)]
        path = folder / f"{seed}-{number:05}{source.suffix}"
        path.write_bytes(mutated(source.read_bytes(), random.Random(f"{seed} {number}")))
        yield path


def fuzz(count: int, seed: int) -> Outcome:
    """Analyses ``count`` mutated recordings in another process, which is watched."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="fuzz-video-") as name:
        folder = Path(name)
        sound = sound_recordings(folder)
        watched = _Watched(folder)
        try:
            waiting: list[Path] = []
            analysed = 0
            for path in mutants(sound, count, seed, folder):
                waiting.append(path)
                if len(waiting) == _BATCH or len(waiting) + analysed == count:
                    watched.analyse(waiting, sound[0], outcome)
                    analysed += len(waiting)
                    for path in waiting:
                        path.unlink()
                    waiting = []
        finally:
            watched.stop()
    return outcome


class _Watched:
    """The process that analyses, replaced where it crashes or hangs.

    Args:
        folder: Folder for data.
    """

    def __init__(self, folder: Path) -> None:
        self._child = Child(_run, folder)

    def analyse(self, paths: Sequence[Path], sound: Path, outcome: Outcome) -> None:
        """Analyses recordings in one call, and a sound one after them.

        Where that goes wrong, each is analysed in a call of its own, to find the cause.
        """
        fault = self._call(paths, sound, outcome)
        if fault is not None and len(paths) == 1:
            outcome.fault(fault[0], f"{paths[0].name}: {fault[1]}")
        elif fault is not None:
            for path in paths:
                self.analyse([path], sound, outcome)

    def _call(self, paths: Sequence[Path], sound: Path, outcome: Outcome) -> tuple[str, str] | None:
        """Analyses recordings in one call; returns the kind of a fault, and what happened."""
        line = self._child.pipe()
        line.send([str(path) for path in (*paths, sound)])
        while line.poll(HANG_S):
            try:
                kind, *values = line.recv()
            except EOFError:
                self.stop()
                return "crashes", "the process died"
            if kind == "at":
                continue
            if kind == "error":
                self.stop()
                return "tracebacks", values[0]
            return _judged(values[0], values[1], sound, outcome)
        self.stop()
        return "hangs", f"nothing happened for {HANG_S:.0f} s"

    def stop(self) -> None:
        """Ends the process."""
        self._child.stop()


def _judged(
    statuses: Sequence[tuple[str, str, str]], peak: int, sound: Path, outcome: Outcome
) -> tuple[str, str] | None:
    """Counts what became of recordings, unless there is a fault."""
    *mutated_ones, last = statuses
    if (last[0], last[1]) != (sound.name, "done"):
        return "tracebacks", f"the sound recording after it {last[1]}: {last[2]}"
    if peak > MOST_BYTES:
        return "over_2_gb", f"{peak >> 20} MB"
    outcome.statuses.update(status for _, status, _ in mutated_ones)
    return None


def _run(line: Connection, folder: str) -> None:
    """Analyses what the other end names, until that closes the line."""
    from cv_engine.config import Config
    from cv_engine.recorded.analyze import Progress, analyze

    warnings_to_stderr()
    settings = {"video": {"sample_s": 1.0}, "rules": {"parking": {"dwell_s": 2.0}}}

    def at(progress: Progress) -> None:
        line.send(("at", progress.video.name))

    line.send("ready")
    while True:
        try:
            paths = [Path(name) for name in line.recv()]
        except EOFError:
            return
        with tempfile.TemporaryDirectory(dir=folder) as data:
            config = Config.model_validate({"data": data, **settings})
            forget_peak()
            try:
                videos = analyze(paths, config=config, start=_START, progress=at).videos
            except Exception as error:
                line.send(("error", f"{type(error).__name__}: {error}"))
                return
        statuses = [(video.path.name, video.status, video.message) for video in videos]
        line.send(("end", statuses, peak_bytes()))


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; the last line has its figures."""
    parser = argparse.ArgumentParser(prog="benchmarks fuzz video", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="mutated recordings")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other recordings")
    options = parser.parse_args(argv)
    outcome = fuzz(options.count, options.seed)
    for kind, lines in outcome.faults.items():
        for text in lines:
            print(f"{kind}: {text}")
    row = outcome.row()
    print(json.dumps({"benchmark": "fuzz video", "seed": options.seed, **row}))
    return int(bool(outcome.faults))
