"""The median of an array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cv_engine.scene.median import median

_SHAPES = st.one_of(st.tuples(st.integers(1, 40)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
_ELEMENTS = {
    np.uint8: st.integers(0, 255),
    np.float32: st.floats(-1e6, 1e6, width=32),
    np.float64: st.floats(-1e6, 1e6),
}


@pytest.mark.parametrize("dtype", _ELEMENTS)
@given(st.data())
def test_the_median_is_numpys(
    dtype: type[np.uint8 | np.float32 | np.float64], data: st.DataObject
) -> None:
    values = data.draw(arrays(dtype, _SHAPES, elements=_ELEMENTS[dtype]))
    assert median(values) == pytest.approx(float(np.median(values)), rel=0, abs=1e-30)


def test_the_median_of_endless_times_is_endless() -> None:
    assert median(np.array([np.inf, 1.0, np.inf])) == np.inf
    assert median(np.array([np.inf, np.inf])) == np.inf
