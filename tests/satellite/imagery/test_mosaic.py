from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window
from structlog.testing import capture_logs

from satellite.errors import SatelliteError
from satellite.imagery.scene import open_scene
from tests.satellite.images import HALF_METRE, texture, write


def _cut(
    folder: Path, whole: NDArray[Any], side: int, without: tuple[int, ...] = (), **options: Any
) -> Path:
    """Cuts an image into tiles and leaves some out."""
    folder.mkdir(exist_ok=True)
    number = 0
    for top in range(0, whole.shape[1], side):
        for left in range(0, whole.shape[2], side):
            if number not in without:
                part = whole[:, top : top + side, left : left + side]
                transform = HALF_METRE @ Affine.translation(left, top)
                write(folder / f"t{number}.tif", part, transform=transform, **options)
            number += 1
    return folder


def test_a_folder_of_tiles_is_read_as_one_image(tmp_path: Path) -> None:
    whole = texture(100, 130)
    folder = _cut(tmp_path / "ningbo", whole, 40)
    (folder / "readme.txt").write_text("not a tile")
    with capture_logs() as log, open_scene(folder) as scene:
        assert (scene.name, scene.width, scene.height) == ("ningbo", 130, 100)
        assert scene.native.transform == HALF_METRE
        picture, valid = scene.picture(scene.native, scene.native.window)
        part, _ = scene.picture(scene.native, Window(35, 35, 20, 20))
    assert valid.all()
    assert np.array_equal(picture, np.moveaxis(whole, 0, 2))
    assert np.array_equal(part, picture[35:55, 35:55])
    assert log == []


@pytest.mark.parametrize(
    ("options", "dtype"), [({}, "uint8"), ({"nodata": 0}, "uint8"), ({"nodata": -1}, "int16")]
)
@pytest.mark.parametrize("without", [(4,), (3, 4, 5)], ids=["a hole", "a row"])
def test_a_missing_tile_is_empty_and_reported(
    tmp_path: Path, options: dict[str, Any], dtype: str, without: tuple[int, ...]
) -> None:
    whole = texture(120, 120).astype(dtype)
    folder = _cut(tmp_path / "tiles", whole, 40, without, **options)
    roles: Any = {"red": 1, "green": 2, "blue": 3}
    with capture_logs() as log, open_scene(folder, roles=roles) as scene:
        found, valid = scene.read(scene.native, scene.native.window, ["red", "green", "blue"])
    expected = np.ones((120, 120), np.bool_)
    expected[40:80, 40:80] = False
    if len(without) == 3:
        expected[40:80] = False
    assert np.array_equal(valid, expected)
    assert np.array_equal(found[:, valid], whole[:, valid])
    (entry,) = log
    assert entry["log_level"] == "warning"
    assert "tiles are missing" in entry["event"]
    assert entry["missing_km2"] == pytest.approx(len(without) * 0.0004, rel=0.05)


