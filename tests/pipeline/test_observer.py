"""One camera watched from the first sample on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import shapely
import supervision as sv

from cv_engine.config import Config
from cv_engine.pipeline.observer import Observation, Observer
from cv_engine.pipeline.perception import small_size
from cv_engine.rules.registry import kinds
from cv_engine.rules.stays import Stays, Violation
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
    Scene,
    Thing,
    ground,
    shot,
    texture,
)
from zones.schedule import Schedule
from zones.zone import Zone, whole_frame


def _watch(*things: Thing, last_s: float, zones: tuple[Zone, ...] = ()) -> Watch:
    return Watch(observer(*zones), Scene(list(things))).until(last_s)


def test_an_empty_street_costs_a_detection_a_minute() -> None:
    watch = _watch(last_s=600)
    assert watch.asked == np.arange(0, 601, REFRESH_S).tolist()
    assert [t for t, seen in watch.seen if seen.asked] == watch.asked
    assert not watch.due


def test_a_car_that_arrives_is_one_case() -> None:
    watch = _watch(Thing("car", CAR, 7, first_s=29.0), last_s=300)
    ((due_s, case),) = watch.due
    assert (case.kind, case.zone) == ("motor_vehicle_parked", "whole frame")
    assert case.began == 30.0
    assert due_s == 30.0 + DWELL_S
    assert np.abs(np.subtract(case.box, CAR)).max() < 3
    assert case.attributes["vehicle"] == "car"
    assert not watch.ended
    # Without it one every minute; it costs a few to be known, and none while it stands.
    assert len(watch.asked) <= 300 / REFRESH_S + 1 + 3


def test_parked_since_the_first_sample() -> None:
    watch = _watch(Thing("car", CAR, 7), last_s=300)
    ((due_s, case),) = watch.due
    assert (case.began, due_s) == (0.0, DWELL_S)
    assert len(watch.asked) <= 300 / REFRESH_S + 1 + 3


def test_it_leaves_and_that_is_told() -> None:
    watch = _watch(Thing("car", CAR, 7, 29.0, last_s=151.0), last_s=300)
    assert len(watch.due) == 1
    ((ended_s, case),) = watch.ended
    assert case.began == 30.0
    assert case.observed == 150.0
    assert 150.0 + 20.0 <= ended_s <= 150.0 + 20.0 + 2 * EVERY_S


def test_one_leaves_and_another_takes_its_place() -> None:
    things = [Thing("car", CAR, 7, last_s=101.0), Thing("car", CAR, 8, first_s=111.0)]
    watch = _watch(*things, last_s=300)
    assert [(case.thing, case.began) for _, case in watch.due] == [(1, 0.0), (2, 112.0)]
    assert [case.observed for _, case in watch.ended] == [100.0]


def test_traffic_is_no_case() -> None:
    cars = [
        Thing("car", (-70, 80, 0, 125), 20 + n, first_s=10.0 * n, last_s=10.0 * n + 9, speed=60.0)
        for n in range(30)
    ]
    watch = _watch(*cars, last_s=300)
    assert not watch.due
    assert not watch.view


def test_a_bag_is_clutter_and_a_person_is_not() -> None:
    person: Corners = (60, 60, 85, 130)
    things = [Thing("", BAG, 7, first_s=29.0), Thing("person", person, 8, first_s=29.0)]
    watch = _watch(*things, last_s=300)
    ((due_s, case),) = watch.due
    assert case.kind == "clutter"
    assert case.began == 30.0
    assert due_s == 30.0 + DWELL_S
    assert np.abs(np.subtract(case.box, BAG)).max() < 4


def test_each_kind_has_its_own_limit() -> None:
    bicycle: Corners = (230, 100, 270, 150)
    watch = _watch(Thing("car", CAR, 7), Thing("bicycle", bicycle, 8), last_s=300)
    assert [(t, case.kind) for t, case in watch.due] == [
        (DWELL_S, "motor_vehicle_parked"),
        (2 * DWELL_S, "non_motor_vehicle_parked"),
    ]


def test_the_detectors_whispers_do_not_park() -> None:
    """Doubtful boxes explain what settles, but only sure ones are vehicles."""
    scene = Scene([Thing("car", CAR, 7)])

    @dataclass(frozen=True)
    class Doubtful(Scene):
        def detections(self, time_s: float) -> sv.Detections:
            found = scene.detections(time_s)
            found.confidence = np.full(len(found), 0.15, np.float32)
            return found

    watch = Watch(observer(), Doubtful(scene.things)).until(300)
    assert not watch.due


@pytest.mark.parametrize("every_s", [0.5, 1.0, 5.0])
def test_any_rate_finds_the_same(every_s: float) -> None:
    scene = Scene([Thing("car", CAR, 7, 29.0, 171.0), Thing("", BAG, 9, 44.0)])
    watch = Watch(observer(every_s=every_s), scene).until(200, every_s=every_s)
    due = {case.kind: (t, case) for t, case in watch.due}
    assert sorted(due) == ["clutter", "motor_vehicle_parked"]
    assert len(watch.due) == 2
    for kind, first_s in [("motor_vehicle_parked", 29.0), ("clutter", 44.0)]:
        due_s, case = due[kind]
        assert case.began == pytest.approx(first_s, abs=every_s)
        assert due_s == pytest.approx(first_s + DWELL_S, abs=2 * every_s)
    ((_, left),) = watch.ended
    assert left.observed == pytest.approx(171.0, abs=every_s)


def test_outside_the_zones_the_detector_is_not_asked() -> None:
    kerb = Zone("kerb", frozenset(["motor_vehicle_parked", "clutter"]), shapely.box(0, 0, 100, 192))
    things = [Thing("car", CAR, 7, first_s=29.0), Thing("", BAG, 9, first_s=44.0)]
    watch = _watch(*things, last_s=300, zones=(kerb,))
    assert watch.asked == np.arange(0, 301, REFRESH_S).tolist()
    assert not watch.due


def test_hours_of_the_zone() -> None:
    hours = Schedule.parse("Mo-Fr 08:02-09:00")
    zone = Zone(**(vars(whole_frame(WIDTH, HEIGHT, kinds())) | {"schedule": hours}))
    watch = _watch(Thing("car", CAR, 7), last_s=300, zones=(zone,))
    ((due_s, case),) = watch.due
    assert (case.began, due_s) == (120.0, 180.0)


def _turned(time_s: float) -> Gray:
    return shot(texture(77, WIDTH, HEIGHT, 60, 180, grain=11), round(100 * time_s))


class TestTurning:
    """A camera that is turned away for a while."""

    def watch(self, drawn: bool, away_s: float, back_s: float, last_s: float) -> Watch:
        car = [Thing("car", CAR, 7, last_s=away_s), Thing("car", CAR, 7, first_s=back_s)]
        scene = Scene(car, ground=texture(5, WIDTH, HEIGHT, 60, 180, grain=14))

        def picture(time_s: float) -> Gray:
            return _turned(time_s) if away_s <= time_s < back_s else scene.picture(time_s)

        return Watch(observer(drawn=drawn), scene, picture=picture).until(last_s)

    def test_with_drawn_zones_it_is_suspended_until_it_is_back(self) -> None:
        watch = self.watch(drawn=True, away_s=40.0, back_s=50.0, last_s=120.0)
        assert watch.view == [(42.0, ViewState.MOVED), (52.0, ViewState.GOOD)]
        assert not [t for t in watch.asked if 40 <= t <= 50]
        # Ten seconds are no longer than somebody standing before it.
        assert [case.began for _, case in watch.due] == [0.0]

    def test_away_for_long_a_stay_is_not_known_to_have_lasted(self) -> None:
        watch = self.watch(drawn=True, away_s=40.0, back_s=300.0, last_s=420.0)
        assert watch.view == [(42.0, ViewState.MOVED), (302.0, ViewState.GOOD)]
        assert not [t for t in watch.asked if 40 <= t < 300]
        assert all(t >= 300 for t, _ in watch.due)

    def test_without_drawn_zones_the_new_view_is_watched(self) -> None:
        watch = self.watch(drawn=False, away_s=100.0, back_s=1e9, last_s=300.0)
        assert watch.view == [(102.0, ViewState.MOVED)]
        assert [case.began for _, case in watch.due] == [0.0]
        # What had been there too long is over, as far as anybody can tell.
        assert [(t, case.observed) for t, case in watch.ended] == [(102.0, 98.0)]
        assert min(t for t in watch.asked if t > 100) == 104.0


@pytest.mark.parametrize(
    "light",
    [
        pytest.param(lambda t: 1.0 if t < 60 else 0.6, id="cloud"),
        pytest.param(lambda t: max(0.3, 1.0 - t / 500), id="dusk"),
        pytest.param(lambda t: min(1.4, 0.5 + t / 400), id="dawn"),
    ],
)
def test_light_is_neither_an_event_nor_a_case(light: Callable[[float], float]) -> None:
    scene = Scene(
        [Thing("car", CAR, 7, first_s=29.0)], ground=texture(5, WIDTH, HEIGHT, 60, 180, grain=14)
    )
    watch = Watch(observer(), scene, picture=lambda t: scene.picture(t, light(t))).until(400)
    assert not watch.view
    assert [(case.kind, case.began) for _, case in watch.due] == [("motor_vehicle_parked", 30.0)]
    assert not watch.ended


def test_another_observer_continues_where_one_stopped() -> None:
    """In memory; tests/pipeline/test_checkpoint.py has it written to disk and read again."""
    scene = Scene([Thing("car", CAR, 7, 29.0, 151.0), Thing("", BAG, 9, first_s=44.0)])
    undisturbed = Watch(observer(), scene).until(240)
    for stop in (30.0, 88.0):
        first = Watch(observer(), scene).until(stop)
        second = Watch(observer(), scene)
        second.observer.restore(first.observer.state())
        second.until(240, first_s=stop + EVERY_S)
        assert [*first.seen, *second.seen] == undisturbed.seen
        assert first.asked + second.asked == undisturbed.asked


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, (480, 270)),
        (1080, 1920, (270, 480)),
        (320, 192, (320, 192)),
        (480, 480, (480, 480)),
        (4000, 3, (480, 1)),
    ],
)
def test_the_small_picture(width: int, height: int, expected: Any) -> None:
    assert small_size(width, height) == expected


def test_zones_are_in_pixels_of_the_frame() -> None:
    """On a frame four times as large as the small picture."""
    zone = Zone("kerb", frozenset(["clutter"]), shapely.box(900, 400, 1200, 700))
    watcher = Observer(
        4 * WIDTH, 4 * HEIGHT, [zone], config(), sample_s=EVERY_S, verify=TRUTH, drawn=True
    )
    width, height = watcher.small_size
    bare = texture(5, width, height, 95, 155, grain=12)
    due: list[Violation] = []
    for n in range(60):
        drawn = bare.copy()
        if n >= 10:
            left, top = (round(value * width / (4 * WIDTH)) for value in (1000, 500))
            drawn[top : top + 40, left : left + 50] = texture(7, 50, 40, 0, 60)
            TRUTH.boxes = [(left, top, left + 50, top + 40)]
        at = BEGAN + timedelta(seconds=2 * n)
        seen = watcher.observe(2.0 * n, at, Frame(shot(drawn, n)), sv.Detections.empty)
        due += seen.stays.due
    (case,) = due
    scale = 4 * WIDTH / width
    expected = (1000, 500, 1000 + 50 * scale, 500 + 40 * scale)
    assert np.abs(np.subtract(case.box, expected)).max() < 4 * scale


@pytest.mark.parametrize(
    ("own", "found"),
    [
        pytest.param(None, False, id="too-small-for-the-rule"),
        pytest.param(0.02, True, id="the-zone-counts-smaller-things"),
    ],
)
def test_a_zone_may_count_smaller_things_than_the_rule(own: float | None, found: bool) -> None:
    ground = shapely.box(200, 100, 300, 180)
    zone = Zone("kerb", frozenset(["clutter"]), ground, min_size=own)
    rules = {"clutter": {"dwell_s": DWELL_S, "min_size": 0.2}}
    settings = Config.model_validate({"rules": rules, "video": {"sample_s": EVERY_S}})
    watcher = Observer(WIDTH, HEIGHT, [zone], settings, sample_s=EVERY_S, verify=TRUTH, drawn=True)
    scene = Scene([Thing("", (230, 120, 244, 134), 7, first_s=20.0)])
    due = Watch(watcher, scene).until(120.0).due
    assert [violation.kind for _, violation in due] == (["clutter"] if found else [])


def test_the_ground_of_the_scenes_is_seeded() -> None:
    assert np.array_equal(ground(), ground())


def _asked_at(watcher: Observer, time_s: float, picture: Gray) -> Observation | None:
    return watcher.begin(time_s, BEGAN + timedelta(seconds=time_s), Frame(picture))


def test_two_cameras_share_a_call_of_the_detector() -> None:
    """Each sample in two steps, those of the other camera between them, is each sample at once."""
    scenes = [
        Scene([Thing("car", CAR, 7, 29.0, 151.0), Thing("", BAG, 9, first_s=44.0)]),
        Scene([Thing("person", (60, 60, 85, 130), 8, 10.0), Thing("car", CAR, 5)]),
    ]
    alone = [Watch(observer(), scene).until(200) for scene in scenes]
    watchers = [observer(), observer()]
    seen: list[list[tuple[float, Observation]]] = [[], []]
    for time_s in np.arange(0, 201, EVERY_S).tolist():
        samples = [
            _asked_at(watcher, time_s, scene.picture(time_s))
            for watcher, scene in zip(watchers, scenes, strict=True)
        ]
        for which, (watcher, scene, sample) in enumerate(
            zip(watchers, scenes, samples, strict=True)
        ):
            scene.picture(time_s)  # what the verifier judges next
            done = watcher.conclude(scene.detections(time_s)) if sample is None else sample
            seen[which].append((time_s, done))
    assert seen == [watch.seen for watch in alone]


def test_a_detector_that_is_away_is_asked_again_at_the_next_sample() -> None:
    scene, watcher = Scene([Thing("car", CAR, 7)]), observer()
    for time_s in (0.0, 2.0):
        assert _asked_at(watcher, time_s, scene.picture(time_s)) is None
        assert watcher.conclude(None) == Observation(Stays())
    assert _asked_at(watcher, 4.0, scene.picture(4.0)) is None
    assert watcher.conclude(scene.detections(4.0)).asked


def test_between_the_two_steps_nothing_else_may_be_done() -> None:
    watcher = observer()
    with pytest.raises(AssertionError, match="no sample waits"):
        watcher.conclude(None)
    assert _asked_at(watcher, 0.0, Scene().picture(0.0)) is None
    for step in (watcher.state, lambda: watcher.skip(60.0)):
        with pytest.raises(AssertionError, match="not concluded"):
            step()


class TestBusy:
    """Whether looks should follow each other more closely."""

    def times(self, watch: Watch) -> list[float]:
        return [t for (t, _), busy in zip(watch.seen, watch.busy, strict=True) if busy]

    def test_passing_traffic_is_no_reason(self) -> None:
        cars = [
            Thing("car", (-70, 80, 0, 125), 20 + n, 10.0 * n, 10.0 * n + 9, speed=60.0)
            for n in range(20)
        ]
        assert not self.times(_watch(*cars, last_s=200))

    @pytest.mark.parametrize(
        "thing",
        [
            pytest.param(Thing("car", CAR, 7, first_s=29.0), id="car"),
            pytest.param(Thing("", BAG, 9, first_s=29.0), id="bag"),
        ],
    )
    def test_as_a_stay_nears_its_limit(self, thing: Thing) -> None:
        watch = _watch(thing, last_s=200)
        assert [due_s for due_s, _ in watch.due] == [90.0]
        expected = set(range(82, 90, 2))
        assert expected <= set(self.times(watch)) <= expected | {80.0, 90.0}

    def test_what_leaves_in_time_is_no_reason(self) -> None:
        watch = _watch(Thing("car", CAR, 7, 29.0, 60.0), last_s=200)
        assert not watch.due
        assert not self.times(watch)

    def test_where_and_when_it_may_stand_it_is_none(self) -> None:
        beside = Zone("kerb", frozenset(["motor_vehicle_parked"]), shapely.box(0, 0, 100, 192))
        closed = vars(whole_frame(WIDTH, HEIGHT, kinds())) | {
            "schedule": Schedule.parse("18:00-19:00")
        }
        for zone in (beside, Zone(**closed)):
            watch = _watch(Thing("car", CAR, 7, 29.0), last_s=200, zones=(zone,))
            assert [t for t in self.times(watch) if t > 30.0 + REFRESH_S] == []
