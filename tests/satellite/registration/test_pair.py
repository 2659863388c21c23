from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.scene import Scene, open_scene
from satellite.imagery.views import Picture, Quality
from satellite.registration.normalise import Basis, Gains
from satellite.registration.pair import Pair, Preparation
from satellite.registration.shift import ShiftField
from tests.satellite.images import HALF_METRE, write
from tests.satellite.registration.scenes_with_clouds import overcast
from tests.satellite.registration.warps import changed, field, lit, mosaic, truth, warped

GAIN, BIAS = (1.25, 0.9, 1.1), (-12.0, 15.0, 5.0)
INNER = Window(64, 64, 384, 384)


def scene(path: Path, picture: Picture, transform: Affine = HALF_METRE) -> Scene:
    values = np.moveaxis(picture, 2, 0)
    return open_scene(write(path, values, transform=transform, tiled=True, compress="deflate"))


@pytest.fixture(scope="module")
def ground(shared_data: Path) -> Picture:
    return mosaic(shared_data, "B", (5, 6, 7, 8), side=2)


@pytest.fixture(scope="module")
def pair(ground: Picture, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A pair whose later image is warped, in other light, and partly changed."""
    folder = tmp_path_factory.mktemp("pair")
    after = lit(warped(changed(ground, 0.3), field(ground.shape)), GAIN, BIAS)
    made = Pair(scene(folder / "a.tif", ground), scene(folder / "b.tif", after))
    made.prepare()
    return made


def apart(first: Picture, second: Picture) -> float:
    """Median difference, grey levels."""
    return float(np.median(np.abs(first.astype(int) - second)))


def test_unchanged_ground_looks_the_same_at_both_dates(ground: Picture, pair: Pair) -> None:
    views = pair.read(INNER)
    same = (changed(ground, 0.3) == ground).all(axis=2)[64:448, 64:448]
    plain = Pair(pair.before, pair.after, align=False, normalise=False).read(INNER)
    assert (views.before == ground[64:448, 64:448]).all()
    assert apart(views.before[same], views.after[same]) <= 4
    assert apart(plain.before[same], plain.after[same]) > 12
    assert (views.quality == Quality.CLEAR).mean() > 0.99
    assert views.resolution_m == pytest.approx(0.5, rel=1e-3)
    assert views.after.flags.c_contiguous


def test_each_step_can_be_switched_off(pair: Pair) -> None:
    aligned = Pair(pair.before, pair.after, normalise=False).prepare()
    assert aligned.shift is not None
    assert aligned.gains.basis is Basis.NONE
    normalised = Pair(pair.before, pair.after, align=False).prepare()
    assert normalised.shift is None
    assert normalised.gains.basis is not Basis.NONE


def test_the_preparation_reports_shift_and_gains(ground: Picture, pair: Pair) -> None:
    preparation = pair.prepare()
    assert preparation.shift is not None
    off = preparation.shift.at(pair.grid.window) - truth(field(ground.shape))
    assert np.sqrt(np.mean(off**2)) < 0.25
    assert preparation.shift.residual_px < 0.5
    assert preparation.gains.gain == pytest.approx(1 / np.array(GAIN), rel=0.02)


def test_windows_agree_where_they_overlap(pair: Pair) -> None:
    large, small = pair.read(Window(0, 0, 512, 512)), pair.read(Window(130, 90, 61, 47))
    inner = np.s_[90:137, 130:191]
    assert (large.before[inner] == small.before).all()
    assert np.abs(large.after[inner].astype(int) - small.after).mean() < 0.5


def test_pixels_beyond_the_grid_are_nodata(pair: Pair) -> None:
    views = pair.read(Window(-40, -30, 200, 150))
    assert views.before.shape == views.after.shape == (150, 200, 3)
    assert (views.quality[:30] == Quality.NODATA).all()
    assert (views.quality[:, :40] == Quality.NODATA).all()
    assert (views.quality[40:, 50:] == Quality.CLEAR).all()
    assert (pair.read(Window(9000, 9000, 16, 16)).quality == Quality.NODATA).all()


def test_a_stored_preparation_can_be_used_again(pair: Pair) -> None:
    stored = json.dumps(pair.prepare().to_dict())
    other = Pair(pair.before, pair.after)
    other.use(Preparation.from_dict(json.loads(stored)))
    first, second = pair.read(INNER), other.read(INNER)
    assert (first.after == second.after).all()
    coarser = Pair(pair.before, pair.after, resolution_m=1.0)
    with pytest.raises(SatelliteError, match="was made for other images"):
        coarser.use(Preparation.from_dict(json.loads(stored)))
    swapped = Pair(pair.after, pair.before)
    with pytest.raises(SatelliteError, match="was made for other images"):
        swapped.use(pair.prepare())
    with pytest.raises(SatelliteError, match="stored preparation"):
        Preparation.from_dict({"size": "large"})


def test_a_pair_can_be_shared_between_threads(pair: Pair) -> None:
    fresh = Pair(pair.before, pair.after, align=False)
    alone = Pair(pair.before, pair.after, align=False)
    windows = [Window(x, y, 96, 96) for x in (0, 100, 200, 300) for y in (0, 150, 300)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fresh.read, windows))
    for window, views in zip(windows, found, strict=True):
        assert (views.after == alone.read(window).after).all()


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.0, -3.0), (2.5, -3.25), (2.03, -2.98)], ids=str)
def test_a_constant_shift_is_removed(
    ground: Picture, pair: Pair, shift: tuple[float, float]
) -> None:
    moved = Pair(pair.before, pair.before, masks=False)
    field_of_one = ShiftField.constant(moved.grid.width, moved.grid.height, *shift)
    mine = dataclasses.replace(pair.prepare(), after=pair.before.fingerprint())
    moved.use(dataclasses.replace(mine, shift=field_of_one, gains=Gains.none(3)))
    views = moved.read(INNER)
    back = np.broadcast_to(-np.array(shift, np.float32)[:, None, None], (2, 512, 512))
    wanted = warped(ground, back)
    off = np.abs(views.after.astype(int) - wanted[64:448, 64:448])
    assert off.mean() < (0.1 if all(part.is_integer() for part in shift) else 4)


def test_images_of_other_resolution_and_origin_are_aligned(ground: Picture, tmp_path: Path) -> None:
    # The later image is coarser, displaced by 1.3 m, and misplaced by 2 m in addition.
    coarse = cv2.resize(ground[:, :], None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    wrong = Affine(0.625, 0, HALF_METRE.c + 2.0, 0, -0.625, HALF_METRE.f - 1.0)
    pair = Pair(
        scene(tmp_path / "a.tif", ground), scene(tmp_path / "b.tif", np.asarray(coarse), wrong)
    )
    assert pair.grid.resolution_m == pytest.approx(0.625, rel=1e-3)
    shift = pair.prepare().shift
    assert shift is not None
    middle = shift.at_points(np.array([[pair.grid.width / 2, pair.grid.height / 2]]))[0]
    assert middle * 0.625 == pytest.approx((2.0, 1.0), abs=0.1)


def test_near_infrared_is_kept_where_both_images_have_it(ground: Picture, tmp_path: Path) -> None:
    infrared = (ground[..., 1] // 2 + 60)[..., None]
    four = np.concatenate([ground, infrared], axis=2)
    first, second = scene(tmp_path / "a.tif", four), scene(tmp_path / "b.tif", four)
    plain = scene(tmp_path / "c.tif", ground)
    off = {"align": False, "normalise": False, "masks": False}
    assert Pair(first, second, **off).bands == 4
    views = Pair(first, second, **off).read(INNER)
    assert (views.after[..., 3] == infrared[64:448, 64:448, 0]).all()
    assert Pair(first, plain, **off).read(INNER).after.shape[2] == 3


def test_clouds_are_masked(ground: Picture, tmp_path: Path) -> None:
    sky = overcast(ground, 0.5, [(80.0, 80.0, 70.0)])
    after = lit(warped(sky.picture, field(ground.shape)), (0.95, 0.95, 0.95), (5, 5, 5))
    pair = Pair(scene(tmp_path / "a.tif", ground), scene(tmp_path / "b.tif", after))
    quality = pair.read(pair.grid.window).quality
    assert (quality[sky.cloud > 0.6] == Quality.CLOUD).mean() > 0.9
    without = Pair(pair.before, pair.after, masks=False)
    without.use(pair.prepare())
    assert not (without.read(INNER).quality > 0).any()


def test_different_ground_is_refused(ground: Picture, tmp_path: Path) -> None:
    other = np.ascontiguousarray(np.roll(ground[:, ::-1], (200, 111), (0, 1)))
    pair = Pair(scene(tmp_path / "a.tif", ground), scene(tmp_path / "b.tif", other))
    with pytest.raises(SatelliteError, match="do not show the same ground"):
        pair.read(INNER)


@pytest.mark.parametrize("name", ["1_1", "2_2"])
def test_real_images_on_different_grids_are_aligned(shared_data: Path, name: str) -> None:
    folder = shared_data / "satellite/delhi"
    pair = Pair(
        open_scene(folder / f"A/t1_nov_{name}.tif"), open_scene(folder / f"B/t2_nov_{name}.tif")
    )
    shift = pair.prepare().shift
    assert shift is not None
    assert shift.chips >= 0.8 * shift.offered
    assert shift.residual_px < 0.5
    assert shift.largest_px < 3


def test_real_images_of_different_places_are_refused(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "satellite/delhi"
    first, other = folder / "A/t1_nov_1_1.tif", folder / "B/t2_nov_1_2.tif"
    with rasterio.open(first) as before, rasterio.open(other) as after:
        place, values = before.transform, after.read()
        misplaced = write(tmp_path / "b.tif", values, crs=before.crs.to_string(), transform=place)
    with pytest.raises(SatelliteError, match="do not show the same ground"):
        Pair(open_scene(first), open_scene(misplaced)).prepare()
