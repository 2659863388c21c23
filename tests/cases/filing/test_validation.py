from __future__ import annotations

from typing import Any

import pytest

from cv_engine.cases import QueueError
from cv_engine.cases.filing.validation import case_row
from cv_engine.cases.taxonomy import load_taxonomy
from tests.cases.made import CORNER, finding


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "jaywalking"}, "not in the taxonomy"),
        ({"source": " "}, "source ' ' must be printable text"),
        ({"zone": "a\0b"}, "must be printable text"),
        ({"attributes": {"a": {1}}}, "attributes is not JSON"),
        ({"attributes": {"a": float("nan")}}, "attributes is not JSON"),
        ({"attributes": {"a": "\ud800"}}, "attributes is not JSON"),
        ({"attributes": {"a": "\0"}}, "NUL"),
        ({"geometry": {"type": "Dot"}}, "is not GeoJSON"),
        ({"geometry": {"type": "Point"}}, "is not GeoJSON"),
        ({"geometry": {"type": "Point", "coordinates": []}}, "is empty"),
        ({"geometry": {"type": "Point", "coordinates": [29.8, 121.5]}}, "longitude, latitude"),
        ({"evidence": "../x"}, "inside evidence/"),
    ],
)
def test_invalid_findings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(QueueError, match=message):
        case_row(finding(**change), load_taxonomy())


def test_a_valid_finding_becomes_a_row() -> None:
    row = case_row(finding(geometry=CORNER, attributes={"a": (1, 2)}), load_taxonomy())
    assert (row["min_lon"], row["max_lat"], row["box_x2"]) == (121.55, 29.87, 200.0)
    assert row["attributes"] == {"a": [1, 2]}
