"""How many live streams one core watches, against the plain method: `throughput --live`.

A real RTSP server on the other cores simulates the cameras: each shows one of the clips of
``--data``, 1080p, 25 pictures a second, a key frame every 2 seconds, alternately forward and
backward, so that nothing jumps as it would in a loop, and each at another phase. Each method runs
alone in a process that is bound to one core:

* cv-engine: a worker with the shipped settings watches all streams, over TCP, into a real queue;
* the plain method: OpenCV receives and decodes every picture of one stream, the same detector runs
  on each;
* supervision's loop: its frame generator on the same stream, the same detector, its polygon zone.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from benchmarks.cameras.fleet import Fleet, available
from benchmarks.cameras.footage import Footage, encoded
from benchmarks.harness.alone import alone
from benchmarks.harness.recording import HEIGHT, KEY_INTERVAL_S, RATE, WIDTH, clips_in
from cv_engine.config import CameraConfig, Config, load_config
from cv_engine.live.status import Latency, WorkerStatus
from cv_engine.live.worker.worker import Worker
from cv_engine.pipeline.camera_setup import detector_of

# Of each clip, so that preparing them takes minutes.
_CLIP_S = 24.0
_WARM_UP_S = 45.0
# Cameras before the others are added, for the memory of each.
_FIRST = 10
_SEED = 3


@dataclass(frozen=True, slots=True)
class Watched:
    """The cost of watching, on one core.

    Attributes:
        streams: Number of streams.
        live: How many of them were live at the end.
        seconds: Time measured.
        cpu_s: CPU seconds meanwhile.
        samples: Samples meanwhile.
        asked: Samples for which the detector ran.
        dropped: Samples dropped.
        latency: From capture to the end of each sample's processing.
        camera_mb: Memory of each added camera, MiB.
        memory_mb: Of the process, MiB.
        checkpoint_mb: A camera's checkpoint, MB on disk.
        received_mbit_s: All streams together.
    """

    streams: int
    live: int
    seconds: float
    cpu_s: float
    samples: int
    asked: int
    dropped: int
    latency: Latency
    camera_mb: float
    memory_mb: float
    checkpoint_mb: float
    received_mbit_s: float

    @property
    def share(self) -> float:
        """CPU seconds per second."""
        return self.cpu_s / self.seconds

    @property
    def keeps_up(self) -> bool:
        """Whether every due sample was processed: only then is :attr:`share` the cost of all."""
        return self.live == self.streams and self.dropped == 0


def footage(clips: Sequence[Path], cache: Path) -> list[Footage]:
    """The cameras' footage: each clip forward and backward; cached."""
    cache.mkdir(parents=True, exist_ok=True)
    shown = []
    for clip in clips:
        palindrome = cache / f"{clip.stem}-{clip.stat().st_size}-{_CLIP_S:.0f}.mkv"
        if not palindrome.exists():
            _write_palindrome(clip, palindrome)
        size = (WIDTH, HEIGHT)
        shown.append(
            encoded(palindrome, cache, size=size, rate=RATE, key_interval_s=KEY_INTERVAL_S)
        )
    return shown


def _write_palindrome(clip: Path, path: Path) -> None:
    """Writes a clip forward and backward, losslessly, at its own size and rate."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        rate = stream.guessed_rate or stream.average_rate or 25
        frames: list[NDArray[np.uint8]] = []
        for frame in container.decode(stream):
            if len(frames) >= _CLIP_S * rate:
                break
            frames.append(np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8))
    part = path.with_suffix(".part.mkv")
    with av.open(str(part), "w") as out:
        stream = out.add_stream("ffv1", rate=rate)
        height, width = frames[0].shape[0] * 2 // 3, frames[0].shape[1]
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in (*frames, *reversed(frames)):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        out.mux(stream.encode(None))
    part.replace(path)


def watch(urls: Sequence[str], seconds: float, data: Path) -> Watched:
    """Watches streams with the shipped settings for some time."""
    config = _config(urls, data)
    names = [camera.name for camera in config.cameras]
    worker = Worker(config, "benchmark")
    worker.start()
    try:
        worker.watch(names[:_FIRST])
        few = _after(worker, _WARM_UP_S / 2)
        worker.watch(names)
        before = _after(worker, _WARM_UP_S)
        after = _after(worker, seconds)
    finally:
        worker.stop()
    checkpoints = list((data / "live" / "checkpoints").glob("*.checkpoint"))
    checkpoint_mb = sum(path.stat().st_size for path in checkpoints) / 1e6 / len(checkpoints)
    return _difference(few, before, after, checkpoint_mb)


def _config(urls: Sequence[str], data: Path) -> Config:
    cameras = tuple(
        CameraConfig.model_validate({"name": f"camera-{number}", "url": url})
        for number, url in enumerate(urls)
    )
    return load_config(None).model_copy(update={"data": data, "cameras": cameras})


def _after(worker: Worker, seconds: float) -> WorkerStatus:
    time.sleep(seconds)
    return worker.status()


def _difference(
    few: WorkerStatus, before: WorkerStatus, after: WorkerStatus, checkpoint_mb: float
) -> Watched:
    def grown(name: str) -> int:
        return sum(int(getattr(camera, name)) for camera in after.cameras) - sum(
            int(getattr(camera, name)) for camera in before.cameras
        )

    latency = Latency()
    for camera in after.cameras:
        latency = latency + camera.latency
    for camera in before.cameras:
        latency = latency - camera.latency
    added = max(1, len(after.cameras) - len(few.cameras))
    seconds = after.at - before.at
    return Watched(
        streams=len(after.cameras),
        live=sum(camera.state == "live" for camera in after.cameras),
        seconds=seconds,
        cpu_s=after.cpu_s - before.cpu_s,
        samples=grown("samples"),
        asked=grown("asked"),
        dropped=grown("dropped"),
        latency=latency,
        camera_mb=(after.memory_mb - few.memory_mb) / added,
        memory_mb=after.memory_mb,
        checkpoint_mb=checkpoint_mb,
        received_mbit_s=8e-6 * grown("received_bytes") / seconds,
    )


def plain(url: str, seconds: float) -> float:
    """Streams per core of OpenCV's receiver with the detector on every picture."""
    detector = detector_of(load_config(None))
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])

    def pictures() -> Iterator[NDArray[np.uint8]]:
        while True:
            there, image = capture.read()
            if not there:
                return
            yield np.asarray(image, np.uint8)

    try:
        return _streams_per_core(
            (len(detector([image])[0]) for image in pictures()), seconds=seconds
        )
    finally:
        capture.release()


