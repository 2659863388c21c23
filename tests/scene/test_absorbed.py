from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.scene.absorbed import Absorbed
from cv_engine.scene.background import Background, Mask, Region, Window
from tests.tracking.scenes import Corners, Gray, Scene, Thing, ground, put, shot

OCCLUSION_S = 10.0
MEMORY_S = 60.0
MIN_SIDE = 6.0
BOX: Corners = (120, 80, 190, 125)
LEFT: Corners = (120, 80, 155, 125)
RIGHT: Corners = (155, 80, 190, 125)
CAME_S = 10.0

# Seeds of textures that differ from the ground, and the last from `BOX_SEED`, nearly everywhere.
BOX_SEED, LEFT_SEED, RIGHT_SEED, OTHER_SEED = 27, 28, 21, 79


def _inner(corners: Corners, margin: int = 4) -> Window:
    """The pixels of a box without the blur at its edge."""
    x1, y1, x2, y2 = corners
    return slice(y1 + margin, y2 - margin), slice(x1 + margin, x2 - margin)


def _regions(background: Background) -> list[Region]:
    return background.regions(background.settled, MIN_SIDE)


def _shows(background: Background, scene: Scene, time_s: float, corners: Corners) -> bool:
    """Whether the background in a box is what the scene shows there at a moment."""
    window = _inner(corners)
    differs = np.abs(background.background[window] - scene.drawn(time_s)[window])
    return bool(np.mean(differs < background.tolerance[window]) > 0.95)


class Street:
    """A scene, its background, and what was absorbed into that. One sample a second."""

    def __init__(self, *things: Thing) -> None:
        self.scene = Scene(list(things))
        self.background = Background.of(self.scene.picture(0.0), 0.0, occlusion_s=OCCLUSION_S)
        self.absorbed = Absorbed(MEMORY_S)

    def watch(self, last_s: float) -> None:
        for time_s in np.arange(self.background.time_s + 1.0, last_s + 0.5).tolist():
            self.background.update(self.scene.picture(time_s), time_s)
            self.absorbed.revert(self.background)

    def absorb(self, last_s: float) -> Region:
        """Absorbs all that has come to rest by a moment, which is one region."""
        self.watch(last_s)
        (region,) = _regions(self.background)
        self.absorbed.absorb(self.background, region)
        assert not _regions(self.background)
        return region

    def doubtful(self) -> list[Region]:
        before, _ = self.absorbed.earlier(self.background)
        return self.absorbed.doubtful(self.background, before, MIN_SIDE)


class TestTakenAway:
    """A thing that came at 10 s, was absorbed at 15 s, and is taken away again."""

    def test_two_samples_of_the_old_ground_bring_it_back(self) -> None:
        street = Street(Thing("", BOX, BOX_SEED, CAME_S, 29.5))
        street.absorb(15.0)
        street.watch(30.0)
        assert _shows(street.background, street.scene, 20.0, BOX), "one sample may be chance"
        street.watch(31.0)
        assert street.background.settled[_inner(BOX)].mean() < 0.01, "specks at most"
        assert not _regions(street.background)
        assert _shows(street.background, street.scene, 31.0, BOX)
        assert np.median(street.background.background_since[_inner(BOX)]) == 0.0
        assert street.background.still_since(BOX) == 0.0
        assert street.doubtful() == []

    def test_what_comes_after_is_new(self) -> None:
        """The same thing again, after which the ground is what stood there before both."""
        street = Street(Thing("", BOX, BOX_SEED, CAME_S, 29.5), Thing("", BOX, BOX_SEED, 39.5))
        street.absorb(15.0)
        street.watch(45.0)
        (region,) = _regions(street.background)
        assert region.since == 40.0

    @pytest.mark.parametrize(
        "bare",
        [
            pytest.param([20.0], id="one-sample"),
            pytest.param([20.0, 22.0, 24.0], id="every-other-sample"),
        ],
    )
    def test_who_passes_and_resembles_the_ground_does_not(self, bare: list[float]) -> None:
        street = Street(*(Thing("", BOX, BOX_SEED, a + 0.5, b - 0.5) for a, b in _between(bare)))
        street.absorb(15.0)
        street.watch(30.0)
        assert _shows(street.background, street.scene, 30.0, BOX)
        assert not _regions(street.background)
        assert street.background.still_since(BOX) == CAME_S
        (region,) = street.doubtful()
        assert region.since == CAME_S

    def test_another_thing_in_its_place_does_not(self) -> None:
        """What comes before the absorbed thing, and does not resemble the ground, is settled."""
        street = Street(Thing("", BOX, BOX_SEED, CAME_S, 29.5), Thing("", BOX, OTHER_SEED, 29.5))
        street.absorb(15.0)
        street.watch(40.0)
        (region,) = _regions(street.background)
        assert region.since == 30.0

    def test_half_of_it_leaves_the_other_half_in_doubt(self) -> None:
        street = Street(
            Thing("", LEFT, LEFT_SEED, CAME_S), Thing("", RIGHT, RIGHT_SEED, CAME_S, 29.5)
        )
        street.absorb(15.0)
        street.watch(31.0)
        assert _shows(street.background, street.scene, 0.0, RIGHT)
        assert _shows(street.background, street.scene, 31.0, LEFT)
        (region,) = street.doubtful()
        assert np.abs(np.subtract(region.box, LEFT)).max() <= 2


