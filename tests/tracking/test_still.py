from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest
import supervision as sv

from cv_engine.scene.background import Background
from cv_engine.tracking.still import Still, StillTracker, Tolerance
from cv_engine.tracking.view import View, correlation
from tests.tracking.scenes import Corners, Scene, Thing, detections

LOST_S = 10.0
CAR: Corners = (120, 80, 190, 125)


@dataclass
class Seen:
    """What a tracker said over many samples."""

    standing: list[tuple[float, list[int]]] = field(default_factory=list)
    left: list[tuple[float, int]] = field(default_factory=list)
    tracks: dict[int, Still] = field(default_factory=dict)

    @property
    def numbers(self) -> list[int]:
        """Of all confirmed things in the order of their confirmation."""
        return list(self.tracks)

    def at(self, time_s: float) -> list[int]:
        return next(numbers for when, numbers in self.standing if when == time_s)


def _take(seen: Seen, tracker: StillTracker, time_s: float, standing: list[Still]) -> None:
    seen.standing.append((time_s, [track.id for track in standing]))
    seen.left += [(time_s, track.id) for track in tracker.left]
    seen.tracks |= {track.id: track for track in standing}


def _boxes_only(said: Callable[[float], sv.Detections | None], samples: Iterable[float]) -> Seen:
    """Without pixels, as from detections that somebody else recorded."""
    tracker, seen = StillTracker(Tolerance(lost_s=LOST_S)), Seen()
    for time_s in samples:
        _take(seen, tracker, time_s, tracker.update(time_s, said(time_s)))
    return seen


def _watch(
    scene: Scene,
    samples: Iterable[float],
    *,
    said: Callable[[float], sv.Detections | None] | None = None,
    light: Callable[[float], tuple[float, float]] = lambda _: (1.0, 0.0),
) -> Seen:
    """With pixels, and a detector that sees everything or what is ``said``."""
    tracker, seen = StillTracker(Tolerance(lost_s=LOST_S)), Seen()
    background: Background | None = None
    for time_s in samples:
        picture = scene.picture(time_s, *light(time_s))
        if background is None:
            background = Background.of(picture, time_s, occlusion_s=LOST_S)
        else:
            background.update(picture, time_s)
        view = View(background, 1.0)
        tracker.compare(time_s, view)
        word = scene.detections(time_s) if said is None else said(time_s)
        _take(seen, tracker, time_s, tracker.update(time_s, word, view))
    return seen


def _samples(last_s: float, every_s: float = 1.0) -> list[float]:
    return [round(number * every_s, 6) for number in range(int(last_s / every_s) + 1)]


def _car(time_s: float, name: str = "car", box: Corners = CAR) -> sv.Detections:
    return detections([(name, box)])


NOTHING = detections([])


