"""What one live camera shows: from looks to cases, through gaps and restarts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import structlog
import supervision as sv

from cv_engine.cases import Filed, Queue, QueueError
from cv_engine.config import Config
from cv_engine.evidence.signing import SigningKey
from cv_engine.files import digest_of
from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.clip_retention import ClipRetention
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.status import CameraStatus
from cv_engine.live.stream.stream_state import StreamState
from cv_engine.live.worker.blindness import Blindness
from cv_engine.live.worker.retry_queue import PASSING, Entry, Errands, thing_of
from cv_engine.pipeline.camera_setup import CameraSetup
from cv_engine.pipeline.checkpoint import Checkpoint, Checkpoints
from cv_engine.pipeline.filing import CAMERA_BLIND, Filer
from cv_engine.pipeline.footage import Footage
from cv_engine.pipeline.observer import Observation, Observer
from cv_engine.rules.stays import Violation, ZoneDwell
from cv_engine.scene.view_health import ViewState
from cv_engine.video.errors import VideoError
from cv_engine.video.frame import Sample
from models.detector import Detector
from zones.errors import ZoneError

# Looks further apart than so many intervals have a gap between them, in which nobody looked.
_GAP_SAMPLES = 2.5
# But none before this part of the time that a thing may go unseen: after a gap the detector is asked
# about everything, and a worker that is behind would stay behind for ever.
_GAP_SHARE = 0.5
# What stands on is noted so often: a case last seen longer ago than that is not known to go on.
_STILL_THERE_S = 300.0
# Checkpoints of what has changed are no closer than this: a busy crossing changes all the time.
_CHECKPOINTS_APART_S = 30.0
_KEY = "live"
# What is told of a view that shows none of the zones.
_NO_ZONE = "no zone in sight"


Settle = Callable[[], None]
Task = Callable[[], Settle]


class Sighting(NamedTuple):
    """Something that stands on: see `Filer.seen`."""

    kind: str
    zone: str
    thing: int
    seen_s: float


@dataclass(frozen=True, slots=True)
class Means:
    """What all cameras of a worker share.

    Attributes:
        config: Settings.
        detector: Asked for persons and vehicles.
        queue: Where cases go.
        checkpoints: Where each camera stands.
        key: Signs evidence.
        folder: Of what is kept of the streams while it may still be needed.
    """

    config: Config
    detector: Detector
    queue: Queue
    checkpoints: Checkpoints
    key: SigningKey
    folder: Path


class LiveView:
    """One live camera's view.

    Args:
        means: What all cameras of a worker share.
        post: The camera.
        clock: Its clock.
        ring: Its last seconds.
        status: Where to note what it does.
    """

    def __init__(
        self,
        means: Means,
        setup: CameraSetup,
        clock: CaptureClock,
        ring: RingBuffer,
        status: CameraStatus,
    ) -> None:
        self._means = means
        self._setup = setup
        self._clock = clock
        self._ring_buffer = ring
        self._status = status
        self._retention = ClipRetention(
            ring, means.config.evidence.before_s, means.config.live.ring_s
        )
        self._settings = digest_of(setup.conditions(means.config, means.detector))
        self._size = (0, 0)
        self._observer: Observer | None = None
        self._filer: Filer = setup.filer(
            (), means.config, means.detector, means.queue, means.key, first_s=0.0, utc=clock.utc
        )
        self._blindness = Blindness(means.config.live.blind_s)
        self._errands = Errands()
        self._sightings: list[Sighting] = []
        self._last_s = float("-inf")
        self._changed = False
        self._restore()
        # At a phase of its own, so that a hundred cameras do not all write at the same moment; by
        # the time that the run before kept, which may lie hours beside the machine's.
        self._noted_s = clock.now() - random.uniform(0, _STILL_THERE_S)
        self._kept_s = clock.now() - random.uniform(0, means.config.live.checkpoint_s)

    @property
    def busy(self) -> bool:
        """Whether something goes on that is worth looks at the full rate."""
        return self._observer is None or self._observer.busy

    def sample(self, sample: Sample) -> bool:
        """Takes in the pixels of a look.

        Returns:
            Whether it waits for the detector's word; see :meth:`conclude`.
        """
        steady_s = sample.media_s
        if steady_s <= self._last_s:
            return False
        try:
            observer = self._ready((sample.width, sample.height), steady_s)
        except ZoneError as error:
            self._see_no_zone(error)
            return False
        self._last_s = steady_s
        at = self._clock.utc(steady_s)
        done = observer.begin(steady_s, at, sample)
        self._status.samples += 1
        self._status.sampled_at = at.timestamp()
        if done is None:
            return True
        self._take(done)
        return False

    def conclude(self, detections: sv.Detections | None) -> None:
        """Completes a look that waited for the detector; ``None`` if that could not be asked now."""
        assert self._observer is not None
        self._status.asked += detections is not None
        self._take(self._observer.conclude(detections))

    def tick(self, steady_s: float) -> None:
        """What is to be done from time to time, whether looks come or not; between whole looks."""
        self._judge_camera(steady_s)
        if steady_s - self._noted_s >= _STILL_THERE_S:
            self._noted_s = steady_s
            self._sightings = [
                Sighting(dwell.kind, dwell.zone.name, thing, stay.seen)
                for dwell in self._dwells
                for thing, (stay, _) in dwell.stays.items()
            ]
        limit_s = self._means.config.live.checkpoint_s
        if self._changed:
            limit_s = min(limit_s, _CHECKPOINTS_APART_S)
        if steady_s - self._kept_s >= limit_s:
            self.keep(steady_s)

    def _ready(self, size: tuple[int, int], steady_s: float) -> Observer:
        """The observer, a new one where this look cannot follow on the last."""
        live = self._means.config.live
        gap_s = steady_s - self._last_s
        if self._observer is None or size != self._size or gap_s > live.gap_s:
            self._begin(size, steady_s)
        elif gap_s > self._gap_limit_s:
            self._note_unwatched(self._last_s, steady_s)
            self._observer.skip(gap_s - self._status.interval_s)
        assert self._observer is not None
        return self._observer

    def _note_unwatched(self, from_s: float, to_s: float) -> None:
        """Notes that nobody was looking; forgets what nothing that is still there began after.

        Who looked for a moment only between two such times saw nothing for sure: they are one.
        """
        before = self._filer.unwatched
        if before and from_s <= before[-1][1] + self._lost_s:
            from_s = max(before.pop()[0], to_s - self._means.config.live.gap_s)
        stays = [stay.began for dwell in self._dwells for stay, _ in dwell.stays.values()]
        waiting = [violation.began for violation in self._errands.to_file]
        earliest_s = min([*stays, *waiting], default=to_s)
        earlier = [gap for gap in before if gap[1] + self._lost_s >= earliest_s]
        self._filer.unwatched = [*earlier, (from_s, to_s)]

    @property
    def _dwells(self) -> list[ZoneDwell]:
        return [] if self._observer is None else self._observer.zone_dwells

    def _see_no_zone(self, error: ZoneError) -> None:
        """The picture has another size now, on which the zones do not lie."""
        if self._status.view != _NO_ZONE:
            self._status.view = _NO_ZONE
            structlog.get_logger(__name__).error(
                "nothing is watched", camera=self._setup.name, reason=str(error)
            )

    @property
    def _gap_limit_s(self) -> float:
        """Seconds between looks from which on things would be forgotten without a note of the gap."""
        return max(_GAP_SHARE * self._lost_s, _GAP_SAMPLES * self._status.interval_s)

    @property
    def _lost_s(self) -> float:
        return self._means.config.tracking.lost_s

    def _begin(self, size: tuple[int, int], first_s: float) -> None:
        """Begins with a view of which nothing is known."""
        self._note_unwatched(first_s - self._means.config.live.gap_s, first_s)
        self._size, self._observer = size, None
        self._observer = self._setup.observer(*size, self._means.config)
        self._filer.zones = self._setup.zones_on(*size)
        self._filer.first_s = first_s
        waiting = self._errands.waiting
        self._filer.forget_all({thing_of(each) for errand, each in waiting if errand == "leave"})
        for violation in self._errands.to_file:
            # Of the view before: once filed, it is nothing that stands before the camera now.
            if violation.kind != CAMERA_BLIND and ("forget", violation) not in waiting:
                self._errands.add("forget", violation)
        self._status.view = ""  # of the new view nothing is known, nor that it is covered
        self._changed = True

    def _take(self, observation: Observation) -> None:
        """Acts on what a look brought."""
        stays = observation.stays
        for violation in stays.due:
            self._retention.put_aside(violation)
            self._errands.add("file", violation)
        turned_away = observation.view is not None and observation.view.state is ViewState.MOVED
        for violation in stays.ended:
            self._errands.add("forget" if turned_away else "leave", violation)
        if turned_away and self._setup.zones is None:
            self._status.view = str(ViewState.GOOD)  # the new view is watched from now on
        elif observation.view is not None:
            self._status.view = str(observation.view.state)
        elif not self._status.view:
            self._status.view = str(ViewState.GOOD)
        assert self._observer is not None
        before = self._retention.tags
        self._retention.sample(self._last_s, self._observer.zone_dwells, self._errands.to_file)
        self._changed |= bool(stays.due or stays.ended or before != self._retention.tags)
        self._status.waiting = len(self._errands)

    def next_task(self, steady_s: float) -> Task | None:
        """What is to be done next of what can wait, such as filing a case.

        Returns:
            What another thread may do while looks go on, and what is then to be called by theirs;
            ``None`` where there is nothing.
        """
        entry = self._errands.next(steady_s)
        if entry is None and not self._sightings:
            return None
        # As it is now: what it knows changes with the looks.
        keys, unwatched = dict(self._filer.keys), list(self._filer.unwatched)
        filer = replace(self._filer, keys=keys, unwatched=unwatched)
        if entry is not None:
            return partial(self._do, entry, filer)
        sightings, self._sightings = self._sightings, []
        return partial(_note, sightings, filer)

    def _do(self, entry: Entry, filer: Filer) -> Settle:
        """Does an errand beside the looks: nothing of this view may change here."""
        errand, violation = entry
        try:
            if errand == "file":
                filed = self._file(violation, filer)
                return partial(self._filed, entry, filed, filer.keys[thing_of(violation)])
            if errand == "leave":
                filer.left(violation)
        except PASSING as error:
            return partial(self._failed, entry, str(error))
        return partial(self._gone, entry)

    def _file(self, violation: Violation, filer: Filer) -> Filed:
        try:
            return filer.file(violation, self._retention.footage(violation, self._clock))
        except VideoError as error:
            # It is damaged and stays so: a case without pictures is better than none.
            structlog.get_logger(__name__).warning(
                "what was kept cannot be read", camera=self._setup.name, reason=str(error)
            )
            return filer.file(violation, Footage(stream=True))

    def _filed(self, entry: Entry, filed: Filed, key: str) -> None:
        _, violation = entry
        self._filer.keys[thing_of(violation)] = key
        self._status.cases += 1
        self._retention.release(violation)
        structlog.get_logger(__name__).info(
            "case filed",
            camera=self._setup.name,
            case=filed.case_id,
            outcome=filed.outcome,
            kind=violation.kind,
        )
        self._done(entry)

    def _gone(self, entry: Entry) -> None:
        self._filer.forget(entry[1])
        self._done(entry)

    def _done(self, entry: Entry) -> None:
        self._errands.done(entry)
        self._status.waiting = len(self._errands)
        self._changed = True

    def _failed(self, entry: Entry, reason: str) -> None:
        self._errands.failed(entry, self._clock.now(), reason)

    def _judge_camera(self, steady_s: float) -> None:
        """Files a case about the camera itself, where it has shown nothing useful for long."""
        reason = (
            self._status.view if self._status.state == StreamState.LIVE else "not to be reached"
        )
        reason = "" if reason == ViewState.GOOD else reason
        x, y = self._size if self._observer is not None else (1, 1)
        found = self._blindness.sample(steady_s, reason, (0.0, 0.0, float(x), float(y)))
        if found is not None:
            errand, violation = found
            if errand == "file":
                self._retention.put_aside(violation)
            self._errands.add(errand, violation)
            self._status.waiting = len(self._errands)
            self._changed = True

    def keep(self, steady_s: float) -> None:
        """Keeps where everything stands, for a run that goes on from here."""
        state: dict[str, Any] = {
            "size": self._size,
            "last_s": max(self._last_s, 0.0),
            "shift_s": self._clock.shift_s,
            "observer": None if self._observer is None else self._observer.state(),
            "view": self._status.view,
            "blind": self._blindness.state(),
            "keys": self._filer.keys,
            "first_s": self._filer.first_s,
            "unwatched": self._filer.unwatched,
            "errands": self._errands.waiting,
        }
        ended = self._clock.utc(steady_s)
        here = Checkpoint(_KEY, steady_s, False, ended, state)
        self._means.checkpoints.save(self._setup.name, self._settings, here)
        self._kept_s, self._changed = steady_s, False

    def _restore(self) -> None:
        """Takes up where an earlier run stood, if that was not too long ago."""
        saved = self._means.checkpoints.load(self._setup.name, self._settings)
        if saved is None or saved.key != _KEY:
            return
        state = saved.state
        self._clock.go_on(state["shift_s"], state["last_s"])
        if state["observer"] is not None:
            self._begin(state["size"], state["first_s"])
            assert self._observer is not None
            self._observer.restore(state["observer"])
            self._last_s = state["last_s"]
        self._filer.keys, self._filer.unwatched = state["keys"], state["unwatched"]
        self._errands = Errands(state["errands"])
        self._status.view = state["view"]
        self._blindness.restore(state["blind"])


def _note(sightings: Sequence[Sighting], filer: Filer) -> Settle:
    """Tells the queue what has been reported and stands on."""
    try:
        for sighting in sightings:
            filer.seen(*sighting)
    except QueueError as error:
        structlog.get_logger(__name__).warning("the queue does not answer", reason=str(error))
    return _nothing


def _nothing() -> None:
    """There is nothing to be settled."""
