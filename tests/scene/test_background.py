from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cv_engine.scene.background import Background, Region
from cv_engine.scene.pieces import merged
from tests.tracking.scenes import (
    HEIGHT,
    WIDTH,
    Corners,
    Gray,
    Scene,
    Thing,
    ground,
    put,
    shot,
    texture,
)

OCCLUSION_S = 10.0
BOX: Corners = (120, 80, 190, 125)
MIN_SIDE = 6.0


def _changed_share(background: Background) -> float:
    """Share of the pixels that do not show the background now."""
    return 1.0 - float(background.is_background.mean())


def _watch(pictures: Iterable[tuple[float, Gray]]) -> Background:
    background: Background | None = None
    for time_s, picture in pictures:
        if background is None:
            background = Background.of(picture, time_s, occlusion_s=OCCLUSION_S)
        else:
            background.update(picture, time_s)
    assert background is not None
    return background


def _scene(*things: Thing, last_s: float, every_s: float = 1.0) -> Background:
    scene = Scene(list(things))
    samples = np.arange(0, last_s + every_s / 2, every_s)
    return _watch((float(time_s), scene.picture(float(time_s))) for time_s in samples)


def _regions(background: Background) -> list[Region]:
    return background.regions(background.settled, MIN_SIDE)


def _iou(region: Region, corners: Corners) -> float:
    x1, y1, x2, y2 = region.box
    width = min(x2, corners[2]) - max(x1, corners[0])
    height = min(y2, corners[3]) - max(y1, corners[1])
    common = max(0, width) * max(0, height)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (region.box, corners)]
    return common / (sum(areas) - common)


@pytest.mark.parametrize("every_s", [0.2, 1.0, 2.0, 5.0])
def test_what_comes_to_rest_is_a_region_with_its_time(every_s: float) -> None:
    background = _scene(Thing("", BOX, 7, first_s=10.0), last_s=30.0, every_s=every_s)
    (region,) = _regions(background)
    assert region.since == pytest.approx(10.0)
    assert _iou(region, BOX) > 0.8
    assert region.area == np.count_nonzero(region.mask)
    rows, columns = region.window
    assert region.mask.shape == (rows.stop - rows.start, columns.stop - columns.start)


def test_one_sample_settles_nothing_two_do() -> None:
    assert not _regions(_scene(Thing("", BOX, 7, first_s=10.0), last_s=10.0))
    assert len(_regions(_scene(Thing("", BOX, 7, first_s=10.0), last_s=11.0))) == 1


