from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from satellite.imagery.views import Picture, Quality
from satellite.registration.masks import Sky, estimate_sky, quality_of, without_clouds
from satellite.registration.normalise import Gains, estimate_gains
from tests.satellite.registration.scenes_with_clouds import laid_over, overcast, spread_out, veiled
from tests.satellite.registration.warps import label, lit, mosaic, tile, tiles

SOME = (2, 5, 7, 8)  # of the nine tiles: the first has white sand, over which clouds are missed
VEILS = (Quality.CLOUD, Quality.SHADOW, Quality.HAZE, Quality.SNOW)


def judged(before: Picture, after: Picture, resolution_m: float = 0.5) -> Picture:
    valid = np.ones(before.shape[:2], bool)
    return quality_of(before, after, valid, valid, resolution_m)


def share_of(quality: Picture, kinds: tuple[Quality, ...], where: NDArray[np.bool_]) -> float:
    return float(np.isin(quality, kinds)[where].mean())


def coarser(picture: Picture, factor: int) -> Picture:
    """The picture at coarser pixels, repeated to the same size."""
    small = cv2.resize(picture, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    return np.tile(small, (factor, factor, 1)).astype(np.uint8)


def test_real_changes_are_not_masked_as_clouds(shared_data: Path) -> None:
    for name in tiles(shared_data):
        before, after = (tile(shared_data, date, name) for date in ("A", "B"))
        quality = judged(before, after)
        assert (quality > 0).mean() < 0.01, name
        building = label(shared_data, name)
        if building.any():
            assert (quality[building] > 0).mean() < 0.01, name


@pytest.mark.parametrize("other", ["the same", "changed"])
@pytest.mark.parametrize("cloudy_first", [False, True])
@pytest.mark.parametrize(("resolution_m", "factor"), [(0.5, 1), (1.0, 2), (2.0, 4)])
def test_clouds_and_their_shadows_are_masked(
    shared_data: Path, other: str, cloudy_first: bool, resolution_m: float, factor: int
) -> None:
    ground = coarser(mosaic(shared_data, "B", SOME, side=2), factor)
    clear = ground
    if other == "changed":
        clear = coarser(mosaic(shared_data, "A", SOME, side=2), factor)
    clouds = [(60.0, 60.0, 60.0), (150.0, 60.0, 40.0)]
    if factor > 1:
        clouds += [(120.0 * factor, 80.0 * factor, 200.0), (60.0, 110.0 * factor, 100.0)]
    sky = overcast(ground, resolution_m, clouds, seed=1)
    pair = (sky.picture, clear) if cloudy_first else (clear, sky.picture)
    quality = judged(*pair, resolution_m)
    assert share_of(quality, VEILS, sky.cloud > 0.5) > 0.9
    shadow = (sky.shadow > 0.5) & (sky.cloud < 0.05)
    # Where the ground changed from bright to dark, the shadow's place is less certain.
    assert share_of(quality, VEILS, shadow) > (0.9 if other == "the same" else 0.8)
    away = (cv2.dilate(sky.cloud + sky.shadow, np.ones((61, 61))) < 0.02).astype(bool)
    assert (quality[away] > 0).mean() < (0.03 if other == "the same" else 0.12)


def test_a_cloud_is_masked_but_not_a_white_roof_of_its_size(shared_data: Path) -> None:
    ground = mosaic(shared_data, "A", (2, 5, 7, 8), side=2)
    roofs = ground.copy()
    roofs[100:220, 60:300] = (236, 238, 240)  # 60 by 120 metres
    roofs[300:400, 300:400] = (228, 228, 226)
    assert not judged(ground, roofs).any()
    assert not judged(coarser(ground, 4), coarser(roofs, 4), 2.0).any()
    cloud = overcast(ground, 0.5, [(90.0, 80.0, 80.0)])
    assert (judged(ground, cloud.picture) == Quality.CLOUD).mean() > 0.05


def test_a_new_roof_beside_a_cloud_is_not_masked(shared_data: Path) -> None:
    ground = mosaic(shared_data, "B", SOME, side=2)
    sky = overcast(ground, 0.5, [(150.0, 60.0, 60.0)], seed=1)
    roof = np.zeros(ground.shape[:2], bool)
    roof[80:160, 164:224] = True  # 40 by 30 metres; three metres from where the cloud fades out
    sky.picture[roof] = 225
    quality = judged(ground, sky.picture)
    assert share_of(quality, VEILS, roof) < 0.1
    assert share_of(quality, (Quality.CLOUD,), sky.cloud > 0.5) > 0.9


def test_large_dark_ground_is_not_masked_as_shadow(shared_data: Path) -> None:
    ground = mosaic(shared_data, "B", SOME, side=2)
    sky = overcast(ground, 0.5, [(60.0, 60.0, 60.0)], sun_m=(900.0, 0.0), seed=1)
    sky.picture[200:, 200:] = (sky.picture[200:, 200:] * 0.65).astype(np.uint8)  # ploughed
    quality = judged(ground, sky.picture)
    assert not (quality == Quality.SHADOW).any()
    assert share_of(quality, (Quality.CLOUD,), sky.cloud > 0.5) > 0.9


def test_the_shadow_direction_is_estimated_over_all_windows(shared_data: Path) -> None:
    """A dark field of a cloud's shape misleads one window, but not all windows together."""
    ground = mosaic(shared_data, "B", SOME, side=2)
    valid = np.ones(ground.shape[:2], bool)
    skies = [
        overcast(ground, 0.5, [(60.0 + 15 * n, 55.0, 50.0 + 5 * n)], seed=n).picture
        for n in range(4)
    ]
    odd = overcast(ground, 0.5, [(180.0, 60.0, 60.0)], sun_m=(-110.0, 90.0)).picture
    samples = [(ground, picture, valid) for picture in (odd, *skies)]
    before, after = estimate_sky(samples, 0.5, None).away
    assert before is None
    assert after is not None
    assert abs(after - np.arctan2(60, 70)) < 0.3
    assert estimate_sky(samples[:1], 0.5, None).away[1] != after
    there = quality_of(ground, odd, valid, valid, 0.5)
    assert (there == Quality.SHADOW).any()
    known = quality_of(ground, odd, valid, valid, 0.5, away=(None, after))
    assert not (known == Quality.SHADOW).any()
    assert ((known == Quality.CLOUD) == (there == Quality.CLOUD)).all()


def test_without_clouds_no_shadow_direction_is_estimated(shared_data: Path) -> None:
    before, after = (mosaic(shared_data, date, SOME, side=2) for date in ("A", "B"))
    valid = np.ones(before.shape[:2], bool)
    assert estimate_sky([(before, after, valid)], 0.5, None) == Sky()


def test_a_cloud_is_white_in_its_own_radiometry(shared_data: Path) -> None:
    # Clouds saturate in their own radiometry, and so are coloured in the other date's.
    ground = mosaic(shared_data, "B", SOME, side=2)
    gain, bias = (0.85, 1.0, 1.1), (15.0, 0.0, -12.0)
    sky = overcast(lit(ground, gain, bias), 0.5, [(120.0, 120.0, 100.0)])
    white = np.clip(sky.picture + 18.0 * sky.cloud[..., None], 0, 255).astype(np.uint8)
    gains = Gains(
        tuple(1 / g for g in gain), tuple(-b / g for g, b in zip(gain, bias, strict=True))
    )
    valid = np.ones(ground.shape[:2], bool)
    quality = quality_of(ground, white, valid, valid, 0.5, gains=gains)
    assert share_of(quality, (Quality.CLOUD,), sky.cloud > 0.5) > 0.9
    assert share_of(quality, VEILS, (sky.shadow > 0.5) & (sky.cloud < 0.05)) > 0.9


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("cloudy_first", [False, True])
@pytest.mark.parametrize("light", [1.0, 0.75])
def test_clouds_are_found_before_the_light_is_matched(
    shared_data: Path, share: float, cloudy_first: bool, light: float
) -> None:
    """On rebuilt ground the light is matched by the spread of all pixels, clouds included."""
    before = mosaic(shared_data, "A", SOME, side=2)
    after = lit(mosaic(shared_data, "B", SOME, side=2), [light] * 3, [4.0] * 3)
    thick = spread_out(before.shape[:2], share, 16, seed=3)
    if cloudy_first:
        before = laid_over(before, thick)
    else:
        after = laid_over(after, thick)
    valid = np.ones(thick.shape, bool)
    clear = without_clouds((before, after, valid), 0.5)
    assert clear[2][thick > 0.9].mean() < 0.1
    gains = estimate_gains([clear], 3)
    assert min(gains.gain) * light > 0.35
    assert max(gains.gain) * light < 1.7
    quality = quality_of(before, after, valid, valid, 0.5, gains=gains)
    assert share_of(quality, (Quality.CLOUD,), thick > 0.5) > 0.85
    sky = estimate_sky([(before, after, valid)], 0.5, gains)
    assert sky.cloud[1 - cloudy_first] == pytest.approx(share, abs=0.15)
    assert sky.cloud[cloudy_first] < 0.02


@pytest.mark.parametrize("peak", [0.6, 0.75])
@pytest.mark.parametrize("cloudy_first", [False, True])
@pytest.mark.parametrize("seed", [3, 4])
def test_thin_clouds_over_rebuilt_ground_are_masked(
    shared_data: Path, peak: float, cloudy_first: bool, seed: int
) -> None:
    before, after = (mosaic(shared_data, date, SOME, side=2) for date in ("A", "B"))
    thin = peak * spread_out(before.shape[:2], 0.6, 60, seed)
    if cloudy_first:
        before = laid_over(before, thin)
    else:
        after = laid_over(after, thin)
    valid = np.ones(thin.shape, bool)
    gains = estimate_gains([without_clouds((before, after, valid), 0.5)], 3)
    quality = quality_of(before, after, valid, valid, 0.5, gains=gains)
    assert share_of(quality, VEILS, thin > 0.5) > 0.7


def test_pale_ground_is_no_thin_cloud(shared_data: Path) -> None:
    for name in tiles(shared_data):
        before, after = (tile(shared_data, date, name) for date in ("A", "B"))
        for first, second in ((before, after), (after, before)):
            for resolution_m, factor in ((0.5, 1), (2.0, 4)):
                quality = judged(coarser(first, factor), coarser(second, factor), resolution_m)
                assert share_of(quality, VEILS, np.ones(quality.shape, bool)) < 0.01, name


def test_a_window_full_of_cloud_is_masked(shared_data: Path) -> None:
    ground = mosaic(shared_data, "B", SOME, side=2)
    white = np.random.default_rng(0).integers(230, 240, (*ground.shape[:2], 1)).repeat(3, axis=2)
    assert (judged(ground, white.astype(np.uint8)) == Quality.CLOUD).mean() > 0.95


def test_a_cloud_at_both_dates_is_missed() -> None:
    # A known limit: a cloud must be missing at one date.
    white = np.full((256, 256, 3), 240, np.uint8)
    assert not judged(white, white).any()


@pytest.mark.parametrize("strength", [0.35, 0.5, 0.65])
@pytest.mark.parametrize("date", ["A", "B"])
def test_haze_is_masked_where_the_ground_shows_through(
    shared_data: Path, date: str, strength: float
) -> None:
    ground = mosaic(shared_data, "A" if date == "A" else "B")
    y, x = np.mgrid[: ground.shape[0], : ground.shape[1]].astype(np.float32)
    veil = np.clip((230 - np.hypot(x - 380, y - 400)) / 60 + 0.5, 0, 1)
    quality = judged(ground, veiled(ground, strength, veil))
    assert share_of(quality, VEILS, veil > 0.6) > 0.75
    assert (quality[veil == 0] > 0).mean() < 0.01


def test_new_snow_is_masked(shared_data: Path) -> None:
    ground = mosaic(shared_data, "B", SOME, side=2)
    rng = np.random.default_rng(0)
    drift = cv2.GaussianBlur(rng.normal(size=ground.shape[:2]), (0, 0), 12)
    lies = drift > np.quantile(drift, 0.5)
    winter = ground.copy()
    winter[lies] = np.clip(
        0.1 * winter[lies] + (212, 216, 222) + rng.normal(0, 6, (int(lies.sum()), 1)), 0, 255
    )
    quality = judged(ground, winter)
    assert share_of(quality, (Quality.SNOW, Quality.CLOUD), lies) > 0.8  # concrete excepted
    assert (quality == Quality.SNOW).mean() > 0.25


@pytest.mark.parametrize("bands", [3, 4])
def test_water_at_both_dates_is_masked(shared_data: Path, bands: int) -> None:
    before, after = (mosaic(shared_data, date, SOME, side=2) for date in ("A", "B"))
    rng = np.random.default_rng(0)
    lake = np.hypot(*np.indices(before.shape[:2]) - 250.0) < 110
    pictures = []
    for ground, colour in ((before, (38, 62, 70)), (after, (30, 48, 60))):
        picture = np.dstack([ground, np.full(ground.shape[:2], 140, np.uint8)])[..., :bands]
        water = np.array([*colour, 22][:bands])
        picture[lake] = np.clip(water + rng.normal(0, 2, (int(lake.sum()), 1)), 0, 255)
        pictures.append(np.ascontiguousarray(picture))
    quality = judged(pictures[0], pictures[1])
    assert share_of(quality, (Quality.WATER,), lake) > 0.9
    assert share_of(quality, (Quality.WATER,), ~lake) < 0.01
    # A lake that was filled up is a change.
    assert not (judged(pictures[0], np.dstack([after, pictures[1][..., 3:]])) == 6).any()


def test_nodata_of_either_date_takes_precedence(shared_data: Path) -> None:
    ground = mosaic(shared_data, "B", SOME, side=2)
    sky = overcast(ground, 0.5, [(120.0, 120.0, 100.0)])
    rows, cols = np.indices(ground.shape[:2])
    first, second = np.asarray(rows > 30), np.asarray(cols < 480)
    quality = quality_of(ground, sky.picture, first, second, 0.5)
    assert ((quality == Quality.NODATA) == ~(first & second)).all()
    assert (quality == Quality.CLOUD).any()


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (250, 131), (64, 1030)])
@pytest.mark.parametrize("resolution_m", [0.3, 0.5, 2.1, 10.0])
def test_windows_of_any_size_are_accepted(shape: tuple[int, int], resolution_m: float) -> None:
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 255, (2, *shape, 3)).astype(np.uint8)
    quality = judged(before, after, resolution_m)
    assert quality.shape == shape
    assert quality.dtype == np.uint8
