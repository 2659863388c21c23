from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import supervision as sv
from numpy.typing import NDArray

from cv_engine.scene.background import Background, Region
from cv_engine.tracking.look import Look, Verify
from cv_engine.tracking.settled import SettledKeeper
from cv_engine.tracking.still import Still
from cv_engine.tracking.thing import Settled
from tests.tracking.scenes import HEIGHT, TRUTH, WIDTH, Corners, Scene, Thing, detections

BAG: Corners = (150, 120, 180, 150)
FIRST: Corners = (100, 60, 200, 160)  # of who stands or passes there at the very first
LOST_S = 10.0
ASK_AGAIN_S = 5.0
MIN_SIDE_PX = 8.0


@dataclass
class Kept:
    """What a keeper said over many samples, and the boxes of what was no background after each."""

    asks: list[float] = field(default_factory=list)
    things: dict[float, list[Settled]] = field(default_factory=dict)
    settled: dict[float, list[Corners]] = field(default_factory=dict)

    @property
    def last(self) -> list[Settled]:
        return self.things[max(self.things)]

    def asked_of(self, word: Callable[[float], bool]) -> list[float]:
        return [time_s for time_s in self.asks if word(time_s)]


@dataclass
class Street:
    """A scene, and a detector that is asked where the keeper needs it."""

    scene: Scene
    scale: float = 1.0
    watched: NDArray[np.bool_] = field(default_factory=lambda: np.ones((HEIGHT, WIDTH), np.bool_))
    standing: Sequence[Corners] = ()
    also_asked: Container[float] = ()
    verify: Verify = field(default_factory=lambda: TRUTH)

    def watch(self, last_s: float, every_s: float = 1.0) -> Kept:
        keeper = SettledKeeper(self.scale, self.watched, MIN_SIDE_PX, LOST_S, ASK_AGAIN_S)
        boxes = np.array(self.standing, np.float32).reshape(-1, 4)
        kept = Kept()
        background: Background | None = None
        for time_s in np.arange(0, last_s + every_s / 2, every_s).tolist():
            picture = self.scene.picture(time_s)
            if background is None:
                background = Background.of(picture, time_s, occlusion_s=LOST_S)
            else:
                background.update(picture, time_s)
            look = Look(background, self.verify)
            keeper.find(look, boxes)
            needed = keeper.asks(look)
            asked = needed or time_s in self.also_asked or time_s == 0
            word = self._word(time_s) if asked else None
            kept.asks += [time_s] if needed else []
            kept.things[time_s] = [
                replace(thing, box=thing.box.copy()) for thing in keeper.update(look, word)
            ]
            regions = background.regions(background.settled, MIN_SIDE_PX)
            kept.settled[time_s] = [region.box for region in regions]
        return kept

    def _word(self, time_s: float) -> sv.Detections:
        found = self.scene.detections(time_s)
        found.xyxy = found.xyxy / np.float32(self.scale)
        return found


def test_a_bag_left_standing_is_followed() -> None:
    kept = Street(Scene([Thing("", BAG, 7, first_s=10.0)])).watch(30)
    (thing,) = kept.last
    assert (thing.began, thing.seen, thing.attended) == (10.0, 30.0, None)
    assert np.abs(thing.box - np.array(BAG)).max() <= 2
    assert thing.share == 1.0
    assert thing.whole


def test_boxes_are_in_pixels_of_the_frame() -> None:
    street = Street(Scene([Thing("", BAG, 7, first_s=5.0)]), scale=0.25)
    (thing,) = street.watch(15).last
    assert np.abs(thing.box / 4 - np.array(BAG)).max() <= 2


def test_the_detector_is_not_asked_before_it_matters() -> None:
    kept = Street(Scene([Thing("", BAG, 7, first_s=10.0)])).watch(60)
    assert min(kept.asks) == 10.0 + ASK_AGAIN_S
    # Three times at every sample until it has had its say, then once in ask_again_s.
    assert len(kept.asks) <= 3 + (60 - 18) / ASK_AGAIN_S
    assert kept.last[0].asked == len(kept.asks)


def test_an_empty_street_needs_no_detector() -> None:
    kept = Street(Scene()).watch(60)
    assert not kept.asks
    assert not any(kept.things.values())


