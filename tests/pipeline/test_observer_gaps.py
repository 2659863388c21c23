"""A live stream that is away for minutes: what stood before and stands after is one stay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cv_engine.rules.registry import kinds
from tests.pipeline.observing import BAG, CAR, DWELL_S, EVERY_S, LOST_S, Watch, observer
from tests.tracking.scenes import HEIGHT, WIDTH, Corners, Gray, Scene, Thing, texture
from zones.schedule import Schedule
from zones.zone import Zone, whole_frame

GAPS = [30.0, 900.0]
# Second of the last sample before the gap.
LAST_S = 100.0
DURING_S = LAST_S + 1.0
_ACROSS = np.broadcast_to(np.linspace(0.0, 1.0, WIDTH)[None, :], (HEIGHT, WIDTH))

gaps = pytest.mark.parametrize("gap_s", GAPS)


def _paving() -> NDArray[np.float64]:
    return texture(5, WIDTH, HEIGHT, 60, 180, grain=14)


def _blot(*corners: Corners) -> NDArray[np.float64]:
    """Shadows with hard edges."""
    light = np.ones((HEIGHT, WIDTH))
    for x1, y1, x2, y2 in corners:
        light[y1:y2, x1:x2] = 0.6
    return light


LIGHTS = {
    "as-before": np.ones((HEIGHT, WIDTH)),
    "cloud": np.full((HEIGHT, WIDTH), 0.6),
    "sun": np.full((HEIGHT, WIDTH), 1.3),
    "night": np.full((HEIGHT, WIDTH), 0.3),
    "slope": 0.6 + 0.7 * _ACROSS,
    "lamp": 0.4 + 1.2 * np.exp(-((_ACROSS - 0.7) ** 2) / 0.05),
    "half-in-the-shadow": np.where(_ACROSS < 0.5, 0.6, 1.0),
    "shadows": _blot((20, 20, 90, 70), (200, 30, 300, 60), (200, 140, 310, 180)),
    "shadows-over-things": _blot((240, 100, 300, 140), (100, 95, 150, 130)),
}
# Every gap in the same light, and every light after one gap.
_MOMENTS = [*((gap_s, "as-before") for gap_s in (30.0, 900.0)), *((180.0, name) for name in LIGHTS)]
moments = pytest.mark.parametrize(
    ("gap_s", "light"),
    [pytest.param(gap_s, LIGHTS[name], id=f"{gap_s:.0f}-{name}") for gap_s, name in _MOMENTS],
)


def _watch(
    *things: Thing,
    gap_s: float,
    light: NDArray[np.float64] | None = None,
    for_s: float = 120.0,
    dwell_s: float = DWELL_S,
    zones: tuple[Zone, ...] = (),
) -> Watch:
    """Until a gap, and on after it, when the light may be another."""
    scene = Scene(list(things), _paving())

    def picture(time_s: float) -> Gray:
        if light is None or time_s <= LAST_S:
            return scene.picture(time_s)
        drawn = scene.picture(time_s).astype(np.float64)
        return np.asarray(np.clip(drawn * light, 0, 255), np.uint8)

    watch = Watch(observer(*zones, dwell_s=dwell_s), scene, picture=picture).until(LAST_S)
    return watch.after(gap_s, LAST_S + gap_s + for_s)


def _cases(watch: Watch) -> list[tuple[str, float, float]]:
    """Kind, start and time of each case, in order of kind."""
    return sorted((case.kind, case.began, due_s) for due_s, case in watch.due)


class TestWhatStaysIsOneStay:
    """Seen before, seen again."""

    @moments
    def test_reported_before_it_is_not_reported_again(
        self, gap_s: float, light: NDArray[np.float64]
    ) -> None:
        things = Thing("car", CAR, 7, 9.0), Thing("", BAG, 9, 14.0)
        watch = _watch(*things, gap_s=gap_s, light=light)
        assert _cases(watch) == [("clutter", 14.0, 74.0), ("motor_vehicle_parked", 10.0, 70.0)]
        assert not watch.ended

    @moments
    def test_its_start_is_kept_and_the_gap_is_a_part_of_it(
        self, gap_s: float, light: NDArray[np.float64]
    ) -> None:
        things = Thing("car", CAR, 7, 79.0), Thing("", BAG, 9, 74.0)
        watch = _watch(*things, gap_s=gap_s, light=light)
        back_s = LAST_S + gap_s
        assert _cases(watch) == [
            ("clutter", 74.0, max(back_s, 134.0)),
            ("motor_vehicle_parked", 80.0, max(back_s, 140.0)),
        ]
        assert not watch.ended

    @gaps
    def test_hidden_before_and_after_it_is_still_there(self, gap_s: float) -> None:
        """A lorry that stands before it as the stream goes, and others as it comes back."""
        lorries = [
            Thing("truck", (100, 60, 210, 145), 30 + n, first_s, first_s + 8)
            for n, first_s in enumerate((LAST_S - 7, LAST_S + gap_s - 1))
        ]
        watch = _watch(Thing("car", CAR, 7, 9.0), *lorries, gap_s=gap_s)
        assert [(case.thing, case.began) for _, case in watch.due] == [(1, 10.0)]
        assert not watch.ended

    @gaps
    def test_hidden_as_the_stream_comes_back_it_is_not_due_before_it_is_seen(
        self, gap_s: float
    ) -> None:
        back_s = LAST_S + gap_s
        lorry = Thing("truck", (100, 60, 210, 145), 30, back_s - 1, back_s + 9)
        watch = _watch(Thing("car", CAR, 7, 59.0), lorry, gap_s=gap_s)
        ((due_s, case),) = watch.due
        assert case.began == 60.0
        assert due_s == max(120.0, back_s + 10.0)

    def test_away_again_and_again(self) -> None:
        scene = Scene([Thing("car", CAR, 7, 9.0), Thing("", BAG, 9, 14.0)], _paving())
        watch = Watch(observer(dwell_s=1200.0), scene).until(LAST_S)
        for _ in range(12):
            watch.after(300.0, watch.seen[-1][0] + 300.0 + 6 * EVERY_S)
        assert sorted(case.began for _, case in watch.due) == [10.0, 14.0]
        assert not watch.ended

    def test_another_observer_takes_it_up(self) -> None:
        """The program starts again: the observer that resumes learns of the gap."""
        scene = Scene([Thing("car", CAR, 7, 9.0), Thing("", BAG, 9, 74.0)], _paving())
        before = Watch(observer(), scene).until(LAST_S)
        after = Watch(observer(), scene, seen=before.seen)
        after.observer.restore(before.observer.state())
        after.after(600.0, 800.0)
        assert _cases(after) == [("clutter", 74.0, 700.0), ("motor_vehicle_parked", 10.0, 70.0)]
        assert not after.ended


class TestWhatLeftMeanwhile:
    """The end is reported, with a last sighting before the gap."""

    @gaps
    @pytest.mark.parametrize("name", ["car", ""], ids=["car", "bag"])
    def test_it_ends_in_the_usual_time(self, gap_s: float, name: str) -> None:
        watch = _watch(Thing(name, CAR, 7, 9.0, DURING_S), gap_s=gap_s)
        ((ended_s, case),) = watch.ended
        assert (case.began, case.observed) == (10.0, LAST_S)
        assert 0 < ended_s - gap_s - LAST_S <= LOST_S + EVERY_S
        assert len(watch.due) == 1

    @gaps
    @pytest.mark.parametrize("name", ["car", ""], ids=["car", "bag"])
    def test_below_its_limit_it_is_no_case(self, gap_s: float, name: str) -> None:
        watch = _watch(Thing(name, CAR, 7, 59.0, DURING_S), gap_s=gap_s)
        assert not watch.due
        assert not watch.busy[-1]


class TestWhatCameMeanwhile:
    """A stay cannot have begun before the first sample."""

    @moments
    def test_it_begins_with_the_first_sample_after(
        self, gap_s: float, light: NDArray[np.float64]
    ) -> None:
        things = Thing("car", CAR, 7, DURING_S), Thing("", BAG, 9, DURING_S)
        watch = _watch(*things, gap_s=gap_s, light=light)
        back_s = LAST_S + gap_s
        kinds = [kind for kind, _, _ in _cases(watch)]
        assert kinds == ["clutter", "motor_vehicle_parked"]
        for _, began, due_s in _cases(watch):
            assert back_s <= began <= back_s + EVERY_S
            assert due_s >= back_s + DWELL_S

    @moments
    @pytest.mark.parametrize("before_s", [9.0, 79.0], ids=["reported", "not-yet"])
    def test_another_in_the_same_place_is_another(
        self, gap_s: float, light: NDArray[np.float64], before_s: float
    ) -> None:
        """However alike: its start is after the gap, later by the memory of the first at most."""
        things = [
            Thing(name, corners, seed + late, *((DURING_S, np.inf) if late else (before_s,
            DURING_S))) for name, corners, seed in (("car", CAR, 7), ("", BAG, 9)) for late in (0,
            10)
        ]  # fmt: skip
        watch = _watch(*things, gap_s=gap_s, light=light)
        back_s = LAST_S + gap_s
        after = [case for due_s, case in watch.due if due_s >= back_s]
        assert sorted(case.kind for case in after) == ["clutter", "motor_vehicle_parked"]
        for case in after:
            assert back_s <= case.began <= back_s + LOST_S + 2 * EVERY_S
        assert len(watch.ended) == (2 if before_s < 40.0 else 0)

    def test_the_detector_is_asked_at_once(self) -> None:
        """Though its last word is half a minute old, and nothing has changed."""
        watch = Watch(observer(), Scene()).until(64.0).after(30.0, 100.0)
        assert watch.asked == [0.0, 60.0, 94.0]

    @gaps
    def test_who_passed_before_the_gap_has_not_stood_since(self, gap_s: float) -> None:
        """One sample saw somebody there, and the next one, after the gap, somebody alike."""
        same = (Thing("car", CAR, 7, LAST_S - 1, LAST_S + 1), Thing("car", CAR, 7, DURING_S))
        watch = _watch(*same, gap_s=gap_s)
        ((_, case),) = watch.due
        assert case.began >= LAST_S + gap_s


@moments
def test_light_is_no_case(gap_s: float, light: NDArray[np.float64]) -> None:
    watch = _watch(gap_s=gap_s, light=light)
    assert not watch.due
    assert not watch.view


def test_hours_that_ended_and_began_meanwhile_part_a_stay() -> None:
    """08:00 to 08:03 and from 08:10 on; there was no sample from 08:01:40 to 08:16:40."""
    hours = Schedule.parse("08:00-08:03,08:10-09:00")
    zone = Zone(**(vars(whole_frame(WIDTH, HEIGHT, kinds())) | {"schedule": hours}))
    watch = _watch(Thing("car", CAR, 7, 9.0), gap_s=900.0, zones=(zone,))
    assert [(case.began, case.observed) for _, case in watch.ended] == [(10.0, LAST_S)]
    assert [case.began for _, case in watch.due] == [10.0, 600.0]


@pytest.mark.parametrize("gap_s", [-1.0, float("nan")])
def test_a_gap_that_makes_no_sense(gap_s: float) -> None:
    with pytest.raises(ValueError, match=r"gap_s is (-1\.0|nan): it must be 0 seconds or more"):
        observer().skip(gap_s)


def test_a_gap_before_the_first_sample_is_none() -> None:
    watch = Watch(observer(), Scene([Thing("car", CAR, 7)]))
    watch.observer.skip(600.0)
    watch.until(680.0, first_s=600.0)
    assert [(case.began, due_s) for due_s, case in watch.due] == [(600.0, 600.0 + DWELL_S)]
