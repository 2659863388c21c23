from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageSequence
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from shapely.geometry import Polygon

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.scene import open_scene
from satellite.imagery.views import Views
from satellite.registration.pair import Pair
from satellite.report.chips import Chips, animation, draw, geotiff, read_chips, window_around
from satellite.report.furniture import header

_UTM = CRS.from_epsg(32650)
_WEST, _NORTH, _PIXEL_M = 360_000.0, 3_300_000.0, 0.5
_TRANSFORM = Affine(_PIXEL_M, 0, _WEST, 0, -_PIXEL_M, _NORTH)
_BEFORE, _AFTER = datetime(2026, 1, 5, 2, 31, tzinfo=UTC), datetime(2026, 2, 4, tzinfo=UTC)
_CAPTION = ["Building without permit · new building · 200 m²", "鄞州 west · zone A1"]


def _box(left: float, top: float, right: float, bottom: float) -> Polygon:
    """A rectangle given in pixels of the grid."""
    west, north = _WEST + left * _PIXEL_M, _NORTH - top * _PIXEL_M
    east, south = _WEST + right * _PIXEL_M, _NORTH - bottom * _PIXEL_M
    return shapely.box(west, south, east, north)


def _grey(value: int, size: tuple[int, int] = (128, 128), bands: int = 3) -> NDArray[np.uint8]:
    return np.full((*size, bands), value, np.uint8)


def _chips(polygon: Polygon, **more: object) -> Chips:
    made = Chips(_grey(90), _grey(110), _TRANSFORM, _UTM, polygon, _BEFORE, _AFTER)
    return replace(made, **more)  # type: ignore[arg-type]


def _reddish(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    blue, green, red = (image[:, :, band].astype(int) for band in range(3))
    return np.asarray((red > green + 25) & (red > blue + 25))


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        pytest.param(_box(200, 300, 210, 306), (145, 243, 120, 120), id="a shed: 60 m around it"),
        pytest.param(_box(150, 300, 250, 340), (75, 195, 250, 250), id="a hall: 2.5 of its length"),
        pytest.param(_box(5, 480, 25, 500), (0, 392, 120, 120), id="in a corner: moved inside"),
        pytest.param(_box(0, 0, 400, 512), (0, 0, 512, 512), id="as large as the grid"),
    ],
)
def test_the_window_shows_the_site_and_its_surroundings(
    polygon: Polygon, expected: tuple[int, int, int, int]
) -> None:
    window = window_around(Grid(_UTM, _TRANSFORM, 512, 512), polygon)
    found = (window.col_off, window.row_off, window.width, window.height)
    assert found == pytest.approx(expected, abs=1)
    assert window.col_off + window.width <= 512
    assert window.row_off + window.height <= 512


def test_the_window_is_square_on_the_ground() -> None:
    degree = 1e-5
    grid = Grid(CRS.from_epsg(4326), Affine(degree, 0, 121.0, 0, -degree, 60.0), 1000, 1000)
    west, north = 121.0 + 500 * degree, 60.0 - 500 * degree
    site = shapely.box(west, north - 10 * degree, west + 20 * degree, north)
    window = window_around(grid, site)
    assert window.width == pytest.approx(2 * window.height, rel=0.02)
    chips = Chips(
        _grey(90, (window.height, window.width)),
        _grey(90, (window.height, window.width)),
        *(grid.transform_of(window), grid.crs, site, _BEFORE, _AFTER),
    )
    after = draw(chips, []).after
    assert after.shape[0] == pytest.approx(after.shape[1], rel=0.15), (
        "except for header and caption"
    )


def test_the_outline_is_drawn_around_the_change() -> None:
    polygon = _box(40, 32, 72, 96)
    drawn = draw(_chips(polygon), _CAPTION)
    assert drawn.before.shape == drawn.after.shape == drawn.overlay.shape
    factor = 768 / 128
    red = _reddish(_ground(drawn.overlay))
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    edges = [columns[0], columns[-1] + 1, rows[0], rows[-1] + 1]
    assert edges == pytest.approx([side * factor for side in (40, 72, 32, 96)], abs=4)
    inside = red[33 * 6 : 95 * 6, 41 * 6 : 71 * 6]
    assert inside.mean() > 0.95, "filled"
    for outlined in (drawn.before, drawn.after):
        rim = _reddish(_ground(outlined))
        assert 0.005 < rim.mean() < 0.05, "an outline only, the ground is to be seen"


