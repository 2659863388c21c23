from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.scene import Role, open_scene
from tests.satellite.images import HALF_METRE, NORTH, UTM50, WEST, texture, write

RGB: tuple[Role, ...] = ("red", "green", "blue")


def _grid(width: int, height: int, transform: Affine = HALF_METRE) -> Grid:
    return Grid(CRS.from_string(UTM50), transform, width, height)


@pytest.mark.parametrize(
    ("dtype", "nodata", "pixel", "valid"),
    [
        ("uint8", 0, (0, 0, 0), False),
        ("uint8", 0, (0, 9, 4), True),  # a deep shadow
        ("uint8", 255, (255, 255, 90), True),  # a saturated roof
        ("uint16", 0, (0, 0, 1), True),
        ("uint16", 65535, (65535, 7, 7), False),
        ("int16", -9999, (-9999, 50, 50), False),
        ("float32", -9999, (-9999, 0.1, 0.1), False),
        ("float32", None, (np.nan, 0.1, 0.1), False),
        ("float32", None, (np.inf, 0.1, 0.1), False),
        ("float32", np.nan, (0.0, 0.0, np.nan), False),
        ("float32", -3.4028234663852886e38, (-3.4028234663852886e38,) * 3, False),
        ("float64", 0.0, (0.0, 0.0, 0.0), False),
        ("uint32", 0, (0, 0, 0), False),
        ("uint8", None, (0, 0, 0), True),
    ],
)
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_empty_pixels_are_invalid(
    tmp_path: Path,
    dtype: str,
    nodata: float | None,
    pixel: tuple[float, ...],
    valid: bool,
    offset: float,
) -> None:
    values = np.full((3, 20, 20), 60, dtype)
    values[:, ::2, ::2] = values[:, 1::2, 1::2] = 61
    values[:, 8:12, 8:12] = np.array(pixel, dtype)[:, None, None]
    path = write(tmp_path / "a.tif", values, nodata=nodata, photometric="rgb")
    grid = _grid(20, 20, Affine(0.5, 0, WEST + offset, 0, -0.5, NORTH))
    with open_scene(path) as scene:
        found, ok = scene.read(grid, grid.window, RGB)
        picture, same = scene.picture(grid, grid.window)
    assert np.array_equal(ok, same)
    assert ok[9:11, 9:11].all() == valid
    assert ok[:7].all()
    assert np.isfinite(found).all()
    if not valid:
        assert np.abs(found[:, ok] - 60.5).max() < 0.7
    assert not picture[~ok].any()


def test_a_nodata_value_given_by_the_user_is_used(tmp_path: Path) -> None:
    values = texture(40, 40)
    values[:, :, 30:] = 255
    path = write(tmp_path / "a.tif", values)
    coarse = _grid(20, 20, Affine(1, 0, WEST, 0, -1, NORTH))
    with open_scene(path) as trusting, open_scene(path, nodata=255) as given:
        assert not trusting.picture(trusting.native, trusting.native.window)[1][:, 30:].any()
        valid = given.picture(given.native, given.native.window)[1]
        assert valid[:, :30].all()
        assert not valid[:, 30:].any()
        # Empty pixels do not affect averages beside them, either.
        found, valid = given.read(coarse, coarse.window, ["red"])
        assert not valid[:, 15:].any()
        assert valid[:, :14].all()
        squares = values[0, 2:-2, 2:28].reshape(18, 2, 13, 2).mean(axis=(1, 3))
        assert np.abs(found[0, 1:-1, 1:14] - squares).max() < 1
        assert trusting.fingerprint() != given.fingerprint()


@pytest.mark.parametrize("offset", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["alpha", "mask"])
def test_masks_in_the_file_are_used(tmp_path: Path, kind: str, offset: float) -> None:
    values = texture(40, 40)
    mask = np.full((40, 40), 255, np.uint8)
    mask[:, 20:] = 0
    if kind == "alpha":
        path = write(tmp_path / "a.tif", np.concatenate([values, mask[None]]), alpha="yes")
    else:
        path = write(tmp_path / "a.tif", values, mask=mask)
    grid = _grid(40, 40, Affine(0.5, 0, WEST + offset, 0, -0.5, NORTH))
    with open_scene(path) as scene:
        assert not scene.has_nir
        valid = scene.picture(grid, grid.window)[1]
    assert valid[:, :19].all()
    assert not valid[:, 20:].any()


def test_near_infrared_declared_as_alpha_is_recognised(tmp_path: Path) -> None:
    values = texture(40, 40, bands=4)
    path = write(tmp_path / "a.tif", values, alpha="yes")
    with rasterio.open(path) as image:
        assert image.colorinterp[3] == ColorInterp.alpha
    with open_scene(path) as scene:
        picture, valid = scene.picture(scene.native, scene.native.window, nir=True)
    assert valid.all()
    assert np.array_equal(picture[..., 3], values[3])


@pytest.mark.parametrize(
    ("options", "offset"),
    [
        ({"tiled": True, "compress": "deflate"}, 0.0),
        ({"tiled": True, "compress": "deflate"}, 0.1),
        ({"tiled": True, "compress": "jpeg", "photometric": "ycbcr", "interleave": "pixel"}, 0.0),
        ({"compress": "lzw"}, 0.0),
        ({"compress": "lzw"}, 0.1),
        ({}, 0.0),
        ({}, 0.9),  # averaged below
        ({"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}, 0.0),
    ],
)
@pytest.mark.parametrize("share", [0.2, 0.6, 0.97])
def test_a_truncated_file_is_an_error(
    tmp_path: Path, options: dict[str, Any], offset: float, share: float
) -> None:
    path = write(tmp_path / "whole.tif", texture(400, 400), **options)
    content = path.read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(content[: int(len(content) * share)])
    size = 1.0 if offset == 0.9 else 0.5
    grid = _grid(200, 200, Affine(size, 0, WEST + offset, 0, -size, NORTH))
    window = Window(0, 0, 400, 400)
    with open_scene(path) as scene:
        scene.picture(grid, window)
    with pytest.raises(SatelliteError, match=r"cut\.tif"), open_scene(cut) as scene:
        scene.picture(grid, window)


def test_threads_can_share_a_scene(tmp_path: Path) -> None:
    values = texture(256, 256)
    path = write(tmp_path / "a.tif", values, tiled=True, blockxsize=64, blockysize=64)
    with open_scene(path) as scene, ThreadPoolExecutor(4) as pool:
        windows = [Window(x, y, 50, 50) for x in range(0, 200, 13) for y in range(0, 200, 13)]
        pictures = pool.map(lambda window: scene.picture(scene.native, window)[0], windows)
        for window, picture in zip(windows, pictures, strict=True):
            rows, cols = window.toslices()
            assert np.array_equal(picture, np.moveaxis(values[:, rows, cols], 0, 2))