class TestDetectionsOnly:
    """Only the boxes speak."""

    def test_what_stands_is_confirmed_after_a_second(self) -> None:
        seen = _boxes_only(_car, _samples(5, 0.5))
        assert seen.at(0.5) == []
        assert seen.at(1.0) == [1]
        assert seen.tracks[1].began == 0.0

    def test_one_detection_is_not_enough(self) -> None:
        seen = _boxes_only(lambda t: _car(t) if t == 0 else NOTHING, _samples(20))
        assert not seen.numbers

    @pytest.mark.parametrize("every_s", [0.04, 0.5, 2.0])
    def test_misses_are_tolerated(self, every_s: float) -> None:
        """Four samples of ten; but what is new has to be seen in most of its first samples."""
        rng = np.random.default_rng(3)
        samples = _samples(60, every_s)
        missed = {t for t in samples if t > 2 * max(1.0, every_s) and rng.random() < 0.4}
        seen = _boxes_only(lambda t: NOTHING if t in missed else _car(t), samples)
        assert seen.numbers == [1]
        assert not seen.left
        assert seen.tracks[1].began == 0.0

    def test_not_asked_is_not_missed(self) -> None:
        seen = _boxes_only(lambda t: _car(t) if t % 6 == 0 else None, _samples(30))
        assert seen.numbers == [1]
        assert seen.tracks[1].share == 1.0

    def test_jitter_is_no_motion(self) -> None:
        rng = np.random.default_rng(4)

        def said(_: float) -> sv.Detections:
            word = detections([("car", CAR)])
            word.xyxy = word.xyxy + rng.normal(0, 1.5, (1, 4)).astype(np.float32)
            return word

        seen = _boxes_only(said, _samples(120))
        assert seen.numbers == [1]
        assert seen.tracks[1].began == 0.0
        assert np.abs(seen.tracks[1].box - np.array(CAR)).max() < 2.0

    def test_the_class_that_most_see_names_it(self) -> None:
        names = ["car", "truck", "truck", "bus", "truck", "car", "truck", "truck"]
        seen = _boxes_only(lambda t: _car(t, names[int(t) % 8]), _samples(40))
        assert seen.numbers == [1]
        assert seen.tracks[1].name == "truck"

    def test_one_vehicle_seen_as_two_is_one(self) -> None:
        both = detections([("car", CAR, 0.5), ("truck", (118, 79, 191, 126), 0.7)])
        seen = _boxes_only(lambda _: both, _samples(10))
        assert seen.numbers == [1]
        assert seen.tracks[1].name == "truck"
        assert seen.tracks[1].confidence == pytest.approx(0.7)

    def test_neighbours_stay_apart(self) -> None:
        row: list[Corners] = [(20, 80, 80, 120), (70, 82, 130, 122), (122, 84, 180, 124)]
        rng = np.random.default_rng(5)

        def said(_: float) -> sv.Detections:
            return detections([("car", row[n]) for n in rng.permutation(3) if rng.random() < 0.8])

        seen = _boxes_only(said, _samples(100))
        assert len(seen.numbers) == 3
        for track in seen.tracks.values():
            assert min(np.abs(track.box - np.array(box)).max() for box in row) < 1.0

    def test_what_leaves_is_told_once(self) -> None:
        seen = _boxes_only(lambda t: _car(t) if t <= 20 else NOTHING, _samples(60))
        assert seen.left == [(31.0, 1)]
        assert seen.at(30.0) == [1], "hidden for as long as lost_s"
        assert seen.at(31.0) == []
        assert seen.tracks[1].seen == 20.0

    @pytest.mark.parametrize("speed", [30.0, 60.0, 200.0])
    def test_a_moving_car_is_never_standing(self, speed: float) -> None:
        scene = Scene([Thing("car", (-60, 80, 0, 120), 7, first_s=1.0, speed=speed)])
        assert not _boxes_only(scene.detections, _samples(20, 2.0)).numbers
        assert not _boxes_only(scene.detections, _samples(20, 1.0)).numbers

    def test_traffic_through_one_place_is_nothing_that_stands(self) -> None:
        """Every third look some car happens to be at the same place."""
        seen = _boxes_only(lambda t: _car(t) if t % 3 == 0 else NOTHING, _samples(90))
        assert not seen.numbers

    def test_creeping_starts_a_new_stay(self) -> None:
        """A queue: it stands for 20 s, moves up by half its length within 4 s, stands again."""

        def said(t: float) -> sv.Detections:
            moved = round(35 * min(1.0, max(0.0, (t - 20) / 4)))
            x1, y1, x2, y2 = CAR
            return detections([("car", (x1 + moved, y1, x2 + moved, y2))])

        seen = _boxes_only(said, _samples(60))
        last = seen.tracks[seen.at(60.0)[0]]
        assert 20 < last.began <= 30
        assert abs(float(last.box[0]) - 155) < 3

    @pytest.mark.parametrize("every_s", [0.04, 0.2, 1.0, 2.0])
    def test_any_rate_finds_the_same_stay(self, every_s: float) -> None:
        """A car arrives 6 s after the first sample and is gone after 40 s."""
        said = Scene([Thing("car", CAR, 7, 6.0, 40.0)]).detections
        seen = _boxes_only(said, _samples(60, every_s))
        assert seen.numbers == [1]
        confirmed_s = next(time_s for time_s, numbers in seen.standing if numbers)
        assert seen.tracks[1].began == pytest.approx(6.0, abs=every_s)
        assert 1.0 <= confirmed_s - 6.0 <= 1.0 + 2 * every_s
        assert seen.tracks[1].seen == pytest.approx(40.0, abs=1.01 * every_s)
        assert seen.left[0][0] == pytest.approx(40.0 + LOST_S, abs=2 * every_s)


