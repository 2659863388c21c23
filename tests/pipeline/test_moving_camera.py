"""A camera that sways in the wind or drifts: things stay where they lie on the ground."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import cv2
import numpy as np
import pytest
import shapely
import supervision as sv

from cv_engine.pipeline.observer import Observer
from cv_engine.rules.stays import Violation
from cv_engine.scene.pose import Pose
from cv_engine.scene.view_health import ViewState
from tests.pipeline.observing import (
    BAG,
    BEGAN,
    CAR,
    DWELL_S,
    EVERY_S,
    REFRESH_S,
    Frame,
    Watch,
    config,
    observer,
)
from tests.tracking.scenes import (
    HEIGHT,
    TRUTH,
    WIDTH,
    Corners,
    Gray,
    Picture,
    Scene,
    Thing,
    shot,
    texture,
)
from zones.zone import Zone

STREET = texture(5, WIDTH, HEIGHT, 60, 180, grain=14)

Way = Callable[[float], Pose]


def swaying(px: float, share: float = 0.0) -> Way:
    """Never twice at the same place; at first where the view is.

    Args:
        px: How far it is shifted at most, pixels.
        share: How far it is zoomed, and turned in radians, at most.
    """

    def pose(time_s: float) -> Pose:
        zoom, turn = 1 + share * math.sin(0.7 * time_s), share * math.sin(1.1 * time_s)
        a, b = zoom * math.cos(turn), zoom * math.sin(turn)
        return Pose(a, b, px * math.sin(1.7 * time_s), px * math.sin(2.9 * time_s) / 2)

    return pose


def drifting(px: float, over_s: float) -> Way:
    """To the right from the first second on, and then fixed."""
    return lambda time_s: Pose(dx=px * min(1.0, time_s / over_s))


@dataclass(frozen=True)
class Moving(Scene):
    """Things where the first picture shows them; pictures and the detector's boxes are moved.

    Attributes:
        pose: Where the view lies in the picture of a moment.
    """

    pose: Way = field(default_factory=lambda: swaying(5.0))

    def drawn(self, time_s: float) -> Picture:
        still, matrix = super().drawn(time_s), self.pose(time_s).matrix
        # What lies beyond the view is not looked at: its mirror image serves as well.
        moved = cv2.warpAffine(
            still, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        return np.asarray(moved, np.float64)

    def detections(self, time_s: float) -> sv.Detections:
        found = super().detections(time_s)
        found.xyxy = self.pose(time_s).boxes(found.xyxy.astype(np.float32))
        return found

    def shown(self, corners: Corners, time_s: float) -> list[float]:
        """Where the picture of a moment shows a box of the first one."""
        box: list[float] = self.pose(time_s).boxes(np.array([corners], np.float32))[0].tolist()
        return box


def _watch(pose: Way, *things: Thing, last_s: float = 200.0, zones: tuple[Zone, ...] = ()) -> Watch:
    scene = Moving(list(things), STREET, pose)
    return Watch(observer(*zones, drawn=bool(zones)), scene).until(last_s)


def _off_px(case: Violation, corners: list[float] | Corners) -> float:
    return float(np.abs(np.subtract(case.box, corners)).max())


WAYS = pytest.mark.parametrize(
    "pose",
    [
        pytest.param(swaying(5.0), id="sways"),
        pytest.param(swaying(3.0, 0.01), id="sways-turns-and-zooms"),
        pytest.param(drifting(16.0, 150.0), id="drifts"),
    ],
)


@WAYS
def test_an_empty_street_is_no_case_and_no_event(pose: Way) -> None:
    watch = _watch(pose)
    assert not watch.due
    assert not watch.view
    assert watch.asked == np.arange(0, 201, REFRESH_S).tolist()


@WAYS
@pytest.mark.parametrize(
    ("thing", "kind"),
    [
        pytest.param(Thing("", BAG, 7, first_s=29.0), "clutter", id="bag"),
        pytest.param(Thing("car", CAR, 7, first_s=29.0), "motor_vehicle_parked", id="car"),
    ],
)
def test_what_stays_is_one_case_where_the_frame_shows_it(
    thing: Thing, kind: str, pose: Way
) -> None:
    watch = _watch(pose, thing, last_s=130)
    ((due_s, case),) = watch.due
    assert (case.kind, case.began, due_s) == (kind, 30.0, 30.0 + DWELL_S)
    scene = watch.scene
    assert isinstance(scene, Moving)
    assert _off_px(case, scene.shown(thing.corners, due_s)) <= 2.0
    assert _off_px(case, thing.corners) > 3.0, "the first frame had it elsewhere"
    assert not watch.view
    assert not watch.ended


def test_a_car_parked_since_the_first_sample_is_one_case_and_its_end() -> None:
    watch = _watch(swaying(5.0), Thing("car", CAR, 7, last_s=101.0))
    ((due_s, case),) = watch.due
    assert (case.began, due_s) == (0.0, DWELL_S)
    ((_, ended),) = watch.ended
    assert (ended.thing, ended.observed) == (case.thing, 100.0)


def test_traffic_is_no_case() -> None:
    cars = [
        Thing("car", (-70, 80, 0, 125), 20 + n, first_s=10.0 * n, last_s=10.0 * n + 9, speed=60.0)
        for n in range(12)
    ]
    watch = _watch(swaying(5.0), *cars, last_s=120)
    assert not watch.due
    assert not watch.view


class TestZone:
    """Drawn on the first picture; then the camera drifts by more than a bag's width."""

    FAR_PX = 36.0
    BAG_S = 60.0  # the drift is over

    def watch(self, left: float, right: float) -> Watch:
        zone = Zone("kerb", frozenset(["clutter"]), shapely.box(left, 0, right, HEIGHT))
        bag = Thing("", BAG, 7, first_s=self.BAG_S)
        return _watch(drifting(self.FAR_PX, 50.0), bag, last_s=self.BAG_S + 80, zones=(zone,))

    def test_a_bag_that_only_the_frame_shows_in_it_does_not_count(self) -> None:
        watch = self.watch(BAG[0] + self.FAR_PX - 3, WIDTH)
        assert not watch.due
        assert not watch.view

    def test_a_bag_that_only_the_frame_shows_beside_it_counts(self) -> None:
        watch = self.watch(BAG[0] - 3, BAG[2] + 3)
        ((_, case),) = watch.due
        assert (case.zone, case.began) == ("kerb", self.BAG_S)
        x1, y1, x2, y2 = BAG
        assert _off_px(case, [x1 + self.FAR_PX, y1, x2 + self.FAR_PX, y2]) <= 2.0
        assert not watch.view

    def test_a_car_is_judged_by_its_place_on_the_ground_too(self) -> None:
        x1, _, x2, _ = CAR
        places = {"was": (x1 - 3, x2 + 3), "is": (x2 + 3, x2 + 80)}
        zones = tuple(
            Zone(name, frozenset(["motor_vehicle_parked"]), shapely.box(left, 0, right, HEIGHT))
            for name, (left, right) in places.items()
        )
        car = Thing("car", CAR, 7, first_s=self.BAG_S)
        watch = _watch(drifting(45.0, 50.0), car, last_s=self.BAG_S + 80, zones=zones)
        assert [case.zone for _, case in watch.due] == ["was"]


