"""A picture at two scales."""

from __future__ import annotations

import numpy as np
import pytest

from cv_engine.scene.pyramid import Pyramid


@pytest.mark.parametrize(
    ("size", "coarse"),
    [
        ((480, 270), (160, 90)),
        ((270, 480), (160, 284)),
        ((120, 90), (120, 90)),
        ((480, 1), (160, 1)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_coarse_picture_shows_the_same(
    size: tuple[int, int], coarse: tuple[int, int], dtype: type
) -> None:
    picture = np.zeros(size[::-1], dtype)
    picture[:, size[0] // 2 :] = 200
    pyramid = Pyramid.of(picture)
    assert pyramid.fine is picture
    assert pyramid.coarse.dtype == np.uint8
    assert pyramid.coarse.shape == coarse[::-1]
    assert pyramid.coarse[:, 0].tolist() == [0] * coarse[1]
    assert pyramid.coarse[:, -1].tolist() == [200] * coarse[1]