def _between(bare: list[float]) -> list[tuple[float, float]]:
    """The spans between bare samples in which the thing shows, from its arrival on."""
    return list(zip([CAME_S - 1.0, *bare], [*bare, np.inf], strict=True))


class TestPieces:
    """One thing whose halves came to rest, and were absorbed, one after the other."""

    def street(self) -> Street:
        street = Street(Thing("", LEFT, LEFT_SEED, CAME_S), Thing("", RIGHT, RIGHT_SEED, 20.0))
        street.absorb(15.0)
        street.absorb(25.0)
        return street

    def test_they_are_one_region_in_doubt(self) -> None:
        street = self.street()
        street.watch(30.0)
        (region,) = street.doubtful()
        assert np.abs(np.subtract(region.box, BOX)).max() <= 2
        assert region.area > 0.9 * (BOX[2] - BOX[0]) * (BOX[3] - BOX[1])
        assert CAME_S <= region.since <= 20.0

    def test_the_ground_before_is_that_before_both(self) -> None:
        street = self.street()
        before, since = street.absorbed.earlier(street.background)
        window = _inner(BOX, 0)
        assert np.abs(before[window] - street.scene.ground[window]).mean() < 4.0
        assert not since[window].any()

    def test_the_whole_is_restored_at_once_each_piece_with_its_time(self) -> None:
        street = self.street()
        (whole,) = street.doubtful()
        street.absorbed.restore(street.background, whole)
        (region,) = _regions(street.background)
        assert np.abs(np.subtract(region.box, BOX)).max() <= 2
        assert np.median(street.background.candidate_since[_inner(LEFT)]) == CAME_S
        assert np.median(street.background.candidate_since[_inner(RIGHT)]) == 20.0
        assert street.doubtful() == []

    def test_one_that_overlaps_an_earlier_one_keeps_the_oldest_ground(self) -> None:
        """Another thing stands before a part of the first, and then both are in doubt."""
        over: Corners = (140, 90, 210, 135)
        street = Street(Thing("", BOX, BOX_SEED, CAME_S), Thing("", over, 37, 20.0, 39.5))
        street.absorb(15.0)
        street.absorb(25.0)
        before, since = street.absorbed.earlier(street.background)
        for corners in (BOX, over):
            window = _inner(corners)
            assert np.abs(before[window] - street.scene.ground[window]).mean() < 4.0
            assert not since[window].any()
        (region,) = street.doubtful()
        assert np.abs(np.subtract(region.box, (120, 80, 210, 135))).max() <= 2
        # The thing behind shows again, which is no ground; beside it, the paving does.
        street.watch(45.0)
        behind = _regions(street.background)
        assert behind
        assert all(region.since == 40.0 and region.box[2] <= BOX[2] + 2 for region in behind)
        assert _shows(street.background, street.scene, 45.0, (190, 90, 210, 135))

    def test_things_far_apart_are_in_doubt_each_alone(self) -> None:
        other: Corners = (20, 20, 60, 60)
        street = Street(Thing("", BOX, BOX_SEED, CAME_S), Thing("", other, 8, 20.0))
        street.absorb(15.0)
        street.absorb(25.0)
        assert sorted(region.since for region in street.doubtful()) == [CAME_S, 20.0]