@pytest.mark.parametrize("name", ["person", "car", "bicycle"])
def test_what_the_detector_names_is_no_thing(name: str) -> None:
    kept = Street(Scene([Thing(name, BAG, 7, first_s=10.0)])).watch(60)
    assert 15.0 in kept.asks
    for time_s, things in kept.things.items():
        assert not [thing for thing in things if thing.seen == time_s >= 15.0]


def test_what_is_known_to_stand_there_is_not_asked_about() -> None:
    kept = Street(Scene([Thing("car", BAG, 7, first_s=10.0)]), standing=[BAG]).watch(60)
    assert not kept.asks
    assert not any(kept.things.values())


def test_what_is_not_watched_is_not_asked_about() -> None:
    watched = np.ones((HEIGHT, WIDTH), np.bool_)
    watched[100:, 130:] = False
    kept = Street(Scene([Thing("", BAG, 7, first_s=10.0)]), watched=watched).watch(40)
    assert not kept.asks
    assert not any(kept.things.values())


def test_a_person_who_leaves_a_bag_behind() -> None:
    """Stands there from 10 s on with the bag beside the feet, and goes at 30 s."""
    person = Thing("person", (120, 70, 148, 152), 9, first_s=10.0, last_s=29.5)
    scene = Scene([Thing("", BAG, 7, first_s=10.0), person])
    kept = Street(scene).watch(60)
    (thing,) = kept.last
    assert thing.began == 10.0
    assert thing.attended is not None
    assert 15.0 <= thing.attended <= 29.0
    assert thing.whole
    assert np.abs(thing.box - np.array(BAG)).max() <= 6


@pytest.mark.parametrize(
    ("corners", "attended"),
    [
        pytest.param((120, 70, 146, 152), True, id="beside-it"),
        pytest.param((60, 70, 90, 152), True, id="within-three-quarters-of-their-height"),
        pytest.param((20, 70, 50, 152), False, id="farther-off"),
    ],
)
def test_who_is_near_attends(corners: Corners, attended: bool) -> None:
    person = Thing("person", corners, 9)
    scene = Scene([person, Thing("", BAG, 7, first_s=5.0)])
    kept = Street(scene, also_asked=range(21)).watch(20)
    assert [thing.attended == 20.0 for thing in kept.last] == [attended]


def test_what_was_taken_away_is_no_thing() -> None:
    """Stood there since before the first sample, unnamed, and is carried off."""
    kept = Street(Scene([Thing("", BAG, 7, last_s=9.5)])).watch(60)
    assert not any(kept.things.values())


@pytest.mark.parametrize("name", ["car", "person"])
def test_who_was_there_first_leaves_ground_behind(name: str) -> None:
    """Named in the first sample: what shows where it stood is the ground."""
    kept = Street(Scene([Thing(name, FIRST, 7, last_s=9.5)])).watch(60)
    assert not any(kept.things.values())


def test_a_shadow_is_no_thing() -> None:
    class Shaded(Scene):
        def picture(
            self, time_s: float, gain: float = 1.0, offset: float = 0.0
        ) -> NDArray[np.uint8]:
            lit = super().picture(time_s).astype(np.float64)
            if time_s >= 10:
                lit[60:130, 100:180] *= 0.6
            return lit.astype(np.uint8)

    kept = Street(Shaded()).watch(60)
    assert not kept.asks
    assert not any(kept.things.values())


def test_what_is_carried_off_is_forgotten() -> None:
    kept = Street(Scene([Thing("", BAG, 7, 10.0, 29.5)])).watch(60)
    assert max(time_s for time_s, things in kept.things.items() if things) == 29.0 + LOST_S


@pytest.mark.parametrize("name", ["car", "person"])
def test_a_bag_left_where_somebody_stood_at_first(name: str) -> None:
    """The ground is bare again by then: what comes to rest on it is a thing."""
    first, bag = Thing(name, FIRST, 7, last_s=9.5), Thing("", BAG, 8, first_s=60.0)
    kept = Street(Scene([first, bag])).watch(90)
    assert [thing.began for thing in kept.last] == [60.0]


