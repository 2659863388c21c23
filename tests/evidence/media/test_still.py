"""The still that is kept is the sharpest of those that hide the thing least."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.media.still import (
    Box,
    Image,
    Still,
    choose,
    choose_first,
    choose_last,
    close_up,
    close_up_window,
    occlusion,
    sharpness,
)
from tests.evidence.media.scenes import BEGAN, CAR, car_park_still, detections

THING: Box = (100, 100, 200, 200)


def _blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


def test_blur_lowers_sharpness(video: Path) -> None:
    still = car_park_still(video, "start", 1.0)
    values = [sharpness(still.image, CAR)]
    for sigma in (1, 2, 4):
        values.append(sharpness(_blurred(still.image, sigma), CAR))
    assert values == sorted(values, reverse=True)
    assert sharpness(still.image, (-50, -50, -1, -1)) == 0.0


@pytest.mark.parametrize(
    ("others", "hidden"),
    [
        pytest.param([], 0.0, id="nothing"),
        pytest.param([((100, 100, 200, 210), "truck")], 0.0, id="the thing itself"),
        pytest.param([((100, 50, 150, 260), "person")], 0.5, id="before its left half"),
        pytest.param([((100, 50, 150, 190), "person")], 0.0, id="behind it"),
        pytest.param(
            [((100, 150, 200, 300), "car"), ((150, 50, 200, 260), "person")], 0.75, id="both"
        ),
        pytest.param([((300, 50, 400, 260), "person")], 0.0, id="beside it"),
    ],
)
def test_occlusion(others: list[tuple[Box, str]], hidden: float) -> None:
    assert occlusion(THING, detections(others)) == pytest.approx(hidden, abs=0.02)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-500, 500, width=32)] * 4), max_size=5))
def test_occlusion_is_a_share(corners: list[tuple[float, float, float, float]]) -> None:
    others = detections([((a, b, a + abs(c), b + abs(d)), "person") for a, b, c, d in corners])
    assert 0.0 <= occlusion(THING, others) <= 1.0


def test_clear_view_comes_before_sharpness(video: Path) -> None:
    sharp = car_park_still(video, "start", 1.0)
    walker: tuple[Box, str] = ((300, 100, 400, 350), "person")
    hidden = replace(sharp, others=detections([walker]))
    blurred = replace(sharp, image=_blurred(sharp.image, 2))
    assert choose([hidden, blurred, sharp]) is sharp
    assert choose([hidden, blurred]) is blurred
    assert choose([sharp, replace(sharp)]) is sharp
    with pytest.raises(EvidenceError, match="at least one"):
        choose([])


def test_a_picture_in_which_the_thing_is_seen_comes_first(video: Path) -> None:
    """A thing that left a second ago is not shown, however sharp its empty place is."""
    there = replace(car_park_still(video, "limit", 1.0))
    blurred = replace(there, image=_blurred(there.image, 2))
    left = replace(there, others=detections([]))
    sitting = replace(there, others=detections([(there.box, "person")]))
    assert choose([left, blurred, sitting]) is blurred
    assert choose_last([blurred, replace(left, time=left.time + timedelta(seconds=1))]) is blurred
    later = replace(there, time=there.time + timedelta(seconds=1))
    assert choose_first([left, later, replace(blurred)]).time == there.time
    assert choose([left]) is left, "what the detector does not know, such as goods, is kept"


def test_the_end_is_shown_as_late_as_it_can_be_seen(video: Path) -> None:
    early = car_park_still(video, "end", 1.0)
    late = replace(early, time=early.time + timedelta(seconds=2), image=_blurred(early.image, 2))
    walker: tuple[Box, str] = ((300, 100, 400, 350), "person")
    hidden = replace(late, time=late.time + timedelta(seconds=1), others=detections([walker]))
    assert choose_last([early, late]) is late
    assert choose_last([early, late, hidden]) is late
    with pytest.raises(EvidenceError, match="at least one"):
        choose_last([])


@pytest.mark.parametrize(
    ("box", "window"),
    [
        pytest.param((300, 100, 400, 200), (265, 65, 435, 235), id="margin on all sides"),
        pytest.param((300, 100, 310, 110), (257, 57, 353, 153), id="tiny"),
        pytest.param((0, 0, 10, 10), (0, 0, 96, 96), id="in the corner"),
        pytest.param((0, 0, 640, 360), (0, 0, 640, 360), id="the whole picture"),
        pytest.param((560, 300, 700, 500), (490, 230, 640, 360), id="beyond the edge"),
    ],
)
def test_close_up_window(video: Path, box: Box, window: tuple[int, int, int, int]) -> None:
    still = replace(car_park_still(video, "start", 1.0), box=box)
    assert close_up_window(still) == window
    near = close_up(still)
    x1, y1, x2, y2 = window
    assert np.array_equal(near.image, still.image[y1:y2, x1:x2])
    assert near.box == (box[0] - x1, box[1] - y1, box[2] - x1, box[3] - y1)
    assert np.allclose(near.others.xyxy[0], np.array(CAR) - [x1, y1, x1, y1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"time": datetime(2026, 5, 1)}, "time zone", id="naive time"),
        pytest.param({"image": np.zeros((4, 4), np.uint8)}, "uint8", id="grey picture"),
        pytest.param({"box": (700, 10, 800, 20)}, "outside", id="box outside"),
        pytest.param({"box": (20, 10, 20, 20)}, "outside", id="box without width"),
    ],
)
def test_bad_stills_are_refused(video: Path, change: dict[str, object], message: str) -> None:
    still = car_park_still(video, "start", 1.0)
    values: dict[str, object] = {
        "role": "start",
        "time": BEGAN,
        "image": still.image,
        "box": CAR,
        "others": still.others,
    } | change
    with pytest.raises(EvidenceError, match=message):
        Still(**values)  # type: ignore[arg-type]
