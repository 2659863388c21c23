from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from shapely.geometry import LinearRing

from cv_engine.cases import Filter, Queue, QueueError
from cv_engine.cases.export import export
from tests.cases.made import CORNER, finding

_CLOCKWISE = {
    "type": "Polygon",
    "coordinates": [[[121.0, 30.0], [121.0, 30.1], [121.1, 30.1], [121.1, 30.0], [121.0, 30.0]]],
}


def test_geojson(queue: Queue) -> None:
    queue.file(finding(geometry=CORNER, basis="homography", accuracy_m=2.0))
    queue.file(finding(box=None, geometry=_CLOCKWISE, basis="raster", kind="unauthorised_building"))
    queue.file(finding(400, 500, attributes={"vehicle": "轿车"}))
    collection = json.loads("".join(queue.export(Filter(), "geojson")))
    assert collection["type"] == "FeatureCollection"
    assert "crs" not in collection
    by_id = {each["id"]: each for each in collection["features"]}
    assert by_id[1]["geometry"] == CORNER
    assert LinearRing(by_id[2]["geometry"]["coordinates"][0]).is_ccw
    assert by_id[3]["geometry"] is None
    properties = by_id[3]["properties"]
    assert (properties["began"], properties["gone_at"]) == ("2026-05-01T00:06:40Z", None)
    assert properties["attributes"] == {"vehicle": "轿车"}


def test_csv(queue: Queue) -> None:
    queue.file(finding(geometry=CORNER, basis="homography", attributes={"note": 'say "hi", 店'}))
    (row,) = csv.DictReader(io.StringIO("".join(queue.export(form="csv"))))
    assert (row["id"], row["state"], row["code"]) == ("1", "reported", "09009")
    assert (row["longitude"], row["latitude"]) == ("121.55", "29.87")
    assert row["image_box"] == "100 100 200 180"
    assert json.loads(row["attributes"]) == {"note": 'say "hi", 店'}


@pytest.mark.parametrize(
    "zone", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1+1", "\uff1d1", "|calc", "%0A"]
)
def test_no_cell_is_a_formula(queue: Queue, zone: str) -> None:
    queue.file(finding(zone=zone))
    (row,) = csv.DictReader(io.StringIO("".join(queue.export(form="csv"))))
    assert row["zone"] == "'" + zone


def test_numbers_stay_numbers(queue: Queue) -> None:
    west = {"type": "Point", "coordinates": [-3.7, 40.4]}
    queue.file(finding(geometry=west, basis="homography"))
    (row,) = csv.DictReader(io.StringIO("".join(queue.export(form="csv"))))
    assert row["longitude"] == "-3.7"


def test_an_empty_export_is_a_valid_file() -> None:
    assert json.loads("".join(export([], "geojson")))["features"] == []
    assert "".join(export([], "csv")).startswith("id,key,kind")


def test_cases_are_read_one_at_a_time(queue: Queue) -> None:
    for began in range(3):
        queue.file(finding(began * 1000, began * 1000 + 300))
    taken: list[int] = []

    def watched() -> Any:
        for case in queue.each():
            taken.append(case.id)
            yield case

    pieces = export(watched(), "geojson")
    next(pieces)
    assert taken == []
    next(pieces)
    assert taken == [3]
    queue.confirm(1, "Li")  # reading does not block decisions
    assert len(list(pieces)) == 3


def test_an_unknown_format_is_refused_at_once() -> None:
    with pytest.raises(QueueError, match="known: geojson, csv"):
        export([], "xlsx")