class TestRestored:
    def test_it_is_settled_since_it_came(self) -> None:
        street = Street(Thing("", BOX, BOX_SEED, CAME_S))
        street.absorb(15.0)
        street.watch(30.0)
        (doubt,) = street.doubtful()
        street.absorbed.restore(street.background, doubt)
        for _ in range(2):
            (region,) = _regions(street.background)
            assert region.since == CAME_S
            assert np.abs(np.subtract(region.box, BOX)).max() <= 2
            assert _shows(street.background, street.scene, 0.0, BOX)
            assert np.median(street.background.background_since[_inner(BOX)]) == 0.0
            assert street.doubtful() == [], "no part of it is left in the background"
            street.watch(35.0)

    def test_a_second_time_changes_nothing(self) -> None:
        street = Street(Thing("", BOX, BOX_SEED, CAME_S))
        region = street.absorb(15.0)
        street.absorbed.restore(street.background, region)
        arrays = _arrays(street.background)
        street.absorbed.restore(street.background, region)
        for name, after in _arrays(street.background).items():
            np.testing.assert_array_equal(after, arrays[name], err_msg=name)

    def test_taken_away_after_that_it_leaves_the_ground(self) -> None:
        street = Street(Thing("", BOX, BOX_SEED, CAME_S, 29.5))
        street.absorbed.restore(street.background, street.absorb(15.0))
        street.watch(31.0)
        assert not _regions(street.background)
        assert street.background.still_since(BOX) == 0.0

    def test_absorbed_again_it_is_remembered_again(self) -> None:
        street = Street(Thing("", BOX, BOX_SEED, CAME_S))
        street.absorbed.restore(street.background, street.absorb(15.0))
        street.absorb(20.0)
        (region,) = street.doubtful()
        assert region.since == CAME_S
        before, _ = street.absorbed.earlier(street.background)
        window = _inner(BOX)
        assert np.abs(before[window] - street.scene.ground[window]).mean() < 4.0

    def test_where_someone_stands_before_it_only_the_rest_is(self) -> None:
        """Of the part that is hidden nothing new is known: it stays as it was."""
        street = Street(Thing("", BOX, BOX_SEED, CAME_S), Thing("person", LEFT, 13, 30.0, 35.5))
        whole = street.absorb(15.0)
        street.watch(30.0)
        x_middle = (LEFT[0] + LEFT[2]) // 2
        assert all(region.box[0] > x_middle for region in street.doubtful()), "the rest"
        street.absorbed.restore(street.background, whole)
        assert np.median(street.background.candidate_since[_inner(RIGHT)]) == CAME_S
        street.watch(36.0)
        (region,) = _regions(street.background)
        assert np.abs(np.subtract(region.box, RIGHT)).max() <= 2
        (hidden,) = street.doubtful()
        assert np.abs(np.subtract(hidden.box, LEFT)).max() <= 2


class TestForgotten:
    """More than a minute after it was absorbed."""

    def test_it_is_not_in_doubt(self) -> None:
        street = Street(Thing("", BOX, BOX_SEED, CAME_S))
        region = street.absorb(15.0)
        street.watch(14.0 + MEMORY_S)
        assert len(street.doubtful()) == 1
        street.watch(15.0 + MEMORY_S)
        assert street.doubtful() == []
        street.absorbed.restore(street.background, region)
        assert not _regions(street.background)
        assert _shows(street.background, street.scene, 20.0, BOX)

    def test_in_another_light_no_ground_is_known_from_before(self) -> None:
        street = Street(Thing("", BOX, BOX_SEED, CAME_S, 20.0))
        street.absorb(15.0)
        assert street.doubtful()
        street.absorbed.clear()
        assert not street.doubtful()
        street.watch(25.0)
        assert _regions(street.background), "the ground is new"

    def test_what_shows_when_it_is_gone_is_new(self) -> None:
        gone_s = 20.0 + MEMORY_S
        street = Street(Thing("", BOX, BOX_SEED, CAME_S, gone_s))
        street.absorb(15.0)
        street.watch(gone_s + 5.0)
        (region,) = _regions(street.background)
        assert region.since == gone_s


