from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from satellite.errors import SatelliteError
from satellite.imagery.views import Picture
from satellite.registration.normalise import Basis, Gains, Sample, estimate_gains
from tests.satellite.registration.warps import changed, field, lit, mosaic, warped

LEVELS = np.array([40.0, 110.0, 200.0])


def samples(before: Picture, after: Picture, side: int = 256) -> Iterator[Sample]:
    for top in range(0, before.shape[0] - side + 1, side):
        for left in range(0, before.shape[1] - side + 1, side):
            part = np.s_[top : top + side, left : left + side]
            yield before[part], after[part], np.ones((side, side), bool)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.7], ids=["same", "half", "70 % changed"])
@pytest.mark.parametrize(
    ("gain", "bias"),
    [
        ((1.25, 1.25, 1.25), (-12, -12, -12)),
        ((0.8, 1.25, 1.1), (20, -12, 5)),
        ((0.6, 0.7, 0.65), (40, 30, 50)),
    ],
)
def test_gain_and_bias_are_recovered(
    shared_data: Path, gain: Sequence[float], bias: Sequence[float], share: float
) -> None:
    before = mosaic(shared_data, "B", (0, 2, 7, 8), side=2)
    moved = np.full((2, *before.shape[:2]), 0.3, np.float32)  # residual of the alignment
    after = lit(warped(changed(before, share), moved), gain, bias, noise=2)
    found = estimate_gains(samples(before, after), 3)
    assert found.basis is Basis.UNCHANGED
    true = 1 / np.array(gain)
    assert np.abs(np.array(found.gain) / true - 1).max() < 0.02
    reached = np.outer(LEVELS, found.gain) + found.bias
    wanted = (LEVELS[:, None] - bias) * true
    assert np.abs(reached - wanted).max() < 3


def test_mean_and_deviation_are_matched_between_seasons(shared_data: Path) -> None:
    before, after = (mosaic(shared_data, date, (0, 1, 2, 3), side=2) for date in ("A", "B"))
    plain = estimate_gains(samples(before, after), 3)
    assert plain.basis is Basis.SPREAD
    # Versions of one image in different light are matched to the same result.
    darker = lit(after, (0.8, 0.9, 0.85), (10, 5, 12))
    again = estimate_gains(samples(before, darker), 3)
    off = plain.apply(after).astype(int) - again.apply(darker)
    assert np.abs(off).mean() < 4
    assert np.abs(plain.apply(after).mean(axis=(0, 1)) - before.mean(axis=(0, 1))).max() < 8


def test_equal_images_are_left_unchanged(shared_data: Path) -> None:
    picture = mosaic(shared_data, "A", (0, 1, 2, 3), side=2)
    found = estimate_gains(samples(picture, picture), 3)
    assert found.gain == pytest.approx((1, 1, 1), abs=1e-3)
    assert found.bias == pytest.approx((0, 0, 0), abs=0.1)
    assert not found.changes
    assert found.apply(picture) is picture


@pytest.mark.parametrize("case", ["no samples", "nothing usable", "flat", "overexposed"])
def test_without_evidence_the_image_is_left_unchanged(case: str) -> None:
    picture = np.full((256, 256, 3), 255 if case == "overexposed" else 120, np.uint8)
    usable = np.full((256, 256), case != "nothing usable")
    given = [] if case == "no samples" else [(picture, picture // 2, usable)]
    assert estimate_gains(given, 3) == Gains.none(3)


def test_four_bands_and_windows_of_any_size(shared_data: Path) -> None:
    picture = mosaic(shared_data, "B", (7,), side=1)
    four = np.dstack([picture, picture[..., 1] // 2 + picture[..., 0] // 3])
    after = lit(four, (1.2, 0.9, 1.0, 0.7), (-10, 8, 3, 20))
    usable = np.ones(four.shape[:2], bool)
    parts = [
        (four[:203, :150], after[:203, :150], usable[:203, :150]),
        (four[:3], after[:3], usable[:3]),
        (four[10:, 150:], after[10:, 150:], usable[10:, 150:]),
    ]
    found = estimate_gains(parts, 4)
    assert np.abs(found.apply(after).astype(int) - four).mean() < 1.5


def test_masked_pixels_do_not_affect_the_gains(shared_data: Path) -> None:
    before = mosaic(shared_data, "B", (0, 2, 7, 8), side=2)
    after = lit(before, (1.25, 1.25, 1.25), (-12, -12, -12))
    usable = np.ones(before.shape[:2], bool)
    usable[:, 100:] = False
    after[:, 100:] = lit(before[:, 100:], (0.7, 0.7, 0.7), (50, 50, 50))
    found = estimate_gains([(before, after, usable)], 3)
    assert found.gain == pytest.approx((0.8, 0.8, 0.8), abs=0.01)


def test_gains_are_applied_per_band_and_clipped() -> None:
    gains = Gains((2.0, 1.0, 0.5), (-10.0, 5.0, 0.0))
    picture = np.array([[[2, 3, 5], [200, 253, 200]]], np.uint8)
    assert gains.apply(picture).tolist() == [[[0, 8, 2], [255, 255, 100]]]


def test_gains_round_trip_through_json() -> None:
    gains = Gains((1.1, 0.9), (3.0, -4.5), Basis.UNCHANGED, 0.4)
    assert Gains.from_dict(json.loads(json.dumps(gains.to_dict()))) == gains


@pytest.mark.parametrize(
    "change", [{"gain": "no"}, {"gain": [1.0]}, {"basis": "guessed"}, {"share": None}]
)
def test_invalid_stored_gains_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SatelliteError, match="stored gains"):
        Gains.from_dict(Gains.none(3).to_dict() | change)


def test_a_residual_warp_does_not_affect_the_gains(shared_data: Path) -> None:
    before = mosaic(shared_data, "B", (0, 2, 7, 8), side=2)
    left = field(before.shape, amplitude=0.4) - np.array([3.3, -2.7], np.float32)[:, None, None]
    found = estimate_gains(samples(before, lit(warped(before, left), (1.25,) * 3, (-12,) * 3)), 3)
    assert found.gain == pytest.approx((0.8,) * 3, abs=0.016)
