from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import shapely
from shapely.geometry import MultiPolygon, Polygon

from tests.zones.scene import KINDS
from zones.draw import draw_zones
from zones.errors import ZoneError
from zones.zone import Zone

GREY = np.full((720, 1280, 3), 100, np.uint8)


def _zone(name: str, *boxes: tuple[int, int, int, int]) -> Zone:
    return Zone(name, frozenset(KINDS), MultiPolygon([shapely.box(*box) for box in boxes]))


def _changed(image: npt.NDArray[np.uint8], x: int, y: int) -> bool:
    return bool((image[y, x] != 100).any())


def test_fill_hole_outline_and_name() -> None:
    ring = Polygon(
        shapely.box(100, 300, 700, 700).exterior, [shapely.box(200, 550, 400, 650).exterior]
    )
    drawn = draw_zones(GREY, [Zone("a", frozenset(KINDS), ring), _zone("b", (900, 50, 1200, 300))])
    assert drawn.shape == GREY.shape
    assert drawn.dtype == np.uint8
    assert drawn.flags.c_contiguous
    assert _changed(drawn, 600, 650)
    assert _changed(drawn, 1000, 80)
    assert not _changed(drawn, 300, 600)
    assert not _changed(drawn, 800, 400)
    assert (drawn == 255).all(axis=2).any()  # a name's white letters
    assert (GREY == 100).all()


def test_every_part_of_a_zone_is_filled() -> None:
    drawn = draw_zones(GREY, [_zone("two", (10, 10, 90, 90), (500, 500, 600, 600))])
    assert _changed(drawn, 20, 80)
    assert _changed(drawn, 510, 590)


@pytest.mark.parametrize(
    "name", ["fire lane", "人行道", "a name that is much longer than its zone"]
)
def test_names_stay_inside_the_frame(name: str) -> None:
    drawn = draw_zones(GREY, [_zone(name, (1240, 0, 1280, 30))])
    label = (drawn == 0).all(axis=2)
    columns = np.flatnonzero(label.any(axis=0))
    assert columns[-1] <= 1279
    assert columns[-1] - columns[0] > 20


def test_names_at_one_place_do_not_overlap() -> None:
    one = draw_zones(GREY, [_zone("same", (500, 200, 800, 500))])
    two = draw_zones(
        GREY, [_zone("same", (500, 200, 800, 500)), _zone("same", (501, 201, 801, 501))]
    )
    black = [(image == 0).all(axis=2).sum() for image in (one, two)]
    assert black[1] > 1.8 * black[0]


def test_nothing_to_draw_and_small_frames() -> None:
    assert (draw_zones(GREY, []) == GREY).all()
    small = np.zeros((24, 32, 3), np.uint8)
    assert draw_zones(small, [_zone("a", (0, 0, 32, 24))]).shape == (24, 32, 3)


def test_map_zones_are_errors() -> None:
    zone = Zone("a", frozenset(KINDS), shapely.box(121, 29, 122, 30), "wgs84")
    with pytest.raises(ZoneError, match="convert it with on_image first"):
        draw_zones(GREY, [zone])


def test_on_a_real_frame_the_street_stays_visible(shared_data: Path) -> None:
    with av.open(str(shared_data / "video" / "lot_leave_arrive.mp4")) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="bgr24")
    frame = np.asarray(decoded, dtype=np.uint8)
    drawn = draw_zones(frame, [_zone("lot", (40, 40, 600, 320))])
    for channel in range(3):
        inside = (slice(60, 120), slice(60, 200), channel)
        assert np.corrcoef(frame[inside].ravel(), drawn[inside].ravel())[0, 1] > 0.95
