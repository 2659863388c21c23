from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.runtime.batches import batches

WIDE, TALL = (384, 640), (640, 384)


@pytest.mark.parametrize(
    ("shapes", "sizes", "expected"),
    [
        ([], (2, 1), []),
        ([WIDE], (2, 1), [[0]]),
        ([WIDE] * 3, (1,), [[0], [1], [2]]),
        ([WIDE] * 3, (2, 1), [[0, 1], [2]]),
        ([WIDE, TALL, WIDE, TALL, TALL], (2, 1), [[0, 2], [1, 3], [4]]),
        ([WIDE] * 7, (4, 2, 1), [[0, 1, 2, 3], [4, 5], [6]]),
    ],
)
def test_images_of_one_shape_run_together(
    shapes: list[tuple[int, int]], sizes: tuple[int, ...], expected: list[list[int]]
) -> None:
    assert list(batches(shapes, sizes)) == expected


@given(
    st.lists(st.sampled_from([WIDE, TALL, (640, 640)]), max_size=40),
    st.integers(0, 4).map(lambda power: tuple(2**p for p in range(power, -1, -1))),
)
def test_each_image_runs_once_with_images_of_its_shape(
    shapes: list[tuple[int, int]], sizes: tuple[int, ...]
) -> None:
    found = list(batches(shapes, sizes))
    assert sorted(index for part in found for index in part) == list(range(len(shapes)))
    for part in found:
        assert len(part) in sizes
        assert len({shapes[index] for index in part}) == 1
        assert all(one < next_one for one, next_one in pairwise(part))
    for shape in set(shapes):
        small = [part for part in found if shapes[part[0]] == shape and len(part) < sizes[0]]
        assert len(small) < len(sizes)  # nothing runs alone that could have run in company
