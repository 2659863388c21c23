"""Recorded footage to cases: source, sampler, detector, tracker, rules, evidence, queue, wired."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cv_engine.cases import Queue, open_queue
from cv_engine.config.settings import CameraConfig, Config
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.staging import sweep
from cv_engine.evidence.storage.outbox import Outbox
from cv_engine.evidence.storage.store import open_store
from cv_engine.evidence.storage.uploader import Uploader
from cv_engine.pipeline.camera_setup import CameraSetup, detector_of
from cv_engine.pipeline.checkpoint import Checkpoints
from cv_engine.recorded.ledger import Ledger
from cv_engine.recorded.recordings import Means, Recordings
from cv_engine.recorded.report import Progress, Summary, VideoReport
from cv_engine.video.errors import VideoError
from cv_engine.video.source import Video
from zones.errors import ZoneError

# How long a run that is broken off waits for the package that is being sent, seconds.
_BREAK_OFF_S = 1.0

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

    Where evidence is kept in a store, it is sent while the looks go on. A store that is away holds
    nothing up: what could not be sent waits, and the next call sends it.

    Args:
        videos: Files, in order of time.
        config: Settings.
        camera: The camera's name, of the configuration or a new one.
        start: When the first video began; without an offset in the camera's time zone. For the
            others see :class:`cv_engine.recorded.file_timing.Succession`.
        at: The camera's latitude and longitude.
        zones: GeoJSON file of the zones, in place of the configuration's.
        progress: Called after each look.

    Returns:
        What became of each video; one that cannot be read does not stop the rest. And which
        evidence could not be sent.

    Raises:
        ConfigError, ZoneError, ModelError: Settings are wrong.
        QueueError, EvidenceError, LedgerError: The data folder cannot be written, or the store of
            evidence not be opened. What was filed before is kept, and the same call goes on from
            there.
    """
    run = _Run(config, zones, at, progress)
    began = time.process_time()
    with run.open(), run.sending():
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
        self._outbox: Outbox

    def open(self) -> Queue:
        """Opens what the run writes to and the detector; the queue is the context to close."""
        data = self.config.data
        store = open_store(self.config.evidence.store or self.config.evidence_root)
        ledger = Ledger(data / "progress")
        sweep(self.config.evidence_root)
        key = SigningKey.load_or_create(data / "signing-key.pem")
        detector = detector_of(self.config)
        queue = open_queue(self.config.queue)
        checkpoints = Checkpoints(data / "progress")
        self._outbox = Outbox(self.config.evidence_root, store, queue)
        uploader = Uploader(self._outbox)
        self._means = Means(
            self.config, detector, queue, ledger, checkpoints, key, uploader, self._tell
        )
        return queue

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Sends evidence while the block runs, and after it what still waits."""
        uploader = self._means.uploader
        uploader.start()
        try:
            yield
        except BaseException:
            uploader.stop(_BREAK_OFF_S)
            raise
        uploader.stop()
        self.summary.unsent = self._outbox.send_waiting().unsent

    def watch(
        self, name: str, videos: Sequence[Path], start: datetime | None, *, lasting: bool
    ) -> None:
        """Analyses the videos of one camera, in order."""
        known = {camera.name: camera for camera in self.config.cameras}
        settings = known.get(name, CameraConfig(name=name))
        if self._at is not None:
            place = {"latitude": self._at[0], "longitude": self._at[1]}
            settings = settings.model_copy(update=place)
        setup = CameraSetup.of(settings, self._zones_file)
        recordings = Recordings(self._means, setup, start, lasting=lasting)
        for path in videos:
            report = VideoReport(path)
            self.summary.videos.append(report)
            try:
                recordings.analyse(report)
            except (VideoError, ZoneError) as error:
                report.status, report.message = "failed", str(error)

    def _tell(self, video: Video, done_s: float) -> None:
        """Reports progress, where anyone listens."""
        if self._progress is not None:
            cases = len(self.summary.cases)
            self._progress(Progress(video.path, done_s, video.duration_s, cases))