def _ground(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A drawn picture without the bands above and below; its ground is square."""
    top = header(image.shape[1], "", 1.0, (0.0, -1.0)).shape[0]
    return image[top : top + image.shape[1]]


def test_permitted_ground_is_outlined_in_amber() -> None:
    def amber(image: NDArray[np.uint8]) -> int:
        blue, green, red = (image[:, :, band].astype(int) for band in range(3))
        return int(((red > 200) & (green > 150) & (blue < 60)).sum())

    polygon = _box(40, 32, 72, 96)
    plain, allowed = _chips(polygon), _chips(polygon, allowed=_box(50, 40, 90, 110))
    assert amber(draw(plain, []).overlay) == 0
    assert amber(draw(allowed, []).overlay) > 500
    assert amber(draw(allowed, []).before) > 500


def test_courtyards_stay_clear() -> None:
    court = Polygon(_box(40, 32, 90, 96).exterior, [_box(55, 50, 75, 80).exterior])
    drawn = draw(_chips(court), _CAPTION).overlay
    red = _reddish(_ground(drawn))
    assert not red[54 * 6 : 76 * 6, 59 * 6 : 71 * 6].any()
    assert red[40 * 6, 45 * 6]


def test_real_tiles(shared_data: Path) -> None:
    tiles = shared_data / "satellite" / "levir"
    before, after, label = (
        np.ascontiguousarray(
            np.asarray(Pictures.open(tiles / each / "test_121_0768_0256.png").convert("RGB"))
        )
        for each in ("A", "B", "label")
    )
    contours, _ = cv2.findContours(label[:, :, 0], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(contours, key=cv2.contourArea)[:, 0, :]
    site = Polygon([_TRANSFORM @ (float(x), float(y)) for x, y in largest])
    copies = before.copy(), after.copy()
    drawn = draw(Chips(before, after, _TRANSFORM, _UTM, site, _BEFORE, _AFTER), _CAPTION)
    assert np.array_equal(before, copies[0])
    assert np.array_equal(after, copies[1])
    for image in (drawn.before, drawn.after, drawn.overlay):
        assert image.shape[1] == 768
        assert image.dtype == np.uint8
    assert drawn.both.shape[1] > 2 * 768
    # The colours are the tile's own: blue, green, red.
    small = cv2.resize(_ground(drawn.after), (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(small[:, :, ::-1].astype(int) - after).mean() < 4
    with Pictures.open(io.BytesIO(drawn.animation)) as moving:
        assert moving.info["loop"] == 0
        assert moving.info["duration"] == 1000
        assert moving.size[0] == 640
        assert len(list(ImageSequence.Iterator(moving))) == 2
    assert len(drawn.animation) < 1_500_000


def test_aligned_pictures_are_drawn_and_the_originals_are_kept() -> None:
    chips = _chips(_box(40, 32, 72, 96))
    views = Views(_grey(200), _grey(210), np.zeros((128, 128), np.uint8), _PIXEL_M)
    drawn = draw(replace(chips, aligned=views), [])
    assert _ground(drawn.before)[5, 5].tolist() == [200, 200, 200]
    assert _ground(drawn.after)[5, 5].tolist() == [210, 210, 210]


def test_pictures_of_a_pair(shared_data: Path) -> None:
    folder = shared_data / "satellite" / "delhi"
    with (
        open_scene(folder / "A" / "t1_nov_1_1.tif") as before,
        open_scene(folder / "B" / "t2_nov_1_1.tif") as after,
    ):
        pair = Pair(before, after, align=False, normalise=False, masks=False)
        west, south, east, north = pair.grid.bounds
        x, y = (west + east) / 2, (south + north) / 2
        site = shapely.box(x, y, x + 40, y + 20)
        chips = read_chips(pair, site, _BEFORE, _AFTER)
    assert chips.before.shape == chips.after.shape
    assert chips.before.shape[1] == pytest.approx(100 / pair.grid.resolution_m, abs=1)
    assert chips.aligned is not None
    assert np.array_equal(chips.aligned.before, chips.before)
    left, top = ~chips.transform @ (x + 20, y + 10)
    middle = chips.before.shape[1] / 2, chips.before.shape[0] / 2
    assert (left, top) == pytest.approx(middle, abs=1)
    assert draw(chips, _CAPTION).both.shape[1] > 2 * 768


def test_large_sites_are_scaled_down_and_other_bands_left_out() -> None:
    size = (2000, 2400)
    chips = Chips(
        *(_grey(90, size, 4), _grey(110, size, 4), _TRANSFORM, _UTM, _box(400, 400, 900, 900)),
        *(_BEFORE, _AFTER),
    )
    assert draw(chips, _CAPTION).after.shape[1:] == (1536, 3)


def test_unchanged_ground_does_not_flicker() -> None:
    rng = np.random.default_rng(1)
    ground = rng.integers(60, 200, (120, 160, 3), dtype=np.uint8)
    built = ground.copy()
    built[40:80, 60:100] = (40, 40, 220)
    data = animation([ground, built], period_ms=400)
    with Pictures.open(io.BytesIO(data)) as moving:
        assert moving.info["duration"] == 400
        frames = []
        for number in range(2):
            moving.seek(number)
            frames.append(np.asarray(moving.convert("RGB"), dtype=int))
    changed = (frames[0] != frames[1]).any(axis=2)
    assert changed[45:75, 65:95].all()
    assert changed[:, :50].mean() < 0.2, "dithering may differ beside the change"


def test_a_window_is_encoded_as_geotiff() -> None:
    picture = np.arange(20 * 30 * 4, dtype=np.uint32).astype(np.uint8).reshape(20, 30, 4)
    data = geotiff(picture, _TRANSFORM, _UTM, _BEFORE)
    assert geotiff(picture, _TRANSFORM, _UTM, _BEFORE) == data
    with MemoryFile(data) as memory, memory.open() as file:
        assert isinstance(file, rasterio.DatasetReader)
        assert (file.crs, file.transform) == (_UTM, _TRANSFORM)
        assert np.array_equal(np.moveaxis(file.read(), 0, 2), picture)
        assert file.tags()["TIFFTAG_DATETIME"] == "2026:01:05 02:31:00"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (_grey(1, bands=1), _grey(1), "the picture before is uint8"),
        (_grey(1), _grey(1).astype(np.float32), "the picture after is float32"),
        (_grey(1), _grey(1, (64, 128)), "differ in size, .*: read them on one grid"),
    ],
)
def test_pictures_that_are_refused(
    before: NDArray[np.uint8], after: NDArray[np.uint8], message: str
) -> None:
    with pytest.raises(SatelliteError, match=message):
        Chips(before, after, _TRANSFORM, _UTM, _box(1, 1, 9, 9), _BEFORE, _AFTER)
