from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from satellite.errors import SatelliteError
from satellite.training.settings import Settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side_px": 100}, "side_px is 100: crops must be a multiple of 8 pixels"),
        ({"side_px": 0}, "multiple of 8"),
        ({"resolution_m": 0.0}, "resolution_m is 0.0: it must be more than 0"),
        ({"grid_m": -1.0}, "pixel_m is -1.0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"epochs": -1}, "epochs is -1"),
        ({"share": 0.0}, "share is 0.0"),
        ({"share": 1.5}, "share is 1.5: it must be more than 0, at most 1"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SatelliteError, match=message):
        Settings(**change)


@pytest.mark.parametrize(
    ("resolution_m", "grid_m", "wanted"), [(2.0, 0.0, 0.8), (0.5, 0.0, 0.5), (2.0, 1.0, 1.0)]
)
def test_the_grid_follows_the_resolution_by_default(
    resolution_m: float, grid_m: float, wanted: float
) -> None:
    assert Settings(resolution_m=resolution_m, grid_m=grid_m).pixel_m == wanted


def test_random_weights_are_trained_longer() -> None:
    pretrained, new = (Settings.of("small", pretrained=pretrained) for pretrained in (True, False))
    assert new.epochs * new.draws > 5 * pretrained.epochs * pretrained.draws
    assert Settings.of("tinycd", pretrained=True) == Settings()
    assert new.pixel_m == new.resolution_m  # on the sensor's own pixels


def test_the_digest_covers_settings_that_affect_the_training() -> None:
    plain = Settings()
    assert replace(plain, threads=2, device="cuda", share=1.0).digest == plain.digest
    assert replace(plain, seed=1).digest != plain.digest
    assert replace(plain, resolution_m=2.1).digest != plain.digest
