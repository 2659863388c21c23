"""One live camera without a network: real pictures, a real queue, and a clock set by the test."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import supervision as sv
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cv_engine.cases import Case, Queue, open_queue
from cv_engine.config import Config
from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.buffer.sampler import LiveSampler
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.status import SamplingCounts
from cv_engine.live.worker.checkpoint_replica import CheckpointReplica
from cv_engine.live.worker.checkpoint_writer import CheckpointWriter
from cv_engine.live.worker.decoding import SampleDecoder
from cv_engine.live.worker.services import LiveServices
from cv_engine.live.worker.view import LiveView
from cv_engine.pipeline.camera_setup import CameraSetup
from cv_engine.services import Services
from cv_engine.video.frame import Image, Scaler
from models.detector import Detector
from tests.live.encoded_frames import BEGAN_S, HandClock, encoded_frames
from tests.tracking.scenes import HEIGHT, WIDTH, Scene

DWELL_S = 60.0
SAMPLE_S = 2.0
_GOP = 2  # one picture per second: a key frame every two


class Silent:
    """A detector that sees no person beside a case; the scene knows what stands there."""

    digest = "a detector"
    input_size = 640

    def __call__(self, images: Sequence[Image]) -> list[sv.Detections]:
        return [sv.Detections.empty() for _ in images]


def settings(folder: Path, camera: dict[str, Any] | None = None, **live: Any) -> Config:
    """Limits of a minute, for cases and for cameras that show nothing."""
    return Config.model_validate(
        {
            "data": folder,
            "video": {"sample_s": SAMPLE_S},
            "rules": {"parking": {"dwell_s": DWELL_S}, "clutter": {"dwell_s": DWELL_S}},
            "evidence": {"redact": False},
            "live": {"blind_s": 60.0, "gap_s": 600.0, **live},
            "cameras": [{"name": "market", **(camera or {})}],
        }
    )


def film(path: Path, pictures: Sequence[NDArray[np.uint8]]) -> list[EncodedFrame]:
    """Compressed grey pictures, one per second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=1)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.gop_size, context.max_b_frames, context.thread_count = _GOP, 0, 1
        context.options = {"preset": "ultrafast", "crf": "14", "sc_threshold": "0"}
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return encoded_frames(path)


@dataclass
class Watched:
    """A camera before a scene, whose time is that of the machine.

    Attributes:
        folder: Folder of everything that is kept.
        scene: What it shows.
        config: Settings.
        queue: Where cases go.
        machine: The machine's clocks.
        size: Size of the pictures, pixels.
        runs_tasks: Whether there is time for work that can wait.
        detector_busy_s: When there is no time for the detector, seconds.
    """

    folder: Path
    scene: Scene
    config: Config
    queue: Queue
    machine: HandClock = field(default_factory=HandClock)
    size: tuple[int, int] = (WIDTH, HEIGHT)
    runs_tasks: bool = True
    detector_busy_s: Container[float] = ()
    connections: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """The program starts; what an earlier run kept is there."""
        folder = self.folder / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        shared = Services(self.config)
        shared.queue, shared.detector = self.queue, cast(Detector, Silent())
        checkpoints = CheckpointWriter(folder)
        services = LiveServices(shared, checkpoints, CheckpointReplica(checkpoints, None, 60.0))
        setup = CameraSetup.of(self.config.camera("market"))
        self.clock: CaptureClock = self.machine.capture()
        self.ring = RingBuffer(self.folder / "kept", self.config.live.ring_s, 1 << 30)
        self.is_live = False
        self.counts = SamplingCounts("market", SAMPLE_S)
        self.view = LiveView(services, setup, self.clock, self.ring, self.counts)
        self.sampler = LiveSampler(SAMPLE_S)
        self.decoder = SampleDecoder(Scaler())

    @property
    def now_s(self) -> float:
        """The machine's time, seconds since it was switched on."""
        return self.machine.monotonic - HandClock().monotonic

    def until(
        self, last_s: float, picture: Callable[[float], NDArray[np.uint8]] | None = None
    ) -> Watched:
        """Watches up to a time, over a new connection."""
        show = picture or self.scene.picture
        times = np.arange(self.now_s, last_s, 1.0).tolist()
        shown = [show(time_s) for time_s in times]
        if self.size != (WIDTH, HEIGHT):
            shown = [np.asarray(cv2.resize(each, self.size), np.uint8) for each in shown]
        self.connections += 1
        made = film(self.folder / f"{self.connections}.ts", shown)
        self.clock.connected()
        self.sampler.connected()
        self.is_live = True
        for time_s, encoded in zip(times, made, strict=True):
            self._take(time_s, encoded)
            self.machine.pass_by(1.0)
        return self

    def _take(self, time_s: float, encoded: EncodedFrame) -> None:
        """Does what the stream's thread and the samples' thread do."""
        steady_s = self.clock.place(encoded.media_s, self.machine.monotonic, None)
        self.ring.add(steady_s, encoded)
        due = self.sampler.take(steady_s, encoded)
        if due is not None:
            sample = self.decoder.decode(due)
            assert sample is not None
            if self.view.begin(sample):
                is_busy = time_s in self.detector_busy_s
                self.view.conclude(None if is_busy else self._detections(time_s))
        self.work()

    def _detections(self, time_s: float) -> sv.Detections:
        found = self.scene.detections(time_s)
        found.xyxy = (found.xyxy * (self.size[0] / WIDTH)).astype(np.float32)
        return found

    def work(self) -> None:
        """Does what is done between samples."""
        self.view.tick(self.clock.now(), "" if self.is_live else "not to be reached")
        while self.runs_tasks and (work := self.view.next_work()) is not None:
            work()()

    def away(self, seconds: float) -> Watched:
        """The stream is away for a time."""
        self.is_live = False
        for _ in range(round(seconds)):
            self.machine.pass_by(1.0)
            self.work()
        return self

    def restart(self, off_s: float, *, killed: bool = False) -> Watched:
        """The program ends, and is started again after a time."""
        if not killed:
            self.view.save(self.clock.now())
        self.machine.pass_by(off_s)
        self.start()
        return self

    def cases(self, kind: str | None = None) -> list[Case]:
        """All cases, in order."""
        found = [self.queue.get(number) for number in range(1, self.queue.count() + 1)]
        return [case for case in found if kind in (None, case.kind)]

    def second(self, at: Any) -> float:
        """A time on the wall, in seconds since the camera was switched on."""
        return float(at.timestamp()) - BEGAN_S


def watched(folder: Path, scene: Scene, config: Config | None = None) -> Watched:
    """A camera with a queue of its own; the queue is the caller's to close."""
    config = config or settings(folder)
    return Watched(folder, scene, config, open_queue(config.queue))
