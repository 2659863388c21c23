from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.views import Picture
from satellite.registration.align import estimate_shift
from satellite.registration.shift import ShiftField
from tests.satellite.registration.warps import (
    Plane,
    changed,
    field,
    grid,
    lit,
    mosaic,
    tile,
    tiles,
    truth,
    view,
    warped,
)

FOUR = (5, 6, 7, 8)  # of the nine tiles
GAIN, BIAS = (1.25, 0.9, 1.1), (-12.0, 15.0, 5.0)


def misses(found: ShiftField, true: Plane, rim: int = 0) -> Plane:
    """Distances from the truth, pixels."""
    height, width = true.shape[1:]
    inner = slice(rim, height - rim), slice(rim, width - rim)
    dx, dy = found.at(Window(0, 0, width, height)) - true
    return np.asarray(np.hypot(dx, dy)[inner], np.float32)


@pytest.mark.parametrize(
    ("share", "worst_px"),
    [(0.0, 0.2), (0.3, 0.3), (0.6, 0.5)],
    ids=["same", "30 %", "60 % changed"],
)
def test_a_warp_is_estimated_to_half_a_pixel(
    shared_data: Path, share: float, worst_px: float
) -> None:
    before = mosaic(shared_data, "B", FOUR, side=2)
    moved = field(before.shape)
    after = lit(warped(changed(before, share), moved), GAIN, BIAS, noise=3)
    found = estimate_shift(grid(before), view(before), view(after))
    off = misses(found, truth(moved))
    assert np.sqrt(np.mean(off**2)) < worst_px
    assert found.residual_px < 0.5
    assert found.chips >= 0.6 * found.offered


@pytest.mark.parametrize("name", ["saras_1", "val_27_0000_0256"])
def test_a_warp_between_two_years_is_estimated(shared_data: Path, name: str) -> None:
    before, after = (tile(shared_data, date, name) for date in ("A", "B"))
    whole = Window(0, 0, 256, 256)
    plain = estimate_shift(grid(before), view(before), view(after)).at(whole)
    moved = field(after.shape, amplitude=0.5)
    again = estimate_shift(grid(before), view(before), view(warped(after, moved)))
    off = misses(again, truth(moved, plain), rim=48)
    assert np.median(off) < 0.5


def test_a_large_shift_is_estimated(shared_data: Path) -> None:
    before = mosaic(shared_data, "A", FOUR, side=2)
    moved = field(before.shape, amplitude=0.0) + np.array([51.7, -45.3], np.float32)[:, None, None]
    found = estimate_shift(grid(before), view(before), view(warped(before, moved)))
    assert misses(found, moved, rim=64).max() < 0.3
    assert found.largest_px == pytest.approx(np.hypot(55, 48), abs=1)


def test_the_edge_of_nodata_does_not_bias_the_shift(shared_data: Path) -> None:
    before = mosaic(shared_data, "B", FOUR, side=2)
    moved = field(before.shape, amplitude=0.0)
    rows, cols = np.indices(before.shape[:2])
    held = np.asarray(rows + cols > 300)
    after = warped(before, moved)
    after[~held] = 0
    found = estimate_shift(grid(before), view(before, held), view(after, held))
    assert misses(found, moved)[rows + cols > 400].max() < 0.3


@pytest.mark.parametrize("date", ["A", "B"])
@pytest.mark.parametrize("step", [1, 2])
def test_different_ground_is_refused(shared_data: Path, date: str, step: int) -> None:
    before = mosaic(shared_data, "A", FOUR, side=2)
    other = [(i + step) % 4 for i in range(4)]
    after = mosaic(shared_data, "A" if date == "A" else "B", [FOUR[i] for i in other], side=2)
    with pytest.raises(SatelliteError, match="do not show the same ground"):
        estimate_shift(grid(before), view(before), view(after))


def test_noise_and_flat_ground_are_refused(shared_data: Path) -> None:
    before = tile(shared_data, "A", tiles(shared_data)[0])
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, before.shape).astype(np.uint8)
    with pytest.raises(SatelliteError, match="do not show the same ground"):
        estimate_shift(grid(before), view(before), view(noise))
    flat: Picture = rng.integers(118, 122, before.shape).astype(np.uint8)
    with pytest.raises(SatelliteError, match=r"0 places have texture .* switch the alignment off"):
        estimate_shift(grid(flat), view(flat), view(flat))
    nothing = np.zeros(before.shape[:2], bool)
    with pytest.raises(SatelliteError, match="cannot be aligned"):
        estimate_shift(grid(before), view(before), view(before, nothing))


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (30, 30), (100, 90)])
def test_scenes_too_small_to_align_are_refused(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2, *size, 3)).astype(np.uint8)
    with pytest.raises(SatelliteError, match=r"cannot be aligned|same ground"):
        estimate_shift(grid(noise[0]), view(noise[0]), view(noise[1]))


def test_progress_reaches_1_and_the_result_is_deterministic(shared_data: Path) -> None:
    before = tile(shared_data, "B", "val_27_0000_0256")
    after = warped(before, field(before.shape))
    reported: list[float] = []
    first = estimate_shift(grid(before), view(before), view(after), progress=reported.append)
    assert reported == sorted(reported)
    assert reported[-1] == 1
    assert first.to_dict() == estimate_shift(grid(before), view(before), view(after)).to_dict()
