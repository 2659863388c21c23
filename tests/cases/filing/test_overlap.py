from __future__ import annotations

from typing import Any

import pytest

from cv_engine.cases.filing.overlap import same_place
from cv_engine.finding import Place

_METRE = 1 / 111_320  # degrees of latitude


def _square(size: float, lon: float = 121.0) -> dict[str, Any]:
    ring = [[lon, 30], [lon + size, 30], [lon + size, 30 + size], [lon, 30 + size], [lon, 30]]
    return {"type": "Polygon", "coordinates": [ring]}


def _point(north_m: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [121.0, 30.0 + north_m * _METRE]}


_A = (0.0, 0.0, 10.0, 10.0)
_POINT = Place(_point(0), 5.0, "homography")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(Place(None, None, "unknown", _A), Place(None, None, "unknown", _A), True),
        pytest.param(
            Place(None, None, "unknown", _A),
            Place(None, None, "unknown", (0.0, 0.0, 10.0, 5.0)),
            True,
            id="an overlap of exactly half",
        ),
        pytest.param(
            Place(None, None, "unknown", _A),
            Place(None, None, "unknown", (0.0, 0.0, 10.0, 4.9)),
            False,
        ),
        pytest.param(
            Place(_point(0), 50.0, "homography", _A),
            Place(_point(0), 50.0, "homography", (20.0, 0.0, 30.0, 10.0)),
            False,
            id="boxes take precedence over inaccurate ground",
        ),
        pytest.param(_POINT, Place(_point(4), 5.0, "homography"), True),
        pytest.param(_POINT, Place(_point(6), 5.0, "homography"), False),
        pytest.param(_POINT, Place(_point(4), 3.0, "homography"), False, id="within both"),
        pytest.param(_POINT, Place(_point(0), None, "homography"), False),
        pytest.param(_POINT, Place(None, None, "unknown"), False),
        pytest.param(
            Place(_point(0), 5.0, "camera"),
            Place(_point(0), 5.0, "camera"),
            False,
            id="the camera's own place does not locate the thing",
        ),
        pytest.param(
            Place(_square(1e-3), 5.0, "homography"), Place(_square(0.9e-3), 5.0, "raster"), True
        ),
        pytest.param(
            Place(_square(1e-3), 5.0, "homography"),
            Place(_square(0.5e-3), 5.0, "homography"),
            False,
            id="an overlap of a quarter",
        ),
        pytest.param(
            Place(_square(1e-3), 500.0, "homography"),
            Place(_square(1e-3, 121.001), 500.0, "homography"),
            False,
            id="side by side before a camera",
        ),
        pytest.param(
            Place(_square(1e-3), 5.0, "raster"),
            Place(_square(1e-3, 121.001), 5.0, "raster"),
            True,
            id="adjoining buildings are one site",
        ),
        pytest.param(
            Place(_square(1e-3), 500.0, "raster"),
            Place(_square(1e-3, 121.0012), 500.0, "raster"),
            False,
            id="buildings across a street are two sites",
        ),
        pytest.param(
            Place(_square(1e-3), 5.0, "raster"),
            Place({"type": "Point", "coordinates": [121.0, 30.0]}, 5.0, "raster"),
            False,
            id="a point is not a site",
        ),
    ],
)
def test_same_place(one: Place, other: Place, same: bool) -> None:
    assert (same_place(one, other) > 0) is same
    assert same_place(one, other) == same_place(other, one)
