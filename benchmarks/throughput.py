"""How many seconds of video one CPU second processes, against the plain method, on one core.

The recording is made from the clips of ``--data``: 1080p, 25 pictures a second, H.264, a key frame
every 2 seconds. Each method runs in a process of its own that is bound to one core, and its CPU
time is measured, start-up included for cv-engine and left out for the others:

* cv-engine: ``analyze`` with the shipped settings, from file to cases;
* the plain method: OpenCV decodes every picture, the same detector runs on each;
* supervision's loop: its frame generator, the same detector, its polygon zone on each picture.

The recording lasts an hour; the other two process a stretch from its middle. Then cv-engine's peak
memory on the hour is compared with that on a shorter recording, since it must not grow with the
footage, and the cases found with key frames are compared with those found with every picture
decoded (short dwell, since the clips are short).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import platformdirs
import supervision as sv

from benchmarks.harness.alone import alone, peak_mb
from benchmarks.harness.recording import HEIGHT, RATE, WIDTH, clips_in, make, repeat
from cv_engine.cases import Filter, open_queue
from cv_engine.config import Config, load_config
from cv_engine.recorded.analyze import analyze
from cv_engine.video.source import open_video
from models.detector import Detector, open_detector

_START = datetime(2026, 5, 1, tzinfo=UTC)
_SAMPLE_S = 2.0
_SAME_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """The cost of one method.

    Attributes:
        media_s: Seconds of video processed.
        cpu_s: CPU seconds used.
        peak_mb: Most memory in use, MiB.
        note: Remark for the table.
    """

    media_s: float
    cpu_s: float
    peak_mb: float
    note: str

    @property
    def speed(self) -> float:
        """Video seconds per CPU second."""
        return self.media_s / max(self.cpu_s, 1e-9)


@dataclass(frozen=True, slots=True)
class Seen:
    """A case in the recording's own seconds: kind, start, box."""

    kind: str
    start_s: float
    box: tuple[float, float, float, float]


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    options = _options(argv)
    if options.live:
        return _live(options)
    clips = clips_in(options.data) if options.data.is_dir() else []
    if not clips:
        print(f"{options.data}: there are no clips", file=sys.stderr)
        return 2
    print(f"making a recording from {len(clips)} clips (once)", file=sys.stderr)
    once = make(clips, options.cache)
    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        scratch = Path(folder)
        recording = repeat(once, options.seconds, scratch / "recording.mp4")
        engine = alone(_engine, recording, scratch / "cases")
        plain = alone(_plain, recording, options.plain_seconds)
        loop = alone(_supervision, recording, options.plain_seconds)
        _table([("cv-engine", engine), ("plain OpenCV", plain), ("supervision", loop)])
        result = {
            "video_s_per_cpu_s": round(engine.speed, 2),
            "plain_video_s_per_cpu_s": round(plain.speed, 3),
            "supervision_video_s_per_cpu_s": round(loop.speed, 3),
            "ratio": round(engine.speed / plain.speed, 1),
            "peak_mb": round(engine.peak_mb, 1),
        }
        recording.unlink()
        if options.short_seconds:
            result["short_peak_mb"] = _short_peak_mb(once, options.short_seconds, scratch)
        if options.dwell_s:
            result |= _same_cases(once, options.dwell_s, scratch)
    print(json.dumps(result))
    return 0


def _live(options: argparse.Namespace) -> int:
    """Runs the benchmark of live streams."""
    from benchmarks.live import run

    try:
        print(json.dumps(run(options)))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks throughput", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/video"))
    parser.add_argument("--live", action="store_true", help="live streams instead of a recording")
    parser.add_argument(
        "--streams",
        type=int,
        default=100,
        help="with --live: number of streams at once, on one core",
    )
    parser.add_argument(
        "--seconds", type=float, help="length of the recording (3600), or of watching live (240)"
    )
    parser.add_argument(
        "--plain-seconds", type=float, default=8.0, help="stretch for the plain methods"
    )
    parser.add_argument(
        "--short-seconds",
        type=float,
        default=600.0,
        help="length of the shorter recording that peak memory is compared with; 0: none",
    )
    parser.add_argument(
        "--dwell-s", type=float, default=6.0, help="dwell for comparing cases; 0: do not compare"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(platformdirs.user_cache_dir("cv-engine")) / "benchmarks",
        help="folder for the recording",
    )
    options = parser.parse_args(argv)
    if options.seconds is None:
        options.seconds = 240.0 if options.live else 3600.0
    return options


def _config(data: Path, dwell_s: float | None = None, decode: str = "auto") -> Config:
    """The shipped settings, at the benchmark's sampling interval, with another dwell if given."""
    config = load_config(None)
    rules = config.rules
    if dwell_s is not None:
        parking = {"dwell_s": dwell_s, "non_motor_dwell_s": dwell_s}
        rules = rules.updated({"parking": parking, "clutter": {"dwell_s": dwell_s}})
    video = config.video.model_copy(update={"sample_s": _SAMPLE_S, "decode": decode})
    return config.model_copy(update={"data": data, "rules": rules, "video": video})


