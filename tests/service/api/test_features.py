"""The cases as a layer of a GIS program."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from tests.service.api.city import file_some
from tests.service.made import People


@pytest.fixture
def gis(people: People) -> TestClient:
    file_some(people.shared.queue, 3)
    return people.program(people.account(), ["cases:read"])


def test_a_gis_program_finds_the_items_from_the_landing_page(gis: TestClient) -> None:
    links = {link["rel"]: link["href"] for link in gis.get("/ogc").json()["links"]}
    assert "core" in gis.get(links["conformance"]).json()["conformsTo"][0]
    (cases,) = gis.get(links["data"]).json()["collections"]
    (items,) = (link["href"] for link in cases["links"] if link["rel"] == "items")
    answer = gis.get(items)
    assert answer.headers["content-type"] == "application/geo+json"
    found = answer.json()
    assert [each["id"] for each in found["features"]] == [3, 2, 1]
    assert found["features"][0]["geometry"]["type"] == "Point"
    assert (found["type"], found["numberReturned"]) == ("FeatureCollection", 3)
    one = gis.get("/ogc/collections/cases/items/2").json()
    assert (one["type"], one["id"]) == ("Feature", 2)


def test_pages_lead_to_each_other(gis: TestClient) -> None:
    url, seen = "/ogc/collections/cases/items?limit=2", []
    for _ in range(2):
        page = gis.get(url).json()
        seen += [each["id"] for each in page["features"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
    assert (seen, url) == ([3, 2, 1], "")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("bbox=121.505,29.4,121.525,29.6", [3, 2]),
        ("datetime=2026-05-01T00:02:00Z/..", [3]),
        ("datetime=../2026-05-01T00:00:00Z", [1]),
        ("datetime=2026-05-01T00:01:10Z", [2]),
        ("kind=clutter", []),
        ("state=reported", [3, 2, 1]),
    ],
)
def test_items_are_selected_by_box_time_and_properties(
    gis: TestClient, query: str, found: list[int]
) -> None:
    answer = gis.get(f"/ogc/collections/cases/items?{query}")
    assert answer.status_code == 200, answer.text
    assert [each["id"] for each in answer.json()["features"]] == found


@pytest.mark.parametrize("query", ["bbox=1,2", "datetime=soon", "datetime=a/b/c", "state=lost"])
def test_a_wrong_selection_is_named(gis: TestClient, query: str) -> None:
    assert gis.get(f"/ogc/collections/cases/items?{query}").status_code == 422
