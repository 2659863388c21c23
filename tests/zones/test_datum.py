from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zones.datum import gcj02_to_wgs84, wgs84_to_gcj02


@given(lon=st.floats(72.1, 137.8), lat=st.floats(0.9, 55.8))
def test_round_trip(lon: float, lat: float) -> None:
    there = wgs84_to_gcj02(lon, lat)
    back = gcj02_to_wgs84(*there)
    assert math.dist(back, (lon, lat)) < 1e-7
    assert math.dist(there, (lon, lat)) < 0.02  # the offset is below two kilometres


@pytest.mark.parametrize(
    ("wgs84", "gcj02"),
    [
        # The test vectors of googollee/eviltransform: Shanghai, Shenzhen, Beijing.
        ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
        ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
        ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
    ],
)
def test_known_places(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    assert wgs84_to_gcj02(*wgs84) == pytest.approx(gcj02, abs=1e-9)


@pytest.mark.parametrize("place", [(2.35, 48.85), (-74.0, 40.7), (151.2, -33.9), (140.0, 36.0)])
def test_places_outside_china_are_unchanged(place: tuple[float, float]) -> None:
    assert wgs84_to_gcj02(*place) == place
    assert gcj02_to_wgs84(*place) == place
