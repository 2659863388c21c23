from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import shapely

from satellite.errors import SatelliteError
from satellite.records.permits import Exemption, Permit, PlanningZone, SeasonalGround, read_land

_RING = [[121.0, 30.0], [121.001, 30.0], [121.001, 30.001], [121.0, 30.001], [121.0, 30.0]]
_PERMIT = {"permit": "2026-0117", "valid_from": "2026-03-01", "valid_to": "2027-02-28"}


def _feature(properties: dict[str, Any] | None, ring: list[Any] = _RING) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _written(folder: Path, features: list[Any], **more: Any) -> Path:
    path = folder / "land.geojson"
    value = {"type": "FeatureCollection", **more, "features": features}
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def test_all_kinds_of_records_are_read(tmp_path: Path) -> None:
    land = read_land(
        _written(
            tmp_path,
            [
                _feature({**_PERMIT, "kind": "building", "clerk": "Li", "fee": 120}),
                _feature({"permit": 118, "valid_from": "2026/03/01", "valid_to": None}),
                _feature({"permit": "119", "valid_from": "2026-03-01T00:00:00Z"}),
                _feature({"zone": "农业 A1", "building": "forbidden"}),
                _feature({"zone": "R2"}),
                _feature({"exempt": "military"}),
                _feature({"seasonal": "greenhouses"}),
            ],
        )
    )
    assert [(p.number, p.valid_from, p.valid_to, p.kind) for p in land.permits] == [
        ("2026-0117", date(2026, 3, 1), date(2027, 2, 28), "building"),
        ("118", date(2026, 3, 1), None, None),
        ("119", date(2026, 3, 1), None, None),
    ]
    assert [(zone.name, zone.building) for zone in land.planning] == [
        ("农业 A1", "forbidden"),
        ("R2", None),
    ]
    assert [each.reason for each in land.exempt] == ["military"]
    assert [each.cover for each in land.seasonal] == ["greenhouses"]
    assert land.permits[0].polygon.bounds == (121.0, 30.0, 121.001, 30.001)


def test_records_in_separate_files(tmp_path: Path) -> None:
    paths = []
    for number, properties in enumerate((_PERMIT, {"zone": "R2"}, {"exempt": "military"})):
        (tmp_path / str(number)).mkdir()
        paths.append(_written(tmp_path / str(number), [_feature(properties)]))
    land = read_land(*paths)
    assert [len(each) for each in (land.permits, land.planning, land.exempt)] == [1, 1, 1]
    assert read_land() == type(land)()
    assert isinstance(land.permits[0], Permit)
    assert isinstance(land.planning[0], PlanningZone)
    assert isinstance(land.exempt[0], Exemption)
    assert not any(isinstance(each, SeasonalGround) for each in land.exempt)


def test_an_empty_file_is_accepted(tmp_path: Path) -> None:
    assert read_land(_written(tmp_path, [])).permits == ()


