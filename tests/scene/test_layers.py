from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cv_engine.scene.layers import Mask, layers

_AT_ONCE_S = 2.0


def _two(later_s: float, bare_until_s: float) -> list[Mask]:
    """Two halves, side by side: one at rest since 10 s, the other since ``later_s``."""
    inside = np.zeros((40, 60), np.bool_)
    inside[5:35, 5:55] = True
    since = np.where(inside, 10.0, np.nan)
    since[5:35, 30:55] = later_s
    bare = np.full(since.shape, 9.0)
    bare[:, 30:] = bare_until_s
    return layers(since, bare, inside, _AT_ONCE_S)


def test_what_came_to_rest_at_once_is_one() -> None:
    assert len(_two(11.5, 11.0)) == 1


def test_what_came_later_is_another() -> None:
    first, second = _two(40.0, 39.5)
    assert first[:, :30].sum() == 30 * 25
    assert second[:, 30:].sum() == 30 * 25
    assert not (first & second).any()


def test_what_was_hidden_belongs_to_what_was_seen() -> None:
    """Whoever brought it stood before one half until 40 s; the ground did not show meanwhile."""
    assert len(_two(40.0, 9.5)) == 1


def test_specks_are_no_layer() -> None:
    inside = np.ones((30, 30), np.bool_)
    since = np.full(inside.shape, 10.0)
    since[::7, ::7] = 50.0
    bare = np.full(inside.shape, 49.0)
    assert len(layers(since, bare, inside, _AT_ONCE_S)) == 1


_SHAPE = (12, 15)
_TIMES = st.sampled_from([np.nan, 5.0, 6.0, 20.0, 40.0])


@given(
    since=arrays(np.float64, _SHAPE, elements=_TIMES),
    bare=arrays(np.float64, _SHAPE, elements=st.sampled_from([0.0, 5.5, 19.0, 39.0])),
    inside=arrays(np.bool_, _SHAPE),
)
def test_layers_fill_the_mask_and_do_not_overlap(
    since: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    bare: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    inside: Mask,
) -> None:
    found = layers(since, bare, inside, _AT_ONCE_S)
    count = np.sum(np.stack(found).astype(int), axis=0)
    assert (count == inside).all()
    sizes = [int(part.sum()) for part in found]
    assert len(found) == 1 or min(sizes) > 0
