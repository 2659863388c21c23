from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS

from satellite.report.furniture import BAR_LENGTHS_M, GroundScale, bar_length_m, header


@pytest.mark.parametrize(
    ("epsg", "origin", "pixel", "across_m", "down_m", "turn_deg"),
    [
        pytest.param(32650, (500_000, 3_300_000), 0.5, 0.5002, 0.5002, 0, id="on the meridian"),
        pytest.param(32650, (750_000, 3_300_000), 0.5, 0.4998, 0.4998, 1.3, id="east of it"),
        pytest.param(4326, (121.5, 60.0), 1e-5, 0.558, 1.114, 0, id="degrees at 60 north"),
        pytest.param(3857, (0, 8_399_738), 1.0, 0.501, 0.499, 0, id="Mercator at 60 north"),
    ],
)
def test_pixels_are_measured_on_the_ground(
    epsg: int,
    origin: tuple[float, float],
    pixel: float,
    across_m: float,
    down_m: float,
    turn_deg: float,
) -> None:
    transform = Affine(pixel, 0, origin[0], 0, -pixel, origin[1])
    scale = GroundScale.of(transform, CRS.from_epsg(epsg), 200, 100)
    assert scale.across_m == pytest.approx(across_m, rel=3e-3)
    assert scale.down_m == pytest.approx(down_m, rel=3e-3)
    # East of its meridian, a grid's up points east of north, and north lies to the left of it.
    assert math.degrees(math.atan2(-scale.north[0], -scale.north[1])) == pytest.approx(
        turn_deg, abs=0.1
    )


@given(st.floats(1, 50_000))
def test_bars_are_round_and_fit(across_m: float) -> None:
    length = bar_length_m(across_m)
    assert length in BAR_LENGTHS_M
    assert length == 1 or length <= across_m / 4
    longer = [each for each in BAR_LENGTHS_M if each > length]
    assert not longer or longer[0] > across_m / 4


@pytest.mark.parametrize(("width", "pixel_m"), [(768, 0.0781), (768, 0.5), (1536, 0.3), (320, 1.0)])
def test_the_bar_has_the_length_of_its_label(width: int, pixel_m: float) -> None:
    bright = _brighter(header(width, "", pixel_m, (0.0, -1.0)), 200)
    rows = bright.sum(axis=1)
    long = round(bar_length_m(width * pixel_m) / pixel_m)
    drawn = rows[len(rows) // 2 :].max()  # the bar is the longest row of the lower half
    columns = np.flatnonzero(bright[len(rows) // 2 + int(rows[len(rows) // 2 :].argmax())])
    assert columns[long - 1] - columns[0] == long - 1, "one unbroken line"
    assert drawn <= long + width / 20, "and the foot of the arrow"


def _brighter(image: NDArray[np.uint8], than: int) -> NDArray[np.bool_]:
    return np.asarray(image.min(axis=2) > than)


def test_the_arrow_points_north() -> None:
    def arrow(north: tuple[float, float]) -> NDArray[np.bool_]:
        return _brighter(header(768, "", 0.5, north), 128)[:, 680:735]

    up, down = arrow((0.0, -1.0)), arrow((0.0, 1.0))
    half = len(up) // 2
    # The head is narrow, so the half it points to is the lighter one.
    assert up[:half].sum() < up[half:].sum()
    assert down[:half].sum() > down[half:].sum()


def test_the_band_has_the_width_of_its_picture_and_the_text() -> None:
    band = header(768, "BEFORE · 2026-01-05", 0.5, (0.0, -1.0))
    assert band.shape[1:] == (768, 3)
    assert 30 < band.shape[0] < 80
    other = header(768, "AFTER · 2026-02-04", 0.5, (0.0, -1.0))
    assert (band[:, :400] != other[:, :400]).any()
    assert (band[:, 400:] == other[:, 400:]).all()