def _arrays(background: Background) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    return {
        name: getattr(background, name).copy()
        for name in Background.__slots__
        if isinstance(getattr(background, name), np.ndarray)
    }


_SIZE = 48
_PLACES: list[Corners] = [(8, 8, 28, 28), (20, 14, 42, 34), (28, 8, 44, 28), (0, 30, 48, 48)]
_PAVING = ground()[:_SIZE, :_SIZE]

#: What happens next: samples with the things at some places; or something is absorbed, or
#: restored, at one place, or wherever there is doubt.
_sample = st.tuples(
    st.just("sample"), st.sets(st.integers(0, 3), max_size=4), st.integers(1, 3), st.booleans()
)
_act = st.tuples(st.sampled_from(["absorb", "restore"]), st.integers(0, 3))
_step = st.one_of(_sample, _act, st.just(("absorb-all",)), st.just(("restore-all",)))


def _picture(places: set[int], seed: int, *, dark: bool) -> Gray:
    drawn = _PAVING.copy()
    for place in sorted(places):
        put(drawn, _PLACES[place], 40 + place)
    return shot(drawn, seed, 0.7 if dark else 1.0)


def _at(place: int, since: float) -> Region:
    """A region of a place with a corner cut off: a mask is seldom the whole of its box."""
    x1, y1, x2, y2 = _PLACES[place]
    mask: Mask = np.ones((y2 - y1, x2 - x1), np.bool_)
    mask[:5, :5] = False
    return Region((x1, y1, x2, y2), since, int(np.count_nonzero(mask)), mask)


@settings(max_examples=60)
@given(steps=st.lists(_step, min_size=1, max_size=25))
def test_whatever_happens_the_model_stays_whole(steps: list[tuple[object, ...]]) -> None:
    background = Background.of(_picture(set(), 0, dark=False), 0.0, occlusion_s=3.0)
    absorbed = Absorbed(memory_s=8.0)
    kinds = {name: (array.shape, array.dtype) for name, array in _arrays(background).items()}
    time_s = 0.0
    for step in steps:
        match step:
            case ("sample", set() as places, int() as times, bool() as dark):
                for seed in range(times):
                    time_s += 1.0
                    background.update(_picture(places, seed, dark=dark), time_s)
                    absorbed.revert(background)
            case ("absorb", int() as place):
                absorbed.absorb(background, _at(place, time_s))
            case ("restore", int() as place):
                absorbed.restore(background, _at(place, time_s))
            case ("absorb-all",):
                for region in _regions(background):
                    absorbed.absorb(background, region)
            case _:
                before, _ = absorbed.earlier(background)
                for region in absorbed.doubtful(background, before, MIN_SIDE):
                    absorbed.restore(background, region)
        _is_whole(background, absorbed, kinds)


def _is_whole(
    background: Background,
    absorbed: Absorbed,
    kinds: dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]],
) -> None:
    for name, kind in kinds.items():
        array = getattr(background, name)
        assert (array.shape, array.dtype) == kind, name
    assert not (background.is_background & background.is_candidate).any()
    assert np.isfinite(background.candidate_since[background.is_candidate]).all()
    assert (background.background_since <= background.time_s).all()
    before, since = absorbed.earlier(background)
    assert (before.shape, before.dtype) == kinds["background"]
    assert (since.shape, since.dtype) == kinds["background_since"]
    assert (before >= 0).all()
    assert (before <= 255).all()
    assert (since <= background.time_s).all()
    known = np.zeros(before.shape, np.int64)
    for change in absorbed._changes:
        assert not (change.left & ~change.region.mask).any()
        assert not (change.shows & ~change.region.mask).any()
        known[change.region.window] += change.left
    assert known.max(initial=0) <= 1, "of each pixel one change is remembered"
