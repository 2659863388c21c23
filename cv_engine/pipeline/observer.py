"""One camera observed: from samples to stays, the same for footage, live streams and replays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import supervision as sv

from cv_engine.config import Config
from cv_engine.pipeline.perception import Frame, Perception, PerceptionState
from cv_engine.rules import registry
from cv_engine.rules.stays import Stay, Stays, ZoneDwell
from cv_engine.scene.view_health import ViewEvent, ViewState
from cv_engine.tracking.look import Verify
from zones.camera import Camera
from zones.zone import Zone

# How many times in the shortest dwell the detector is asked about what is in doubt: what matters
# lasts, what passes by need not be named.
ASKED_PER_DWELL = 6

# Samples in a row in which passers-by may hide a thing, however far apart the samples are, before
# it counts as gone: at a busy place two of three samples in a row may be hidden.
HIDDEN_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Observation:
    """The result of one sample.

    Attributes:
        stays: Stays that reached their limit or ended.
        view: A change of the camera's state, if there was one.
        asked: Whether the detector was asked.
    """

    stays: Stays
    view: ViewEvent | None = None
    asked: bool = False


@dataclass(slots=True)
class ObserverState:
    """All that an observer remembers, for a checkpoint.

    Attributes:
        perception: What is known of the view.
        stays: By kind, zone, and number of the thing.
    """

    perception: PerceptionState
    stays: dict[str, dict[str, dict[int, Stay]]]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A sample whose pixels are processed and that waits for the detector's result."""

    time_s: float
    at: datetime
    frame: Frame
    view: ViewEvent | None


class Observer:
    """Observes one camera's samples and reports stays.

    A sample is processed at once by `observe`, or in two steps, so that the detector can be asked
    for many cameras together: `begin`, and `conclude` where `begin` returns ``None``.

    Args:
        width: Width of the frame, pixels.
        height: Height of the frame, pixels.
        zones: Zones on the image.
        config: Thresholds.
        sample_s: Longest interval between samples, seconds.
        verify: Judges whether settled regions show things.
        drawn: Whether the zones were drawn on this view: then a camera that has moved is not
            trusted until it is back; else the new view is simply watched.
        camera: The camera, whose ground control points give sizes in metres.
    """

    def __init__(
        self,
        width: int,
        height: int,
        zones: Sequence[Zone],
        config: Config,
        *,
        sample_s: float,
        verify: Verify,
        drawn: bool,
        camera: Camera | None = None,
    ) -> None:
        self._drawn = drawn
        self._lost_s = max(config.tracking.lost_s, HIDDEN_SAMPLES * sample_s)
        self._rules = [
            rule(zones, config.rules.of(rule), self._lost_s, height, camera)
            for rule in registry.all_rules()
        ]
        dwells_s = [dwell.limits.dwell_s for dwell in self.zone_dwells]
        self._perception = Perception(
            (width, height),
            zones,
            config,
            sample_s=sample_s,
            lost_s=self._lost_s,
            ask_again_s=min(
                [config.change.refresh_s, *(each / ASKED_PER_DWELL for each in dwells_s)]
            ),
            models=registry.models(),
            verify=verify,
            camera=camera,
        )
        self._pending: _Pending | None = None

    def state(self) -> ObserverState:
        """All that the observer remembers; see `restore`. Only between whole samples."""
        assert self._pending is None, "the last sample is not concluded"
        stays: dict[str, dict[str, dict[int, Stay]]] = {}
        for dwell in self.zone_dwells:
            stays.setdefault(dwell.kind, {})[dwell.zone.name] = dwell.stays
        return ObserverState(self._perception.state, stays)

    def restore(self, state: ObserverState) -> None:
        """Resumes from the state of another observer of the same view and settings."""
        self._perception.state = state.perception
        for dwell in self.zone_dwells:
            dwell.stays = state.stays.get(dwell.kind, {}).get(dwell.zone.name, {})

    @property
    def small_size(self) -> tuple[int, int]:
        """Width and height of the small picture on which change is detected."""
        return self._perception.small_size

    @property
    def zone_dwells(self) -> list[ZoneDwell]:
        """The stays of every rule in each of its zones."""
        return [dwell for rule in self._rules for dwell in rule.dwells]

    def observe(
        self, time_s: float, at: datetime, frame: Frame, detect: Callable[[], sv.Detections]
    ) -> Observation:
        """Processes one sample.

        Args:
            time_s: Media time, seconds; later than that of the sample before.
            at: The same moment, UTC.
            frame: The pixels.
            detect: Runs the detector on the sample; called only where its result is needed.
        """
        done = self.begin(time_s, at, frame)
        return self.conclude(detect()) if done is None else done

    def begin(self, time_s: float, at: datetime, frame: Frame) -> Observation | None:
        """Processes the pixels of one sample; arguments as for `observe`.

        Returns:
            The result, or ``None`` where it depends on the detector: then `conclude` must be
            called next.
        """
        assert self._pending is None, "the last sample is not concluded"
        event = self._perception.view(frame.small(*self.small_size), time_s)
        if not self._perception.trusted:
            stays = self._abandon(time_s, at) if self._is_new_view(event) else Stays()
            return Observation(stays, event)
        pending = _Pending(time_s, at, frame, event)
        if self._perception.needs_detector(time_s):
            self._pending = pending
            return None
        return self._apply_rules(pending, None)

    def conclude(self, detections: sv.Detections | None) -> Observation:
        """Completes the sample that waits for the detector.

        Args:
            detections: The detector's result; ``None`` where it could not be asked: the next
                sample asks again.
        """
        pending, self._pending = self._pending, None
        assert pending is not None, "no sample waits for the detector"
        return self._apply_rules(pending, detections)

    def _apply_rules(self, sample: _Pending, detections: sv.Detections | None) -> Observation:
        seen = self._perception.perceive(sample.time_s, sample.at, sample.frame, detections)
        stays = sum((rule.step(seen) for rule in self._rules), Stays())
        return Observation(stays.shown(seen.pose), sample.view, detections is not None)

    def skip(self, gap_s: float) -> None:
        """Accounts for a time without samples: the stream is away, or the program restarts.

        What stood there before and is recognised after has stood there all the time. What is not
        recognised was last seen before the gap and ends within the usual time after it. What came
        meanwhile begins with the first sample after the gap.

        Args:
            gap_s: From the last sample to the next, seconds.

        Raises:
            ValueError: The gap is negative.
        """
        if not gap_s >= 0:
            raise ValueError(f"gap_s is {gap_s}: it must be 0 seconds or more")
        assert self._pending is None, "the last sample is not concluded"
        self._perception.skip(gap_s)
        for dwell in self.zone_dwells:
            dwell.skip(gap_s)

    @property
    def busy(self) -> bool:
        """Whether a stay is about to reach its limit, so that further samples soon help."""
        now_s = self._perception.time_s
        return any(dwell.is_pressing(now_s) for dwell in self.zone_dwells)

    def _is_new_view(self, event: ViewEvent | None) -> bool:
        return event is not None and event.state is ViewState.MOVED and not self._drawn

    def _abandon(self, time_s: float, at: datetime) -> Stays:
        """Ends every stay, since the view is gone, and starts with the new view.

        A camera that is being turned stops and moves again: what comes to rest meanwhile is part
        of the view.
        """
        self._perception.restart(time_s + self._lost_s)
        return sum((dwell.step(time_s, at, []) for dwell in self.zone_dwells), Stays())
