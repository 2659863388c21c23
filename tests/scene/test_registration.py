"""Where a view lies in an earlier picture of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cv_engine.scene.registration import aligned
from tests.tracking.scenes import texture

SIZE = (160, 96)
VIEW = texture(3, *SIZE, 40, 210, grain=9).astype(np.float32)


def _seen(zoom: float, degrees: float, shift: tuple[float, float]) -> NDArray[np.uint8]:
    matrix = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), degrees, zoom)
    matrix += np.array([[0, 0, shift[0]], [0, 0, shift[1]]])
    moved = cv2.warpAffine(VIEW, matrix, SIZE, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


@pytest.mark.parametrize(
    ("zoom", "degrees", "shift"),
    [(1.0, 0.0, (9.0, -5.0)), (1.08, 0.0, (0.0, 0.0)), (1.0, 4.0, (2.0, 1.0))],
)
def test_a_moved_view_is_aligned(zoom: float, degrees: float, shift: tuple[float, float]) -> None:
    seen = _seen(zoom, degrees, shift)
    back = aligned(seen, VIEW)
    assert back is not None
    inner = (slice(16, -16), slice(16, -16))
    assert np.abs(back[inner].astype(np.float32) - VIEW[inner]).mean() < 6.0
    assert np.abs(seen[inner].astype(np.float32) - VIEW[inner]).mean() > 15.0


def test_a_picture_without_edges_cannot_be_aligned() -> None:
    flat = np.full(SIZE[::-1], 90, np.uint8)
    assert aligned(flat, VIEW) is None
    assert aligned(flat, flat.astype(np.float32)) is None
