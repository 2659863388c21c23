from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.scene import Role, Scene, common_grid, open_scene
from tests.satellite.images import HALF_METRE, NORTH, UTM50, WEST, texture, write

RGB: tuple[Role, ...] = ("red", "green", "blue")


def _grid(width: int, height: int, transform: Affine = HALF_METRE) -> Grid:
    return Grid(CRS.from_string(UTM50), transform, width, height)


def test_a_picture_on_its_own_grid_equals_the_file(tmp_path: Path) -> None:
    values = texture(60, 80)
    with open_scene(write(tmp_path / "a.tif", values)) as scene:
        picture, valid = scene.picture(scene.native, Window(10, 20, 50, 30))
        assert np.array_equal(picture, np.moveaxis(values, 0, 2)[20:50, 10:60])
        assert picture.flags.c_contiguous
        assert valid.all()
        bands, valid = scene.read(scene.native, Window(0, 0, 80, 60), ["blue", "red"])
        assert bands.dtype == np.float32
        assert np.array_equal(bands, values[[2, 0]])


@pytest.mark.parametrize(
    "window",
    [
        Window(-7, -5, 100, 90),
        Window(-7, 10, 20, 20),
        Window(70, 50, 20, 20),
        Window(80, 0, 10, 10),
        Window(-30, -30, 20, 20),
    ],
)
@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_pixels_beyond_the_image_are_invalid(tmp_path: Path, window: Window, shift: float) -> None:
    values = texture(60, 80)
    grid = _grid(80, 60, Affine(0.5, 0, WEST + shift, 0, -0.5, NORTH))
    with open_scene(write(tmp_path / "a.tif", values)) as scene:
        picture, valid = scene.picture(grid, window)
        bands, same = scene.read(grid, window, RGB)
    rows, cols = np.mgrid[0 : window.height, 0 : window.width]
    rows, cols = rows + window.row_off, cols + window.col_off
    inside = (rows >= 0) & (rows < 60) & (cols >= 0) & (cols < (80 if shift == 0 else 79.6))
    assert np.array_equal(valid, inside | (valid & (cols == 79)))
    assert np.array_equal(valid, same)
    assert not picture[~valid].any()
    assert not bands[:, ~valid].any()


_DEGREES = Transformer.from_crs(UTM50, "EPSG:4326", always_xy=True)


def _lies() -> dict[str, tuple[str, Affine]]:
    """Grids of one square of 200 m around one place, with pixels of about a metre."""
    x, y = WEST + 100, NORTH - 100
    lon, lat = _DEGREES.transform(x, y)
    web = Transformer.from_crs(UTM50, "EPSG:3857", always_xy=True).transform(x, y)
    next_zone = Transformer.from_crs(UTM50, "EPSG:32651", always_xy=True).transform(x, y)
    feet = Transformer.from_crs(UTM50, "EPSG:2249", always_xy=True).transform(x, y)
    middle = Affine.translation(-150, -150)
    return {
        "shifted": (UTM50, Affine(1, 0, x - 150.3, 0, -1, y + 149.6)),
        "finer": (UTM50, Affine(0.77, 0, x - 110, 0, -0.77, y + 120)),
        "coarser": (UTM50, Affine(1.9, 0, x - 250, 0, -1.9, y + 250)),
        "oblong": (UTM50, Affine(0.9, 0, x - 140, 0, -1.3, y + 190)),
        "south up": (UTM50, Affine(1, 0, x - 150, 0, 1, y - 150.5)),
        "rotated": (
            UTM50,
            Affine.translation(x, y) @ Affine.rotation(33) @ Affine.scale(1, -1) @ middle,
        ),
        "degrees": ("EPSG:4326", Affine.translation(lon, lat) @ Affine.scale(1e-5, -1e-5) @ middle),
        "web": ("EPSG:3857", Affine.translation(*web) @ Affine.scale(1.2, -1.2) @ middle),
        "zone": ("EPSG:32651", Affine.translation(*next_zone) @ Affine.scale(1.1, -1.1) @ middle),
        "feet": ("EPSG:2249", Affine.translation(*feet) @ Affine.scale(5, -5) @ middle),
    }


