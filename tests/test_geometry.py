from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.geometry import box_iou

_NUMBER = st.floats(-1e4, 1e4)
_BOX = st.tuples(_NUMBER, _NUMBER, _NUMBER, _NUMBER)
_BOX_OF_100 = (0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        pytest.param(_BOX_OF_100, 1.0, id="the same box"),
        pytest.param((0.0, 0.0, 10.0, 5.0), 0.5, id="half of it"),
        pytest.param((5.0, 0.0, 15.0, 10.0), 1 / 3, id="half of each"),
        pytest.param((10.0, 0.0, 20.0, 10.0), 0.0, id="side by side"),
        pytest.param((3.0, 3.0, 3.0, 3.0), 0.0, id="empty"),
    ],
)
def test_box_iou(other: tuple[float, ...], iou: float) -> None:
    assert box_iou(_BOX_OF_100, other) == pytest.approx(iou)


@given(_BOX, _BOX)
def test_box_iou_is_symmetric_and_bounded(one: Any, other: Any) -> None:
    iou = box_iou(one, other)
    assert 0.0 <= iou <= 1.0
    assert iou == box_iou(other, one)
