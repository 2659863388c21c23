"""One camera watched: from looks to violations, the same for footage, live streams and replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from cv_engine.config.settings import Config
from cv_engine.rules.clutter import ClutterRule
from cv_engine.rules.parking import MOTOR, NON_MOTOR, ParkingRule, stands_in
from cv_engine.rules.rule import Stays, ZoneDwell
from cv_engine.scene.background import Background
from cv_engine.scene.view_health import ViewEvent, ViewHealth, ViewState
from cv_engine.tracking.settled import SettledKeeper
from cv_engine.tracking.still import StillTracker, Tolerance, View
from zones.zone import Zone

MOTOR_CLASSES = ("car", "truck", "bus")
NON_MOTOR_CLASSES = ("bicycle", "motorcycle")
# What the detector explains: things that come and go by themselves.
EXPLAINED_CLASSES = ("person", *MOTOR_CLASSES, *NON_MOTOR_CLASSES)

# Confidence from which the detector's word explains what has come to rest: a whisper of a person is
# enough not to call it goods.
EXPLAINING_CONFIDENCE = 0.1

# What is doubtful is put to the detector so often in the shortest dwell: what matters lasts, what passes
# by need not be named.
ASKED_PER_DWELL = 6

# Looks in a row in which passers-by may hide a thing, however far apart the looks are, before it
# counts as gone: at a busy place two of three looks in a row may be hidden.
HIDDEN_SAMPLES = 5

# Long side of the small picture on which change is looked for, pixels: a bag ten pixels wide on
# it is fifty on a 1080p frame.
SMALL_SIDE = 480


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look brought.

    Attributes:
        stays: Stays that reached their limit or ended.
        view: A change of the camera's state, if there was one.
        asked: Whether the detector was asked.
    """

    stays: Stays
    view: ViewEvent | None = None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class _Question:
    """A look whose pixels are taken in, and that waits for the detector's word."""

    time_s: float
    at: datetime
    view: ViewEvent | None