def test_a_slow_drift_has_not_moved_the_view() -> None:
    """By an eighth of the width within five minutes: a push by a third of that is an event."""
    watch = _watch(drifting(40.0, 300.0), last_s=310)
    assert not watch.view
    assert not watch.due


def test_a_swaying_camera_that_is_turned_away_is_missed_and_found_again() -> None:
    scene = Moving([Thing("car", CAR, 7)], STREET)
    away = texture(77, WIDTH, HEIGHT, 60, 180, grain=11)

    def picture(time_s: float) -> Gray:
        is_away = 40 <= time_s < 50
        return shot(away, round(100 * time_s)) if is_away else scene.picture(time_s)

    everywhere = Zone("kerb", frozenset(["motor_vehicle_parked"]), shapely.box(0, 0, WIDTH, HEIGHT))
    watch = Watch(observer(everywhere, drawn=True), scene, picture=picture).until(120)
    assert watch.view == [(42.0, ViewState.MOVED), (52.0, ViewState.GOOD)]
    assert [case.began for _, case in watch.due] == [0.0]


@pytest.mark.parametrize("seed", [710, 720, 745])
def test_another_view_leaves_no_trace(seed: int) -> None:
    """Some of it looks like the first view in a wrong place, by chance."""
    scene = Scene()
    away = texture(seed, WIDTH, HEIGHT, 60, 180, grain=9)

    def picture(time_s: float) -> Gray:
        is_away = 10 <= time_s < 40
        return shot(away, round(100 * time_s)) if is_away else scene.picture(time_s)

    watch = Watch(observer(drawn=True), scene, picture=picture).until(60)
    assert watch.view == [(12.0, ViewState.MOVED), (42.0, ViewState.GOOD)]