def supervision_loop(url: str, seconds: float) -> float:
    """Streams per core of supervision's loop as its zone examples have it."""
    detector = detector_of(load_config(None))
    cv2.setNumThreads(1)
    zone = sv.PolygonZone(np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]]))
    return _streams_per_core(
        (
            int(zone.trigger(detector([image])[0]).sum())
            for image in sv.get_video_frames_generator(url)
        ),
        seconds=seconds,
    )


def _streams_per_core(samples: Iterator[int], *, seconds: float) -> float:
    """How many streams of `RATE` pictures a second one core would keep up with."""
    next(samples)  # opening and the first picture are not counted
    began, cpu = time.monotonic(), time.process_time()
    pictures = 0
    while time.monotonic() - began < seconds and next(samples, None) is not None:
        pictures += 1
    return pictures / RATE / (time.process_time() - cpu)


def run(options: argparse.Namespace) -> dict[str, float]:
    """Takes all measurements; returns the keys of the last line.

    Raises:
        RuntimeError: No RTSP server can be run here.
    """
    missing = available()
    if missing is not None:
        raise RuntimeError(f"no RTSP server can be run here: {missing}")
    shown = footage(clips_in(options.data), options.cache)
    chance = random.Random(_SEED)
    with tempfile.TemporaryDirectory(prefix="live-") as folder, elsewhere(Path(folder)) as fleet:
        for number in range(options.streams):
            film = shown[number % len(shown)]
            phase_s = chance.uniform(0, film.duration_s)
            fleet.add(f"c{number}", film, phase_s=phase_s, mode="loop")
        urls = [fleet.url(f"c{number}") for number in range(options.streams)]
        watched = alone(watch, urls, options.seconds, Path(folder) / "data")
        per_core = alone(plain, urls[0], options.plain_seconds)
        peer = alone(supervision_loop, urls[0], options.plain_seconds)
    _tell(watched, per_core, peer)
    return {
        "streams": watched.streams,
        "live": watched.live,
        "keeps_up": watched.keeps_up,
        "core_share": round(watched.share, 3),
        "streams_per_core": round(watched.streams / watched.share, 1),
        "samples_per_s": round(watched.samples / watched.seconds, 1),
        "gate_rate": round(1 - watched.asked / max(1, watched.samples), 3),
        "p95_latency_s": watched.latency.quantile(0.95) or 0.0,
        "dropped": watched.dropped,
        "camera_mb": round(watched.camera_mb, 1),
        "peak_mb": round(watched.memory_mb, 1),
        "checkpoint_mb": round(watched.checkpoint_mb, 2),
        "received_mbit_s": round(watched.received_mbit_s, 1),
        "plain_streams_per_core": round(per_core, 3),
        "supervision_streams_per_core": round(peer, 3),
        "ratio": round(watched.streams / watched.share / per_core, 1),
    }


@contextmanager
def elsewhere(folder: Path) -> Iterator[Fleet]:
    """The server, on any core except the measured one; stopped afterwards."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if len(cores) > 1:
        os.sched_setaffinity(0, cores - {max(cores)})
    with Fleet(folder / "fleet") as fleet:
        if cores:
            os.sched_setaffinity(0, cores)
        yield fleet


def _tell(watched: Watched, per_core: float, peer: float) -> None:
    samples = max(1, watched.samples)
    if not watched.keeps_up:
        print("the worker does not keep up: fewer --streams show how many it can watch")
    print(
        f"{watched.live} of {watched.streams} streams live ({watched.received_mbit_s:.0f} Mbit/s), "
        f"{watched.share:.2f} of a core: {watched.streams / watched.share:.0f} streams per core\n"
        f"{watched.samples / watched.seconds:.1f} samples a second, "
        f"{1 - watched.asked / samples:.0%} without the detector, {watched.dropped} dropped\n"
        f"capture to finding: 95 % within {watched.latency.quantile(0.95)} s, "
        f"mean {watched.latency.sum_s / samples:.2f} s\n"
        f"memory: {watched.camera_mb:.1f} MB for each added camera, "
        f"{watched.memory_mb:.0f} MB in all; "
        f"{watched.checkpoint_mb:.2f} MB for each checkpoint\n"
        f"plain OpenCV: {per_core:.2f} streams per core, supervision: {peer:.2f}"
    )
