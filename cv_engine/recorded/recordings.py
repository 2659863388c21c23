"""One camera's recordings, one after the other: a stay continues from one into the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from cv_engine.cases import Filed
from cv_engine.files import digest_of
from cv_engine.pipeline.camera_setup import CameraSetup, CameraView, detect_in
from cv_engine.pipeline.checkpoint import Checkpoint, Checkpoints
from cv_engine.pipeline.filing import FiledKeys
from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.recorded.file_timing import FileTiming
from cv_engine.recorded.ledger import Done, Ledger
from cv_engine.recorded.no_cases import Quiet
from cv_engine.recorded.report import VideoReport
from cv_engine.recorded.state import RecordedState, RecordingState, ReportState
from cv_engine.recorded.stretch import Stretch
from cv_engine.services import Services
from cv_engine.video.clock import Clock
from cv_engine.video.container import ReadSettings
from cv_engine.video.errors import VideoError
from cv_engine.video.sampler import choose
from cv_engine.video.source import Video, open_video
from zones.schedule import time_zone

# How much work a kill may cost, seconds. A checkpoint takes some 30 ms: a third of a percent.
CHECKPOINT_EVERY_S = 10.0
# Recorders begin a file with the last moments of the one before, and name files by whole seconds:
# up to so much is sampled only once.
_OVERLAP = timedelta(seconds=2)
# How much footage that is done is sampled again, at most, where the checkpoint after it is lost:
# a day takes a quarter of an hour, and what stands there longer is a case already.
_REPLAY = timedelta(days=1)
_FROM_THE_START = -1.0
_RECOVERED = "the index is lost: the pictures were found without it, and are timed by their rate"


@dataclass(frozen=True, slots=True)
class RecordedServices:
    """What all cameras of a run share.

    Attributes:
        shared: Queue, evidence and detector.
        ledger: Knows the recordings that are done.
        checkpoints: The state of each camera's run.
    """

    shared: Services
    ledger: Ledger
    checkpoints: Checkpoints[RecordedState]

    @classmethod
    def open(cls, services: Services) -> RecordedServices:
        """Opens everything that a run needs, before the first sample.

        Raises:
            QueueError, EvidenceError, LedgerError, ModelError: Settings are wrong, or the data
                folder cannot be written.
        """
        progress = services.config.data / "progress"
        _ = services.store  # first: where its address is wrong, nothing is written
        ledger = Ledger(progress)
        services.open(detector=True)
        return cls(services, ledger, Checkpoints(progress, RecordedState))


class Recordings:
    """One camera's recordings.

    Args:
        services: What all cameras of a run share.
        setup: The camera.
        start: When the first recording began; without an offset in the camera's time zone.
        reading: What the user states about the recordings.
        lasting: Whether more recordings of this camera may follow in another run.
        sampled: Called after each sample with the video and the media seconds done.
    """

    def __init__(
        self,
        services: RecordedServices,
        setup: CameraSetup,
        start: datetime | None,
        reading: ReadSettings,
        *,
        lasting: bool,
        sampled: Callable[[Video, float], None],
    ) -> None:
        settings = setup.settings
        self._services = services.shared
        self._ledger = services.ledger
        self._checkpoints = services.checkpoints
        self._config = services.shared.config
        self._setup = setup
        self._lasting = lasting
        self._sampled = sampled
        self._file_timing = FileTiming(start, settings.file_time, time_zone(settings.timezone))
        self._reading = reading
        self._conditions = setup.conditions(self._config, services.shared.detector)
        self._stretch: Stretch | None = None
        self._behind: list[Recording] = []
        self._saved_at = time.monotonic()
        self._is_timed = start is not None or settings.file_time is not None

    def analyse(self, report: VideoReport) -> None:
        """Analyses the next recording.

        Args:
            report: Names the file, and is filled in.

        Raises:
            VideoError: The file cannot be read.
            ZoneError: No zone lies in the picture.
            QueueError, EvidenceError, LedgerError: What was found cannot be kept.
        """
        recording = self._open(report)
        done = self._ledger.done(recording.key)
        if done is not None:
            recording.seen_s = done.seen_s
            report.status, report.cases = "already done", list(done.cases)
            report.cases_known = len(done.cases)
            self._file_timing.ended(recording.began, done.length_s)
            self._put_behind(recording)
            return
        try:
            after_s = self._catch_up(recording, report)
            self._observe(recording, report, after_s)
        finally:
            self._file_timing.ended(recording.began, recording.length_s)
        self._finish(recording, report)

    def _open(self, report: VideoReport) -> Recording:
        try:
            video = open_video(report.path, self._reading)
            began = self._file_timing.begin(video)
        except VideoError:
            self._file_timing.missed(report.path)
            raise
        recording = Recording.of(video, Clock(began.at), began.basis)
        if began.doubt is not None:
            recording.clock_basis += f"; {began.doubt}"
            report.say(began.doubt)
        notes = [_RECOVERED] if video.recovered else []
        for note in [*notes, *([video.rate.doubt] if video.rate.doubt else [])]:
            recording.clock_basis += f"; {note}"
            report.say(note)
        recording.key = digest_of(
            [recording.fingerprint, began.at.isoformat(), str(self._reading), *self._conditions]
        )
        return recording

    def _put_behind(self, recording: Recording) -> None:
        """Remembers a recording that is done: the next one may have to resume from its end."""
        recording.release()
        self._behind = [*self._behind_of(recording), recording]
        while self._behind and recording.ended - self._behind[0].began > _REPLAY:
            del self._behind[0]

    def _behind_of(self, recording: Recording) -> list[Recording]:
        """The recordings that are done and that this one follows on."""
        if self._behind and self._follows(self._behind[-1].ended, recording.began):
            return self._behind
        return []

    def _follows(self, ended: datetime, began: datetime) -> bool:
        lost = timedelta(seconds=self._config.tracking.lost_s)
        return -_OVERLAP <= began - ended <= lost

    def _catch_up(self, recording: Recording, report: VideoReport) -> float:
        """Brings the observer to where a recording is to be resumed.

        Returns:
            The media second up to which the recording was sampled before.
        """
        chain = [*self._behind_of(recording), recording]
        self._behind = []
        if self._stretch is not None and len(chain) == 1:
            return _FROM_THE_START
        saved = self._checkpoints.load(self._setup.name, digest_of(self._conditions))
        index, after_s = 0, _FROM_THE_START
        if saved is not None:
            index, after_s = self._resume(saved, chain)
        for past in chain[index:-1]:
            log = structlog.get_logger(__name__)
            log.info("sampled again, for stays that continue after it", video=past.path.name)
            self._observe(past, VideoReport(past.path), after_s)
            after_s = _FROM_THE_START
        if saved is not None and after_s > _FROM_THE_START:
            _report_again(saved, report)
        return after_s

    def _resume(
        self, saved: Checkpoint[RecordedState], chain: Sequence[Recording]
    ) -> tuple[int, float]:
        """Restores a checkpoint, where it is of one of these recordings or just before them.

        Returns:
            The index of the recording that comes next, and the media second up to which that was
            sampled.
        """
        keys = [recording.key for recording in chain]
        if saved.key not in keys:
            if saved.finished and self._follows(saved.ended, chain[0].began):
                self._restore(saved, None)
            return 0, _FROM_THE_START
        index = keys.index(saved.key)
        if not saved.finished:
            self._restore(saved, chain[index])
            return index, saved.seen_s
        if index == len(chain) - 1:
            return 0, _FROM_THE_START  # done, but the ledger lost it: sampled again from the start
        self._restore(saved, None)
        return index + 1, _FROM_THE_START

    def _observe(self, recording: Recording, report: VideoReport, after_s: float) -> None:
        """Observes what was not yet sampled of a recording."""
        quiet = Quiet()
        try:
            self._observe_samples(recording, report, after_s, quiet)
        except VideoError:
            self._file_standing(report)
            raise
        self._file_standing(report)
        if not report.cases and self._stretch is not None:
            report.why_none = self._why_none(quiet, self._stretch)

    def _file_standing(self, report: VideoReport) -> None:
        if self._stretch is not None:
            self._note_filed(self._stretch.file_standing(), report)

    def _observe_samples(
        self, recording: Recording, report: VideoReport, after_s: float, quiet: Quiet
    ) -> None:
        video = recording.video
        plan = choose(video, self._config.video.sample_s, self._config.video.decode)
        for sample in video.samples(plan):
            at = recording.clock.at(sample.media_s)
            if sample.media_s <= after_s or self._was_sampled(recording, at):
                recording.seen_s = sample.media_s
                continue
            stretch = self._stretch_at(recording, at, report)
            recording.seen_s = sample.media_s
            detect = partial(detect_in, self._services.detector, sample)
            observation = stretch.view.observer.observe(at.timestamp(), at, sample, detect)
            report.samples += 1
            report.detections += observation.asked
            stretch.ended = at
            quiet.note(stretch.view.observer.zone_dwells, at)
            self._note_filed(stretch.take(observation), report)
            if observation.view is not None:
                media_s = observation.view.time_s - recording.began.timestamp()
                report.camera_events.append(
                    f"{media_s:.1f} s: the view is {observation.view.state}"
                )
            self._sampled(video, sample.media_s)
            if time.monotonic() - self._saved_at >= CHECKPOINT_EVERY_S:
                self._save(recording, report, finished=False)
        report.skipped = [str(note) for note in (*video.skipped, *video.repairs)]
        report.seen_s = recording.seen_s - max(0.0, after_s)

    def _why_none(self, quiet: Quiet, stretch: Stretch) -> list[str]:
        """Why the recordings of a stretch have no cases, as far as is known."""
        first, last = stretch.footage.recordings[0], stretch.footage.recordings[-1]
        return quiet.reasons(
            self._setup,
            stretch.view.observer.zone_dwells,
            first.began,
            last.clock.at(last.length_s),
            None if self._is_timed else first.clock_basis,
        )

    def _finish(self, recording: Recording, report: VideoReport) -> None:
        done = Done(tuple(report.cases), recording.seen_s, recording.length_s)
        self._ledger.note(recording.key, recording.path.name, done)
        if self._lasting:
            self._save(recording, report, finished=True)
        else:
            self._checkpoints.drop(self._setup.name)

    def _was_sampled(self, recording: Recording, at: datetime) -> bool:
        """Whether a time is one of the last moments of the recording before."""
        stretch = self._stretch
        if stretch is None or stretch.is_present(recording):
            return False
        return timedelta(0) <= stretch.ended - at <= _OVERLAP

    def _stretch_at(self, recording: Recording, at: datetime, report: VideoReport) -> Stretch:
        """The present stretch; a new one where this recording does not follow on the last."""
        stretch = self._stretch
        if stretch is not None and stretch.is_present(recording):
            return stretch
        size = (recording.video.width, recording.video.height)
        if stretch is not None and at < stretch.ended:
            report.say(
                f"this video begins at {at.isoformat()}, before the end of the one in front of it "
                f"({stretch.ended.isoformat()}), and is analysed by itself; are the videos in "
                "order of time, and the clocks right?"
            )
        if (
            stretch is None
            or size != stretch.view.size
            or not (at > stretch.ended and self._follows(stretch.ended, at))
        ):
            stretch = self._stretch = Stretch(self._view(size, at.timestamp()), at)
        stretch.footage.add(recording)
        return stretch

    def _view(self, size: tuple[int, int], first_s: float) -> CameraView:
        services = self._services
        models = services.detector, services.verifier
        return self._setup.view(
            size,
            self._config,
            *models,
            services.cases,
            first_s=first_s,
            plates=services.plates,
        )

    def _note_filed(self, filed: Iterator[Filed], report: VideoReport) -> None:
        """Notes in the report what is filed while the iterator is read."""
        for each in filed:
            self._services.uploader.soon()
            self._services.stamper.soon()
            report.cases.append(each.case_id)
            report.cases_new += each.outcome == "new"
            report.cases_known += each.outcome != "new"

    def _save(self, recording: Recording, report: VideoReport, *, finished: bool) -> None:
        """Keeps the state, for a run that resumes from here."""
        stretch = self._stretch
        if stretch is None or not stretch.is_present(recording):
            return  # all of it was sampled in the recording before
        state = RecordedState(
            size=stretch.view.size,
            recordings=[
                RecordingState(
                    str(r.path.absolute()), r.clock.start, r.clock_basis, r.key, r.seen_s
                )
                for r in stretch.footage.recordings
            ],
            observer=stretch.view.observer.state(),
            keys=stretch.keys.keys,
            standing=stretch.standing,
            first_s=stretch.view.filer.first_s,
            report=ReportState(
                report.samples, report.detections, report.cases, report.camera_events
            ),
        )
        here = Checkpoint(recording.key, recording.seen_s, finished, stretch.ended, state)
        self._checkpoints.save(self._setup.name, digest_of(self._conditions), here)
        self._saved_at = time.monotonic()

    def _restore(self, saved: Checkpoint[RecordedState], present: Recording | None) -> None:
        """Restores a checkpoint; ``present`` is its recording, where that is not finished."""
        state = saved.state
        view = self._view(state.size, state.first_s)
        view.observer.restore(state.observer)
        footage = Footage()
        for r in state.recordings:
            clock = Clock(r.start)
            footage.add(
                Recording(Path(r.path), clock, r.clock_basis, r.key, r.seen_s, self._reading)
            )
        if present is not None:
            footage.recordings[-1] = present
        self._stretch = Stretch(
            view, saved.ended, footage, FiledKeys(state.keys), dict(state.standing)
        )


def _report_again(saved: Checkpoint[RecordedState], report: VideoReport) -> None:
    """Reports what the run before had found in a recording that is resumed."""
    known = saved.state.report
    report.samples, report.detections = known.samples, known.detections
    report.cases, report.camera_events = known.cases, known.camera_events
    report.cases_known = len(known.cases)
    report.say(f"resumed at {saved.seen_s:.0f} s")