def _engine(
    recording: Path, data: Path, dwell_s: float | None = None, decode: str = "auto"
) -> Measured:
    began = time.process_time()
    summary = analyze([recording], config=_config(data, dwell_s, decode), start=_START)
    cpu_s = time.process_time() - began
    video = summary.videos[0]
    if video.status != "done":
        raise RuntimeError(f"{recording}: {video.status}: {video.message}")
    note = f"{video.samples} samples, {video.detections} detections, {len(summary.cases)} cases"
    return Measured(summary.media_s, cpu_s, peak_mb(), note)


def _evidence_mb(data: Path) -> float:
    """Mean size of the evidence of a case, MB; 0 where there is none."""
    packages = [path for path in (data / "evidence").glob("*") if not path.name.startswith(".")]
    files = (path for package in packages for path in package.rglob("*") if path.is_file())
    return round(sum(path.stat().st_size for path in files) / 1e6 / max(1, len(packages)), 2)


def _detector() -> Detector:
    """The engine's own detector, as the engine opens it."""
    settings = load_config(None).detector
    return open_detector(
        settings.model,
        backend=settings.backend,
        precision=settings.precision,
        threads=settings.threads,
        confidence=settings.confidence,
        input_size=settings.input_size,
    )


def _plain(recording: Path, seconds: float) -> Measured:
    """Every picture decoded by OpenCV and given to the detector."""
    detector = _detector()
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(str(recording), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    capture.set(cv2.CAP_PROP_POS_FRAMES, _middle(recording))
    found = pictures = 0
    began = time.process_time()
    while pictures < seconds * RATE:
        there, image = capture.read()
        if not there:
            break
        found += len(detector([np.asarray(image, np.uint8)])[0])
        pictures += 1
    cpu_s = time.process_time() - began
    capture.release()
    return Measured(pictures / RATE, cpu_s, peak_mb(), f"{pictures} pictures, {found} boxes")


def _supervision(recording: Path, seconds: float) -> Measured:
    """The loop of supervision as its zone examples have it, with the same detector."""
    detector = _detector()
    cv2.setNumThreads(1)
    zone = sv.PolygonZone(np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]]))
    start = _middle(recording)
    end = start + round(seconds * RATE)
    inside = pictures = 0
    began = time.process_time()
    for image in sv.get_video_frames_generator(str(recording), start=start, end=end):
        inside += int(zone.trigger(detector([image])[0]).sum())
        pictures += 1
    cpu_s = time.process_time() - began
    return Measured(pictures / RATE, cpu_s, peak_mb(), f"{pictures} pictures, {inside} in zone")


def _middle(recording: Path) -> int:
    """Number of the picture half-way."""
    return round((open_video(recording).duration_s or 0.0) / 2 * RATE)


def _table(rows: Iterable[tuple[str, Measured]]) -> None:
    print(f"{'':14s}{'video s':>9s}{'CPU s':>9s}{'video s / CPU s':>17s}{'peak MB':>9s}")
    for name, row in rows:
        print(
            f"{name:14s}{row.media_s:9.0f}{row.cpu_s:9.2f}{row.speed:17.2f}{row.peak_mb:9.0f}"
            f"  {row.note}"
        )


def _short_peak_mb(once: Path, seconds: float, scratch: Path) -> float:
    """Peak memory on a shorter recording, MiB: about the same, or memory grows with the footage."""
    recording = repeat(once, seconds, scratch / "short.mp4")
    measured = alone(_engine, recording, scratch / "short")
    recording.unlink()
    _table([(f"{seconds / 60:.0f} minutes", measured)])
    return round(measured.peak_mb, 1)


def _same_cases(once: Path, dwell_s: float, scratch: Path) -> dict[str, float]:
    """The cases of key frames alone against those of every picture decoded."""
    cases: dict[str, list[Seen]] = {}
    for decode in ("auto", "all"):
        data = scratch / decode
        measured = alone(_engine, once, data, dwell_s, decode)
        _table([(f"decode {decode}", measured)])
        cases[decode] = _cases(_config(data))
    same = sum(any(_same(case, other) for other in cases["auto"]) for case in cases["all"])
    extra = sum(not any(_same(case, other) for other in cases["all"]) for case in cases["auto"])
    print(f"cases with every picture decoded: {len(cases['all'])}, also with key frames: {same}")
    print(f"cases with key frames only: {extra}")
    return {
        "cases_all": len(cases["all"]),
        "cases_same": same,
        "cases_extra": extra,
        "evidence_mb": _evidence_mb(scratch / "auto"),
    }


def _cases(config: Config) -> list[Seen]:
    with open_queue(config.queue) as queue:
        return [
            Seen(case.kind, (case.began - _START).total_seconds(), case.place.image_box)
            for case in queue.each(Filter())
            if case.place.image_box is not None
        ]


def _same(first: Seen, second: Seen) -> bool:
    one, other = (np.array([seen.box], np.float32) for seen in (first, second))
    overlap = float(sv.box_iou_batch(one, other)[0, 0])
    near = abs(first.start_s - second.start_s) <= _SAMPLE_S + 1 / RATE
    return first.kind == second.kind and near and overlap > _SAME_IOU
