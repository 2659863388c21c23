from __future__ import annotations

import json
from typing import Any

from shapely.geometry import LinearRing

from cv_engine.cases import Filter, Queue
from cv_engine.cases.export.geojson import geojson
from tests.cases.made import CORNER, finding

_CLOCKWISE = {
    "type": "Polygon",
    "coordinates": [[[121.0, 30.0], [121.0, 30.1], [121.1, 30.1], [121.1, 30.0], [121.0, 30.0]]],
}


def test_a_feature_is_a_case(queue: Queue) -> None:
    queue.file(finding(geometry=CORNER, basis="homography", accuracy_m=2.0))
    queue.file(finding(box=None, geometry=_CLOCKWISE, basis="raster", kind="unauthorised_building"))
    queue.file(finding(400, 500, attributes={"vehicle": "轿车"}))
    collection = json.loads("".join(geojson(queue.each(Filter()))))
    assert collection["type"] == "FeatureCollection"
    assert "crs" not in collection
    by_id = {each["id"]: each for each in collection["features"]}
    assert by_id[1]["geometry"] == CORNER
    assert LinearRing(by_id[2]["geometry"]["coordinates"][0]).is_ccw
    assert by_id[3]["geometry"] is None
    properties = by_id[3]["properties"]
    assert (properties["began"], properties["gone_at"]) == ("2026-05-01T00:06:40Z", None)
    assert properties["attributes"] == {"vehicle": "轿车"}


def test_an_empty_export_is_a_valid_file() -> None:
    assert json.loads("".join(geojson([])))["features"] == []


def test_cases_are_read_one_at_a_time(queue: Queue) -> None:
    for began in range(3):
        queue.file(finding(began * 1000, began * 1000 + 300))
    taken: list[int] = []

    def watched() -> Any:
        for case in queue.each():
            taken.append(case.id)
            yield case

    pieces = geojson(watched())
    next(pieces)
    assert taken == []
    next(pieces)
    assert taken == [3]
    queue.confirm(1, "Li")  # reading does not block decisions
    assert len(list(pieces)) == 3
