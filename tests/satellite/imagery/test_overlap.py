from __future__ import annotations

from dataclasses import dataclass

import pytest
from affine import Affine
from hypothesis import assume, given
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.overlap import common_grid
from satellite.imagery.resampling import shared_offset
from tests.satellite.images import NORTH, UTM50, WEST


@dataclass
class Image:
    name: str
    native: Grid

    @property
    def resolution_m(self) -> float:
        return self.native.resolution_m

    @resolution_m.setter
    def resolution_m(self, value: float) -> None:
        raise AttributeError


def _image(
    name: str, pixel: float, west: float = 0, north: float = 0, side: int = 400, crs: str = UTM50
) -> Image:
    transform = Affine(pixel, 0, WEST + west, 0, -pixel, NORTH + north)
    return Image(name, Grid(CRS.from_string(crs), transform, side, side))


def test_images_on_the_same_grid_keep_that_grid() -> None:
    before, after = _image("a", 0.5), _image("b", 0.5, west=50, north=-20.5)
    grid = common_grid(before, after)
    assert grid.crs == before.native.crs
    assert grid.transform == after.native.transform
    assert (grid.width, grid.height) == (300, 359)
    assert shared_offset(before.native, grid) == (100, 41)
    assert shared_offset(after.native, grid) == (0, 0)


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (0.5, 0.5, "before"),
        (0.5, 0.503, "before"),  # the same to 1 %
        (0.503, 0.5, "before"),
        (0.5, 2.0, "after"),
        (2.0, 0.5, "before"),
    ],
)
def test_the_coarser_image_is_not_interpolated(before: float, after: float, kept: str) -> None:
    images = {
        "before": _image("a", before, side=round(300 / before)),
        "after": _image("b", after, west=10.37, north=-10.21, side=round(300 / after)),
    }
    grid = common_grid(images["before"], images["after"])
    assert shared_offset(images[kept].native, grid) is not None
    other = {"before": "after", "after": "before"}[kept]
    assert shared_offset(images[other].native, grid) is None


@given(
    st.floats(0.5, 3), st.floats(0.5, 3), st.floats(-400, 400), st.floats(-400, 400), st.booleans()
)
def test_the_common_grid_lies_within_both_images(
    fine: float, coarse: float, west: float, north: float, zone: bool
) -> None:
    before = _image("a", fine, side=300)
    if zone:
        crs = "EPSG:32651"
        x, y = Transformer.from_crs(UTM50, crs, always_xy=True).transform(
            WEST + west, NORTH + north
        )
        native = Grid(CRS.from_string(crs), Affine(coarse, 0, x, 0, -coarse, y), 300, 300)
        after = Image("b", native)
    else:
        after = _image("b", coarse, west, north, side=300)
    try:
        grid = common_grid(before, after)
    except SatelliteError:
        assume(False)
    assert grid.resolution_m == pytest.approx(max(fine, coarse), rel=0.011)
    left, bottom, right, top = grid.bounds
    assert left >= before.native.bounds[0] - 0.02 * fine
    assert bottom >= before.native.bounds[1] - 0.02 * fine
    assert right <= before.native.bounds[2] + 0.02 * fine
    assert top <= before.native.bounds[3] + 0.02 * fine
    if not zone:
        assert left >= after.native.bounds[0] - 0.02 * coarse
        assert top <= after.native.bounds[3] + 0.02 * coarse


@pytest.mark.parametrize(
    ("crs", "transform", "expected", "side"),
    [
        ("EPSG:4326", Affine(2e-5, 0, 121.5, 0, -2e-5, 29.9), "EPSG:32651", 2.08),
        ("EPSG:4326", Affine(2e-5, 0, 151.2, 0, -2e-5, -33.9), "EPSG:32756", 2.02),
        ("EPSG:4326", Affine(2e-5, 0, 179.999, 0, -2e-5, -17), "EPSG:32701", 2.17),
        ("EPSG:2249", Affine(6, 0, 770_000, 0, -6, 2_950_000), "EPSG:32619", 1.83),  # US feet
        ("EPSG:3857", Affine(2, 0, 13_500_000, 0, -2, 3_500_000), "EPSG:3857", 2.0),
    ],
)
def test_grids_are_in_metres(crs: str, transform: Affine, expected: str, side: float) -> None:
    image = Image("a", Grid(CRS.from_string(crs), transform, 200, 200))
    grid = common_grid(image, image)
    assert grid.crs == CRS.from_string(expected)
    assert grid.transform.a == -grid.transform.e == pytest.approx(side, abs=0.02)
    assert grid.resolution_m == pytest.approx(image.resolution_m, rel=0.01)


@pytest.mark.parametrize("wanted", [0.5, 1.0, 2.0, 3.3])
def test_the_requested_resolution_is_measured_on_the_ground(wanted: float) -> None:
    web = Image(
        "a", Grid(CRS.from_epsg(3857), Affine(2, 0, 13_500_000, 0, -2, 3_500_000), 300, 300)
    )
    for image in (_image("a", 0.5), web):
        grid = common_grid(image, image, resolution_m=wanted)
        assert grid.resolution_m == pytest.approx(wanted, rel=0.01)


def test_a_rotated_image_is_compared_on_a_north_up_grid() -> None:
    turned = Affine.translation(WEST, NORTH) @ Affine.rotation(30) @ Affine.scale(0.5, -0.5)
    rotated = Image("a", Grid(CRS.from_string(UTM50), turned, 400, 400))
    grid = common_grid(rotated, rotated)
    assert grid.transform.b == grid.transform.d == 0
    assert grid.width == pytest.approx(400 * 1.366, abs=2)


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (
            _image("b", 0.5, west=12_500),
            r"a and b do not overlap: they lie 12\.3 km apart \(a around 29\.8\d+, 117\.00\d+; b",
        ),
        (_image("b", 0.5, west=5_000_000), r"do not overlap: they lie \d{4}\.\d km apart"),
        (_image("b", 0.5, crs="EPSG:32720"), r"do not overlap: they lie 1\d{4}\.\d km apart"),
        (_image("b", 0.5, west=199.7), "less than a pixel"),
        (_image("b", 0.5, west=200), r"do not overlap: they lie 0\.0 km apart"),
        (_image("b", 4.5), r"a has pixels of 0\.5 m, b of 4\.5 m: too different.*gdalwarp"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(after: Image, says: str) -> None:
    with pytest.raises(SatelliteError, match=says):
        common_grid(_image("a", 0.5), after)


@pytest.mark.parametrize("wanted", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_resolutions_are_refused(wanted: float) -> None:
    with pytest.raises(SatelliteError, match="give metres above 0"):
        common_grid(_image("a", 0.5), _image("b", 0.5), resolution_m=wanted)