def test_a_ragged_outline_is_not_reported_as_missing(tmp_path: Path) -> None:
    with (
        capture_logs() as log,
        open_scene(_cut(tmp_path / "t", texture(80, 80), 40, (1,))) as scene,
    ):
        valid = scene.picture(scene.native, scene.native.window)[1]
    assert log == []
    assert valid.mean() == 0.75
    assert not valid[:40, 40:].any()


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask"])
def test_empty_pixels_of_overlapping_tiles_are_transparent(tmp_path: Path, kind: str) -> None:
    whole = texture(40, 100)
    folder = tmp_path / "tiles"
    folder.mkdir()
    for number, (left, right, empty) in enumerate(
        [(0, 60, slice(50, 60)), (40, 100, slice(0, 10))]
    ):
        part = whole[:, :, left:right].copy()
        transform = HALF_METRE @ Affine.translation(left, 0)
        path = folder / f"t{number}.tif"
        there = np.full((40, 60), 255, np.uint8)
        there[:, empty] = 0
        part[:, :, empty] = 0
        if kind == "nodata":
            write(path, part, transform=transform, nodata=0)
        elif kind == "alpha":
            part = np.concatenate([part, there[None]])
            write(path, part, transform=transform, alpha="yes")
        else:
            write(path, part, transform=transform, mask=there)
    with open_scene(folder) as scene:
        picture, valid = scene.picture(scene.native, scene.native.window)
    assert valid.all()
    assert np.array_equal(picture, np.moveaxis(whole, 0, 2))


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"crs": "EPSG:32651"}, "coordinate reference system EPSG:32651, but 3 of the 4 .*32650"),
        ({"bands": 4}, "number of bands 4"),
        ({"dtype": "uint16"}, "type of values uint16"),
        ({"pixel": 0.6}, r"resolution 0\.6 x 0\.6"),
        ({"pixel": 0.50004, "side": 2000}, "differ from those of .* in size"),
        ({"nodata": 0}, r"nodata value 0\.0"),
    ],
)
def test_a_tile_that_differs_is_refused_by_name(
    tmp_path: Path, odd: dict[str, Any], says: str
) -> None:
    folder = _cut(tmp_path / "tiles", texture(40, 120), 40)
    side, pixel = odd.get("side", 40), odd.get("pixel", 0.5)
    values = np.zeros((odd.get("bands", 3), side, side), odd.get("dtype", "uint8"))
    transform = HALF_METRE @ Affine.translation(120, 0) @ Affine.scale(pixel / 0.5)
    options = {key: odd[key] for key in ("crs", "nodata") if key in odd}
    write(folder / "a_first.tif", values, transform=transform, compress="zstd", **options)
    with pytest.raises(SatelliteError, match=says) as caught:
        open_scene(folder)
    assert "a_first.tif" in str(caught.value)


def test_bands_in_separate_files_are_not_accepted_as_tiles(tmp_path: Path) -> None:
    for name in ("B02", "B03"):
        write(tmp_path / f"{name}.tif", texture(20, 20, bands=1))
    with pytest.raises(
        SatelliteError, match=r"B02\.tif and B03\.tif show the same place.*-separate"
    ):
        open_scene(tmp_path)


def test_tiles_off_the_common_grid_are_moved_to_the_nearest_pixel(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", texture(20, 20))
    write(tmp_path / "b.tif", texture(20, 20), transform=HALF_METRE @ Affine.translation(20.3, 0))
    with capture_logs() as log, open_scene(tmp_path) as scene:
        assert scene.width == 40
    assert log[0]["off_px"] == 0.3


@pytest.mark.parametrize("broken", ["text", "cut"])
def test_a_broken_tile_is_refused_by_name(tmp_path: Path, broken: str) -> None:
    folder = _cut(tmp_path / "tiles", texture(400, 800), 400)
    path = folder / "t1.tif"
    path.write_bytes(b"no image" if broken == "text" else path.read_bytes()[:300_000])
    with pytest.raises(SatelliteError, match=r"t1\.tif"), open_scene(folder) as scene:
        scene.picture(scene.native, scene.native.window)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SatelliteError, match=r"no images lie in this folder; .*\.jp2"):
        open_scene(tmp_path)


def test_tiles_far_apart_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", texture(20, 20))
    far = HALF_METRE @ Affine.translation(3_000_000, 2_000_000)
    write(tmp_path / "b.tif", texture(20, 20), transform=far)
    with pytest.raises(SatelliteError, match="far apart"):
        open_scene(tmp_path)


def test_the_median_date_of_tiles_is_used(tmp_path: Path) -> None:
    for number, day in enumerate((1, 3, 20)):
        place = HALF_METRE @ Affine.translation(20 * number, 0)
        write(tmp_path / f"t{number}_202405{day:02}.tif", texture(20, 20), transform=place)
    with capture_logs() as log, open_scene(tmp_path) as scene:
        assert scene.acquired is not None
        assert scene.acquired.day == 3
    assert "different times" in log[0]["event"]


def test_real_tiles_are_read_as_one_image(shared_data: Path) -> None:
    """Seven of ten tiles: five in a row and two below, so nothing is missing between them."""
    with capture_logs() as log, open_scene(shared_data / "satellite" / "delhi" / "A") as scene:
        assert (scene.width, scene.height, scene.roles["nir"]) == (4 * 256 + 199, 512, 4)
        valid = scene.picture(scene.native, scene.native.window)[1]
    assert valid[:256].all()
    assert not valid[256:, 512:].any()
    assert not [entry for entry in log if "missing" in entry["event"]]
