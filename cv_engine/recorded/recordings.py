"""One camera's recordings, one after the other: what was seen in one goes on in the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
import supervision as sv

from cv_engine.cases import Queue
from cv_engine.config.settings import Config
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.storage.uploader import Uploader
from cv_engine.files import digest_of
from cv_engine.pipeline.camera_setup import CameraSetup, detect
from cv_engine.pipeline.checkpoint import Checkpoint, Checkpoints
from cv_engine.pipeline.filing import Filer
from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.pipeline.observer import Observation, Observer
from cv_engine.recorded.file_timing import FileTiming
from cv_engine.recorded.ledger import Done, Ledger
from cv_engine.recorded.report import VideoReport
from cv_engine.scene.view_health import ViewState
from cv_engine.video.clock import Clock
from cv_engine.video.errors import VideoError
from cv_engine.video.frame import Sample
from cv_engine.video.sampler import choose
from cv_engine.video.source import Video, open_video
from models.detector import Detector

# How much work a kill may cost, seconds. A checkpoint takes some 30 ms: a third of a percent.
CHECKPOINT_EVERY_S = 10.0
# Recorders begin a file with the last moments of the one before, and name files by whole seconds:
# up to so much is looked at only once.
_OVERLAP = timedelta(seconds=2)
# How much footage that is done is looked at again, at most, where the checkpoint after it is lost:
# a day takes a quarter of an hour, and what stands there longer is a case already.
_REPLAY = timedelta(days=1)
_FROM_THE_START = -1.0


@dataclass(frozen=True, slots=True)
class Means:
    """What all cameras of a run share.

    Attributes:
        config: Settings.
        detector: Asked for persons and vehicles, down to the confidence that explains.
        queue: Where cases go.
        ledger: Knows the recordings that are done.
        checkpoints: Where each camera's run stands.
        key: Signs evidence.
        uploader: Sends evidence, where it is not kept here.
        tell: Called after each look with the video, media seconds done and in all.
    """

    config: Config
    detector: Detector
    queue: Queue
    ledger: Ledger
    checkpoints: Checkpoints
    key: SigningKey
    uploader: Uploader
    tell: Callable[[Video, float], None]


class Recordings:
    """One camera's recordings.

    Args:
        means: What all cameras of a run share.
        post: The camera.
        start: When the first recording began; without an offset in the camera's time zone.
        lasting: Whether more recordings of this camera may follow in another run.
    """

    def __init__(
        self,
        means: Means,
        setup: CameraSetup,
        start: datetime | None,
        *,
        lasting: bool,
    ) -> None:
        settings = setup.settings
        self._means = means
        self._setup = setup
        self._lasting = lasting
        self._file_timing = FileTiming(start, settings.file_time, ZoneInfo(settings.timezone))
        self._conditions = setup.conditions(means.config, means.detector)
        self._footage = Footage()
        self._observer: Observer | None = None
        self._filer: Filer | None = None
        self._size = (0, 0)
        self._ended: datetime | None = None
        self._behind: list[Recording] = []
        self._saved_at = time.monotonic()

    def analyse(self, report: VideoReport) -> None:
        """Analyses the next recording.

        Args:
            report: Names the file, and is filled in.

        Raises:
            VideoError: The file cannot be read.
            ZoneError: No zone lies in its picture.
            QueueError, EvidenceError, LedgerError: What was found cannot be kept.
        """
        recording = self._opened(report)
        done = self._means.ledger.done(recording.key)
        if done is not None:
            recording.seen_s = done.seen_s
            report.status, report.cases = "already done", list(done.cases)
            report.cases_known = len(done.cases)
            self._file_timing.ended(recording.began, done.length_s)
            self._put_behind(recording)
            return
        try:
            after_s = self._catch_up(recording, report)
            self._sample(recording, report, after_s)
        finally:
            self._file_timing.ended(recording.began, recording.length_s)
        self._finish(recording, report)

    def _opened(self, report: VideoReport) -> Recording:
        try:
            video = open_video(report.path)
            began = self._file_timing.begin(video)
        except VideoError:
            self._file_timing.missed(report.path)
            raise
        recording = Recording.of(video, Clock(began.at), began.basis)
        if began.doubt is not None:
            recording.clock_basis += f"; {began.doubt}"
            report.say(began.doubt)
        recording.key = digest_of([recording.fingerprint, began.at.isoformat(), *self._conditions])
        return recording

    def _put_behind(self, recording: Recording) -> None:
        """Remembers a recording that is done: the next one may have to go on from its end."""
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
        lost = timedelta(seconds=self._means.config.tracking.lost_s)
        return -_OVERLAP <= began - ended <= lost

    def _catch_up(self, recording: Recording, report: VideoReport) -> float:
        """Brings everything to where a recording is to be gone on with.

        Returns:
            The media second up to which it has been looked at.
        """
        chain = [*self._behind_of(recording), recording]
        self._behind = []
        if self._observer is not None and len(chain) == 1:
            return _FROM_THE_START
        saved = self._means.checkpoints.load(self._setup.name, digest_of(self._conditions))
        index, after_s = 0, _FROM_THE_START
        if saved is not None:
            index, after_s = self._restored(saved, chain)
        for past in chain[index:-1]:
            log = structlog.get_logger(__name__)
            log.info("looked at again, for what goes on after it", video=past.path.name)
            self._sample(past, VideoReport(past.path), after_s)
            after_s = _FROM_THE_START
        if saved is not None and after_s > _FROM_THE_START:
            self._report_again(saved, report)
        return after_s

    def _restored(self, saved: Checkpoint, chain: Sequence[Recording]) -> tuple[int, float]:
        """Takes up a checkpoint, where it is one of these recordings or just before them.

        Returns:
            Which of them comes next, and the media second up to which it has been looked at.
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
            return 0, _FROM_THE_START  # done, but the ledger does not say so: it is to be redone
        self._restore(saved, None)
        return index + 1, _FROM_THE_START

    def _sample(self, recording: Recording, report: VideoReport, after_s: float) -> None:
        """Looks at a recording, but for what has been looked at before."""
        video = recording.video
        plan = choose(video, self._means.config.video.sample_s, self._means.config.video.decode)
        for sample in video.samples(plan):
            at = recording.clock.at(sample.media_s)
            if sample.media_s <= after_s or self._was_seen(recording, at):
                recording.seen_s = sample.media_s
                continue
            observer = self._ready(recording, at, report)
            recording.seen_s = sample.media_s
            observation = observer.observe(
                at.timestamp(),
                at,
                sample.small(*observer.small_size),
                partial(self._detect, sample),
            )
            report.samples += 1
            report.detections += observation.asked
            self._ended = at
            self._take(observation, recording, report)
            self._means.tell(video, sample.media_s)
            if time.monotonic() - self._saved_at >= CHECKPOINT_EVERY_S:
                self._save(recording, report, finished=False)
        report.skipped = [str(note) for note in (*video.skipped, *video.repairs)]
        report.seen_s = recording.seen_s - max(0.0, after_s)

    def _detect(self, sample: Sample) -> sv.Detections:
        return detect(self._means.detector, [sample])[0]

    def _finish(self, recording: Recording, report: VideoReport) -> None:
        done = Done(tuple(report.cases), recording.seen_s, recording.length_s)
        self._means.ledger.note(recording.key, recording.path.name, done)
        if self._lasting:
            self._save(recording, report, finished=True)
        else:
            self._means.checkpoints.drop(self._setup.name)

    def _is_present(self, recording: Recording) -> bool:
        return bool(self._footage.recordings) and self._footage.recordings[-1] is recording

    def _was_seen(self, recording: Recording, at: datetime) -> bool:
        """Whether a look is one of the last moments of the recording before."""
        if self._ended is None or self._is_present(recording):
            return False
        return timedelta(0) <= self._ended - at <= _OVERLAP

    def _ready(self, recording: Recording, at: datetime, report: VideoReport) -> Observer:
        """The observer, a new one where this recording does not follow on the last."""
        if self._is_present(recording):
            assert self._observer is not None
            return self._observer
        video = recording.video
        size = (video.width, video.height)
        if self._ended is not None and at < self._ended:
            report.say(
                f"it begins at {at.isoformat()}, before the video in front of it ends "
                f"({self._ended.isoformat()}), so it is taken by itself; are the videos in order "
                "of time, and the clocks right?"
            )
        follows = self._ended is not None and at > self._ended and self._follows(self._ended, at)
        if self._observer is None or size != self._size or not follows:
            self._begin(size, at.timestamp())
        self._footage.add(recording)
        assert self._observer is not None
        return self._observer

    def _begin(self, size: tuple[int, int], first_s: float) -> None:
        """Begins with a view of which nothing is known."""
        means = self._means
        self._size = size
        self._footage = Footage()
        self._observer = self._setup.observer(*size, means.config)
        self._filer = self._setup.filer(
            self._setup.zones_on(*size),
            means.config,
            means.detector,
            means.queue,
            means.key,
            first_s=first_s,
        )

    def _take(self, observation: Observation, recording: Recording, report: VideoReport) -> None:
        assert self._filer is not None
        for violation in observation.stays.due:
            filed = self._filer.file(violation, self._footage)
            self._means.uploader.soon()
            report.cases.append(filed.case_id)
            report.cases_new += filed.outcome == "new"
            report.cases_known += filed.outcome != "new"
        view = observation.view
        for violation in observation.stays.ended:
            if view is not None and view.state is ViewState.MOVED:
                self._filer.forget(violation)  # the camera has turned away, not the thing
            else:
                self._filer.left(violation)
        if view is not None:
            media_s = view.time_s - recording.began.timestamp()
            report.camera_events.append(f"{media_s:.1f} s: the view is {view.state}")

    def _save(self, recording: Recording, report: VideoReport, *, finished: bool) -> None:
        """Keeps where everything stands, for a run that goes on from here."""
        if not self._is_present(recording):
            return  # all of it had been seen in the recording before
        assert self._observer is not None
        assert self._filer is not None
        assert self._ended is not None
        past = self._footage.recordings
        state = {
            "size": self._size,
            "recordings": [
                (str(r.path.absolute()), r.clock.start, r.clock_basis, r.key, r.seen_s)
                for r in past
            ],
            "observer": self._observer.state(),
            "keys": self._filer.keys,
            "first_s": self._filer.first_s,
            "report": (report.samples, report.detections, report.cases, report.camera_events),
        }
        here = Checkpoint(recording.key, recording.seen_s, finished, self._ended, state)
        self._means.checkpoints.save(self._setup.name, digest_of(self._conditions), here)
        self._saved_at = time.monotonic()

    def _restore(self, saved: Checkpoint, present: Recording | None) -> None:
        """Takes up a checkpoint; ``present`` is its recording, where that is not finished."""
        state = saved.state
        self._begin(state["size"], state["first_s"])
        assert self._observer is not None
        assert self._filer is not None
        self._observer.restore(state["observer"])
        self._filer.keys = state["keys"]
        for path, start, basis, key, seen_s in state["recordings"]:
            self._footage.add(Recording(Path(path), Clock(start), basis, key, seen_s))
        if present is not None:
            self._footage.recordings[-1] = present
        self._ended = saved.ended

    def _report_again(self, saved: Checkpoint, report: VideoReport) -> None:
        """Tells what the run before had found of a recording that is gone on with."""
        samples, detections, cases, camera_events = saved.state["report"]
        report.samples, report.detections = samples, detections
        report.cases, report.camera_events = cases, camera_events
        report.cases_known = len(cases)
        report.say(f"gone on with at {saved.seen_s:.0f} s")