class TestWithPixels:
    """The pixels tell what the boxes do not."""

    def test_already_there_at_the_first_sample(self) -> None:
        seen = _watch(Scene([Thing("car", CAR, 7)]), _samples(10, 2.0))
        assert seen.numbers == [1]
        assert seen.tracks[1].began == 0.0
        assert seen.at(2.0) == [1]

    def test_a_late_word_knows_since_when(self) -> None:
        """The car comes at 6 s; the detector is asked for the first time at 30 s."""
        scene = Scene([Thing("car", CAR, 7, first_s=5.5)])
        seen = _watch(scene, _samples(40), said=lambda t: _car(t) if t >= 30 else None)
        assert seen.tracks[1].began == 6.0
        assert seen.tracks[1].found == 30.0

    @pytest.mark.parametrize("every_s", [0.5, 1.0, 2.0])
    def test_a_moving_car_is_never_standing(self, every_s: float) -> None:
        scene = Scene([Thing("car", (-60, 80, 0, 120), 7, first_s=1.0, speed=40.0)])
        assert not _watch(scene, _samples(16, every_s)).numbers

    def test_unseen_but_unchanged_it_is_still_there(self) -> None:
        """After ten looks the detector never sees it again; the pixels still show it."""
        scene = Scene([Thing("car", CAR, 7, first_s=2.5)])
        seen = _watch(scene, _samples(60), said=lambda t: _car(t) if 3 <= t < 13 else NOTHING)
        assert not seen.left
        assert seen.tracks[1].seen == 60.0

    @pytest.mark.parametrize("first_s", [-1.0, 2.5], ids=["from-the-first-look", "came-later"])
    def test_passers_by_do_not_end_a_stay(self, first_s: float) -> None:
        car = Thing("car", CAR, 7, first_s=first_s)
        lorries = [
            Thing("truck", (-200, 70, 0, 150), 20 + n, first_s=t, last_s=t + 9, speed=60.0)
            for n, t in enumerate([15.0, 30.0, 45.0])
        ]
        seen = _watch(Scene([car, *lorries]), _samples(60))
        assert seen.numbers == [1]
        assert not seen.left
        assert seen.tracks[1].began == max(0.0, np.ceil(first_s))
        assert np.abs(seen.tracks[1].box - np.array(CAR)).max() < 4.0

    def test_the_box_of_who_passes_before_it_is_not_its_own(self) -> None:
        """One that stops right before it, a little lower, and is all that the detector sees."""
        x1, y1, x2, y2 = CAR
        lower = (x1, y1 + 12, x2, y2 + 12)
        before = Thing("", (x1, y1 + 30, x2, y2 + 12), 9, first_s=20.0, last_s=21.0)
        scene = Scene([Thing("car", CAR, 7), before])
        seen = _watch(scene, _samples(60), said=lambda t: _car(t, box=lower if t == 20 else CAR))
        assert np.abs(seen.tracks[1].box - np.array(CAR)).max() < 0.1
        assert not seen.left

    @pytest.mark.parametrize(
        "light",
        [
            pytest.param(lambda t: (1.0 if t < 20 else 0.6, 0.0), id="cloud"),
            pytest.param(lambda t: (1.0 if t < 20 else 1.3, 0.0), id="sun"),
            pytest.param(lambda t: (1.0, 0.0 if t < 20 else 20.0), id="haze"),
            pytest.param(lambda t: (1.0 - 0.008 * t, 0.0), id="dusk"),
            pytest.param(lambda t: (1.0 if int(t) % 7 else 0.75, 0.0), id="flicker"),
        ],
    )
    def test_light_does_not_end_a_stay(self, light: Callable[[float], tuple[float, float]]) -> None:
        scene = Scene([Thing("car", CAR, 7, first_s=2.5)])
        seen = _watch(scene, _samples(60), light=light)
        assert seen.numbers == [1]
        assert not seen.left
        assert seen.tracks[1].began == 3.0
        assert seen.tracks[1].seen == 60.0

    @pytest.mark.parametrize("first_s", [-1.0, 2.5], ids=["from-the-first-look", "came-later"])
    def test_it_leaves(self, first_s: float) -> None:
        scene = Scene([Thing("car", CAR, 7, first_s, last_s=19.5)])
        seen = _watch(scene, _samples(60))
        assert [number for _, number in seen.left] == [1]
        assert seen.left[0][0] == pytest.approx(19.0 + LOST_S, abs=2.0)
        assert seen.tracks[1].seen == 19.0

    @pytest.mark.parametrize("empty_s", [0.0, 1.0, 4.0, 15.0])
    @pytest.mark.parametrize("first_s", [-1.0, 2.5], ids=["from-the-first-look", "came-later"])
    def test_another_in_its_place_is_another(self, first_s: float, empty_s: float) -> None:
        """However soon: a second bus at the same stop, in exactly the same place.

        Pixels where the first one is still remembered, in case somebody only passes before it,
        make the second one's stay begin later, in the driver's favour, by that memory at most.
        """
        scene = Scene(
            [
                Thing("car", CAR, 7, first_s, last_s=19.5),
                Thing("car", CAR, 8, first_s=19.5 + empty_s),
            ]
        )
        seen = _watch(scene, _samples(60))
        assert seen.numbers == [1, 2]
        assert [number for _, number in seen.left] == [1]
        assert seen.tracks[1].seen == 19.0
        memory_s = LOST_S if first_s > 0 and empty_s < 2 else 0.0
        assert 20.0 + empty_s <= seen.tracks[2].began <= 20.0 + empty_s + memory_s

    @pytest.mark.parametrize("every_s", [0.2, 1.0, 2.0])
    def test_any_rate_finds_the_same_stay(self, every_s: float) -> None:
        seen = _watch(Scene([Thing("car", CAR, 7, 6.0, 30.0)]), _samples(46, every_s))
        assert seen.numbers == [1]
        assert seen.tracks[1].began == pytest.approx(6.0, abs=every_s)
        assert seen.tracks[1].seen == pytest.approx(30.0, abs=1.01 * every_s)

    def test_too_small_to_be_recognised_it_goes_by_its_box(self) -> None:
        small: Corners = (120, 80, 125, 84)
        seen = _watch(Scene([Thing("car", small, 7)]), _samples(10))
        assert seen.numbers == [1]
        assert seen.tracks[1].patch is None