@pytest.mark.parametrize("kind", _lies())
def test_resampling_keeps_every_place_at_its_coordinates(tmp_path: Path, kind: str) -> None:
    """An image of its own eastings and northings gives those of the grid it is read on."""
    crs, transform = _lies()[kind]
    col, row = np.meshgrid(np.arange(300) + 0.5, np.arange(300) + 0.5)
    x, y = transform @ (col, row)
    x, y = Transformer.from_crs(crs, UTM50, always_xy=True).transform(x, y)
    values = np.stack([x - WEST, y - NORTH, x * 0]).astype(np.float32)
    path = write(tmp_path / "a.tif", values, crs=crs, transform=transform)
    grid = _grid(90, 80, Affine(1.1, 0, WEST + 50, 0, -1.1, NORTH - 55))
    with open_scene(path, roles={"red": 1, "green": 2, "blue": 3}) as scene:
        found, valid = scene.read(grid, Window(3, 4, 80, 70), RGB)
        assert scene.resolution_m == pytest.approx(grid.resolution_m, rel=0.75)
    col, row = np.meshgrid(np.arange(3, 83) + 0.5, np.arange(4, 74) + 0.5)
    east, north = grid.transform @ (col, row)
    assert valid.all()
    assert np.abs(found[0] - (east - WEST)).max() < 0.01
    assert np.abs(found[1] - (north - NORTH)).max() < 0.01


def test_interpolation_agrees_with_gdal(tmp_path: Path) -> None:
    smooth = np.kron(texture(16, 16), np.ones((1, 8, 8), np.uint8))
    path = write(tmp_path / "a.tif", smooth)
    transform = Affine(0.53, 0, WEST + 3.3, 0, -0.53, NORTH - 2.9)
    grid = _grid(100, 100, transform)
    with open_scene(path) as scene:
        picture, valid = scene.picture(grid, grid.window)
    with (
        rasterio.open(path) as image,
        WarpedVRT(
            image,
            crs=UTM50,
            transform=transform,
            width=100,
            height=100,
            resampling=Resampling.bilinear,
        ) as warped,
    ):
        expected = np.moveaxis(warped.read(), 0, 2).astype(int)
    assert valid.all()
    # GDAL widens its kernel by 6 % for pixels larger by 6 %; visible at edges of 250 levels.
    assert np.abs(picture - expected).mean() < 1.5
    assert np.corrcoef(picture.ravel(), expected.ravel())[0, 1] > 0.998


_WINDOWS = st.tuples(
    st.integers(-20, 150), st.integers(-20, 150), st.integers(1, 90), st.integers(1, 90)
)


@pytest.fixture(scope="module")
def smooth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    y, x = np.mgrid[0:300, 0:300] / 20
    waves = [120 + 100 * np.sin(x + phase) * np.cos(y - phase) for phase in range(3)]
    folder = tmp_path_factory.mktemp("smooth")
    return write(folder / "a.tif", np.stack(waves).astype(np.uint8), tiled=True)


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (UTM50, HALF_METRE),
        (UTM50, Affine(0.61, 0, WEST - 3, 0, -0.61, NORTH + 2)),
        (UTM50, Affine(1.3, 0, WEST - 3, 0, -1.3, NORTH + 2)),
        ("EPSG:32651", None),
    ],
    ids=["same", "shifted", "averaged", "another zone"],
)
def test_a_window_equals_the_part_of_a_larger_one(
    smooth: Path, crs: str, transform: Affine | None
) -> None:
    if transform is None:
        west, north = Transformer.from_crs(UTM50, crs, always_xy=True).transform(WEST, NORTH)
        transform = Affine(0.6, 0, west - 9, 0, -0.6, north - 9)
    grid = Grid(CRS.from_string(crs), transform, 200, 200)
    with open_scene(smooth) as scene:
        whole, whole_valid = scene.picture(grid, Window(-20, -20, 260, 260))

        @given(_WINDOWS)
        def check(place: tuple[int, int, int, int]) -> None:
            col, row, width, height = place
            picture, valid = scene.picture(grid, Window(col, row, width, height))
            there = slice(row + 20, row + 20 + height), slice(col + 20, col + 20 + width)
            both = valid & whole_valid[there]
            assert (valid != whole_valid[there]).mean() <= (0.02 if crs != UTM50 else 0)
            assert np.abs(picture[both].astype(int) - whole[there][both]).max(initial=0) <= 1

        check()


