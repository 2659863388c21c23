from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cv_engine.sensors.device_file import read_devices
from cv_engine.sensors.errors import ImportFileError
from cv_engine.sensors.report import Position
from tests.sensors.made import at

_KINDS = ("manhole_cover_water", "manhole_cover_rain")
_HEADER = "id,kind,zone,longitude,latitude,accuracy_m,silent_s\n"


def _problems(path: Path) -> list[str]:
    with pytest.raises(ImportFileError) as caught:
        read_devices(path, _KINDS, at(0))
    return [line.removeprefix(f"{path.parent}/") for line in str(caught.value).splitlines()]


def _write(folder: Path, text: str | bytes, name: str = "covers.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_csv_file_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    text = (
        "\ufeff" + _HEADER + 'W-1,manhole_cover_water,"west, old town",121.5,29.8,2.5,7200\r\n\r\n'
        "R-1,manhole_cover_rain,west,121.6,29.9,,\r\n"
    )
    first, second = read_devices(_write(tmp_path, text), _KINDS, at(5))
    assert (first.id, first.kind, first.zone) == ("W-1", "manhole_cover_water", "west, old town")
    assert (first.place, first.silent_s) == (Position(121.5, 29.8, 2.5), 7200.0)
    assert (second.place, second.silent_s) == (Position(121.6, 29.9, 5.0), None)
    assert first.registered_at == at(5)


def _feature(**more: Any) -> dict[str, Any]:
    properties = {"id": "W-1", "kind": "manhole_cover_water", "zone": "west"}
    point = {"type": "Point", "coordinates": [121.5, 29.8]}
    return {"type": "Feature", "properties": properties, "geometry": point, **more}


def test_a_geojson_file_is_read(tmp_path: Path) -> None:
    text = json.dumps({"type": "FeatureCollection", "features": [_feature()]})
    (device,) = read_devices(_write(tmp_path, text, "covers.geojson"), _KINDS, at(0))
    assert (device.id, device.place) == ("W-1", Position(121.5, 29.8, 5.0))


def test_every_error_of_a_csv_file_is_reported_with_line_and_column(tmp_path: Path) -> None:
    text = _HEADER + (
        "W-1,manhole_cover_water,west,121.5,29.8,,\n"
        "W-2,manhole,west,121.5,129.8,,\n"
        ",manhole_cover_water,west,,29.8,near,1\n"
        "W-1,manhole_cover_water,west,121.5,29.8,,\n"
        "W-3,manhole_cover_water\n"
    )
    problems = _problems(_write(tmp_path, text))
    assert [line.partition(";")[0] for line in problems] == [
        "covers.csv:3: kind: kind 'manhole' is not in the taxonomy",
        "covers.csv:3: latitude: '129.8' is not valid",
        "covers.csv:4: id: the value is missing",
        "covers.csv:4: longitude: the value is missing",
        "covers.csv:4: accuracy_m: 'near' is not valid",
        "covers.csv:4: silent_s: '1' is not valid",
        "covers.csv:5: id: 'W-1' is there twice",
        "covers.csv:6: the line has 2 columns, the header 7",
    ]


def test_every_error_of_a_geojson_file_is_reported_with_its_line(tmp_path: Path) -> None:
    features = [
        _feature(geometry={"type": "LineString", "coordinates": []}),
        _feature(properties=None),
        _feature(properties={"id": 7, "kind": "manhole_cover_water", "zone": "", "colour": 1}),
        _feature(geometry={"type": "Point", "coordinates": [29.8, 121.5]}),
    ]
    text = json.dumps({"features": features}, indent=1)
    problems = _problems(_write(tmp_path, text, "covers.json"))
    assert [line.partition(";")[0].split(": ", 1)[1] for line in problems] == [
        "geometry: the geometry is no point",
        "properties: the feature has none",
        "colour: the property is unknown",
        "zone: the value is missing",
        "latitude: 121.5 is not valid",
    ]
    lines = [int(line.split(":")[1]) for line in problems]
    assert '"colour"' in text.splitlines()[lines[2] - 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "covers.csv:1: id: the column is missing"),
        ("id;kind;zone\n", "covers.csv:1: the columns are divided by semicolons"),
        ("id,kind,zone,longitude,latitude,depth\n", "covers.csv:1: depth: the column is unknown"),
        ("id,id,kind,zone,longitude,latitude\n", "covers.csv:1: id: the column is there twice"),
        (_HEADER, "covers.csv: the file has no device"),
        (_HEADER + 'a,"b', "covers.csv:2: the line is not CSV"),
        (_HEADER.encode() + b"\xff", "covers.csv:2: the file is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(
    tmp_path: Path, text: str | bytes, expected: str
) -> None:
    assert _problems(_write(tmp_path, text))[0].startswith(expected)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert _problems(tmp_path / "none.csv") == [
        "none.csv: there is no such file; give a CSV or GeoJSON file, saved as UTF-8"
    ]
