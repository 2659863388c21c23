"""What one camera's samples show: the view, what stands still, and what has settled.

Perception knows no rule by name. It runs one tracker for each group of vehicles that a rule reads,
and follows settled things for the rules that read them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from cv_engine.config import Config
from cv_engine.rules import registry
from cv_engine.rules.rule import Model, smallest
from cv_engine.rules.stays import Box
from cv_engine.rules.vehicles import Vehicles, stands_in
from cv_engine.scene.background import Background
from cv_engine.scene.pose import IDENTITY, Pose
from cv_engine.scene.pyramid import Pyramid
from cv_engine.scene.registration import follow
from cv_engine.scene.view_health import ViewEvent, ViewHealth
from cv_engine.tracking.goods import GOODS, OTHERS, carried
from cv_engine.tracking.look import Look, Verify
from cv_engine.tracking.settled import SettledKeeper
from cv_engine.tracking.still import Still, StillTracker, Tolerance
from cv_engine.tracking.thing import Settled
from cv_engine.tracking.view import View
from zones.camera import Camera
from zones.zone import Zone

# Confidence from which a detection explains what has come to rest: a faint sign of a person is
# enough not to take it for goods.
EXPLAINING_CONFIDENCE = 0.1

# Keys of the trackers of goods and of what else the detector knows, beside those of the groups of
# vehicles.
_GOODS, _OTHERS = "goods", "others"

# Long side of the small picture on which change is detected, pixels: a bag ten pixels wide on
# it is fifty on a 1080p frame.
SMALL_SIDE = 480

Image = NDArray[np.uint8]


class Frame(Protocol):
    """The pixels of one sample."""

    def small(self, width: int, height: int) -> Image:
        """The frame's luma scaled down, grey uint8 (height, width)."""
        ...

    def crop(self, box: Box) -> Image:
        """The part of the frame under a box at full resolution, BGR uint8 (h, w, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class Perceived:
    """What one sample shows, as rules read it.

    Attributes:
        time_s: Media time, seconds.
        at: The same moment, UTC.
        persons: Persons that the detector found; ``None`` where the detector was not asked.
        settled: Unexplained things at rest.
        frame: The pixels.
        vehicles: What stands still, by group.
        models: Models that rules run on crops, by name.
        pose: Where the view lies in the frame, pixels of the frame.

    Boxes are those of the view as its first frame showed it: a camera that sways moves none.
    """

    time_s: float
    at: datetime
    persons: sv.Detections | None
    settled: Sequence[Settled]
    frame: Frame
    vehicles: Mapping[str, Sequence[Still]]
    models: Mapping[str, Model] = field(default_factory=dict)
    pose: Pose = IDENTITY

    def standing(self, vehicles: Vehicles) -> Sequence[Still]:
        """The vehicles of a group that stand still, those hidden at the moment included."""
        return self.vehicles[vehicles.name]

    def crop(self, box: Box) -> Image:
        """The part of the frame under a box at full resolution, BGR uint8 (h, w, 3)."""
        return self.frame.crop(self.pose.boxes(box[None])[0])

    def run(self, model: str, box: Box) -> Any:
        """The result of a model on the crop under a box.

        Raises:
            KeyError: There is no such model.
        """
        return self.models[model](self.crop(box))


@dataclass(slots=True)
class PerceptionState:
    """All that perception remembers of a view.

    Attributes:
        background: Model of the empty view; ``None`` before the first sample.
        health: State of the camera's view.
        trackers: What stands still, by group of vehicles, and goods.
        keeper: What has settled.
        pose: Where the view lies in the last small picture.
        asked_at: When the detector was asked last, seconds; ``None`` if not yet.
    """

    background: Background | None
    health: ViewHealth
    trackers: dict[str, StillTracker]
    keeper: SettledKeeper
    pose: Pose = IDENTITY
    asked_at: float | None = None


class Perception:
    """Follows what one camera's samples show.

    Args:
        size: Width and height of the frame, pixels.
        zones: Zones on the image.
        config: Thresholds.
        sample_s: Longest interval between samples, seconds.
        lost_s: Time unseen after which a thing is gone, seconds.
        ask_again_s: Shortest time between two questions to the detector, seconds.
        models: Models that rules run on crops, by name.
        verify: Judges whether settled regions show things.
        camera: The camera, whose ground control points give sizes in metres.

    Attributes:
        state: All that is remembered; plain data, to be kept and restored as a whole.
    """

    def __init__(
        self,
        size: tuple[int, int],
        zones: Sequence[Zone],
        config: Config,
        *,
        sample_s: float,
        lost_s: float,
        ask_again_s: float,
        models: Mapping[str, Model],
        verify: Verify,
        camera: Camera | None = None,
    ) -> None:
        self.small_size = small_size(*size)
        self._scale = self.small_size[0] / size[0]
        self._watched = _raster(zones, self._scale, self.small_size)
        self._confidence = config.detector.confidence
        self._refresh_s = config.change.refresh_s
        self._min_side_px = _smallest_side(zones, config, size[1], camera)
        self._sample_s = sample_s
        self._lost_s = lost_s
        self._ask_again_s = ask_again_s
        self._models = models
        self._verify = verify
        self._look: Look | None = None
        self._groups = registry.vehicle_groups()
        self._polygons = {group.name: _watched_for(group, zones) for group in self._groups}
        vehicles = (name for group in self._groups for name in group.classes)
        self._explained = ("person", *vehicles, *OTHERS)
        self.state = self._blank()

    def restart(self, from_s: float) -> None:
        """Forgets the view; what came to rest before a time belongs to the new one."""
        self.state = self._blank()
        self.state.keeper.from_s = from_s

    def _blank(self) -> PerceptionState:
        tolerance = Tolerance(lost_s=self._lost_s)
        keeper = SettledKeeper(
            self._scale, self._watched, self._min_side_px, self._lost_s, self._ask_again_s
        )
        names = [*(group.name for group in self._groups), _GOODS, _OTHERS]
        trackers = {name: StillTracker(tolerance) for name in names}
        return PerceptionState(None, ViewHealth(), trackers, keeper)

    @property
    def time_s(self) -> float:
        """Media time of the last sample of a sound view, seconds; 0 before the first."""
        background = self.state.background
        return 0.0 if background is None else background.time_s

    @property
    def trusted(self) -> bool:
        """Whether the last sample shows the view that the background model knows."""
        return self.state.health.trusted

    def view(self, picture: Image, time_s: float) -> ViewEvent | None:
        """Updates the view's health, and the background where the view can be trusted.

        Returns:
            A change of the view's state, if there was one.
        """
        background = self.state.background
        if background is None:
            self.state.background = Background.of(picture, time_s, occlusion_s=self._lost_s)
            return None
        now, known = Pyramid.of(picture), Pyramid.of(background.background)
        pose = follow(now, known, self.state.pose)
        if not pose.is_identity:
            now = Pyramid.of(pose.unwarped(picture, background.background))
        event = self.state.health.update(picture, now, known, time_s)
        if self.trusted:
            self.state.pose = pose
            background.update(np.asarray(now.fine, np.uint8), time_s)
        return event

    @property
    def pose(self) -> Pose:
        """Where the view lies in the last frame, pixels of the frame."""
        return self.state.pose.scaled(1 / self._scale)

    def needs_detector(self, time_s: float) -> bool:
        """Compares the new pixels with what is known; whether the detector must be asked."""
        background, view = self._background_and_view()
        standing = self._standing_boxes(background.first_s)
        in_doubt = [tracker.compare(time_s, view) for tracker in self.state.trackers.values()]
        self._look = Look(background, self._verify)
        if self.state.keeper.find(self._look, standing):
            for tracker in self.state.trackers.values():
                tracker.date(view)
        asked_at = self.state.asked_at
        # Samples come at sample_s or a little sooner: half of one must not cost a whole one.
        if asked_at is not None and time_s - asked_at < self._ask_again_s - self._sample_s / 2:
            return False
        stale = asked_at is None or time_s - asked_at >= self._refresh_s
        return stale or any(in_doubt) or self.state.keeper.asks(self._look)

    def perceive(
        self, time_s: float, at: datetime, frame: Frame, detections: sv.Detections | None
    ) -> Perceived:
        """Updates what stands still and what has settled.

        Args:
            time_s: Media time of the sample, seconds.
            at: The same moment, UTC.
            frame: The pixels.
            detections: The detector's result; ``None`` where the detector was not asked.
        """
        _, view = self._background_and_view()
        goods = None
        if detections is not None:
            self.state.asked_at = time_s
            detections = self._in_view(detections)
            explained = _of_classes(detections, self._explained)
            goods = self._goods(detections, explained)
            detections = explained
            self.state.trackers[_OTHERS].update(time_s, _of_classes(detections, OTHERS), view)
        standing = {}
        for group in self._groups:
            mine = None if detections is None else self._in_zones(detections, group)
            standing[group.name] = self.state.trackers[group.name].update(time_s, mine, view)
        standing_goods = self.state.trackers[_GOODS].update(time_s, goods, view)
        assert self._look is not None
        settled = self.state.keeper.update(self._look, detections, standing_goods)
        persons = None if detections is None else _of_classes(detections, ("person",))
        return Perceived(time_s, at, persons, settled, frame, standing, self._models, self.pose)

    def skip(self, gap_s: float) -> None:
        """Accounts for ``gap_s`` seconds without samples."""
        if self.state.background is not None:
            self.state.background.skip(gap_s)
        for tracker in self.state.trackers.values():
            tracker.skip(gap_s)
        self.state.keeper.skip(gap_s)
        if gap_s >= self._lost_s:
            self.state.asked_at = None  # whoever came meanwhile is unknown

    def _background_and_view(self) -> tuple[Background, View]:
        assert self.state.background is not None, "no sample has been seen"
        return self.state.background, View(self.state.background, self._scale)

    def _in_view(self, detections: sv.Detections) -> sv.Detections:
        """Detections in a frame, where they are in the view."""
        return replace(
            detections, xyxy=self.pose.inverse().boxes(detections.xyxy.astype(np.float32))
        )

    def _goods(self, detections: sv.Detections, explained: sv.Detections) -> sv.Detections:
        """Goods that stand where any zone lies, and that nothing in ``explained`` carries."""
        found = _of_classes(detections, GOODS)
        found = _select(found, self._is_clear(found) & self._is_watched(found))
        return _select(found, ~carried(found, _select(explained, self._is_clear(explained))))

    def _is_clear(self, detections: sv.Detections) -> NDArray[np.bool_]:
        confidence = detections.confidence
        if confidence is None:
            return np.ones(len(detections), np.bool_)
        return np.asarray(confidence >= self._confidence, np.bool_)

    def _is_watched(self, detections: sv.Detections) -> NDArray[np.bool_]:
        """Whether the middle of each box lies in a zone."""
        height, width = self._watched.shape
        middle = (detections.xyxy[:, :2] + detections.xyxy[:, 2:]) / 2 * self._scale
        columns, rows = middle.astype(int).clip(0, (width - 1, height - 1)).T
        return np.asarray(self._watched[rows, columns], np.bool_)

    def _in_zones(self, detections: sv.Detections, group: Vehicles) -> sv.Detections:
        """Vehicles that could matter: the traffic beside the zones is not followed."""
        mine = _of_classes(detections, group.classes)
        mine = _select(mine, self._is_clear(mine))
        polygons = self._polygons[group.name]
        keep = [any(stands_in(box, polygon) for polygon in polygons) for box in mine.xyxy]
        return _select(mine, np.array(keep, np.bool_))

    def _standing_boxes(self, first_s: float) -> NDArray[np.float32]:
        """Boxes of what explains pixels; what stood there from the first sample may be the view."""
        tracks = [
            track
            for name, tracker in self.state.trackers.items()
            for track in tracker.tracks
            if (track.confirmed or name == _GOODS)
            and (name not in (_GOODS, _OTHERS) or track.began > first_s)
        ]
        boxes = [track.box for track in tracks]
        return np.stack(boxes) if boxes else np.zeros((0, 4), np.float32)


def small_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the small picture of a frame."""
    scale = min(1.0, SMALL_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _watched_for(group: Vehicles, zones: Sequence[Zone]) -> list[BaseGeometry]:
    """The polygons of the zones that watch for a kind whose rule reads a group of vehicles."""
    kinds = {rule.kind for rule in registry.all_rules() if rule.vehicles == group}
    return [zone.polygon for zone in zones if kinds & zone.kinds]


def _smallest_side(
    zones: Sequence[Zone], config: Config, height: int, camera: Camera | None
) -> float:
    """Short side of the smallest settled thing that any rule counts in any zone, pixels."""
    sides = [
        smallest(config.rules.of(rule), each, height, camera).least(zone.polygon.bounds)
        for rule in registry.all_rules()
        if rule.reads_settled
        for zone in zones
        # Regions lead to vehicles, too, so that a zone's own size adds smaller ones only.
        for each in (zone, replace(zone, min_size=None, min_size_m=None))
    ]
    return min(sides, default=math.inf)  # no rule reads them, so no region is large enough


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


def _of_classes(detections: sv.Detections, classes: Collection[str]) -> sv.Detections:
    names = detections.data.get("class_name")
    if names is None or not len(detections):
        return sv.Detections.empty()
    return _select(detections, np.isin(np.asarray(names), list(classes)))


def _select(detections: sv.Detections, keep: NDArray[np.bool_]) -> sv.Detections:
    if not keep.any():
        return sv.Detections.empty()
    chosen = detections[keep]
    assert isinstance(chosen, sv.Detections)
    return chosen
