"""Recorded footage to cases: source, sampler, detector, tracker, rules, evidence, queue, wired."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import supervision as sv

from cv_engine.cases import Queue, open_queue
from cv_engine.config import CameraConfig, Config
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.signing import SigningKey
from cv_engine.filing import Filer
from cv_engine.footage import Footage, Recording
from cv_engine.ledger import Done, Ledger, key_of
from cv_engine.observer import EXPLAINING_CONFIDENCE, Observation, Observer
from cv_engine.video.clock import Clock, start_of
from cv_engine.video.faults import VideoError
from cv_engine.video.frame import Look
from cv_engine.video.sampler import Plan, choose
from cv_engine.video.source import Video, open_video
from models.detector import Detector, open_detector
from zones.camera import Camera
from zones.problem import ZoneError
from zones.zone import Zone, in_sight, load_zones, whole_frame


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: the video, media seconds done and in all, cases so far."""

    video: Path
    done_s: float
    total_s: float | None
    cases: int


@dataclass(slots=True)
class VideoReport:
    """What became of one video.

    Attributes:
        path: The file.
        status: Whether it was analysed, had been before, or failed.
        message: Why it failed, or what else is worth saying.
        looks: Frames looked at.
        detections: Looks in which the detector was asked.
        skipped: Stretches that could not be looked at, and timestamps that were mended.
        camera_events: When the camera was moved, covered, dark or frozen.
        cases: Numbers of its cases.
        seen_s: Media seconds looked at.
    """

    path: Path
    status: Literal["done", "already done", "failed"] = "done"
    message: str = ""
    looks: int = 0
    detections: int = 0
    skipped: list[str] = field(default_factory=list)
    camera_events: list[str] = field(default_factory=list)
    cases: list[int] = field(default_factory=list)
    seen_s: float = 0.0


@dataclass(slots=True)
class Summary:
    """What came of a run."""

    videos: list[VideoReport] = field(default_factory=list)
    cases_new: int = 0
    cases_known: int = 0
    media_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def cases(self) -> list[int]:
        """Numbers of the cases, old and new."""
        return sorted({case for video in self.videos for case in video.cases})


