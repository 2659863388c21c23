"""Zones files that would take long or much memory are refused at once, with their line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import Polygon

from tests.zones.scene import KINDS
from zones.check import check
from zones.crossings import cross_too_often
from zones.errors import ZoneError
from zones.zone import load_zones

Ring = list[list[float]]
_SQUARE: Ring = [[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]]
# A second where nothing else runs; without bounds these take minutes, or all memory.
_PATIENCE_S = 10.0


def _feature(ring: Any = _SQUARE, name: Any = "a", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"zone": name, "frame": "image", **properties},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def _collection(*features: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


def _comb(teeth: int, *, turned: bool = False) -> Ring:
    """An outline whose teeth reach across the ground; two that are turned cross at each tooth."""
    tops: Ring = []
    for x in range(0, 2 * teeth, 2):
        tops += [[x, 1900], [x + 1, 1900], [x + 1, 1], [x + 2, 1]]
    ring: Ring = [[0, 0], *tops, [2 * teeth, 0], [0, 0]]
    return [[y, x] for x, y in ring] if turned else ring


def _strip(at: float, *, turned: bool) -> Ring:
    ring: Ring = [[0, at], [20_000, at], [20_000, at + 0.5], [0, at]]
    return [[y, x] for x, y in ring] if turned else ring


_BOMBS: dict[str, tuple[Callable[[], str], str]] = {
    "features that are none": (
        lambda: _collection(*[1] * 300_000),
        "z.geojson:1: there are more than 10,000 features",
    ),
    "wrong features": (
        lambda: _collection(*[{"type": "Feature"}] * 3_000),
        "z.geojson:1: feature 1: zone: the zone has no name",
    ),
    "features of one name that disagree": (
        lambda: _collection(*(_feature(dwell_s=1 + i) for i in range(2_500))),
        "z.geojson:1: feature 2 (a): another feature with this name has another dwell_s",
    ),
    "unknown properties": (
        lambda: _collection(_feature(**{f"p{i}": 1 for i in range(10_000)})),
        "z.geojson:1: feature 1 (a): p0: unknown property",
    ),
    "duplicate keys": (
        lambda: "{" + ",".join(f'"a{i}":1,"a{i}":2' for i in range(10_000)) + "}",
        "z.geojson:1: 'a0' is written twice",
    ),
    "duplicate keys far inside": (
        lambda: '{"a":[' * 300 + '{"b":1,"b":2}' + "]}" * 300,
        "z.geojson:1: the values are nested more than 50 levels deep",
    ),
    "brackets": (lambda: "[" * 900_000, "z.geojson:1: the values are nested more than 50 levels"),
    "parts that cross": (
        lambda: _collection(
            *(_feature(_strip(i, turned=turned)) for i in range(500) for turned in (False, True))
        ),
        "z.geojson:1: zone a: the parts cross each other more than 50,000 times",
    ),
    "combs that cross": (
        lambda: _collection(_feature(_comb(500)), _feature(_comb(500, turned=True))),
        "z.geojson:1: zone a: the parts cross each other more than 50,000 times",
    ),
    "a long number": (
        lambda: _collection(_feature()).replace("100, 100", "100, " + "9" * 900_000),
        "z.geojson:1: feature 1 (a): coordinates: inf is not a finite number",
    ),
    "a long schedule": (
        lambda: _collection(_feature(schedule="07:00-" * 100_000)),
        "z.geojson:1: feature 1 (a): schedule: '07:00-07:00",
    ),
    "a long name": (
        lambda: _collection(_feature(name="a" * 900_000)),
        "zone: a name of 900000 characters; give at most 200",
    ),
    "a long type": (lambda: json.dumps({"type": "A" * 900_000}), "z.geojson:1: the file is no"),
}


@pytest.mark.parametrize("name", _BOMBS)
def test_no_file_below_1_mb_takes_long_to_be_refused(name: str, tmp_path: Path) -> None:
    make, expected = _BOMBS[name]
    path, text = tmp_path / "z.geojson", make()
    assert len(text) < 1_000_000
    path.write_text(text)
    began_s = time.process_time()
    with pytest.raises(ZoneError) as caught:
        load_zones(path, kinds=KINDS)
    assert time.process_time() - began_s < _PATIENCE_S
    message = str(caught.value).replace(f"{tmp_path}/", "")
    assert expected in message
    assert len(message) < 30_000


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"dwell_s": 10**400}, "dwell_s: inf is not above 0 and finite"),
        ({"dwell_s": 1e300}, "dwell_s: 1e+300 is too large"),
        ({"dwell_s": 10**18}, "dwell_s: 1e+18 is too large"),
        ({"name": "a\0b"}, r"feature 1: zone: 'a\x00b' holds a control character"),
        ({"name": "a\x1b[31m"}, r"feature 1: zone: 'a\x1b[31m' holds a control character"),
        ({"name": "a\ud800"}, r"feature 1: zone: 'a\ud800' holds a control character"),
        ({"camera": "a\ud800"}, r"camera: 'a\ud800' holds a control character"),
    ],
)
def test_values_that_break_what_follows_are_refused(
    properties: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "z.geojson"
    path.write_text(_collection(_feature(**properties)))
    with pytest.raises(ZoneError) as caught:
        load_zones(path, kinds=KINDS)
    assert expected in str(caught.value)


def test_names_in_any_script_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "z.geojson"
    path.write_text(_collection(_feature(name="市场\u3000路 é\u00a0ß")))
    assert load_zones(path, kinds=KINDS)[0].name == "市场\u3000路 é\u00a0ß"


def test_a_feature_of_one_camera_may_differ_from_that_of_another_only(tmp_path: Path) -> None:
    path = tmp_path / "z.geojson"
    mine = _feature(dwell_s=1, camera="c1")
    path.write_text(_collection(mine, _feature(dwell_s=2, camera="c2"), mine))
    assert [zone.camera for zone in load_zones(path, kinds=KINDS)] == ["c1", "c2"]
    for everyone in ([_feature(), mine], [mine, _feature()]):
        path.write_text(_collection(*everyone))
        with pytest.raises(ZoneError, match=r"feature 2 \(a\): another feature with this name"):
            load_zones(path, kinds=KINDS)


def test_lines_of_many_features_are_found(tmp_path: Path) -> None:
    path = tmp_path / "z.geojson"
    wrong = _feature(kinds=["no-such-thing"])
    features = [wrong if i % 50 == 49 else _feature(name=f"z{i}") for i in range(1_500)]
    text = _collection(*features).replace('{"type": "Feature",', '\n{"type": "Feature",')
    path.write_text(text)
    with pytest.raises(ZoneError) as caught:
        load_zones(path, kinds=KINDS)
    lines = [int(problem.where.split(":")[1]) for problem in caught.value.problems]
    assert lines == [2 + i for i in range(1_500) if i % 50 == 49]


def test_many_zones_on_the_same_ground_are_reported_in_time(tmp_path: Path) -> None:
    path = tmp_path / "z.geojson"
    path.write_text(_collection(*(_feature(name=f"z{i}") for i in range(800))))
    found = check(path, 1920, 1080, kinds=KINDS)
    assert 0 < len(found) <= 101
    assert "cover the same ground" in found[0].what
    path.write_text(_collection(_feature(_comb(250), "a"), _feature(_comb(250, turned=True), "b")))
    assert any("too many zones" in each.what for each in check(path, 1920, 1080, kinds=KINDS))


def test_crossings_are_counted_between_shapes_only() -> None:
    apart = [Polygon([(x, 0), (x + 5, 0), (x + 5, 5)]) for x in range(0, 20_000, 10)]
    assert not cross_too_often(apart)
    assert not cross_too_often([Polygon(_comb(500))])
    assert not cross_too_often([Polygon(_comb(50)), Polygon(_comb(50, turned=True))])
    assert cross_too_often([Polygon(_comb(500)), Polygon(_comb(500, turned=True))])
