from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from benchmarks.verification.hand_set import Verdict, judge
from cv_engine.scene.background import Background, Region
from tests.tracking.scenes import HEIGHT, WIDTH, Corners, Picture, ground, put, shot, texture

BOX: Corners = (120, 80, 180, 130)
Change = Callable[[Picture], None]


def _change(before: Picture, after: Picture) -> tuple[Background, Region]:
    """The model after ten looks, and the largest region that has settled before it."""
    background = Background.of(shot(before, 0), 0.0, occlusion_s=10.0)
    for n in range(1, 10):
        background.update(shot(before if n < 5 else after, n), float(n))
    return background, background.regions(background.settled, 6.0)[0]


def _verdict(before: Picture, after: Picture) -> Verdict:
    return judge(*_change(before, after))


def _soft(factor: float, size: float) -> Picture:
    """A factor that fades out over ``size`` pixels around the middle of the picture."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(x - 150, y - 105)
    return np.asarray(1 + (factor - 1) * np.exp(-((distance / size) ** 2)), np.float64)


def _shade(picture: Picture, factor: float) -> Picture:
    x1, y1, x2, y2 = BOX
    shaded = picture.copy()
    shaded[y1:y2, x1:x2] *= factor
    return shaded


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("low", "high"), [(0, 60), (190, 255), (0, 255)])
def test_an_opaque_thing(seed: int, low: float, high: float) -> None:
    after = ground()
    put(after, BOX, 50 + seed, low, high)
    assert _verdict(ground(), after) is Verdict.THING


@pytest.mark.parametrize("factor", [0.6, 0.75, 1.5])
@pytest.mark.parametrize("contrast", [0.0, 5.0, 30.0])
def test_a_shadow_or_a_spot_of_sun(factor: float, contrast: float) -> None:
    """On paving with and without a pattern."""
    paving = texture(3, WIDTH, HEIGHT, 110 - contrast, 110 + contrast, grain=8)
    assert _verdict(paving, _shade(paving, factor)) is Verdict.LIGHT


@pytest.mark.parametrize("level", [20.0, 25.0])
def test_a_dark_thing_is_no_shadow(level: float) -> None:
    """Black rubbish bags: darker than any shadow, and of one colour."""
    after = ground()
    x1, y1, x2, y2 = BOX
    after[y1:y2, x1:x2] = level
    assert _verdict(ground(), after) is Verdict.THING


def test_a_cloud_of_steam() -> None:
    """Bright, without an outline, and over the pattern of the paving."""
    bare = ground()
    steam = _soft(2.0, 40.0) - 1.0
    after = bare * (1 - steam) + (200 + texture(9, WIDTH, HEIGHT, -40, 40, grain=40)) * steam
    assert _verdict(bare, after) in (Verdict.HAZE, Verdict.LIGHT)


def test_a_soft_blob_is_haze() -> None:
    rng = np.random.default_rng(2)
    blob = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)), (0, 0), 14)
    blob *= 90 / np.abs(blob).max()
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    fade = np.exp(-((np.hypot(x - 150, y - 105) / 45) ** 4))
    assert _verdict(ground(), ground() + np.abs(blob) * fade) is not Verdict.THING


@pytest.mark.parametrize("seed", range(6))
def test_what_was_taken_away_leaves_ground(seed: int) -> None:
    before = ground()
    put(before, BOX, 50 + seed)
    assert _verdict(before, ground()) is Verdict.GROUND


@pytest.mark.parametrize("corners", [(0, 0, 50, 40), (280, 150, 320, 192), (0, 80, 60, 130)])
def test_at_the_edge_of_the_picture(corners: Corners) -> None:
    with_thing = ground()
    put(with_thing, corners, 51)
    assert _verdict(ground(), with_thing) is Verdict.THING
    assert _verdict(with_thing, ground()) is Verdict.GROUND
