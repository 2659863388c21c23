from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from satellite.cover import Square, cover

SIDE, EDGE = 64, 4
SIDES = (32, 64)
Mask = NDArray[np.bool_]


def inner(square: Square, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Where a square's pixels lie well within it, or at the window's own border."""
    rows, cols = (
        slice(at + EDGE if at else 0, at + square.side - (EDGE if at + square.side < length else 0))
        for at, length in zip((square.top, square.left), shape, strict=True)
    )
    return rows, cols


def left_over(wanted: Mask, squares: list[Square]) -> Mask:
    left = wanted.copy()
    for square in squares:
        left[inner(square, wanted.shape)] = False
    return left


@st.composite
def windows(draw: st.DrawFn) -> Mask:
    height, width = (draw(st.integers(SIDE, 400)) for _ in range(2))
    wanted = np.zeros((height, width), np.bool_)
    for _ in range(draw(st.integers(0, 8))):
        y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        wanted[y : y + draw(st.integers(1, 120)), x : x + draw(st.integers(1, 120))] = True
    return wanted


def area(squares: list[Square]) -> int:
    return sum(square.side**2 for square in squares)


@pytest.mark.parametrize("sides", [(SIDE,), SIDES])
@given(wanted=windows())
def test_every_wanted_pixel_lies_well_within_a_square(sides: tuple[int, ...], wanted: Mask) -> None:
    squares = cover(wanted, sides, EDGE)
    assert not left_over(wanted, squares).any()
    for one in squares:
        assert one.side in sides and one.top >= 0 and one.left >= 0
        assert one.top + one.side <= wanted.shape[0] and one.left + one.side <= wanted.shape[1]
        assert wanted[one.part].any()
    # Never more than the grid would take, and a square per strip and side for what the cells round up.
    grid = [-(-(length - 2 * EDGE) // (SIDE - 2 * EDGE)) for length in wanted.shape]
    assert area(squares) <= (grid[0] * grid[1] + sum(grid)) * SIDE**2


@given(wanted=windows())
def test_smaller_squares_never_take_more_area(wanted: Mask) -> None:
    assert area(cover(wanted, SIDES, EDGE)) <= area(cover(wanted, (SIDE,), EDGE)) + SIDE**2


@pytest.mark.parametrize(
    ("shape", "count"),
    [((64, 64), 1), ((64, 120), 2), ((120, 120), 4), ((121, 120), 6), ((288, 288), 25)],
)
def test_a_full_window_takes_the_plain_grid(shape: tuple[int, int], count: int) -> None:
    assert len(cover(np.ones(shape, np.bool_), (SIDE,), EDGE)) == count


def test_nothing_wanted_takes_no_square() -> None:
    assert cover(np.zeros((100, 100), np.bool_), SIDES, EDGE) == []


def test_a_lone_spot_is_seen_in_its_surroundings() -> None:
    wanted = np.zeros((300, 300), np.bool_)
    wanted[140:150, 200:210] = True
    (square,) = cover(wanted, (SIDE,), EDGE)
    assert abs(square.top + SIDE / 2 - 145) <= 2 and abs(square.left + SIDE / 2 - 205) <= 2


@pytest.mark.parametrize(("spots", "sides"), [(1, [32]), (2, [32, 32]), (4, [64])])
def test_a_square_is_no_larger_than_what_is_wanted_asks_for(spots: int, sides: list[int]) -> None:
    wanted = np.zeros((300, 300), np.bool_)
    for y, x in ((100, 100), (140, 100), (100, 140), (145, 145))[:spots]:
        wanted[y : y + 6, x : x + 6] = True
    assert [square.side for square in cover(wanted, SIDES, EDGE)] == sides


@pytest.mark.parametrize("turned", [False, True])
def test_scattered_spots_take_a_square_each_at_most(turned: bool) -> None:
    wanted = np.zeros((400, 640), np.bool_)
    source = np.random.default_rng(5)
    spots = source.integers(0, (390, 630), (12, 2))
    for y, x in spots:
        wanted[y : y + 8, x : x + 8] = True
    assert len(cover(wanted.T if turned else wanted, (SIDE,), EDGE)) <= len(spots)
