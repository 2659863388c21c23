"""Recorded footage to cases: source, sampler, detector, tracker, rules, evidence, queue, wired."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from cv_engine.cases import Queue, open_queue
from cv_engine.checkpoint import Checkpoints
from cv_engine.config import CameraConfig, Config
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.staging import sweep
from cv_engine.ledger import Ledger
from cv_engine.observer import EXPLAINING_CONFIDENCE
from cv_engine.outcome import Progress, Summary, VideoReport
from cv_engine.video.faults import VideoError
from cv_engine.video.source import Video
from cv_engine.watch import Means, Watch
from models.detector import Detector, open_detector
from zones.problem import ZoneError
from zones.zone import load_zones

__all__ = ["Progress", "Summary", "VideoReport", "analyze"]


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
    analysed before with the same settings is not done again, and a run that was killed goes on
    where it stopped when it is called again.

    Args:
        videos: Files, in order of time.
        config: Settings.
        camera: The camera's name, of the configuration or a new one.
        start: When the first video began; without an offset in the camera's time zone. For the
            others see :class:`cv_engine.succession.Succession`.
        at: The camera's latitude and longitude.
        zones: GeoJSON file of the zones, in place of the configuration's.
        progress: Called after each look.

    Returns:
        What became of each video; one that cannot be read does not stop the rest.

    Raises:
        ConfigError, ZoneError, ModelError: Settings are wrong.
        QueueError, EvidenceError, LedgerError: The data folder cannot be written. What was filed
            before is kept, and the same call goes on from there.
    """
    run = _Run(config, zones, at, progress)
    began = time.process_time()
    with run.open():
        if camera is not None:
            run.watch(camera, videos, start, lasting=True)
        else:
            for video in videos:
                run.watch(video.stem, [video], start, lasting=False)
    run.summary.cpu_s = time.process_time() - began
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
        self.summary = Summary()
        self._zones_file = zones
        self._at = at
        self._progress = progress
        self._means: Means

    def open(self) -> Queue:
        """Opens what the run writes to and the detector; the queue is the context to close."""
        data = self.config.data
        ledger = Ledger(data / "progress")
        sweep(self.config.evidence_root)
        key = SigningKey.load_or_create(data / "signing-key.pem")
        detector = self._detector()
        queue = open_queue(self.config.queue)
        checkpoints = Checkpoints(data / "progress")
        self._means = Means(self.config, detector, queue, ledger, checkpoints, key, self._tell)
        return queue

    def _detector(self) -> Detector:
        detector = self.config.detector
        return open_detector(
            detector.model,
            backend=detector.backend,
            precision=detector.precision,
            threads=detector.threads,
            confidence=min(EXPLAINING_CONFIDENCE, detector.confidence),
            input_size=detector.input_size,
        )

    def watch(
        self, name: str, videos: Sequence[Path], start: datetime | None, *, lasting: bool
    ) -> None:
        """Analyses the videos of one camera, in order."""
        known = {camera.name: camera for camera in self.config.cameras}
        settings = known.get(name, CameraConfig(name=name))
        if self._at is not None:
            place = {"latitude": self._at[0], "longitude": self._at[1]}
            settings = settings.model_copy(update=place)
        zones_file = self._zones_file or settings.zones
        zones = load_zones(zones_file, timezone=settings.timezone) if zones_file else None
        watch = Watch(self._means, settings, zones, start, lasting=lasting)
        for path in videos:
            report = VideoReport(path)
            self.summary.videos.append(report)
            try:
                watch.analyse(report)
            except (VideoError, ZoneError) as error:
                report.status, report.message = "failed", str(error)

    def _tell(self, video: Video, done_s: float) -> None:
        """Reports progress, where anyone listens."""
        if self._progress is not None:
            cases = len(self.summary.cases)
            self._progress(Progress(video.path, done_s, video.duration_s, cases))
