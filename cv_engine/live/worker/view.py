"""What one live camera shows: from samples to cases, through gaps and restarts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import structlog
import supervision as sv

from cv_engine.cases import QueueError
from cv_engine.evidence.machine_clock import machine_error_s
from cv_engine.files import digest_of
from cv_engine.finding import CAMERA_BLIND
from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.clip_retention import ClipRetention
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.status import SamplingCounts
from cv_engine.live.worker.blindness import Blindness
from cv_engine.live.worker.clock_watch import ClockWatch
from cv_engine.live.worker.retry_queue import PASSING, Action, RetryQueue, Task
from cv_engine.live.worker.services import LiveServices
from cv_engine.live.worker.state import LiveState, ObservedView
from cv_engine.live.worker.unwatched import UnwatchedTimes
from cv_engine.pipeline.camera_setup import CameraSetup, CameraView
from cv_engine.pipeline.checkpoint import Checkpoint
from cv_engine.pipeline.filing import FiledKeys, FiledStay, Filer, thing_of
from cv_engine.pipeline.observer import Observation, Observer
from cv_engine.rules.stays import Violation, ZoneDwell
from cv_engine.scene.view_health import ViewState
from cv_engine.video.frame import Sample
from zones.errors import ZoneError

# Samples further apart than so many intervals have a gap between them that was not watched.
_GAP_SAMPLES = 2.5
# A gap is at least this part of the time that a thing may be hidden: after a gap the detector is
# asked about everything, and a worker that is behind would stay behind for ever.
_GAP_SHARE = 0.5
# How often things that still stand are noted in their cases, seconds: a case last seen longer ago
# than that may be over.
_STILL_THERE_S = 300.0
# Least time between checkpoints of changes, seconds: a busy crossing changes all the time.
_CHECKPOINTS_APART_S = 30.0
_KEY = "live"
# The status of a view that shows none of the zones.
_NO_ZONE = "no zone in sight"

# Work for another thread, which changes nothing of the view, and what the samples' thread then
# calls with its result.
Completion = Callable[[], None]
BackgroundWork = Callable[[], Completion]


class Sighting(NamedTuple):
    """A stay that continues.

    Attributes:
        kind: Kind of the violation.
        zone: Name of the zone.
        thing: Number of the thing.
        seen_s: When the thing was last seen, steady seconds.
    """

    kind: str
    zone: str
    thing: int
    seen_s: float


class LiveView:
    """One live camera's view.

    Args:
        services: What all cameras of a worker share.
        setup: The camera.
        clock: The camera's clock.
        ring: The last seconds of its stream.
        counts: What came of the samples so far; changed here.
    """

    def __init__(
        self,
        services: LiveServices,
        setup: CameraSetup,
        clock: CaptureClock,
        ring: RingBuffer,
        counts: SamplingCounts,
    ) -> None:
        shared = services.shared
        self._config = config = shared.config
        self._services = shared
        self._checkpoints = services.checkpoints
        self._setup = setup
        self._clock = clock
        self._counts = counts
        self._clock_watch = ClockWatch(setup.name, clock, shared.clocks, machine_error_s)
        self._retention = ClipRetention(ring, config.evidence.before_s, config.live.ring_s)
        self._conditions = digest_of(setup.conditions(config, shared.detector))
        self._view: CameraView | None = None
        # Files what the latest view with a zone showed; before there is one, the camera's own case.
        self._filer = setup.filer(
            config, shared.detector, shared.cases, utc=clock.utc, plates=shared.plates
        )
        self._keys = FiledKeys()
        self._unwatched = UnwatchedTimes(config.tracking.lost_s, config.live.gap_s)
        self._blindness = Blindness(config.live.blind_s)
        self._tasks = RetryQueue()
        self._sightings: list[Sighting] = []
        self._last_s = float("-inf")
        self._changed = False
        self._restore()
        # At a phase of its own, so that a hundred cameras do not all write at the same moment; by
        # the time that the run before kept, which may lie hours beside the machine's.
        self._noted_s = clock.now() - random.uniform(0, _STILL_THERE_S)
        self._saved_s = clock.now() - random.uniform(0, config.live.checkpoint_s)

    @property
    def busy(self) -> bool:
        """Whether something happens that is worth samples at the full rate."""
        return self._view is None or self._view.observer.busy

    def begin(self, sample: Sample) -> bool:
        """Processes the pixels of a sample.

        Returns:
            Whether the sample waits for the detector's result; see :meth:`conclude`.
        """
        steady_s = sample.media_s
        if steady_s <= self._last_s:
            return False
        try:
            observer = self._observer((sample.width, sample.height), steady_s)
        except ZoneError as error:
            self._report_no_zone(error)
            return False
        self._last_s = steady_s
        at = self._clock.utc(steady_s)
        observation = observer.begin(steady_s, at, sample)
        self._counts.samples += 1
        self._counts.sampled_at = at.timestamp()
        self._clock_watch.sampled(steady_s)
        if observation is not None:
            self._act_on(observation)
        return observation is None

    def conclude(self, detections: sv.Detections | None) -> None:
        """Completes a sample that waits for the detector; ``None`` if that could not be asked."""
        assert self._view is not None, "no sample waits for the detector"
        self._counts.asked += detections is not None
        self._act_on(self._view.observer.conclude(detections))

    def tick(self, steady_s: float, trouble: str) -> None:
        """Does what is due from time to time, with or without samples; between whole samples.

        Args:
            steady_s: The present time.
            trouble: Why the stream gives no samples; empty where it is live.
        """
        self._check_camera(steady_s, trouble)
        if steady_s - self._noted_s >= _STILL_THERE_S:
            self._noted_s = steady_s
            self._sightings = [
                Sighting(dwell.kind, dwell.zone.name, thing, stay.seen)
                for dwell in self._dwells
                for thing, (stay, _) in dwell.stays.items()
            ]
        limit_s = self._config.live.checkpoint_s
        if self._changed:
            limit_s = min(limit_s, _CHECKPOINTS_APART_S)
        if steady_s - self._saved_s >= limit_s:
            self.save(steady_s)

    def next_work(self) -> BackgroundWork | None:
        """The next task that need not be done at once, such as filing a case; ``None`` if none.

        All that changes with the samples is handed to the work as it is now.
        """
        # Usually nothing waits, and a worker asks often.
        task = self._tasks.next(self._clock.now()) if self._tasks else None
        if task is not None:
            _, violation = task
            key, missed = self._keys.get(violation), self._unwatched.missed(violation.began)
            return partial(self._do, task, self._filer, key, missed)
        if not self._sightings:
            return None
        seen = [(self._keys.keys.get(each[:3]), each.seen_s) for each in self._sightings]
        self._sightings = []
        known = [(key, seen_s) for key, seen_s in seen if key is not None]
        return partial(_note_seen, known, self._filer) if known else None

    @property
    def _dwells(self) -> list[ZoneDwell]:
        return [] if self._view is None else self._view.observer.zone_dwells

    def _observer(self, size: tuple[int, int], steady_s: float) -> Observer:
        """The view's observer; a new one where this sample cannot follow on the last.

        Raises:
            ZoneError: No zone lies in the picture.
        """
        gap_s = steady_s - self._last_s
        if self._view is None or size != self._view.size or gap_s > self._config.live.gap_s:
            return self._start_view(size, steady_s).observer
        observer = self._view.observer
        if gap_s > self._gap_limit_s:
            self._note_unwatched(self._last_s, steady_s)
            observer.skip(gap_s - self._counts.interval_s)
        return observer

    def _note_unwatched(self, from_s: float, to_s: float) -> None:
        stays = [stay.began for dwell in self._dwells for stay, _ in dwell.stays.values()]
        waiting = [violation.began for violation in self._tasks.to_file]
        self._unwatched.add(from_s, to_s, [*stays, *waiting])

    def _report_no_zone(self, error: ZoneError) -> None:
        """Reports once that the picture has another size, on which no zone lies."""
        if self._counts.view != _NO_ZONE:
            self._counts.view = _NO_ZONE
            structlog.get_logger(__name__).error(
                "nothing is watched", camera=self._setup.name, reason=str(error)
            )

    @property
    def _gap_limit_s(self) -> float:
        """Seconds between samples above which a gap is noted, before things would be forgotten."""
        lost_s = self._config.tracking.lost_s
        return max(_GAP_SHARE * lost_s, _GAP_SAMPLES * self._counts.interval_s)

    @property
    def _good_for_s(self) -> float:
        """Seconds after a sample for which its view is believed to be good still."""
        return max(self._config.live.stall_s, _GAP_SAMPLES * self._counts.interval_s)

    def _start_view(self, size: tuple[int, int], first_s: float) -> CameraView:
        """Starts with a view, without any sample yet."""
        self._note_unwatched(first_s - self._config.live.gap_s, first_s)
        self._view = None
        models, cases = (self._services.detector, self._services.verifier), self._services.cases
        view = self._setup.view(
            size,
            self._config,
            *models,
            cases,
            first_s=first_s,
            utc=self._clock.utc,
            plates=self._services.plates,
        )
        self._view, self._filer = view, view.filer
        waiting = self._tasks.waiting
        self._keys.discard_view(
            but={thing_of(violation) for action, violation in waiting if action == "leave"}
        )
        for violation in self._tasks.to_file:
            # Of the view before: once filed, it no longer stands before the camera.
            if violation.kind != CAMERA_BLIND and ("forget", violation) not in waiting:
                self._tasks.add("forget", violation)
        self._counts.view = ""  # nothing is known of the new view, nor that it is covered
        self._changed = True
        return view

    def _act_on(self, observation: Observation) -> None:
        """Queues what a sample's result requires, and keeps the video that may be needed."""
        for violation in observation.stays.due:
            self._add_task("file", violation)
        change = observation.view
        has_turned = change is not None and change.state is ViewState.MOVED
        for violation in observation.stays.ended:
            self._add_task("forget" if has_turned else "leave", violation)
        if has_turned and self._setup.zones is None:
            self._counts.view = str(ViewState.GOOD)  # the new view is watched from now on
        elif change is not None:
            self._counts.view = str(change.state)
        elif not self._counts.view:
            self._counts.view = str(ViewState.GOOD)
        before = self._retention.tags
        self._retention.update(self._last_s, self._dwells, self._tasks.to_file)
        self._changed |= before != self._retention.tags

    def _add_task(self, action: Action, violation: Violation) -> None:
        if action == "file":
            self._retention.keep(violation)
        self._tasks.add(action, violation)
        self._counts.waiting = len(self._tasks)
        self._changed = True

    def _do(self, task: Task, filer: Filer, key: str | None, missed: timedelta) -> Completion:
        """Does a task in another thread: nothing of this view may change here."""
        action, violation = task
        try:
            if action == "file":
                footage = self._retention.footage(violation, self._clock)
                return partial(self._filed, task, filer.file(violation, footage, missed))
            if action == "leave" and key is not None:
                filer.gone(key, violation.observed)
        except PASSING as error:
            return partial(self._failed, task, str(error))
        return partial(self._over, task)

    def _filed(self, task: Task, stay: FiledStay) -> None:
        _, violation = task
        self._keys.add(violation, stay.key)
        self._counts.cases += stay.filed.outcome == "new"
        self._counts.joined += stay.filed.outcome in ("joined", "reopened")
        self._retention.release(violation)
        structlog.get_logger(__name__).info(
            "case filed",
            camera=self._setup.name,
            case=stay.filed.case_id,
            outcome=stay.filed.outcome,
            kind=violation.kind,
        )
        self._done(task)

    def _over(self, task: Task) -> None:
        self._keys.discard(task[1])
        self._done(task)

    def _done(self, task: Task) -> None:
        self._tasks.done(task)
        self._counts.waiting = len(self._tasks)
        self._changed = True

    def _failed(self, task: Task, reason: str) -> None:
        self._tasks.failed(task, self._clock.now(), reason)

    def _check_camera(self, steady_s: float, trouble: str) -> None:
        """Files a case about the camera itself, where it has shown nothing useful for long."""
        if self._counts.view == ViewState.GOOD and steady_s - self._last_s > self._good_for_s:
            self._counts.view = ""  # no sample has shown it for long
        reason = trouble or self._counts.view
        reason = "" if reason == ViewState.GOOD else reason
        width, height = (1, 1) if self._view is None else self._view.size
        frame = (0.0, 0.0, float(width), float(height))
        found = self._blindness.update(steady_s, reason, frame, self._last_s)
        if found is not None:
            self._add_task(*found)

    def save(self, steady_s: float) -> None:
        """Saves a checkpoint, for a run that resumes from here."""
        view = None
        if self._view is not None:
            observer = self._view.observer.state()
            view = ObservedView(self._view.size, self._filer.first_s, observer)
        state = LiveState(
            view=view,
            last_s=max(self._last_s, 0.0),
            shift_s=self._clock.shift_s,
            condition=self._counts.view,
            blindness=self._blindness.state,
            keys=self._keys.keys,
            unwatched=self._unwatched.times,
            tasks=self._tasks.waiting,
        )
        ended = self._clock.utc(steady_s)
        here = Checkpoint(_KEY, steady_s, False, ended, state)
        self._checkpoints.save(self._setup.name, self._conditions, here)
        self._saved_s, self._changed = steady_s, False

    def _restore(self) -> None:
        """Resumes from the checkpoint of an earlier run, if that was not too long ago."""
        saved = self._checkpoints.load(self._setup.name, self._conditions)
        if saved is None or saved.key != _KEY:
            return
        state = saved.state
        self._clock.resume(state.shift_s, state.last_s)
        if state.view is not None:
            view = self._start_view(state.view.size, state.view.first_s)
            view.observer.restore(state.view.observer)
            self._last_s = state.last_s
        self._keys = FiledKeys(state.keys)
        self._unwatched.times = state.unwatched
        self._tasks = RetryQueue(state.tasks)
        self._counts.view = state.condition
        self._blindness.state = state.blindness


def _note_seen(seen: Sequence[tuple[str, float]], filer: Filer) -> Completion:
    """Notes in another thread that filed things are still there."""
    try:
        for key, seen_s in seen:
            filer.seen(key, seen_s)
    except QueueError as error:
        structlog.get_logger(__name__).warning("the queue does not answer", reason=str(error))
    return _nothing


def _nothing() -> None:
    """Completes work whose result changes nothing."""
