"""Recorded footage to cases: the videos of one call, camera by camera."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from cv_engine.config import CameraConfig, Config, ConfigError
from cv_engine.pipeline.camera_setup import CameraSetup
from cv_engine.recorded.recordings import RecordedServices, Recordings
from cv_engine.recorded.report import Progress, Summary, VideoReport
from cv_engine.services import Services
from cv_engine.video.container import AS_STATED, ReadSettings
from cv_engine.video.errors import VideoError
from cv_engine.video.source import Video
from zones.errors import ZoneError

__all__ = ["Progress", "Summary", "VideoReport", "analyze"]


def analyze(
    videos: Sequence[Path],
    *,
    config: Config,
    camera: str | None = None,
    start: datetime | None = None,
    at: tuple[float, float] | None = None,
    zones: Path | None = None,
    reading: ReadSettings = AS_STATED,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Analyses recordings and files the cases that they show.

    Videos of a named camera are one recording in several files: a dwell continues from one to the
    next. Without a name each video is a camera of its own, called like its file. What was analysed
    before with the same settings is skipped, and a run that was killed resumes where it stopped
    when it is called again.

    Where evidence is kept in a store, it is sent during the analysis. A store that does not answer
    delays nothing: what could not be sent waits, and the next call sends it.

    Args:
        videos: Files, in order of time.
        config: Settings.
        camera: The camera's name, of the configuration or a new one.
        start: When the first video began; without an offset in the camera's time zone. For the
            others see :class:`cv_engine.recorded.file_timing.FileTiming`.
        at: The camera's latitude and longitude.
        zones: GeoJSON file of the zones, in place of the configuration's.
        reading: What is known about the recordings that the files do not state; the picture rate in
            place of the configuration's.
        progress: Called after each sample.

    Returns:
        The result of each video, where one that cannot be read does not stop the rest, and the
        evidence that could not be sent.

    Raises:
        ConfigError, ZoneError, ModelError: Settings are wrong.
        QueueError, EvidenceError, LedgerError: The data folder cannot be written, or the store of
            evidence not be opened. What was filed before is kept, and the same call resumes there.
    """
    began = time.process_time()
    summary = Summary()

    def sampled(video: Video, done_s: float) -> None:
        if progress is not None:
            progress(Progress(video.path, done_s, video.duration_s, len(summary.cases)))

    with Services(config) as services:
        recorded = RecordedServices.open(services)
        services.uploader.start()
        services.stamper.start()
        cameras: list[tuple[str, Sequence[Path]]] = [(video.stem, [video]) for video in videos]
        if camera is not None:
            cameras = [(camera, videos)]
        for name, files in cameras:
            setup = _setup_of(name, config, start, at, zones)
            lasting = camera is not None
            known = replace(reading, rate=reading.rate or setup.settings.fps)
            recordings = Recordings(recorded, setup, start, known, lasting=lasting, sampled=sampled)
            for path in files:
                summary.videos.append(VideoReport(path))
                _analyse(recordings, summary.videos[-1])
        summary.unsent = services.send_evidence()
    summary.cpu_s = time.process_time() - began
    return summary


def _setup_of(
    name: str,
    config: Config,
    start: datetime | None,
    at: tuple[float, float] | None,
    zones: Path | None,
) -> CameraSetup:
    """The setup of a camera that need not be in the configuration.

    A camera without a time zone of its own has the offset of the stated start.

    Raises:
        ConfigError: Rules have sizes in metres, and the camera has no ground control points.
        ZoneError: The zones or the place make no sense.
    """
    known = {camera.name: camera for camera in config.cameras}
    settings = known.get(name, CameraConfig(name=name))
    offset = start.utcoffset() if start is not None else None
    if offset and "timezone" not in settings.model_fields_set:
        settings = settings.model_copy(update={"timezone": _offset_name(offset)})
    problems = config.without_scale([settings])
    if problems:
        raise ConfigError("\n".join(text for _, text in problems))
    if at is not None:
        settings = settings.model_copy(update={"latitude": at[0], "longitude": at[1]})
    return CameraSetup.of(settings, zones)


def _offset_name(offset: timedelta) -> str:
    """The name of a fixed offset from UTC, such as ``UTC+08:00``."""
    sign = "-" if offset < timedelta(0) else "+"
    minutes = round(abs(offset) / timedelta(minutes=1))
    return f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}"


def _analyse(recordings: Recordings, report: VideoReport) -> None:
    """Analyses the next video; one that cannot be used is reported as failed."""
    try:
        recordings.analyse(report)
    except (VideoError, ZoneError) as error:
        report.status, report.message = "failed", str(error)