@pytest.mark.parametrize("every_s", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("speed", [40.0, 90.0])
def test_what_moves_never_settles(speed: float, every_s: float) -> None:
    scene = Scene([Thing("car", (-60, 80, 0, 120), 7, first_s=1.0, speed=speed)])
    background = Background.of(scene.picture(0.0), 0.0, occlusion_s=OCCLUSION_S)
    for time_s in np.arange(every_s, 12.0, every_s):
        background.update(scene.picture(float(time_s)), float(time_s))
        assert max((region.area for region in _regions(background)), default=0) < 0.2 * 60 * 40


def test_the_bare_ground_clears_it_within_two_samples() -> None:
    things = [Thing("", BOX, 7, first_s=5.0, last_s=19.5)]
    still_there = _scene(*things, last_s=19.0)
    assert _regions(still_there)
    gone = _scene(*things, last_s=21.0)
    assert not np.isfinite(gone.candidate_since[80:125, 120:190]).any()
    # What comes after is new, at the same place and of the same appearance.
    again = [*things, Thing("", BOX, 7, first_s=21.5)]
    (region,) = _regions(_scene(*again, last_s=25.0))
    assert region.since == 22.0


def test_one_bare_sample_may_be_noise() -> None:
    things = [Thing("", BOX, 7, 5.0, 14.5), Thing("", BOX, 7, first_s=15.5)]
    (region,) = _regions(_scene(*things, last_s=20.0))
    assert region.since == 5.0


@pytest.mark.parametrize(
    ("hidden_s", "since"),
    [
        pytest.param(OCCLUSION_S - 2, 5.0, id="remembered"),
        pytest.param(OCCLUSION_S + 5, 30.0 + OCCLUSION_S + 5, id="forgotten"),
    ],
)
def test_hidden_it_is_remembered_for_a_while(hidden_s: float, since: float) -> None:
    """A crowd, never twice the same, stands before it; then it is there again."""
    crowd = [Thing("", BOX, 40 + n, 30.0 + n, 31.0 + n) for n in range(int(hidden_s))]
    background = _scene(Thing("", BOX, 7, first_s=5.0), *crowd, last_s=32.0 + hidden_s)
    (region,) = _regions(background)
    assert region.since == since


@pytest.mark.parametrize("gain", [0.6, 0.75, 0.9, 1.2, 1.4, 1.6])
def test_light_over_all_is_no_change(gain: float) -> None:
    bare = ground()
    background = _watch((float(n), shot(bare, n, 1.0 if n < 5 else gain)) for n in range(10))
    assert _changed_share(background) < 0.01
    assert not _regions(background)


@pytest.mark.parametrize("gain", [0.7, 1.4])
def test_light_over_all_does_not_hide_what_came(gain: float) -> None:
    scene = Scene([Thing("", BOX, 7, first_s=10.0)])
    light = {True: 1.0, False: gain}
    background = _watch((float(n), scene.picture(n, light[n < 15])) for n in range(20))
    (region,) = _regions(background)
    assert region.since == 10.0
    assert _iou(region, BOX) > 0.7


def test_a_large_thing_is_no_light() -> None:
    """A lorry over a third of the picture: the rest tells how bright it is."""
    lorry: Corners = (0, 0, WIDTH // 3, HEIGHT)
    background = _scene(Thing("", lorry, 7, first_s=5.0), last_s=10.0)
    outside = background.is_background[:, WIDTH // 3 + 3 :]
    assert outside.mean() > 0.99
    assert _changed_share(background) > 0.2


def test_a_burnt_out_sky_is_as_bright_as_it_was() -> None:
    """The exposure goes down by a third: the white sky stays white, and nothing has come."""
    drawn = ground()
    drawn[:60] = 400.0
    background = _watch((float(n), shot(drawn, n, 1.0 if n < 5 else 0.7)) for n in range(10))
    assert background.is_background[:56].all()
    assert not _regions(background)


def test_a_dark_thing_before_a_burnt_out_sky_is_seen() -> None:
    drawn = ground()
    drawn[:60] = 400.0
    with_thing = drawn.copy()
    put(with_thing, (100, 10, 150, 50), 7, 20, 90)
    background = _watch((float(n), shot(drawn if n < 5 else with_thing, n)) for n in range(10))
    (region,) = _regions(background)
    assert _iou(region, (100, 10, 150, 50)) > 0.7


def test_slow_light_on_a_part_is_followed() -> None:
    """The sun leaves one half of the street within ten minutes."""
    bare = ground()

    def drawn(n: int) -> Gray:
        light = bare.copy()
        light[:, : WIDTH // 2] *= 1.0 - 0.3 * n / 100
        return shot(light, n)

    background = _watch((6.0 * n, drawn(n)) for n in range(100))
    assert _changed_share(background) < 0.02


def test_what_is_hidden_is_in_the_light_of_what_hides_it() -> None:
    """A shadow comes over one half of the street while something stands there."""
    bare = ground()

    def drawn(n: int) -> Gray:
        light = bare.copy()
        if 3 <= n < 200:
            put(light, BOX, 7)
        light[:, 80:230] *= 1.0 - 0.4 * min(n, 200) / 200
        return shot(light, n)

    background = _watch((float(n), drawn(n)) for n in range(200))
    assert _iou(_regions(background)[0], BOX) > 0.8
    for n in (200, 201):
        background.update(drawn(n), float(n))
    assert background.bare_share(BOX) > 0.9


def test_a_picture_that_stays_leaves_the_model_as_it_is() -> None:
    """Half a day of samples; what each sample adds must not add up."""
    bare = ground()
    samples = [shot(bare, n) for n in range(16)]
    background = _watch((float(n), samples[n % 16]) for n in range(4000))
    assert background.background.mean() == pytest.approx(bare.mean(), abs=2.0)


def test_absorbed_it_is_background() -> None:
    scene = Scene([Thing("", BOX, 7, first_s=10.0)])
    background = _watch((float(n), scene.picture(n)) for n in range(16))
    (region,) = _regions(background)
    background.absorb(region)
    assert not _regions(background)
    inner = (slice(84, 121), slice(124, 186))
    assert background.is_background[inner].mean() > 0.95
    assert np.median(background.background_since[inner]) == 10.0
    assert background.still_since(BOX) == 10.0
    for n in range(16, 22):
        background.update(scene.picture(n), float(n))
    assert not _regions(background)


@pytest.mark.parametrize(
    ("things", "expected"),
    [
        pytest.param([], 0.0, id="bare-ground-from-the-first-look"),
        pytest.param([Thing("", BOX, 7, first_s=5.0)], 5.0, id="came"),
        pytest.param([Thing("", BOX, 7, first_s=20.0)], 20.0, id="came-at-this-look"),
        pytest.param([Thing("", BOX, 7, 5.0, 14.5)], 0.0, id="gone-again"),
        pytest.param([Thing("", (60, 70, 130, 140), 7, 5.0)], 0.0, id="beside-it"),
        pytest.param(
            [Thing("", BOX, 7, 5.0), Thing("", (110, 70, 200, 140), 8, 20.0)], 20.0, id="hidden"
        ),
    ],
)
def test_since_when_what_fills_a_box_stands_there(things: list[Thing], expected: float) -> None:
    assert _scene(*things, last_s=20.0).still_since(BOX) == expected


def test_a_thing_stands_since_its_last_part_came() -> None:
    """A bus rolls in: its front is over the place for some samples before it stops."""
    front: Corners = (120, 80, 150, 125)
    things = [Thing("", front, 7, 10.0), Thing("", (150, 80, 190, 125), 8, 14.0)]
    background = _scene(*things, last_s=20.0)
    assert background.settled_since(BOX) == 14.0
    assert background.settled_since(front) == 10.0
    assert background.settled_since((10, 10, 40, 40)) == 20.0, "nothing has settled there"


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param(BOX, 0.0, id="covered"),
        pytest.param((20, 20, 60, 60), 1.0, id="bare"),
        pytest.param((155, 80, 225, 125), 0.5, id="half"),
        pytest.param((400, 400, 420, 420), 1.0, id="outside-the-picture"),
        pytest.param((-50, 20, 30, 60), 1.0, id="over-the-edge"),
    ],
)
def test_how_much_of_a_box_is_bare(box: Corners, expected: float) -> None:
    background = _scene(Thing("", BOX, 7, first_s=5.0), last_s=10.0)
    assert background.bare_share(box) == pytest.approx(expected, abs=0.25 if expected == 0 else 0.2)


@settings(max_examples=25)
@given(sizes=st.lists(st.integers(10, 40), min_size=1, max_size=5, unique=True))
def test_regions_are_what_came_largest_first(sizes: list[int]) -> None:
    corners: list[Corners] = [(8 + 62 * n, 40, 8 + 62 * n + s, 40 + s) for n, s in enumerate(sizes)]
    empty, full = np.full((HEIGHT, WIDTH), 120, np.uint8), np.full((HEIGHT, WIDTH), 120, np.uint8)
    for x1, y1, x2, y2 in corners:
        full[y1:y2, x1:x2] = 240
    background = _watch([(0.0, empty), (1.0, full), (2.0, full)])
    found = _regions(background)
    assert len(found) == len(sizes)
    for region, size in zip(found, sorted(sizes, reverse=True), strict=True):
        corner = corners[sizes.index(size)]
        assert np.abs(np.subtract(region.box, corner)).max() <= 1, "grown by the blur only"
    assert background.regions(background.settled, 45.0) == [], "too small to count"
    assert background.regions(np.zeros_like(background.settled), MIN_SIDE) == [], "not watched"


def test_nothing_thinner_than_three_pixels_is_a_region() -> None:
    background = _scene(Thing("", BOX, 7, first_s=5.0), last_s=10.0)
    mask = np.zeros_like(background.settled)
    x1, y1, _, _ = (round(value) for value in BOX)
    mask[y1 + 10 : y1 + 13, x1 + 10 : x1 + 13] = True
    mask[y1 + 20 : y1 + 22, x1 + 10 : x1 + 40] = True
    mask[y1 + 30 : y1 + 32, x1 + 10 : x1 + 12] = True
    (region,) = background.regions(mask & background.settled, 0.1)
    assert region.box == (x1 + 10, y1 + 10, x1 + 13, y1 + 13)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(1, 12), every_s=st.floats(0.04, 10.0))
def test_noise_under_the_tolerance_changes_nothing(seed: int, levels: int, every_s: float) -> None:
    rng = np.random.default_rng(seed)
    bare = np.round(ground())

    def noisy() -> NDArray[np.uint8]:
        return (bare + rng.integers(-levels // 2, levels // 2 + 1, bare.shape)).astype(np.uint8)

    background = _watch((every_s * n, noisy()) for n in range(8))
    assert _changed_share(background) == 0.0
    assert not background.settled.any()
    assert background.still_since(BOX) == 0.0


@settings(max_examples=20)
@given(data=st.data())
def test_times_are_those_of_samples(data: st.DataObject) -> None:
    """Whatever is shown: a candidate is never younger than now nor older than the first sample."""
    seeds = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=10))
    steps = data.draw(st.lists(st.floats(0.1, 20.0), min_size=10, max_size=10))
    times = np.cumsum(steps)[: len(seeds)].tolist()
    background = _watch(
        (t, shot(ground(seed), n)) for n, (t, seed) in enumerate(zip(times, seeds, strict=True))
    )
    known = np.isfinite(background.candidate_since)
    assert np.isin(background.candidate_since[known], times).all()
    assert (background.candidate_since <= background.candidate_seen)[known].all()
    assert not (background.is_candidate & background.is_background).any()
    assert not (background.is_candidate & ~known).any()
    assert times[0] <= background.still_since(BOX) <= times[-1]


class TestAGap:
    """A gap of ten minutes."""

    GAP_S = 600.0

    def watch(self, *things: Thing, after_s: float = 4.0, gain: float = 1.0) -> Background:
        """A sample a second until 20 s, and after the gap."""
        scene = Scene(list(things))
        background = _watch((float(n), scene.picture(float(n))) for n in range(21))
        background.skip(self.GAP_S)
        for n in np.arange(20.0 + self.GAP_S, 20.5 + self.GAP_S + after_s).tolist():
            background.update(scene.picture(n, gain), n)
        return background

    @pytest.mark.parametrize("gain", [0.3, 1.0, 1.5])
    def test_what_was_settled_is_remembered_with_its_time(self, gain: float) -> None:
        (region,) = _regions(self.watch(Thing("", BOX, 7, first_s=5.0), gain=gain))
        assert region.since == 5.0
        assert _iou(region, BOX) > 0.7

    def test_what_was_seen_once_is_not(self) -> None:
        (region,) = _regions(self.watch(Thing("", BOX, 7, first_s=20.0)))
        assert region.since == 20.0 + self.GAP_S

    @pytest.mark.parametrize("seed", range(8, 16))
    def test_what_resembles_it_by_chance_is_not_it(self, seed: int) -> None:
        """A third of another thing's pixels are as bright as those that were there before."""
        came_s = 21.0
        first, other = Thing("", BOX, 7, 5.0, came_s), Thing("", BOX, seed, first_s=came_s)
        background = self.watch(first, other)
        assert all(region.since >= 20.0 + self.GAP_S for region in _regions(background))

    @pytest.mark.parametrize("gain", [0.6, 1.0])
    def test_hidden_as_the_samples_go_on_it_is_remembered(self, gain: float) -> None:
        """A lorry stops before it for three looks."""
        lorry = Thing("", (90, 50, 220, 160), 40, 620.0, 623.0)
        background = self.watch(Thing("", BOX, 7, first_s=5.0), lorry, after_s=5.0, gain=gain)
        (region,) = _regions(background)
        assert region.since == 5.0
        assert _iou(region, BOX) > 0.6

    def test_light_that_changed_in_places_is_taken_over(self) -> None:
        """Hard shadows: without it the picture would differ from what is known all over them."""
        bare = texture(5, WIDTH, HEIGHT, 60, 180, grain=10)
        lit = bare.copy()
        lit[30:120, 40:200] *= 0.6
        background = _watch((float(n), shot(bare, n)) for n in range(10))
        background.skip(self.GAP_S)
        background.update(shot(lit, 10), 9.0 + self.GAP_S)
        assert _changed_share(background) < 0.02


class TestParts:
    """A region in which things came to rest at different moments."""

    def test_what_came_later_beside_it_is_a_part(self) -> None:
        first: Corners = (100, 60, 130, 110)
        later: Corners = (130, 60, 170, 110)
        background = _scene(
            Thing("", first, 7, first_s=5.0), Thing("", later, 8, first_s=20.0), last_s=30.0
        )
        (region,) = _regions(background)
        parts = background.parts(region, MIN_SIDE)
        assert [part.since for part in parts] == [20.0, 5.0]
        for part, corners in zip(parts, (later, first), strict=True):
            assert np.abs(np.subtract(part.box, corners)).max() <= 3
        assert sum(part.area for part in parts) == region.area
        assert [region.common(part) for part in parts] == [part.area for part in parts]
        whole = merged(parts)
        assert (whole.box, whole.area, whole.since) == (region.box, region.area, 20.0)

    def test_what_came_at_once_has_none(self) -> None:
        background = _scene(Thing("", BOX, 7, first_s=5.0), last_s=30.0)
        (region,) = _regions(background)
        assert background.parts(region, MIN_SIDE) == []

    def test_what_was_hidden_by_who_brought_it_is_no_part(self) -> None:
        """A person stands before one half until 20 s."""
        half: Corners = (BOX[0], BOX[1], (BOX[0] + BOX[2]) // 2, BOX[3])
        crowd = [Thing("person", half, 30 + n, 5.0 + n, 6.0 + n) for n in range(15)]
        background = _scene(Thing("", BOX, 7, first_s=5.0), *crowd, last_s=30.0)
        (region,) = _regions(background)
        assert background.parts(region, MIN_SIDE) == []


def test_regions_far_apart_have_nothing_in_common() -> None:
    background = _scene(
        Thing("", (20, 20, 50, 50), 7, first_s=5.0),
        Thing("", (200, 100, 240, 140), 8, first_s=5.0),
        last_s=10.0,
    )
    one, other = _regions(background)
    assert one.common(other) == 0
    assert one.common(one) == one.area