def test_larger_pixels_are_averages(tmp_path: Path) -> None:
    chess = ((np.indices((64, 64)).sum(axis=0) % 2) * 200).astype(np.uint8)
    path = write(tmp_path / "a.tif", np.stack([chess] * 3))
    grid = _grid(32, 32, Affine(1, 0, WEST, 0, -1, NORTH))
    with open_scene(path) as scene:
        picture, valid = scene.picture(grid, Window(0, 0, 32, 32))
    assert valid.all()
    assert np.abs(picture.astype(int) - 100).max() <= 1


def test_a_panchromatic_band_is_used_for_three_colours(tmp_path: Path) -> None:
    values = texture(30, 30, bands=1)
    with open_scene(write(tmp_path / "pan.tif", values)) as scene:
        picture, _ = scene.picture(scene.native, scene.native.window)
        assert np.array_equal(picture, np.stack([values[0]] * 3, axis=2))
        with pytest.raises(SatelliteError, match="none of its bands is known to show nir"):
            scene.picture(scene.native, scene.native.window, nir=True)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64", "uint32", "int8"])
def test_pictures_of_other_types_are_stretched_to_the_full_range(
    tmp_path: Path, dtype: str
) -> None:
    y, x = np.mgrid[0:200, 0:200]
    steps = 100 if dtype == "int8" else 3000
    plane = (x + y) / 400 * steps
    values = np.stack([plane * gain for gain in (1.0, 0.5, 0.25, 0.8)]).astype(dtype)
    path = write(tmp_path / "a.tif", values)
    with open_scene(path, roles={"red": 1, "green": 2, "blue": 3, "nir": 4}) as scene:
        picture, valid = scene.picture(scene.native, scene.native.window, nir=True)
    assert valid.all()
    assert picture[0, 0].max() == 0
    assert picture[-1, -1, 0] == 255
    assert picture[-1, -1, 3] == 255  # near infrared has its own scale
    # Colours keep their proportions.
    middle = picture[100, 100].astype(float)
    assert middle[1] / middle[0] == pytest.approx(0.5, abs=0.03)
    assert middle[2] / middle[0] == pytest.approx(0.25, abs=0.03)


def test_constant_and_empty_images_can_be_stretched(tmp_path: Path) -> None:
    flat = write(tmp_path / "flat.tif", np.full((3, 9, 9), 7, np.uint16))
    empty = write(tmp_path / "empty.tif", np.zeros((3, 9, 9), np.uint16), nodata=0)
    with open_scene(flat) as scene:
        picture, valid = scene.picture(scene.native, scene.native.window)
        assert not valid.any(), "nothing but one value shows no ground"
        assert not picture.any()
    with open_scene(empty) as scene:
        assert not scene.picture(scene.native, scene.native.window)[1].any()


def test_large_images_are_stretched_from_samples(tmp_path: Path) -> None:
    ramp = np.linspace(0, 10_000, 4200 * 4200, dtype=np.float32).reshape(4200, 4200)
    values = np.stack([ramp.astype(np.uint16)])
    path = write(tmp_path / "a.tif", values, tiled=True, compress="zstd")
    with open_scene(path) as scene:
        picture, _ = scene.picture(scene.native, Window(2000, 2100, 10, 10))
    assert np.abs(picture.astype(int) - 128).max() < 6