@pytest.mark.parametrize(
    ("first", "last", "valid"),
    [
        (date(2026, 1, 1), date(2026, 2, 28), False),
        (date(2026, 1, 1), date(2026, 3, 1), True),
        (date(2026, 6, 1), date(2026, 7, 1), True),
        (date(2027, 2, 28), date(2027, 3, 31), True),
        (date(2027, 3, 1), date(2027, 3, 31), False),
    ],
)
def test_a_permit_holds_from_its_first_to_its_last_day(
    first: date, last: date, valid: bool, tmp_path: Path
) -> None:
    (permit,) = read_land(_written(tmp_path, [_feature(_PERMIT)])).permits
    assert permit.valid(first, last) is valid


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({**_PERMIT, "valid_from": None}, "valid_from: it is missing; write the first day"),
        ({**_PERMIT, "valid_from": "in March"}, "'in March' is not a date; write it as"),
        ({**_PERMIT, "valid_from": 20260301}, "20260301 is not a date"),
        ({**_PERMIT, "valid_to": "2026-02-30"}, "'2026-02-30' is not a date"),
        ({**_PERMIT, "valid_to": "2026-02-01"}, "2026-02-01 is before valid_from, 2026-03-01"),
        ({"permit": "", "valid_from": "2026-03-01"}, "'' is not a name"),
        ({"permit": ["1"], "valid_from": "2026-03-01"}, "is not a name"),
        ({"permit": "1", "valid_from": "2026-03-01", "valid_til": "2027-01-01"}, "mean valid_to?"),
        ({"zone": "R2", "building": "no"}, '\'no\' is unknown; write "allowed" or "forbidden"'),
        ({"zone": "R2", "bilding": "forbidden"}, "did you mean building?"),
        ({"exempt": True}, "True is not a name"),
        ({"name": "north field"}, 'no property says what this area is; add one of "permit"'),
        ({}, "no property says what this area is"),
        (None, "no property says what this area is"),
    ],
)
def test_a_problem_is_reported_with_line_and_key(
    tmp_path: Path, properties: dict[str, Any] | None, message: str
) -> None:
    path = _written(tmp_path, [_feature({"zone": "R1"}), _feature(properties)])
    with pytest.raises(SatelliteError) as error:
        read_land(path)
    text = str(error.value)
    assert message in text
    assert "feature 2" in text
    line = int(text.removeprefix(f"{path}:").partition(":")[0])
    assert line > 30, "in the second feature"


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    crossed = [_RING[0], _RING[2], _RING[1], _RING[3], _RING[0]]
    path = _written(
        tmp_path,
        [
            _feature({**_PERMIT, "valid_from": "x", "valid_to": "y"}),
            _feature({"exempt": "military"}, crossed),
            7,
        ],
    )
    with pytest.raises(SatelliteError) as error:
        read_land(path, tmp_path / "missing.geojson")
    lines = str(error.value).splitlines()
    assert len(lines) == 5
    assert "permit 2026-0117): valid_from: 'x'" in lines[0]
    assert "the outline crosses itself" in lines[2]
    assert "this is not a GeoJSON feature" in lines[3]
    assert "there is no such file" in lines[4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("{", "the file is not JSON"),
        ("[]", "this is not a GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection"}', "there are no features"),
        (
            '{"type": "FeatureCollection", "features": [], '
            '"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32650"}}}',
            "the file is in urn:ogc:def:crs:EPSG::32650; export it in WGS 84",
        ),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "land.geojson"
    path.write_text(text)
    with pytest.raises(SatelliteError, match=r"land\.geojson") as error:
        read_land(path)
    assert message in str(error.value)


def _around(lon: float, lat: float) -> list[list[float]]:
    return [[lon + dx, lat + dy] for dx, dy in ((0, 0), (1e-3, 0), (1e-3, 1e-3), (0, 1e-3), (0, 0))]


@pytest.mark.parametrize(
    ("places", "away_km"),
    [
        ([(121.47, 31.23)], 140),  # another city
        ([(30.0, 30.0), (30.1, 30.0)], 8_500),  # not this continent
        ([(121.2, 30.1), (121.3, 30.0)], 19),
        ([(-121.0, 30.0)], 11_000),  # the other sign
    ],
)
def test_records_nowhere_near_the_images_are_refused(
    tmp_path: Path, places: list[tuple[float, float]], away_km: float
) -> None:
    path = _written(tmp_path, [_feature(_PERMIT, _around(*place)) for place in places])
    images = shapely.box(121.0, 30.0, 121.01, 30.01)
    with pytest.raises(SatelliteError) as caught:
        read_land(path).refuse_distant(images)
    said = str(caught.value)
    assert said.startswith(f"{path}: its records (longitude {min(places)[0]:.4f} to ")
    assert "images (longitude 121.0000 to 121.0100, latitude 30.0000 to 30.0100)" in said
    km = float(said.partition("lie ")[2].partition(" km")[0].replace(",", ""))
    assert km == pytest.approx(away_km, rel=0.15)


@pytest.mark.parametrize(
    "places",
    [
        [(121.0, 30.0)],
        [(121.03, 30.0)],  # 2 km beside
        [(120.0, 29.0), (122.0, 31.0)],  # a whole province around
        [(121.0, 30.0), (10.0, 50.0)],
    ],
)
def test_records_around_or_beside_the_images_are_used(
    tmp_path: Path, places: list[tuple[float, float]]
) -> None:
    path = _written(tmp_path, [_feature(_PERMIT, _around(*place)) for place in places])
    read_land(path).refuse_distant(shapely.box(121.0, 30.0, 121.01, 30.01))
    read_land(_written(tmp_path, [])).refuse_distant(shapely.box(0, 0, 1, 1))


def test_distances_across_the_antimeridian_are_short(tmp_path: Path) -> None:
    path = _written(tmp_path, [_feature(_PERMIT, _around(-179.99, 10.0))])
    read_land(path).refuse_distant(shapely.box(179.98, 10.0, 179.999, 10.01))