class Observer:
    """Watches one camera's looks and reports violations.

    A look is taken in at once by `observe`, or in two steps, so that the detector's calls for many
    cameras can be made together: `look`, and `conclude` where that is asked for.

    Args:
        width: Of the frame, pixels.
        height: Of the frame, pixels.
        zones: Zones on the image.
        config: Thresholds.
        sample_s: Interval between looks, seconds; the longest one, where it varies.
        drawn: Whether the zones were drawn on this view: then a camera that has moved is not
            trusted until it is back; else the new view is simply watched.
    """

    def __init__(
        self,
        width: int,
        height: int,
        zones: Sequence[Zone],
        config: Config,
        *,
        sample_s: float,
        drawn: bool,
    ) -> None:
        self.small_size = small_size(width, height)
        self._scale = self.small_size[0] / width
        self._zones = list(zones)
        self._config = config
        self._sample_s = sample_s
        self._drawn = drawn
        self._lost_s = max(config.tracking.lost_s, HIDDEN_SAMPLES * sample_s)
        self._rules(config)
        self._watched = _raster(self._zones, self._scale, self.small_size)
        self._background: Background | None = None
        self._question: _Question | None = None
        self._restart()

    def _rules(self, config: Config) -> None:
        parking, clutter, gap_s = config.rules.parking, config.rules.clutter, self._lost_s
        zones = self._zones if parking.enabled else []
        self._parking = {
            MOTOR: ParkingRule(MOTOR, zones, parking.dwell_s, gap_s, parking.min_size_px),
            NON_MOTOR: ParkingRule(
                NON_MOTOR, zones, parking.non_motor_dwell_s, gap_s, parking.min_size_px
            ),
        }
        self._clutter = ClutterRule(
            self._zones if clutter.enabled else [], clutter.dwell_s, gap_s, clutter.min_size_px
        )

    def _restart(self) -> None:
        """Forgets the view: nothing seen so far tells anything about the next look."""
        lost_s = self._lost_s
        self._refresh_s = self._config.change.refresh_s
        dwells_s = [dwell.limits.dwell_s for dwell in self.zone_dwells]
        self._ask_again_s = min([self._refresh_s, *(each / ASKED_PER_DWELL for each in dwells_s)])
        self._background = None
        self._health = ViewHealth()
        self._trackers = {
            kind: StillTracker(Tolerance(lost_s=lost_s)) for kind in (MOTOR, NON_MOTOR)
        }
        self._keeper = SettledKeeper(
            self._scale,
            self._watched,
            self._config.rules.clutter.min_size_px,
            lost_s,
            self._ask_again_s,
        )
        self._asked_at: float | None = None

    def state(self) -> dict[str, Any]:
        """All that it remembers of the looks so far: what it goes on from, see `restore`.

        Only between whole looks.
        """
        assert self._question is None, "the last look is not concluded"
        return {
            "background": self._background,
            "health": self._health,
            "trackers": self._trackers,
            "keeper": self._keeper,
            "asked_at": self._asked_at,
            "stays": [dwell.stays for dwell in self.zone_dwells],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from where another observer of the same view and settings stood."""
        self._background = state["background"]
        self._health = state["health"]
        self._trackers = state["trackers"]
        self._keeper = state["keeper"]
        self._asked_at = state["asked_at"]
        for dwell, stays in zip(self.zone_dwells, state["stays"], strict=True):
            dwell.stays = stays

    @property
    def zone_dwells(self) -> list[ZoneDwell]:
        """The stays of every rule in each of its zones."""
        rules: list[ParkingRule | ClutterRule] = [*self._parking.values(), self._clutter]
        return [dwell for rule in rules for dwell in rule.dwells]

    def observe(
        self,
        time_s: float,
        at: datetime,
        picture: NDArray[np.uint8],
        detect: Callable[[], sv.Detections],
    ) -> Observation:
        """Takes in one look.

        Args:
            time_s: Its media time; later than that of the look before.
            at: The same moment on the wall clock.
            picture: The look, grey, ``small_size``.
            detect: Runs the detector on the look; called only where its word is needed.

        Returns:
            What the look brought.
        """
        done = self.sample(time_s, at, picture)
        return self.conclude(detect()) if done is None else done

    def sample(self, time_s: float, at: datetime, picture: NDArray[np.uint8]) -> Observation | None:
        """Takes in the pixels of one look; arguments as for `observe`.

        Returns:
            What the look brought, or ``None`` where that depends on the detector's word: then
            nothing else may be called before `conclude`.
        """
        assert self._question is None, "the last look is not concluded"
        event = None
        if self._background is None:
            self._background = Background(picture, time_s, occlusion_s=self._lost_s)
        else:
            event = self._health.sample(picture, self._background, time_s)
            if not self._health.trusted:
                stays = self._abandon(time_s, at) if self._is_new_view(event) else Stays()
                return Observation(stays, event)
            self._background.sample(picture, time_s)
        if self._asks(time_s):
            self._question = _Question(time_s, at, event)
            return None
        return Observation(self._watch(time_s, at, None), event)

    def conclude(self, detections: sv.Detections | None) -> Observation:
        """Completes the look that asked for the detector's word.

        Args:
            detections: What the detector saw; ``None`` where it could not be asked: the next look
                asks again.

        Returns:
            What the look brought.
        """
        sample, self._question = self._question, None
        assert sample is not None, "no look has asked"
        if detections is not None:
            self._asked_at = sample.time_s
            detections = _of_classes(detections, EXPLAINED_CLASSES)
        stays = self._watch(sample.time_s, sample.at, detections)
        return Observation(stays, sample.view, detections is not None)

    def skip(self, gap_s: float) -> None:
        """Takes note that nobody is looking for a while: the stream is away, the program restarts.

        What stood there before and is recognised after has stood there all the time. What is not
        was last seen before the gap and ends within the usual time after it. What came meanwhile
        begins with the first look after the gap.

        Args:
            gap_s: From the last look to the next, seconds.

        Raises:
            ValueError: It is negative.
        """
        if not gap_s >= 0:
            raise ValueError(f"gap_s is {gap_s}: it must be 0 seconds or more")
        assert self._question is None, "the last look is not concluded"
        if self._background is not None:
            self._background.skip(gap_s)
        for tracker in self._trackers.values():
            tracker.skip(gap_s)
        self._keeper.skip(gap_s)
        for dwell in self.zone_dwells:
            dwell.skip(gap_s)
        if gap_s >= self._lost_s:
            self._asked_at = None  # who has come meanwhile?

    @property
    def busy(self) -> bool:
        """Whether something goes on that is worth a closer look, with looks soon after each other.

        A stay that is about to reach its limit; not what passes, what has been reported, or what
        stands where or when it may.
        """
        now_s = 0.0 if self._background is None else self._background.time_s
        return any(dwell.is_pressing(now_s) for dwell in self.zone_dwells)

    def _is_new_view(self, event: ViewEvent | None) -> bool:
        return event is not None and event.state is ViewState.MOVED and not self._drawn

    def _abandon(self, time_s: float, at: datetime) -> Stays:
        """Ends every stay, since the view is gone, and begins anew.

        A camera that is being turned stops and goes on: what comes to rest meanwhile is the view.
        """
        self._restart()
        self._keeper.from_s = time_s + self._lost_s
        stays = self._clutter.step(time_s, at, [])
        for rule in self._parking.values():
            stays += rule.step(time_s, at, [])
        return stays

    def _asks(self, time_s: float) -> bool:
        """Whether something needs the detector's word."""
        assert self._background is not None
        view = View(self._background, self._scale)
        standing = self._standing_boxes()
        wanted = [tracker.sample(time_s, view) for tracker in self._trackers.values()]
        self._keeper.sample(self._background, standing)
        if self._asked_lately(time_s):
            return False
        stale = self._asked_at is None or time_s - self._asked_at >= self._refresh_s
        return stale or any(wanted) or self._keeper.asks(self._background)

    def _asked_lately(self, time_s: float) -> bool:
        # Looks come at sample_s or a little sooner: half of one must not cost a whole one.
        patience_s = self._ask_again_s - self._sample_s / 2
        return self._asked_at is not None and time_s - self._asked_at < patience_s

    def _watch(self, time_s: float, at: datetime, detections: sv.Detections | None) -> Stays:
        assert self._background is not None
        view = View(self._background, self._scale)
        stays = Stays()
        for kind, classes in ((MOTOR, MOTOR_CLASSES), (NON_MOTOR, NON_MOTOR_CLASSES)):
            mine = None if detections is None else self._in_zones(detections, kind, classes)
            standing = self._trackers[kind].update(time_s, mine, view)
            stays += self._parking[kind].step(time_s, at, standing)
        things = self._keeper.update(time_s, self._background, detections)
        return stays + self._clutter.step(time_s, at, things)

    def _in_zones(
        self, detections: sv.Detections, kind: str, classes: Sequence[str]
    ) -> sv.Detections:
        """Vehicles that could matter: nobody follows the traffic beside the zones."""
        mine = _of_classes(detections, classes)
        if mine.confidence is not None:
            mine = _select(mine, mine.confidence >= self._config.detector.confidence)
        zones = [zone.polygon for zone in self._zones if kind in zone.kinds]
        keep = [any(stands_in(box, polygon) for polygon in zones) for box in mine.xyxy]
        return _select(mine, np.array(keep, np.bool_))

    def _standing_boxes(self) -> NDArray[np.float32]:
        boxes = [
            track.box
            for tracker in self._trackers.values()
            for track in tracker.tracks
            if track.confirmed
        ]
        return np.stack(boxes) if boxes else np.zeros((0, 4), np.float32)


def small_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the small picture of a frame."""
    scale = min(1.0, SMALL_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _raster(zones: Sequence[Zone], scale: float, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where any zone lies on the small picture, shape (h, w)."""
    raster = np.zeros((size[1], size[0]), np.uint8)
    for zone in zones:
        polygons = getattr(zone.polygon, "geoms", [zone.polygon])
        for polygon in polygons:
            for value, ring in [(1, polygon.exterior), *((0, hole) for hole in polygon.interiors)]:
                points = np.round(np.asarray(ring.coords)[:, :2] * scale).astype(np.int32)
                cv2.fillPoly(raster, [points], value)
    return raster.astype(np.bool_)


def _of_classes(detections: sv.Detections, classes: Sequence[str]) -> sv.Detections:
    names = detections.data.get("class_name")
    if names is None or not len(detections):
        return sv.Detections.empty()
    return _select(detections, np.isin(np.asarray(names), classes))


def _select(detections: sv.Detections, keep: NDArray[np.bool_]) -> sv.Detections:
    if not keep.any():
        return sv.Detections.empty()
    chosen = detections[keep]
    assert isinstance(chosen, sv.Detections)
    return chosen
