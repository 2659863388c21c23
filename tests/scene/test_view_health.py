from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from cv_engine.scene.background import Background
from cv_engine.scene.pyramid import Pyramid
from cv_engine.scene.view_health import ViewEvent, ViewHealth, ViewState
from tests.tracking.scenes import HEIGHT, WIDTH, Corners, Gray, Picture, put, shot, texture

GOOD, MOVED, COVERED = ViewState.GOOD, ViewState.MOVED, ViewState.COVERED
DARK, FROZEN = ViewState.DARK, ViewState.FROZEN

Shows = Callable[[int], Gray]


def _street(seed: int = 1) -> Picture:
    """Twice as wide as the picture, so that the camera can turn."""
    return texture(seed, 2 * WIDTH, HEIGHT, 60, 180, grain=14)


def _from(left: int) -> Picture:
    return _street()[:, left : left + WIDTH].copy()


VIEW = _from(0)


def _view(n: int, gain: float = 1.0) -> Gray:
    return shot(VIEW, n, gain)


def _uniform(n: int) -> Gray:
    return shot(np.full((HEIGHT, WIDTH), 90.0), n)


def _lens_cap(n: int) -> Gray:
    return shot(np.full((HEIGHT, WIDTH), 3.0), n)


def _turned(n: int) -> Gray:
    return shot(_from(WIDTH // 3), n)


def _other(n: int) -> Gray:
    return shot(texture(77, WIDTH, HEIGHT, 60, 180, grain=11), n)


def _fog(n: int) -> Gray:
    """A hand or a leaf on the lens: hardly any contrast left."""
    return shot(np.asarray(cv2.GaussianBlur(VIEW, (0, 0), 30)), n)


def _frozen(_: int) -> Gray:
    return shot(VIEW, 3)


def _lorry(n: int) -> Gray:
    drawn = VIEW.copy()
    put(drawn, (20, 0, 20 + WIDTH // 3, HEIGHT), 5)
    return shot(drawn, n)


def _updated(
    health: ViewHealth, picture: Gray, shown: Gray, background: Background, n: int
) -> ViewEvent | None:
    return health.update(picture, Pyramid.of(shown), Pyramid.of(background.background), float(n))


def _judged(health: ViewHealth, picture: Gray, background: Background, n: int) -> ViewEvent | None:
    """The sample of second ``n`` of a camera that does not sway."""
    return _updated(health, picture, picture, background, n)


def _watch(*acts: tuple[Shows, int]) -> tuple[ViewHealth, list[ViewEvent], list[bool]]:
    """Shows each picture so many times, one a second, beginning at second 0."""
    background = Background.of(_view(0), -1.0, occlusion_s=10.0)
    health, events, trusted, n = ViewHealth(), [], [], 0
    for shows, times in acts:
        for _ in range(times):
            event = _judged(health, shows(n), background, n)
            trusted.append(health.trusted)
            events += [event] if event else []
            n += 1
    return health, events, trusted


@pytest.mark.parametrize(
    ("shows", "state"),
    [
        pytest.param(_turned, MOVED, id="turned-by-a-third"),
        pytest.param(_other, MOVED, id="another-scene"),
        pytest.param(_uniform, COVERED, id="painted-over"),
        pytest.param(_fog, COVERED, id="something-on-the-lens"),
        pytest.param(_lens_cap, DARK, id="no-light"),
    ],
)
def test_what_is_wrong_is_an_event_and_so_is_its_end(shows: Shows, state: ViewState) -> None:
    health, events, trusted = _watch((_view, 10), (shows, 10), (_view, 10))
    assert events == [ViewEvent(11.0, state, GOOD), ViewEvent(21.0, GOOD, state)]
    assert health.state is GOOD
    # Not trusted from the first sample that shows something else to the second good one.
    assert [n for n, good in enumerate(trusted) if not good] == list(range(10, 21))


def test_a_frozen_picture() -> None:
    _, events, _ = _watch((_view, 10), (_frozen, 20), (_view, 5))
    assert [(event.state, event.before) for event in events] == [(FROZEN, GOOD), (GOOD, FROZEN)]
    assert 14 <= events[0].time_s <= 18
    assert events[1].time_s == 31.0


def test_from_bad_to_worse() -> None:
    _, events, _ = _watch((_view, 5), (_turned, 5), (_lens_cap, 5), (_view, 5))
    assert [(event.state, event.before) for event in events] == [
        (MOVED, GOOD),
        (DARK, MOVED),
        (GOOD, DARK),
    ]


@pytest.mark.parametrize("shows", [_turned, _uniform, _lens_cap])
def test_one_bad_sample_changes_nothing(shows: Shows) -> None:
    health, events, trusted = _watch((_view, 5), (shows, 1), (_view, 5), (shows, 1), (_view, 5))
    assert not events
    assert health.state is GOOD
    assert [n for n, good in enumerate(trusted) if not good] == [5, 11], "but it is not believed"


def test_two_bad_samples_that_disagree_change_nothing() -> None:
    _, events, _ = _watch((_view, 5), (_uniform, 1), (_lens_cap, 1), (_view, 5))
    assert not events


def test_a_lorry_over_a_third_is_traffic() -> None:
    _, events, trusted = _watch((_view, 5), (_lorry, 20), (_view, 5))
    assert not events
    assert all(trusted)


def test_a_lorry_that_fills_most_of_the_view_is_traffic() -> None:
    def near(n: int) -> Gray:
        drawn = VIEW.copy()
        put(drawn, (10, 10, WIDTH - 60, HEIGHT - 10), 5)
        return shot(drawn, n)

    _, events, trusted = _watch((_view, 5), (near, 20), (_view, 5))
    assert not events
    assert all(trusted)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param((1.0, 0.0, 12), id="shifted"),
        pytest.param((1.12, 0.0, 0), id="zoomed"),
        pytest.param((1.0, 5.0, 0), id="tilted"),
    ],
)
def test_a_camera_that_was_pushed_has_moved(change: tuple[float, float, int]) -> None:
    zoom, degrees, shift = change

    def pushed(n: int) -> Gray:
        matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, zoom)
        matrix[0, 2] += shift
        drawn = cv2.warpAffine(VIEW, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        return shot(np.asarray(drawn, np.float64), n)

    _, events, _ = _watch((_view, 5), (pushed, 5))
    assert [event.state for event in events] == [MOVED]


@pytest.mark.parametrize("gain", [0.45, 0.7, 1.3])
def test_light_is_no_event(gain: float) -> None:
    _, events, trusted = _watch((_view, 5), (lambda n: _view(n, gain), 20), (_view, 5))
    assert not events
    assert all(trusted)


def test_dusk_is_no_event_until_it_is_dark() -> None:
    def dusk(n: int) -> Gray:
        return _view(n, 1.0 - 0.012 * n)

    _, events, _ = _watch((dusk, 60))
    assert not events


def test_a_shadow_over_half_the_street_is_no_event() -> None:
    shaded = VIEW.copy()
    shaded[:, : WIDTH // 2] *= 0.6
    _, events, trusted = _watch((_view, 5), (lambda n: shot(shaded, n), 20))
    assert not events
    assert all(trusted)


def test_passers_by_are_no_event() -> None:
    def busy(n: int) -> Gray:
        drawn = VIEW.copy()
        for k in range(5):
            left = (37 * n + 61 * k) % WIDTH
            people: Corners = (left, 40 + 20 * k, left + 30, 100 + 20 * k)
            put(drawn, people, 100 * n + k)
        return shot(drawn, n)

    _, events, trusted = _watch((busy, 60))
    assert not events
    assert all(trusted)


def test_a_view_without_edges_is_not_judged_by_them() -> None:
    """Bare asphalt or fresh snow: nothing to tell a turn by, and so none is claimed."""
    background = Background.of(_uniform(0), -1.0, occlusion_s=10.0)
    health = ViewHealth()
    assert not [n for n in range(20) if _judged(health, _uniform(n), background, n)]
    assert health.trusted


def test_a_lorry_on_bare_asphalt_is_not_another_view() -> None:
    """A lorry fills the view with other edges, and there were none to be missed."""
    background = Background.of(_uniform(0), -1.0, occlusion_s=10.0)
    health = ViewHealth()
    assert not [n for n in range(5) if _judged(health, _other(n), background, n)]
    assert health.trusted


def test_a_camera_that_sways_is_judged_by_the_view_as_it_was() -> None:
    """Swayed by more than a pushed camera, with the pictures moved back."""
    background = Background.of(_view(0), -1.0, occlusion_s=10.0)
    health = ViewHealth()
    for n in range(20):
        swayed = np.roll(VIEW, 12 * (n % 3 - 1), axis=1)
        event = _updated(health, shot(swayed, n), shot(VIEW, 500 + n), background, n)
        assert event is None
        assert health.trusted


def test_a_picture_that_is_frozen_is_so_wherever_the_view_lies() -> None:
    """The background shows where the picture does not reach, and changes a little."""
    background = Background.of(_view(0), -1.0, occlusion_s=10.0)
    health = ViewHealth()
    for n in range(10):
        _updated(health, _frozen(n), _view(n), background, n)
    assert health.state is FROZEN
