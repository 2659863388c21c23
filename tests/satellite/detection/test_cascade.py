from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from satellite.detection.cascade import CascadeDetector, SelectiveDetector, boxes_around
from satellite.detection.screen import Screen
from satellite.imagery.views import Change, Views
from tests.satellite.detection.test_screen import ground, with_house

HOUSE = slice(140, 164), slice(200, 224)


def everything(views: Views) -> Change:
    ones = np.ones(views.quality.shape, np.float32)
    return Change(ones, ones / np.float32(2))


@dataclass
class Plain:
    """Marks everything as changed, and records its inputs."""

    given: list[Views] = field(default_factory=list)
    name: str = "plain"
    margin_px: int = 20

    def __call__(self, views: Views) -> Change:
        self.given.append(views)
        return everything(views)


@dataclass
class Selective(Plain):
    """Can judge selected parts."""

    asked: list[NDArray[np.bool_]] = field(default_factory=list)

    def judge(self, views: Views, wanted: NDArray[np.bool_]) -> Change:
        self.asked.append(wanted)
        change = everything(views)
        return Change(change.appeared * wanted, change.gone * wanted)


def pair() -> Views:
    bare = ground(384)
    return Views(bare, with_house(bare, *HOUSE), np.zeros((384, 384), np.uint8), 0.5)


@pytest.mark.parametrize("detector", [Plain(), Selective()], ids=["plain", "selective"])
def test_only_screened_parts_are_judged(detector: Plain) -> None:
    cascade = CascadeDetector(Screen(), detector)
    change = cascade(pair())
    wanted = Screen()(pair())
    assert wanted[HOUSE].all()
    assert np.array_equal(change.appeared, wanted.astype(np.float32))
    assert np.array_equal(change.gone, wanted.astype(np.float32) / 2)
    assert cascade.share.wanted == pytest.approx(wanted.mean())
    assert cascade.share.wanted < 0.1


def test_a_selective_detector_is_given_the_mask() -> None:
    detector = Selective()
    assert isinstance(detector, SelectiveDetector)
    CascadeDetector(Screen(), detector)(pair())
    assert np.array_equal(detector.asked[0], Screen()(pair()))
    assert detector.given == []


def test_other_detectors_are_given_boxes_with_their_margin() -> None:
    detector = Plain()
    assert not isinstance(detector, SelectiveDetector)
    CascadeDetector(Screen(), detector)(pair())
    (part,) = detector.given
    wanted = Screen()(pair())
    high, wide = (wanted.any(axis=axis).sum() + 2 * detector.margin_px for axis in (1, 0))
    assert part.before.shape == (high, wide, 3)
    assert part.before.flags.c_contiguous


@pytest.mark.parametrize("core", [(slice(0, 150), slice(0, 384)), (slice(0, 100), slice(0, 384))])
def test_pixels_outside_of_the_core_are_not_selected(core: tuple[slice, slice]) -> None:
    detector = Selective()
    cascade = CascadeDetector(Screen(), detector)
    change = cascade(replace(pair(), core=core))
    wanted = Screen()(pair())[core]
    assert np.array_equal(change.appeared[core], wanted.astype(np.float32))
    assert [asked.sum() for asked in detector.asked] == [wanted.sum()] * bool(wanted.any())
    assert cascade.share.wanted == pytest.approx(wanted.mean())


def test_unchanged_windows_are_not_judged() -> None:
    detector = Plain()
    cascade = CascadeDetector(Screen(), detector)
    views = pair()
    change = cascade(Views(views.before, views.before, views.quality, 0.5))
    assert detector.given == []
    assert not change.appeared.any()
    assert (cascade.share.seen_px, cascade.share.wanted) == (384 * 384, 0)


def test_the_margin_is_that_of_the_detector() -> None:
    cascade = CascadeDetector(Screen(), Plain(margin_px=37))
    assert (cascade.name, cascade.margin_px) == ("cascade", 37)


@given(
    spots=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 79)), max_size=12),
    margin=st.integers(0, 12),
)
def test_boxes_cover_the_selection_without_overlap(
    spots: list[tuple[int, int]], margin: int
) -> None:
    wanted = np.zeros((60, 80), np.bool_)
    for row, col in spots:
        wanted[row, col] = True
    times = np.zeros((60, 80), np.int32)
    for rows, cols in boxes_around(wanted, margin):
        times[rows, cols] += 1
    assert times.max(initial=0) <= 1
    for row, col in spots:
        around = times[
            max(0, row - margin) : row + margin + 1, max(0, col - margin) : col + margin + 1
        ]
        assert (around == 1).all()