def _is_soon_background(first: Thing, asked_s: Sequence[float] = ()) -> None:
    """What was hidden at first is ground a few samples later, and a bag there is a thing."""
    scene = Scene([first, Thing("", BAG, 8, first_s=12.0)])
    kept = Street(scene, also_asked=asked_s).watch(30)
    assert not any(kept.settled[time_s] for time_s in np.arange(7.0, 12.0))
    assert not [time_s for time_s in kept.asks if time_s < 12.0 + ASK_AGAIN_S]
    assert not any(things for time_s, things in kept.things.items() if time_s < 12.0)
    (thing,) = kept.last
    assert (thing.began, thing.seen, thing.share) == (12.0, 30.0, 1.0)
    assert np.abs(thing.box - np.array(BAG)).max() <= 2
    assert thing.whole


@pytest.mark.parametrize("last_s", [0.5, 1.5], ids=["one-sample", "two-samples"])
def test_the_ground_behind_who_passed_unnamed_at_first_is_soon_background(last_s: float) -> None:
    _is_soon_background(Thing("", FIRST, 7, last_s=last_s))


@pytest.mark.parametrize(
    ("last_s", "asked_s"),
    [
        pytest.param(0.5, (), id="one-sample"),
        pytest.param(2.5, (), id="three-samples"),
        pytest.param(0.5, (3.0,), id="one-sample-and-the-detector-is-asked-again"),
        pytest.param(2.5, (4.0,), id="three-samples-and-the-detector-is-asked-again"),
    ],
)
def test_the_ground_behind_who_stood_there_at_first_is_soon_background(
    last_s: float, asked_s: Sequence[float]
) -> None:
    _is_soon_background(Thing("person", FIRST, 7, last_s=last_s), asked_s)


@pytest.mark.parametrize("first", ["person", ""])
def test_a_car_on_ground_that_was_never_seen_was_always_there(first: str) -> None:
    """Somebody passes before it in the first sample: when the car came is not known."""
    things = [Thing(first, FIRST, 7, last_s=0.5), Thing("car", FIRST, 8, first_s=2.0)]
    kept = Street(Scene(things), also_asked=(2.0,)).watch(30)
    assert not any(kept.things.values())
    assert not kept.settled[30.0]


def test_passers_by_do_not_end_it() -> None:
    crowd = [
        Thing("person", (-60, 60, -20, 170), 30 + n, first_s=20.0 + 4 * n, speed=60.0)
        for n in range(8)
    ]
    kept = Street(Scene([Thing("", BAG, 7, first_s=10.0), *crowd])).watch(60)
    (thing,) = [thing for thing in kept.last if thing.began == 10.0]
    assert thing.id == 1
    assert thing.share > 0.5


def test_samples_in_which_somebody_hides_it_do_not_count() -> None:
    """Each stands before it for eight of twelve seconds, and the bag is there in between."""
    who = [
        Thing("person", (140, 60, 190, 170), 30 + n, first_s=20.0 + 12 * n, last_s=28.0 + 12 * n)
        for n in range(3)
    ]
    kept = Street(Scene([Thing("", BAG, 7, first_s=10.0), *who])).watch(60)
    (thing,) = kept.last
    assert (thing.began, thing.seen) == (10.0, 60.0)
    assert thing.share > 0.9


def test_samples_that_show_the_ground_do_count() -> None:
    """A bag that is there in half of the time is none that stands there."""
    bags = [Thing("", BAG, 7, first_s=10.0 + 6 * n, last_s=13.0 + 6 * n) for n in range(5)]
    kept = Street(Scene(bags)).watch(40)
    assert all(thing.share < 0.7 for thing in kept.last)


def test_who_passes_before_it_does_not_explain_it() -> None:
    """A lorry that hides half of it for one sample, in a box that hides it all."""
    lorry = Thing("truck", (-286, 60, -136, 170), 30, first_s=39.0, speed=300.0)
    street = Street(Scene([Thing("", BAG, 7, first_s=10.0), lorry]), also_asked=(40.0,))
    kept = street.watch(45)
    for time_s in np.arange(38.0, 46.0):
        assert [thing.seen for thing in kept.things[time_s]] == [time_s]


