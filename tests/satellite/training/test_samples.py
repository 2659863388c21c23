from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio

from satellite.errors import SatelliteError
from satellite.training.samples import names, read_land, read_picture, read_tiles, to_8bit
from tests.satellite.training.places import ROOF, place, write


def test_tiles_are_read_as_written(tmp_path: Path) -> None:
    wanted = [place(name="a"), place(seed=1, name="b")]
    found = read_tiles(write(wanted, tmp_path / "tiles"), 0.5)
    assert names(found) == ["a", "b"]
    for sample, truth in zip(found, wanted, strict=True):
        assert np.array_equal(sample.before, truth.before)
        assert np.array_equal(sample.after, truth.after)
        assert np.array_equal(sample.appeared, truth.appeared)
        assert not sample.gone.any()
        assert sample.known.all()
    assert tuple(found[0].after[found[0].appeared > 0][0]) == ROOF  # RGB, not BGR


def test_a_label_of_demolition_is_read_where_there_is_one(tmp_path: Path) -> None:
    folder = write([place(name="a"), place(name="b")], tmp_path / "tiles")
    (folder / "label").rename(folder / "label_gone")
    (folder / "label").mkdir()
    nothing = np.zeros((96, 96), np.uint8)
    for name in ("a", "b"):
        cv2.imwrite(str(folder / "label" / f"{name}.png"), nothing)
    (folder / "label_gone" / "b.png").unlink()
    first, second = read_tiles(folder, 0.5)
    assert np.array_equal(first.gone, place().appeared)
    assert not second.gone.any()
    assert not first.appeared.any()


def _no_b(folder: Path) -> None:
    (folder / "B" / "a.png").rename(folder / "B" / "other.png")


def _no_label(folder: Path) -> None:
    (folder / "label" / "a.png").unlink()


def _no_folder(folder: Path) -> None:
    (folder / "A" / "a.png").unlink()
    (folder / "A").rmdir()


def _other_size(folder: Path) -> None:
    cv2.imwrite(str(folder / "B" / "a.png"), np.zeros((64, 96, 3), np.uint8))


def _damaged(folder: Path) -> None:
    (folder / "A" / "a.png").write_bytes(b"\x89PNG nothing more")


@pytest.mark.parametrize(
    ("make_unusable", "message"),
    [
        (_no_b, r"B: has no picture of tile 'a'"),
        (_no_label, r"label: holds no pictures"),
        (_no_folder, r"A: there is no such folder: labelled tiles lie in folders A"),
        (_other_size, r"'a' differ in size \(96 x 64, 96 x 96\)"),
        (_damaged, r"a\.png: not a readable picture"),
    ],
)
def test_unusable_folders_are_refused(
    tmp_path: Path, make_unusable: Callable[[Path], None], message: str
) -> None:
    folder = write([place(name="a")], tmp_path / "tiles")
    make_unusable(folder)
    with pytest.raises(SatelliteError, match=message):
        read_tiles(folder, 0.5)


def test_single_pictures_of_land_are_equal_at_both_dates(tmp_path: Path) -> None:
    folder = write([place(name="a")], tmp_path / "tiles")
    found = read_land(folder / "B", 0.5)
    assert names(found) == ["a"]
    assert np.array_equal(found[0].before, found[0].after)
    assert not found[0].appeared.any()
    assert found[0].known.all()
    with pytest.raises(SatelliteError, match="holds no pictures"):
        read_land(tmp_path / "nothing", 0.5)


def test_unlabelled_pairs_are_unknown(tmp_path: Path) -> None:
    folder = write([place(name="a")], tmp_path / "pairs")
    (pair,) = read_land(folder, 0.5)
    assert np.array_equal(pair.before, place().before)
    assert np.array_equal(pair.after, place().after)
    assert not pair.known.any()
    assert not pair.appeared.any()
    _other_size(folder)
    with pytest.raises(SatelliteError, match="'a' differ in size"):
        read_land(folder, 0.5)
    (folder / "B" / "a.png").rename(folder / "B" / "b.png")
    with pytest.raises(SatelliteError, match="has no picture of tile 'a'"):
        read_land(folder, 0.5)


def test_land_with_a_crs_has_its_own_pixel_size(shared_data: Path) -> None:
    found = read_land(shared_data / "satellite" / "naip", 0.5)
    assert [round(sample.pixel_m) for sample in found] == [5, 5]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_rasters_of_reflectance_are_stretched(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).uniform(0.05, 0.4, (4, 32, 40)).astype(np.float32)
    path = tmp_path / "scene.tif"
    with rasterio.open(path, "w", width=40, height=32, count=4, dtype="float32") as target:
        target.write(bands)
    picture = read_picture(path)
    assert picture.shape == (32, 40, 3)
    assert picture.dtype == np.uint8
    assert picture.min() == 0
    assert picture.max() == 255
    order = np.argsort(bands[0].ravel())
    assert (np.diff(picture[..., 0].ravel()[order].astype(int)) >= 0).all()


def test_a_truncated_raster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scene.tif").write_bytes(b"II*\x00\x08")
    with pytest.raises(SatelliteError, match=r"scene\.tif: not a readable raster"):
        read_picture(tmp_path / "scene.tif")


def test_8_bit_pictures_are_not_stretched() -> None:
    picture = np.random.default_rng(0).integers(30, 60, (5, 6, 3), np.uint8)
    assert np.array_equal(to_8bit(picture), picture)
    flat = to_8bit(np.full((5, 6, 3), 7, np.uint16))  # no contrast to stretch
    assert (flat == 0).all()


def test_levir_tiles_are_read(shared_data: Path) -> None:
    tiles = read_tiles(shared_data / "satellite" / "levir", 0.5)
    assert len(tiles) == 9
    assert {tile.before.shape for tile in tiles} == {(256, 256, 3)}
    unchanged = [tile.name for tile in tiles if not tile.appeared.any()]
    assert unchanged == ["train_386_0512_0768"]