def test_the_fingerprint_distinguishes_images(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", texture(20, 20))

    def digest(**options: Any) -> str:
        with open_scene(path, **options) as scene:
            return scene.fingerprint()

    first = digest()
    assert digest() == first
    assert digest(roles={"red": 3, "blue": 1}) != first
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    assert digest() != first


def test_name_and_date_of_a_scene(tmp_path: Path) -> None:
    path = write(tmp_path / "gf2_20240517_pan.tif", texture(20, 20))
    with open_scene(path) as scene:
        assert scene.name == "gf2_20240517_pan"
        assert scene.acquired == datetime(2024, 5, 17, tzinfo=UTC)
    beijing = timezone(timedelta(hours=8))
    with open_scene(path, acquired=datetime(2024, 5, 18, 10, tzinfo=beijing)) as scene:
        assert scene.acquired == datetime(2024, 5, 18, 2, tzinfo=UTC)
        assert scene.acquired.tzinfo is UTC


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", Affine(1e-5, 0, 180 - 1e-3, 0, -1e-5, -17)),
        ("EPSG:4326", Affine(1e-5, 0, -180 - 1e-3, 0, -1e-5, -17)),
        ("EPSG:32760", None),
        ("EPSG:3857", Affine(1.1, 0, 20_037_508.3 - 110, 0, -1.1, -1_920_800)),
        ("EPSG:3857", Affine(1.1, 0, -20_037_508.3 - 110, 0, -1.1, -1_920_800)),
    ],
)
def test_images_across_the_antimeridian_are_read(
    tmp_path: Path, crs: str, transform: Affine | None
) -> None:
    """An image of its own eastings and northings in zone 60 gives those of the grid."""
    zone = "EPSG:32760"
    west, north = Transformer.from_crs("EPSG:4326", zone, always_xy=True).transform(179.999, -17)
    transform = transform or Affine(1, 0, west, 0, -1, north)
    col, row = np.meshgrid(np.arange(200) + 0.5, np.arange(200) + 0.5)
    x, y = Transformer.from_crs(crs, zone, always_xy=True).transform(*(transform @ (col, row)))
    values = np.stack([x - west, y - north, x * 0]).astype(np.float32)
    first = write(tmp_path / "a.tif", values, crs=crs, transform=transform)
    other = Affine(1, 0, west + 20.5, 0, -1, north - 30)
    later = write(tmp_path / "b.tif", texture(150, 150), crs=zone, transform=other)
    roles: dict[Role, int] = {"red": 1, "green": 2, "blue": 3}
    with open_scene(first, roles=roles) as before, open_scene(later) as after:
        grid = common_grid(before, after)
        found, valid = before.read(grid, grid.window, RGB)
        assert (valid & after.picture(grid, grid.window)[1]).mean() > 0.95
    assert min(grid.width, grid.height) > 130
    col, row = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    place = Transformer.from_crs(grid.crs, zone, always_xy=True).transform(
        *(grid.transform @ (col, row))
    )
    assert np.abs(found[0] - (place[0] - west))[valid].max() < 0.01
    assert np.abs(found[1] - (place[1] - north))[valid].max() < 0.01


def test_a_real_pair_of_reflectances_is_stretched(shared_data: Path) -> None:
    """Natural colours, no band black or saturated, though values lie between 0.01 and 0.4."""
    folder = shared_data / "satellite" / "delhi"
    with (
        open_scene(folder / "A" / "t1_nov_1_1.tif") as before,
        open_scene(folder / "B" / "t2_nov_1_1.tif") as after,
    ):
        assert before.roles == {"red": 3, "green": 2, "blue": 1, "nir": 4}
        grid = common_grid(before, after)
        assert grid.transform.a == 1.1
        assert (grid.width, grid.height) == (255, 255)
        for scene in (before, after):
            picture, valid = scene.picture(grid, grid.window, nir=True)
            assert valid.all()
            means = picture[..., :3].mean(axis=(0, 1))
            assert means.min() > 40
            assert means.max() < 130
            assert means.max() / means.min() < 2
            assert (picture == 255).mean() < 0.03


def test_a_closed_scene_can_be_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", texture(20, 20))
    scene: Scene = open_scene(path)
    scene.close()
    assert scene.picture(scene.native, scene.native.window)[1].all()
    scene.close()
