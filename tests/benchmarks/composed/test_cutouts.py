from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.composed.cutouts import Cutout, _is_good, _load, _save, cut

Picture = NDArray[np.uint8]
BOX = (60, 50, 140, 130)


def _photograph() -> Picture:
    """A red disc with a bright rim on noisy green."""
    rng = np.random.default_rng(1)
    image = np.full((180, 200, 3), (60, 130, 60), np.uint8)
    cv2.ellipse(image, (100, 90), (40, 40), 0, 0, 360, (40, 40, 210), cv2.FILLED)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def test_an_object_is_cut_out_whole() -> None:
    found = cut(_photograph(), BOX, "goods")
    assert found is not None
    disc = np.pi * 40**2
    assert disc * 0.9 < found.alpha.sum() < disc * 1.05
    assert found.image.shape[:2] == found.alpha.shape


def test_the_soft_edge_shows_nothing_of_the_background() -> None:
    found = cut(_photograph(), BOX, "goods")
    assert found is not None
    _blue, green, red = np.moveaxis(found.image[found.alpha > 0.05].astype(int), -1, 0)
    assert (red - green).min() > 60


def test_the_same_photograph_gives_the_same_mask() -> None:
    first, second = (cut(_photograph(), BOX, "goods") for _ in range(2))
    assert first is not None
    assert second is not None
    assert np.array_equal(first.alpha, second.alpha)


def _mask(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask = np.zeros((140, 140), bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize(
    ("mask", "good"),
    [
        pytest.param(_mask(22, 22, 118, 118), True, id="most-of-the-box"),
        pytest.param(_mask(20, 20, 120, 120), False, id="all-of-the-box"),
        pytest.param(_mask(22, 22, 70, 118), False, id="half-of-the-box"),
        pytest.param(_mask(22, 22, 118, 118) & ~_mask(40, 40, 90, 90), False, id="a-hole"),
        pytest.param(_mask(22, 22, 118, 118) & ~_mask(60, 0, 70, 140), False, id="two-parts"),
        pytest.param(_mask(0, 0, 0, 0), False, id="nothing"),
    ],
)
def test_masks_are_rejected(mask: NDArray[np.bool_], good: bool) -> None:
    assert _is_good(mask, [20, 20, 120, 120], "vehicle") == good


def test_the_cache_keeps_cutouts_without_the_faint_border(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    image = rng.integers(0, 255, (9, 7, 3)).astype(np.uint8)
    alpha = np.full((9, 7), 0.2, np.float32)
    alpha[1:-1, 2:-1] = 0.9
    given = Cutout("a-1", "suitcase", "goods", image, alpha, True)
    _save([given], tmp_path / "c.npz")
    (kept,) = _load(tmp_path / "c.npz")
    assert (kept.name, kept.word, kept.group, kept.held_back) == ("a-1", "suitcase", "goods", True)
    assert np.array_equal(kept.image, image[1:-1, 2:-1])
    assert np.allclose(kept.alpha, 0.9, atol=1 / 255)