@pytest.mark.parametrize(
    "light",
    [
        pytest.param(lambda t: 1.0 if t < 40 else 0.7, id="cloud"),
        pytest.param(lambda t: 1.0 if t < 40 else 1.3, id="sun"),
        pytest.param(lambda t: max(0.3, 1.0 - t / 300), id="dusk"),
    ],
)
def test_light_on_a_swaying_camera_is_neither_an_event_nor_a_case(
    light: Callable[[float], float],
) -> None:
    scene = Moving([Thing("", BAG, 7, first_s=59.0)], STREET, swaying(6.0))
    watch = Watch(observer(), scene, picture=lambda t: scene.picture(t, light(t))).until(160)
    ((due_s, case),) = watch.due
    assert (case.kind, case.began) == ("clutter", 60.0)
    assert _off_px(case, scene.shown(BAG, due_s)) <= 2.0
    assert not watch.view


def test_another_observer_continues_where_one_stopped() -> None:
    """The view's place is remembered: what stands there is where it was."""
    things = [Thing("car", CAR, 7, 29.0, 111.0), Thing("", BAG, 9, first_s=44.0)]
    scene = Moving(things, STREET, drifting(20.0, 60.0))
    undisturbed = Watch(observer(), scene).until(150)
    first = Watch(observer(), scene).until(88.0)
    second = Watch(observer(), scene)
    second.observer.restore(first.observer.state())
    second.until(150, first_s=88.0 + EVERY_S)
    assert [*first.seen, *second.seen] == undisturbed.seen
    assert len(undisturbed.due) == 2


def test_boxes_are_in_pixels_of_a_large_frame() -> None:
    """Four times as large as the picture on which the camera is followed."""
    scene = Moving([Thing("", BAG, 7, first_s=29.0)], STREET)
    zone = Zone("kerb", frozenset(["clutter"]), shapely.box(0, 0, 4 * WIDTH, 4 * HEIGHT))
    watcher = Observer(
        4 * WIDTH, 4 * HEIGHT, [zone], config(), sample_s=EVERY_S, verify=TRUTH, drawn=True
    )
    size = watcher.small_size
    factor = size[0] / WIDTH
    due: list[tuple[float, Violation]] = []
    for time_s in np.arange(0.0, 121.0, EVERY_S).tolist():
        picture = cv2.resize(scene.picture(time_s), size, interpolation=cv2.INTER_CUBIC)
        TRUTH.boxes = [
            tuple(round(factor * side) for side in corners)  # type: ignore[misc]
            for corners in TRUTH.boxes
        ]
        at = BEGAN + timedelta(seconds=time_s)
        frame = Frame(np.asarray(picture, np.uint8))
        seen = watcher.observe(time_s, at, frame, sv.Detections.empty)
        due += [(time_s, each) for each in seen.stays.due]
    ((due_s, case),) = due
    assert _off_px(case, [4 * side for side in scene.shown(BAG, due_s)]) <= 4 * 2.0