def test_who_passes_unnamed_is_no_part_of_it() -> None:
    """Stands right behind it just when the detector is asked, which takes no notice."""
    passer = Thing("", (150, 70, 180, 120), 30, first_s=40.0, last_s=43.5)
    street = Street(Scene([Thing("", BAG, 7, first_s=10.0), passer]), also_asked=(42.0,))
    kept = street.watch(50)
    for time_s in np.arange(20.0, 51.0):
        (thing,) = [thing for thing in kept.things[time_s] if thing.id == 1]
        assert thing.seen == time_s
        assert np.abs(thing.box - np.array(BAG)).max() <= 2


def test_what_resembles_the_ground_in_places_is_still_there() -> None:
    """From 40 s on, a stripe of it does, and the rest is in pieces too small for a region."""
    parcel: Corners = (150, 120, 180, 140)

    class Striped(Scene):
        def picture(
            self, time_s: float, gain: float = 1.0, offset: float = 0.0
        ) -> NDArray[np.uint8]:
            drawn = super().picture(time_s)
            if time_s >= 40:
                drawn[127:133] = Scene().picture(time_s)[127:133]
            return drawn

    kept = Street(Striped([Thing("", parcel, 7, first_s=10.0)])).watch(80)
    (thing,) = kept.last
    assert (thing.id, thing.began, thing.seen) == (1, 10.0, 80.0)
    assert np.abs(thing.box - np.array(parcel)).max() <= 2


def test_a_person_like_the_ground_explains_nothing() -> None:
    """A person in the dark, whom the detector sees and the pixels do not, passes before the bag."""

    class Dark(Scene):
        def detections(self, time_s: float) -> sv.Detections:
            person: Corners = (145, 60, 185, 160)
            return detections([("person", person)] if time_s == 40 else [])

    kept = Street(Dark([Thing("", BAG, 7, first_s=10.0)]), also_asked=(40.0,)).watch(45)
    for time_s in np.arange(40.0, 46.0):
        assert [thing.seen for thing in kept.things[time_s]] == [time_s]


def test_neighbours_are_two_things() -> None:
    other: Corners = (80, 120, 110, 150)
    scene = Scene([Thing("", BAG, 7, first_s=10.0), Thing("", other, 8, first_s=14.0)])
    kept = Street(scene).watch(40)
    assert sorted((thing.began, round(float(thing.box[0]), -1)) for thing in kept.last) == [
        (10.0, 150.0),
        (14.0, 80.0),
    ]


def test_everywhere_at_once_is_another_picture() -> None:
    """A flurry of 40 things at one moment is no delivery: taken into the background, unasked."""
    flurry = [
        Thing("", (10 + 30 * column, 8 + 45 * row, 26 + 30 * column, 24 + 45 * row), 7 + n, 10.0)
        for n, (column, row) in enumerate((c, r) for c in range(10) for r in range(4))
    ]
    late = Thing("", (150, 70, 165, 92), 99, first_s=30.0)
    kept = Street(Scene([*flurry, late])).watch(60)
    assert not any(things for time_s, things in kept.things.items() if time_s < 30)
    assert not [time_s for time_s in kept.asks if time_s < 30]
    (thing,) = kept.last
    assert thing.began == 30.0


def test_too_small_is_none() -> None:
    kept = Street(Scene([Thing("", (150, 120, 155, 126), 7, first_s=5.0)])).watch(20)
    assert not kept.asks
    assert not any(kept.things.values())


@dataclass
class Opinion:
    """A verifier that says the same of whatever it is asked about, until it changes its mind.

    Attributes:
        logit: What it says.
        calls: When it was asked, seconds.
        time_s: Time of the sample, which a verifier is not given.
    """

    logit: float = -4.0
    calls: list[float] = field(default_factory=list)
    time_s: float = 0.0

    def __call__(
        self, _before: NDArray[np.float32], _now: NDArray[np.float32], regions: Sequence[Region]
    ) -> NDArray[np.float32]:
        self.calls.append(self.time_s)
        return np.full(len(regions), self.logit, np.float32)