def analyze(
    videos: Sequence[Path],
    *,
    config: Config,
    camera: str | None = None,
    start: datetime | None = None,
    at: tuple[float, float] | None = None,
    zones: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Analyses recordings and files the cases that they show.

    Videos of a named camera are one recording in several files: a dwell goes on from one to the
    next. Without a name each video is a camera of its own, called like its file. What was
    analysed before with the same settings is not done again.

    Args:
        videos: Files, in order of time.
        config: Settings.
        camera: The camera's name, of the configuration or a new one.
        start: When the first video began; without an offset in the camera's time zone.
        at: The camera's latitude and longitude.
        zones: GeoJSON file of the zones, in place of the configuration's.
        progress: Called after each look.

    Returns:
        What became of each video; one that cannot be read does not stop the rest.

    Raises:
        ConfigError, ZoneError, ModelError, QueueError, EvidenceError: Settings are wrong, or the
            data folder cannot be written.
    """
    run = _Run(config, zones, at, progress)
    began = time.process_time()
    with run.open():
        if camera is not None:
            run.watch(camera, videos, start)
        else:
            for video in videos:
                run.watch(video.stem, [video], start)
    run.summary.cpu_s = time.process_time() - began
    run.summary.media_s = sum(video.seen_s for video in run.summary.videos)
    return run.summary


class _Run:
    """One call of :func:`analyze`: what all cameras share."""

    def __init__(
        self,
        config: Config,
        zones: Path | None,
        at: tuple[float, float] | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.config = config
        self.at = at
        self.progress = progress
        self.summary = Summary()
        self._zones_file = zones
        self.detector: Detector
        self.queue: Queue
        self.ledger: Ledger
        self.key: SigningKey

    def open(self) -> Queue:
        """Opens what the run writes to and the detector; the queue is the context to close."""
        data = self.config.data
        try:
            self.ledger = Ledger(data / "progress")
        except OSError as error:
            raise EvidenceError(
                f"{data}: the data folder cannot be written ({error.strerror}); "
                "choose another with --data"
            ) from None
        self.key = SigningKey.load_or_create(data / "signing-key.pem")
        detector = self.config.detector
        self.detector = open_detector(
            detector.model,
            backend=detector.backend,
            precision=detector.precision,
            threads=detector.threads,
            confidence=min(EXPLAINING_CONFIDENCE, detector.confidence),
            input_size=detector.input_size,
        )
        self.queue = open_queue(self.config.queue)
        return self.queue

    def watch(self, name: str, videos: Sequence[Path], start: datetime | None) -> None:
        """Analyses the videos of one camera, in order."""
        known = {camera.name: camera for camera in self.config.cameras}
        settings = known.get(name, CameraConfig(name=name))
        if self.at is not None:
            settings = settings.model_copy(update={"latitude": self.at[0], "longitude": self.at[1]})
        zones_file = self._zones_file or settings.zones
        zones = load_zones(zones_file, timezone=settings.timezone) if zones_file else None
        watch = _Watch(self, settings, zones)
        for path in videos:
            report = VideoReport(path)
            self.summary.videos.append(report)
            try:
                start = watch.analyse(path, start, report)
            except (VideoError, ZoneError) as error:
                report.status, report.message = "failed", str(error)
                start = None if start is None else start

    def tell(self, video: Path, done_s: float, total_s: float | None) -> None:
        """Reports progress, where anyone listens."""
        if self.progress is not None:
            self.progress(Progress(video, done_s, total_s, len(self.summary.cases)))


class _Watch:
    """One camera's recordings, one after the other."""

    def __init__(self, run: _Run, settings: CameraConfig, zones: Sequence[Zone] | None) -> None:
        self._run = run
        self._settings = settings
        self._camera: Camera = settings.camera()
        self._zones = zones
        self._footage = Footage()
        self._observer: Observer | None = None
        self._filer: Filer | None = None
        self._size = (0, 0)
        self._ended: datetime | None = None

    def analyse(self, path: Path, start: datetime | None, report: VideoReport) -> datetime | None:
        """Analyses one recording; returns when the next one begins, where a start was given."""
        video = open_video(path)
        began, basis = start_of(
            path,
            start=start,
            creation_time=video.creation_time,
            pattern=self._settings.file_time,
            tz=ZoneInfo(self._settings.timezone),
            duration_s=video.duration_s,
        )
        recording = Recording(video, Clock(began), basis)
        key = self._key(recording)
        done = self._run.ledger.done(key)
        if done is not None:
            report.status, report.cases = "already done", list(done.cases)
            self._run.summary.cases_known += len(done.cases)
            seen_s = done.seen_s
        else:
            self._look(recording, report)
            seen_s = report.seen_s = recording.seen_s
            self._run.ledger.note(key, video.name, Done(tuple(report.cases), seen_s))
        return None if start is None else began + timedelta(seconds=seen_s)

    def _key(self, recording: Recording) -> str:
        zones = [
            f"{zone.name} {zone.frame} {zone.polygon.wkt} {zone}" for zone in self._zones or ()
        ]
        return key_of(
            [
                recording.fingerprint,
                self._settings.model_dump_json(exclude={"zones"}),
                recording.began.isoformat(),
                self._run.config.digest,
                self._run.detector.digest,
                *zones,
            ]
        )

    def _look(self, recording: Recording, report: VideoReport) -> None:
        video = recording.video
        plan = choose(video, self._run.config.video.sample_s, self._run.config.video.decode)
        for look in video.looks(plan):
            at = recording.clock.at(look.media_s)
            observer = self._ready(recording, plan, at)
            recording.seen_s = look.media_s
            observation = observer.observe(
                at.timestamp(),
                at,
                look.small(*observer.small_size),
                lambda look=look: detect(self._run.detector, look),
            )
            report.looks += 1
            report.detections += observation.asked
            self._ended = at
            self._take(observation, recording, report)
            self._run.tell(video.path, look.media_s, video.duration_s)
        report.skipped = [str(note) for note in (*video.skipped, *video.repairs)]

    def _ready(self, recording: Recording, plan: Plan, at: datetime) -> Observer:
        """The observer, a new one where this recording does not follow on the last."""
        video = recording.video
        if self._footage.recordings and self._footage.recordings[-1] is recording:
            assert self._observer is not None
            return self._observer
        size = (video.width, video.height)
        lost = timedelta(seconds=self._run.config.tracking.lost_s)
        follows = self._ended is not None and timedelta(0) < at - self._ended <= lost
        if self._observer is None or size != self._size or not follows:
            zones = self._zones_on(video)
            self._footage = Footage()
            self._observer = Observer(
                *size,
                zones,
                self._run.config,
                sample_s=plan.sample_s,
                drawn=self._zones is not None,
            )
            self._filer = self._new_filer(zones, at)
            self._size = size
        self._footage.recordings.append(recording)
        return self._observer

    def _new_filer(self, zones: Sequence[Zone], at: datetime) -> Filer:
        run = self._run
        return Filer(
            camera=self._camera,
            zones=zones,
            footage=self._footage,
            detect=lambda look: detect(run.detector, look),
            queue=run.queue,
            config=run.config,
            key=run.key,
            root=run.config.evidence_root,
            model=run.detector.digest,
            timezone=self._settings.timezone,
            first_s=at.timestamp(),
        )

    def _zones_on(self, video: Video) -> list[Zone]:
        if self._zones is None:
            return [whole_frame(video.width, video.height)]
        return in_sight(self._zones, self._camera, video.width, video.height)

    def _take(self, observation: Observation, recording: Recording, report: VideoReport) -> None:
        assert self._filer is not None
        for violation in observation.stays.due:
            filed = self._filer.file(violation)
            report.cases.append(filed.case_id)
            if filed.outcome == "new":
                self._run.summary.cases_new += 1
            else:
                self._run.summary.cases_known += 1
        for violation in observation.stays.ended:
            self._filer.left(violation)
        if observation.view is not None:
            media_s = observation.view.time_s - recording.began.timestamp()
            report.camera_events.append(f"{media_s:.1f} s: the view is {observation.view.state}")


def detect(detector: Detector, look: Look) -> sv.Detections:
    """The detector on a look, scaled on the way out of the decoder, in pixels of the frame."""
    scale = min(1.0, detector.input_size / max(look.width, look.height))
    size = max(1, round(look.width * scale)), max(1, round(look.height * scale))
    found = detector([look.image_at(*size)])[0]
    factor = np.array([look.width / size[0], look.height / size[1]] * 2, np.float32)
    found.xyxy = (found.xyxy * factor).astype(np.float32)
    return found
