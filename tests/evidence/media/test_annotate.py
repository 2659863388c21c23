"""Captions, boxes and zones are drawn on copies, in any script and at any size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry import box as rectangle

from cv_engine.evidence.media.annotate import annotate, moved
from tests.evidence.media.scenes import car_park_still

CAPTION = ["Motor vehicle parked · start", "市场街-03 · zone Straße"]


@pytest.mark.parametrize(("width", "height"), [(320, 240), (640, 360), (1920, 1080), (3840, 2160)])
def test_annotated_copy(video: Path, width: int, height: int) -> None:
    whole = car_park_still(video, "start", 1.0)
    image = np.asarray(cv2.resize(whole.image, (width, height)), dtype=np.uint8)
    box = (width * 0.46, height * 0.22, width * 0.8, height * 0.83)
    still = replace(whole, image=image, box=box)
    untouched = image.copy()
    zone = Polygon([(10, 10), (width - 10, 10), (width - 10, height - 10), (10, height - 10)])
    drawn = annotate(still, zone, CAPTION)
    assert np.array_equal(image, untouched)
    factor = drawn.shape[1] // width
    assert drawn.shape[1] == width * factor >= 640
    strip = drawn[height * factor :]
    assert 0.05 < strip.shape[0] / (height * factor) < 0.35
    assert strip.max() == 255  # there is text
    corner = drawn[round(box[1] * factor), round((box[0] + box[2]) / 2 * factor)].astype(int)
    assert corner[2] > corner[0] + 40  # the red box


def test_scripts_are_drawn_not_replaced(video: Path) -> None:
    still = car_park_still(video, "start", 1.0)
    strips = {
        text: annotate(still, None, [text])[still.image.shape[0] :].tobytes()
        for text in ("市场街", "场市街", "???", "Straße", "улица")
    }
    assert len(set(strips.values())) == len(strips)


@pytest.mark.parametrize(
    "text", ["", "\x00\x07\n\t", "\U0001f600", "\ud800", "x" * 5000, "市" * 300]
)
def test_strange_captions(video: Path, text: str) -> None:
    still = car_park_still(video, "start", 1.0)
    assert annotate(still, None, [text, "second"]).shape[1] == 640


def test_zones_of_every_form(video: Path) -> None:
    still = car_park_still(video, "start", 1.0)
    plain = annotate(still, None, CAPTION)
    ring = Polygon(rectangle(50, 50, 250, 250).exterior, [rectangle(100, 100, 200, 200).exterior])
    holed = annotate(still, ring, CAPTION)
    for inside in (75, 150):  # an outline, not a fill: nothing within the zone is dimmed
        assert np.array_equal(holed[inside, inside], plain[inside, inside])
    assert not np.array_equal(holed[50, 150], plain[50, 150])
    assert not np.array_equal(holed[100, 150], plain[100, 150])
    both = MultiPolygon([rectangle(10, 10, 40, 40), rectangle(500, 10, 600, 60)])
    assert not np.array_equal(annotate(still, both, CAPTION), plain)
    for unseen in (rectangle(-5, -5, 645, 365), Polygon(), rectangle(2000, 0, 2100, 50)):
        assert np.array_equal(annotate(still, unseen, CAPTION), plain)
    shifted = moved(ring, (10, 20, 300, 300))
    assert shifted is not None and shifted.bounds == (40, 30, 240, 230)
