"""The car parks near a place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cv_engine.notices.errors import NoticeError
from cv_engine.notices.wording.car_parks import CarParks

_HERE = {"type": "Point", "coordinates": [121.5500, 29.8700]}


def _park(name: Any, lon: float, lat: float, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"name": name, **properties},
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
    }


def _write(folder: Path, *features: Any) -> Path:
    path = folder / "parks.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_the_nearest_that_are_not_full_are_named(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        _park("far", 121.60, 29.87, free=5),
        _park("second", 121.553, 29.87),
        _park("full", 121.5501, 29.87, free=0),
        _park("first", 121.551, 29.87, free=3),
        _park("third", 121.555, 29.87, free=9),
    )
    near = CarParks(path).near(_HERE)
    assert [each.park.name for each in near] == ["first", "second"]
    assert near[0].distance_m == pytest.approx(96.6, abs=0.5)  # 0.001 degrees at this latitude
    assert CarParks(path).near(None) == []


def test_a_car_park_may_be_an_area(tmp_path: Path) -> None:
    ring = [[121.55, 29.86], [121.56, 29.86], [121.56, 29.88], [121.55, 29.88], [121.55, 29.86]]
    park = {**_park("area", 0, 0), "geometry": {"type": "Polygon", "coordinates": [ring]}}
    assert CarParks(_write(tmp_path, park)).near(_HERE)[0].park.spot.longitude == pytest.approx(
        121.555
    )


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path = _write(tmp_path, _park("a", 121.551, 29.87, free=3))
    parks = CarParks(path)
    assert len(parks.near(_HERE)) == 1
    _write(tmp_path, _park("a", 121.551, 29.87, free=0))
    os.utime(path, ns=(1, 1))
    assert parks.near(_HERE) == []


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([_park("", 1, 1)], "feature 1: name: the car park has no name"),
        ([_park("a", 1, 1, free=-1)], "feature 1: free: -1 is no number of places"),
        ([_park("a", 1, 1, free=True)], "feature 1: free"),
        ([_park("a", 1, 1), _park("b", 29.87, 121.55)], "feature 2: geometry: 29.87, 121.55"),
        ([{**_park("a", 1, 1), "geometry": None}], "feature 1: geometry"),
        ([{**_park("a", 1, 1), "geometry": {"type": "Point"}}], "feature 1: geometry"),
        (["x"], "feature 1: this is no GeoJSON feature"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, features: list[Any], message: str) -> None:
    with pytest.raises(NoticeError, match=message):
        CarParks(_write(tmp_path, *features)).near(_HERE)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"features": 1}'])
def test_a_file_that_is_no_geojson_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "parks.geojson"
    path.write_text(text)
    with pytest.raises(NoticeError, match=r"parks\.geojson"):
        CarParks(path).near(_HERE)
    path.unlink()
    with pytest.raises(NoticeError, match="cannot be read"):
        CarParks(path).near(_HERE)
