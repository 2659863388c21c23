from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.verification import disturbances, lights
from benchmarks.verification.composing import View, compose
from benchmarks.verification.effect import Floats, smooth_noise
from benchmarks.verification.things import Cutout, placed, reflection_of, shadow_of

SHAPE = (135, 240)


def ground(seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return np.clip(120 + 25 * smooth_noise(SHAPE, 6.0, rng), 0, 255).astype(np.float32)


def ball() -> Cutout:
    alpha = np.zeros((40, 40), np.float32)
    cv2.circle(alpha, (20, 20), 19, 1.0, -1)
    grey = np.tile(np.linspace(20, 220, 40, dtype=np.float32), (40, 1))
    return Cutout("ball", grey, alpha)


@pytest.mark.parametrize("seed", range(8))
def test_an_effect_changes_its_own_pixels_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = ground()
    thing = placed(picture, ball(), rng)
    effects = [
        thing.effect(),
        shadow_of(thing, rng),
        reflection_of(thing, rng),
        lights.patch(SHAPE, rng),
        lights.silhouette(thing, rng),
        lights.lamp(SHAPE, rng),
        lights.glare(SHAPE, rng),
        disturbances.noise(SHAPE, rng),
        disturbances.pumping(SHAPE, rng),
        disturbances.texts(SHAPE, rng)[1],
    ]
    for effect in effects:
        change = np.abs(effect.paint(picture) - picture)
        outside = ~cv2.dilate(effect.mask.astype(np.uint8), np.ones((5, 5))).astype(bool)
        # What fades out may reach further, but too faintly for the background model.
        assert float(change[outside].max(initial=0.0)) < 45, effect.kind


def test_the_same_seed_composes_the_same_sequence() -> None:
    views = [View("a", ground(1)), View("b", ground(2))]
    first, second = (compose(views, [ball()], np.random.default_rng(5)) for _ in range(2))
    assert first.kinds == second.kinds
    np.testing.assert_array_equal(first.background.latest, second.background.latest)


def test_sequences_hold_things_and_what_is_none() -> None:
    views = [View("a", ground(1)), View("b", ground(2))]
    kinds: list[str | None] = []
    for seed in range(12):
        drawn = compose(views, [ball()], np.random.default_rng(seed))
        assert len(drawn.kinds) == len(drawn.regions)
        kinds += drawn.kinds
    assert kinds.count("thing") >= 5
    assert len({*kinds} - {"thing", None}) >= 3


def test_a_moved_view_moves_every_pixel_by_at_most_a_few() -> None:
    rng = np.random.default_rng(2)
    dots = np.zeros(SHAPE, np.float32)
    dots[60:70, 100:110] = 200
    moved = disturbances.moved(SHAPE, rng).paint(dots)
    rows, columns = np.nonzero(moved > 100)
    assert 0 < abs(rows.mean() - 64.5) + abs(columns.mean() - 104.5) < 14
