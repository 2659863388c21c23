"""Empty ground without a nodata tag, and constant ground that is not empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray

from satellite.imagery.grid import Grid
from satellite.imagery.scene import open_scene
from tests.satellite.images import texture, write
from tests.satellite.registration.warps import mosaic

Mask = NDArray[np.bool_]

_SIDE = 512
_Y, _X = np.mgrid[:_SIDE, :_SIDE]
_TILED: dict[str, Any] = {"compress": "deflate", "tiled": True, "blockxsize": 128}
_TILED |= {"blockysize": 128}
_JPEG: dict[str, Any] = {"compress": "jpeg", "photometric": "ycbcr", "tiled": True}
_JPEG |= {"jpeg_quality": 75, "interleave": "pixel"}


def _polygon(centre: tuple[float, float], size: tuple[float, float], angle: float) -> Mask:
    drawn = np.zeros((_SIDE, _SIDE), np.uint8)
    cv2.fillPoly(drawn, [cv2.boxPoints((centre, size, angle)).astype(np.int32)], [1])
    return np.asarray(drawn > 0)


def _disc(x: float, y: float, radius: float) -> Mask:
    return np.asarray(np.hypot(_X - x, _Y - y) < radius)


_EMPTY: dict[str, Mask] = {
    "all around": (_X < 20) | (_Y < 20) | (_X >= _SIDE - 20) | (_Y >= _SIDE - 20),
    "slanted by 10 degrees": ~_polygon((256, 256), (441, 441), 10),
    "slanted by 40 degrees": ~_polygon((256, 256), (363, 363), 40),
    "cut off": _X + 0.6 * _Y < 200,
    "tiles inside": (_X // 128 == 1) & (_Y // 128 == 2) | (_X // 128 == 2) & (_Y // 128 == 1),
    "a tile inside, of no block": (_X >= 130) & (_X < 410) & (_Y >= 111) & (_Y < 391),
    "missing lines": (_Y >= 300) & (_Y < 324),
}
_GROUND: dict[str, Mask] = {
    "a lake": _disc(300, 280, 100),
    "a river": np.abs(_X - 200 - 0.3 * _Y) < 25,
    "a deep shadow": _disc(140, 200, 20) | _disc(150, 215, 20),
    "a roof": _polygon((250, 250), (240, 160), 17),
}
_STRAIGHT: dict[str, Mask] = {
    "a roof along the axes": (_X >= 100) & (_X < 340) & (_Y >= 130) & (_Y < 290),
    "a roof across the border": (_X < 60) & (_Y >= 300) & (_Y < 400),
}


@pytest.fixture(scope="module")
def ground(shared_data: Path) -> NDArray[np.uint8]:
    """Real ground, ``(3, 512, 512)``."""
    return np.ascontiguousarray(np.moveaxis(mosaic(shared_data, "B", (2, 5, 7, 8), 2), 2, 0))


def _found(path: Path, values: NDArray[Any], **options: Any) -> Mask:
    with open_scene(write(path / "a.tif", values, **options)) as scene:
        return ~scene.picture(scene.native, scene.native.window)[1]


@pytest.mark.parametrize("name", _EMPTY)
@pytest.mark.parametrize(
    ("value", "options"),
    [
        ((0, 0, 0), {}),
        ((0, 0, 0), _TILED),
        ((255, 255, 255), _TILED),
        ((37, 80, 12), _TILED),
        ((0, 0, 0), _JPEG),
        ((255, 255, 255), _JPEG),
    ],
)
def test_empty_ground_without_a_tag_is_found(
    ground: NDArray[np.uint8],
    tmp_path: Path,
    name: str,
    value: tuple[int, ...],
    options: dict[str, Any],
) -> None:
    empty = _EMPTY[name]
    values = np.where(empty, np.array(value, np.uint8)[:, None, None], ground)
    found = _found(tmp_path, values, **options)
    assert found[empty].mean() > 0.97
    assert found[~empty].mean() < 0.03


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("uint16", 0), ("uint16", 65535), ("int16", -9999), ("float32", -9999), ("float32", 0)],
)
@pytest.mark.parametrize("name", ["all around", "slanted by 10 degrees", "tiles inside"])
def test_empty_ground_of_other_types_is_found(
    tmp_path: Path, dtype: str, value: float, name: str
) -> None:
    empty = _EMPTY[name]
    values = texture(_SIDE, _SIDE).astype(dtype) * 20
    values[:, empty] = value
    found = _found(tmp_path, values, **_TILED)
    assert found[empty].all()
    assert found[~empty].mean() < 0.02


@pytest.mark.parametrize("black", [0, 3])
def test_a_noisy_black_border_is_found(
    ground: NDArray[np.uint8], tmp_path: Path, black: int
) -> None:
    noise = np.random.default_rng(0).integers(0, 4, ground.shape)
    empty = _EMPTY["cut off"]
    found = _found(tmp_path, np.where(empty, black // 2 + noise, ground).astype(np.uint8))
    assert found[empty].mean() > 0.99
    assert found[~empty].mean() < 0.02


@pytest.mark.parametrize("name", _GROUND)
@pytest.mark.parametrize("value", [(0, 0, 0), (255, 255, 255), (8, 20, 30)])
@pytest.mark.parametrize("options", [{}, _TILED, _JPEG])
def test_constant_ground_is_not_lost(
    ground: NDArray[np.uint8],
    tmp_path: Path,
    name: str,
    value: tuple[int, ...],
    options: dict[str, Any],
) -> None:
    values = np.where(_GROUND[name], np.array(value, np.uint8)[:, None, None], ground)
    assert not _found(tmp_path, values, **options).any()


@pytest.mark.parametrize("name", _STRAIGHT)
@pytest.mark.parametrize("value", [(255, 255, 255), (120, 130, 140)])
@pytest.mark.parametrize("options", [{}, _JPEG])
def test_roofs_are_no_missing_tiles(
    ground: NDArray[np.uint8],
    tmp_path: Path,
    name: str,
    value: tuple[int, ...],
    options: dict[str, Any],
) -> None:
    values = np.where(_STRAIGHT[name], np.array(value, np.uint8)[:, None, None], ground)
    assert not _found(tmp_path, values, **options).any()


@pytest.mark.parametrize("place", [(0, 250), (0, 0), (250, 0)])
@pytest.mark.parametrize("options", [{}, _JPEG])
def test_a_saturated_cloud_across_the_border_is_not_empty(
    ground: NDArray[np.uint8], tmp_path: Path, place: tuple[int, int], options: dict[str, Any]
) -> None:
    thick = np.clip((220 - np.hypot(_X - place[0], _Y - place[1])) / 30, 0, 1)
    values = np.rint(ground * (1 - thick) + 255 * thick).astype(np.uint8)
    assert not _found(tmp_path, values, **options).any()


def test_averages_leave_empty_ground_out(ground: NDArray[np.uint8], tmp_path: Path) -> None:
    empty = _EMPTY["slanted by 10 degrees"]
    path = write(tmp_path / "a.tif", np.where(empty, np.uint8(0), ground))
    with open_scene(path) as scene:
        coarse = Grid(scene.crs, scene.native.transform @ Affine.scale(4), 128, 128)
        picture, valid = scene.picture(coarse, coarse.window)
    squares = empty.reshape(128, 4, 128, 4)
    assert not valid[squares.any(axis=(1, 3))].any()
    assert valid[~squares.any(axis=(1, 3))].mean() > 0.8
    means = ground.reshape(3, 128, 4, 128, 4).mean(axis=(2, 4))
    assert np.abs(np.moveaxis(picture, 2, 0) - means)[:, valid].max() < 2


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (31, 40), (7, 9)])
@pytest.mark.parametrize("tiled", [False, True])
def test_images_of_any_size_are_examined(
    tmp_path: Path, size: tuple[int, int], tiled: bool
) -> None:
    values = texture(*size)
    assert not _found(tmp_path, values, **(_TILED if tiled else {})).any()
    if max(size) > 8:
        assert _found(tmp_path, np.zeros_like(values), **(_TILED if tiled else {})).all()
