from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from satellite.detection.cover import Rectangle, cover

SIDE, EDGE = 64, 4
SIDES = (32, 40, 48, 56, 64)
Mask = NDArray[np.bool_]


def inner(one: Rectangle, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Slices of a rectangle's pixels at least ``edge`` from its border, or at the window's."""
    rows, cols = (
        slice(part.start + EDGE if part.start else 0, part.stop - EDGE * (part.stop < length))
        for part, length in zip(one.part, shape, strict=True)
    )
    return rows, cols


def left_over(wanted: Mask, found: list[Rectangle]) -> Mask:
    left = wanted.copy()
    for one in found:
        left[inner(one, wanted.shape)] = False
    return left


@st.composite
def windows(draw: st.DrawFn) -> Mask:
    height, width = (draw(st.integers(SIDE, 400)) for _ in range(2))
    wanted = np.zeros((height, width), np.bool_)
    for _ in range(draw(st.integers(0, 8))):
        y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        wanted[y : y + draw(st.integers(1, 120)), x : x + draw(st.integers(1, 120))] = True
    return wanted


def area(found: list[Rectangle]) -> int:
    return sum(one.area for one in found)


@pytest.mark.parametrize("sides", [(SIDE,), (32, SIDE), SIDES])
@given(wanted=windows())
def test_every_selected_pixel_lies_well_within_a_rectangle(
    sides: tuple[int, ...], wanted: Mask
) -> None:
    found = cover(wanted, sides, EDGE)
    assert not left_over(wanted, found).any()
    for one in found:
        assert one.height in sides and one.width in sides and one.top >= 0 and one.left >= 0
        assert one.top + one.height <= wanted.shape[0] and one.left + one.width <= wanted.shape[1]
        assert wanted[one.part].any()
    # At most the area of a regular grid, plus the rounding to cells.
    grid = [-(-(length - 2 * EDGE) // (SIDE - 2 * EDGE)) for length in wanted.shape]
    assert area(found) <= (grid[0] * grid[1] + sum(grid)) * SIDE**2


@given(wanted=windows())
def test_more_sizes_never_take_more_area(wanted: Mask) -> None:
    assert area(cover(wanted, SIDES, EDGE)) <= area(cover(wanted, (SIDE,), EDGE)) + SIDE**2


@pytest.mark.parametrize(
    ("shape", "count"),
    [((64, 64), 1), ((64, 120), 2), ((120, 120), 4), ((121, 120), 6), ((288, 288), 25)],
)
def test_a_full_window_is_covered_by_a_regular_grid(shape: tuple[int, int], count: int) -> None:
    assert len(cover(np.ones(shape, np.bool_), (SIDE,), EDGE)) == count


def test_a_block_takes_little_more_than_itself() -> None:
    wanted = np.zeros((300, 300), np.bool_)
    wanted[100:180, 60:104] = True
    assert area(cover(wanted, SIDES, EDGE)) <= 1.4 * (80 + 2 * EDGE) * (44 + 2 * EDGE)


def test_an_unselected_corner_is_not_covered() -> None:
    wanted = np.zeros((400, 400), np.bool_)
    wanted[100:300, 100:130] = wanted[270:300, 100:300] = True
    assert area(cover(wanted, SIDES, EDGE)) < 0.5 * 200**2


def test_an_empty_selection_takes_no_rectangle() -> None:
    assert cover(np.zeros((100, 100), np.bool_), SIDES, EDGE) == []


def test_a_lone_spot_is_centred_in_its_rectangle() -> None:
    wanted = np.zeros((300, 300), np.bool_)
    wanted[136:152, 200:216] = True  # whole cells, the resolution of the cover
    (one,) = cover(wanted, (SIDE,), EDGE)
    assert abs(one.top + SIDE / 2 - 144) <= 2 and abs(one.left + SIDE / 2 - 208) <= 2


@pytest.mark.parametrize(
    ("spots", "sizes"), [(1, [(32, 32)]), (2, [(56, 32)]), (3, [(56, 56)]), (4, [(64, 64)])]
)
def test_a_rectangle_is_no_larger_than_needed(spots: int, sizes: list[tuple[int, int]]) -> None:
    wanted = np.zeros((300, 300), np.bool_)
    for y, x in ((100, 100), (140, 100), (100, 140), (145, 145))[:spots]:
        wanted[y : y + 6, x : x + 6] = True
    assert [(one.height, one.width) for one in cover(wanted, SIDES, EDGE)] == sizes


@pytest.mark.parametrize("turned", [False, True])
def test_scattered_spots_take_a_rectangle_each_at_most(turned: bool) -> None:
    wanted = np.zeros((400, 640), np.bool_)
    source = np.random.default_rng(5)
    spots = source.integers(0, (390, 630), (12, 2))
    for y, x in spots:
        wanted[y : y + 8, x : x + 8] = True
    assert len(cover(wanted.T if turned else wanted, (SIDE,), EDGE)) <= len(spots)