@dataclass(frozen=True)
class Judged(Scene):
    """A scene whose verifier takes all for light until a moment, and for a thing from then on."""

    opinion: Opinion = field(default_factory=Opinion)
    thing_from_s: float = np.inf

    def picture(self, time_s: float, gain: float = 1.0, offset: float = 0.0) -> NDArray[np.uint8]:
        self.opinion.time_s = time_s
        self.opinion.logit = 4.0 if time_s >= self.thing_from_s else -4.0
        return super().picture(time_s, gain, offset)


class TestJudgedAgain:
    """What the verifier took for light at first, and so became background."""

    def watch(self, scene: Judged, last_s: float, asked_s: Container[float] = ()) -> Kept:
        return Street(scene, also_asked=asked_s, verify=scene.opinion).watch(last_s)

    @pytest.mark.parametrize("thing_from_s", [20.0, 40.0, 70.0])
    def test_a_thing_that_looked_like_light_at_first_is_followed(self, thing_from_s: float) -> None:
        scene = Judged([Thing("", BAG, 7, first_s=10.0)], thing_from_s=thing_from_s)
        kept = self.watch(scene, 100)
        assert not kept.settled[thing_from_s - 1.0], "background by then"
        assert not any(things for time_s, things in kept.things.items() if time_s < thing_from_s)
        (thing,) = kept.last
        assert (thing.began, thing.seen) == (10.0, 100.0)
        assert np.abs(thing.box - np.array(BAG)).max() <= 2
        first_s = min(time_s for time_s, things in kept.things.items() if things)
        assert first_s <= thing_from_s + 2 * ASK_AGAIN_S

    def test_gone_before_that_it_leaves_nothing(self) -> None:
        scene = Judged([Thing("", BAG, 7, 10.0, 29.5)], thing_from_s=32.0)
        kept = self.watch(scene, 60)
        assert not any(kept.things.values())
        assert not kept.settled[60.0]

    def test_light_that_stays_light_is_judged_a_few_times(self) -> None:
        scene = Judged([Thing("", BAG, 7, first_s=10.0)])
        kept = self.watch(scene, 120)
        assert not any(kept.things.values())
        assert not kept.asks
        again = [time_s for time_s in scene.opinion.calls if time_s >= 20.0]
        assert 1 <= len(again) <= 15
        assert len(scene.opinion.calls) <= 20
        assert min(np.diff(again)) >= 5.0, "a verdict holds for some samples"
        assert max(again) < 100.0, "and in the end it is background"

    def test_what_became_background_long_ago_stays_background(self) -> None:
        scene = Judged([Thing("", BAG, 7, first_s=10.0)], thing_from_s=100.0)
        assert not any(self.watch(scene, 130).things.values())

    @pytest.mark.parametrize("first_s", [30.0, 29.0], ids=["named-at-once", "named-before"])
    def test_with_a_person_before_it_whom_the_detector_names_it_is_not(
        self, first_s: float
    ) -> None:
        """The person hides half of it, and what is left may look like anything."""
        person = Thing("person", (120, 70, 165, 155), 9, first_s=first_s - 0.5)
        scene = Judged([Thing("", BAG, 7, first_s=10.0), person], thing_from_s=30.0)
        kept = self.watch(scene, 69, asked_s=np.arange(first_s, 70.0).tolist())
        assert not [time_s for time_s in scene.opinion.calls if time_s >= 30.0]
        assert not any(kept.things.values())

    def test_once_the_person_has_left_it_is(self) -> None:
        """The person was named, and no sample after that needs the detector."""
        person = Thing("person", (120, 70, 165, 155), 9, first_s=29.5, last_s=32.5)
        scene = Judged([Thing("", BAG, 7, first_s=10.0), person], thing_from_s=30.0)
        kept = self.watch(scene, 60, asked_s=(30.0, 31.0, 32.0))
        (thing,) = kept.last
        assert (thing.began, thing.seen) == (10.0, 60.0)
        assert np.abs(thing.box - np.array(BAG)).max() <= 2
        first_s = min(time_s for time_s, things in kept.things.items() if things)
        assert 33.0 <= first_s <= 33.0 + 2 * ASK_AGAIN_S