@pytest.mark.parametrize("seed", [225, 272, 389])
def test_after_a_gap_somewhat_alike_is_not_the_same(seed: int) -> None:
    """Cars at one place look somewhat alike: the pixels must have been there before, too."""
    first, other = Scene([Thing("car", CAR, 7)]), Scene([Thing("car", CAR, seed)])
    tracker, gap_s = StillTracker(Tolerance(lost_s=LOST_S)), 600.0
    background = Background.of(first.picture(0.0), 0.0, occlusion_s=LOST_S)
    seen = Seen()
    for time_s in _samples(10) + [time_s + 10.0 + gap_s for time_s in _samples(40)]:
        if time_s == 10.0 + gap_s:
            background.skip(gap_s)
            tracker.skip(gap_s)
        if time_s:
            shown = first if time_s <= 10.0 else other
            background.update(shown.picture(time_s), time_s)
        view = View(background, 1.0)
        tracker.compare(time_s, view)
        if time_s == 10.0 + gap_s:
            was, now = tracker.tracks[0].patch, view.patch(np.array(CAR, np.float32))
            assert was is not None
            assert now is not None
            assert 0.35 < correlation(was, now) < 0.6, "or the scene tests nothing"
        _take(seen, tracker, time_s, tracker.update(time_s, _car(time_s), view))
    assert seen.tracks[1].seen == 10.0
    assert [number for _, number in seen.left] == [1]
    assert seen.tracks[2].began >= 10.0 + gap_s


def test_the_detector_is_needed_only_in_doubt() -> None:
    """New things and places that look different need its word; what stands as it stood does not."""
    scene = Scene([Thing("car", CAR, 7), Thing("", (100, 60, 210, 140), 9, 20.0, 24.0)])
    tracker = StillTracker(Tolerance(lost_s=LOST_S))
    background = Background.of(scene.picture(0.0), 0.0, occlusion_s=LOST_S)
    asks = []
    for time_s in _samples(30):
        if time_s:
            background.update(scene.picture(time_s), time_s)
        view = View(background, 1.0)
        if tracker.compare(time_s, view):
            asks.append(time_s)
        word = _car(time_s) if time_s < 3 else None
        tracker.update(time_s, word, view)
    assert asks == [1.0, 21.0, 22.0, 23.0]


def test_an_example_of_nothing() -> None:
    tracker = StillTracker(Tolerance())
    assert tracker.update(0.0, sv.Detections.empty()) == []
    assert tracker.update(1.0, None) == []
    assert tracker.left == []