def _named(track: int, corners: Corners, began: float, seen: float) -> Still:
    box = np.array(corners, np.float32)
    votes = {"suitcase": 2.0}
    return Still(track, box, box.copy(), began, began, seen, 0.8, votes, 3, 3, confirmed=True)


class TestNamed:
    """Goods that the detector names, whoever stands beside them."""

    def _keeper(self) -> tuple[SettledKeeper, Look]:
        scene = Scene()
        background = Background.of(scene.picture(0.0), 0.0, occlusion_s=LOST_S)
        for time_s in range(1, 21):
            background.update(scene.picture(float(time_s)), float(time_s))
        watched = np.ones((HEIGHT, WIDTH), np.bool_)
        return SettledKeeper(1.0, watched, 8.0, LOST_S, ASK_AGAIN_S), Look(background, TRUTH)

    def test_it_is_a_thing_since_its_place_looks_so(self) -> None:
        keeper, look = self._keeper()
        keeper.find(look, np.zeros((0, 4), np.float32))
        (thing,) = keeper.update(look, None, [_named(3, BAG, 12.0, 20.0)])
        assert (thing.began, thing.seen, thing.track, thing.asked) == (12.0, 20.0, 3, 3)
        assert thing.box.tolist() == list(BAG)
        assert thing.confidence == pytest.approx(0.8, abs=0.01)
        assert thing.whole

    def test_what_stood_there_from_the_first_sample_belongs_to_the_view(self) -> None:
        keeper, look = self._keeper()
        keeper.find(look, np.zeros((0, 4), np.float32))
        assert keeper.update(look, None, [_named(3, BAG, 0.0, 20.0)]) == []

    def test_named_it_counts_as_often_seen_as_the_detector_saw_it(self) -> None:
        """Pieces were found before, in few samples."""
        keeper, look = self._keeper()
        keeper.find(look, np.zeros((0, 4), np.float32))
        (thing,) = keeper.update(look, None, [_named(3, BAG, 12.0, 20.0)])
        thing.hits, thing.samples, thing.track = 1, 9, None
        (named,) = keeper.update(look, None, [_named(3, BAG, 12.0, 20.0)])
        assert named is thing
        assert (named.hits, named.samples) == (4, 4), "three by the detector, and this sample"

    def test_another_track_of_it_is_the_same_thing(self) -> None:
        keeper, look = self._keeper()
        keeper.find(look, np.zeros((0, 4), np.float32))
        (thing,) = keeper.update(look, None, [_named(3, BAG, 12.0, 20.0)])
        again = keeper.update(look, None, [_named(4, BAG, 13.0, 20.0)])
        assert [each.id for each in again] == [thing.id]

    def test_the_ground_behind_a_passer_by_of_the_first_sample_is_none(self) -> None:
        """Even if the detector did not know the passer-by, and the verifier sees a thing there."""
        kept = Street(Scene([Thing("", BAG, 7, last_s=0.5)]))
        keeper = SettledKeeper(1.0, kept.watched, 8.0, LOST_S, ASK_AGAIN_S)
        background = Background.of(kept.scene.picture(0.0), 0.0, occlusion_s=LOST_S)
        for time_s in range(1, 12):
            background.update(kept.scene.picture(time_s), time_s)
            look = Look(background, lambda *seen: np.full(len(seen[-1]), 3.0, np.float32))
            keeper.find(look, np.zeros((0, 4), np.float32))
            assert not keeper.update(look, detections([]))

    def test_a_known_thing_keeps_its_number_when_it_is_named(self) -> None:
        kept = Street(Scene([Thing("", BAG, 7, first_s=5.0)]))
        keeper = SettledKeeper(1.0, kept.watched, 8.0, LOST_S, ASK_AGAIN_S)
        background = Background.of(kept.scene.picture(0.0), 0.0, occlusion_s=LOST_S)
        for time_s in (1.0, 3.0, 5.0, 6.0, 7.0, 8.0):
            background.update(kept.scene.picture(time_s), time_s)
            look = Look(background, TRUTH)
            keeper.find(look, np.zeros((0, 4), np.float32))
        (found,) = keeper.update(look, detections([]))
        (named,) = keeper.update(look, None, [_named(1, BAG, 5.0, 8.0)])
        assert named.id == found.id
