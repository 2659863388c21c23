"""Building sites: one case while they grow, regardless of date and zone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import shape

from cv_engine.cases import Case, Event, Filed, Filter, Queue, QueueError, State, open_queue
from cv_engine.cases.filing.site import area_m2, joined, reach, same_site
from tests.cases.made import at, finding, ground, site

_HALL = ground(0, 0, 20, 10)
_MONTH_S = 30 * 86_400.0


@pytest.mark.parametrize(
    ("geometry", "more", "outcome"),
    [
        pytest.param(_HALL, {}, "joined", id="the same, a month later"),
        pytest.param(ground(15, 0, 20, 10), {}, "joined", id="an overlap of a quarter"),
        pytest.param(ground(20, 0, 9, 9), {}, "joined", id="adjoining"),
        pytest.param(ground(24, 0, 9, 9), {}, "joined", id="a gap of 4 m"),
        pytest.param(ground(26, 0, 9, 9), {}, "new", id="a gap of 6 m"),
        pytest.param(ground(24, 14, 9, 9), {}, "new", id="4 m off in both directions"),
        pytest.param(_HALL, {"zone": "east"}, "joined", id="the larger part lies in another zone"),
        pytest.param(_HALL, {"began": -5 * _MONTH_S}, "joined", id="found in older images later"),
        pytest.param(_HALL, {"source": "harbour"}, "new", id="another area"),
        pytest.param(_HALL, {"kind": "unauthorised_building"}, "new", id="another kind"),
    ],
)
def test_what_belongs_to_a_site(
    queue: Queue, geometry: dict[str, Any], more: dict[str, Any], outcome: str
) -> None:
    queue.file(site(_HALL))
    later = site(geometry, **{"began": _MONTH_S, **more})
    assert queue.file(later).outcome == outcome
    assert queue.file(later).outcome == "known"
    assert queue.count() == (1 if outcome == "joined" else 2)


def test_the_caller_chooses_the_gap(queue: Queue) -> None:
    queue.file(site(_HALL))
    assert queue.file(site(ground(32, 0, 9, 9), 1), gap_m=15.0).outcome == "joined"
    assert queue.file(site(ground(0, 11, 20, 9), 2), gap_m=0.5).outcome == "new"


@pytest.mark.parametrize(
    ("geometry", "outcome"),
    [
        pytest.param(ground(21, 0, 9, 9), "new", id="a gap of a metre"),
        pytest.param(ground(20, 0, 9, 9), "new", id="row houses that adjoin"),
        pytest.param(ground(19, 0, 9, 9), "new", id="outlines that overlap a little"),
        pytest.param(ground(1, 0, 20, 10), "joined", id="one building, outlined twice"),
    ],
)
def test_footprints_of_one_image_are_sites_of_their_own(
    queue: Queue, geometry: dict[str, Any], outcome: str
) -> None:
    queue.file(site(_HALL))
    assert queue.file(site(geometry)).outcome == outcome


def test_a_part_between_two_sites_makes_them_one(queue: Queue) -> None:
    queue.file(site(_HALL))
    queue.file(site(ground(28, 0, 10, 10)))
    assert queue.file(site(ground(23.5, 0, 1.5, 5), 1)) == Filed(1, "joined")
    assert queue.get(2).result.merged_into == 1
    far = shape(ground(36, 2, 1, 1)).bounds
    found = queue.cases(Filter(bbox=far))
    assert {case.id for case in found if case.state is State.REPORTED} == {1}
    assert queue.get(1).attributes["area_m2"] == pytest.approx(200 + 100 + 7.5, rel=0.01)


def test_a_site_that_grows_is_one_case_with_all_its_ground(queue: Queue) -> None:
    parts = [_HALL, ground(18, 0, 20, 10), ground(40, 0, 20, 10)]
    for number, part in enumerate(parts):
        attributes = {"area_m2": area_m2(part), "sort": "extension" if number else "new"}
        queue.file(site(part, number * _MONTH_S, attributes=attributes))
    (case,) = queue.cases()
    assert case.place.geometry is not None
    assert case.place.geometry["type"] == "MultiPolygon"
    assert case.attributes["area_m2"] == pytest.approx((38 + 20) * 10, rel=0.01)
    assert case.attributes["area_m2"] == pytest.approx(area_m2(case.place.geometry), abs=0.1)
    assert case.attributes["sort"] == "new", "the value when the case was opened"
    assert (case.began, case.observed) == (at(0), at(2 * _MONTH_S))
    history = queue.history(case.id)
    assert [entry.event for entry in history] == [Event.FILED, Event.JOINED, Event.JOINED]
    assert [entry.data["geometry"] for entry in history] == parts
    assert history[2].data["attributes"]["area_m2"] == pytest.approx(200, rel=0.01)


def test_area_without_permit_grows_by_new_ground_only(queue: Queue) -> None:
    """Half of the wing has a permit; a tenth of it was known before."""
    queue.file(site(_HALL, attributes={"outside_permit_m2": 200.0}))
    wing = ground(18, 0, 20, 10)
    queue.file(site(wing, _MONTH_S, attributes={"outside_permit_m2": 100.0}))
    assert queue.get(1).attributes["outside_permit_m2"] == pytest.approx(290, rel=0.01)
    queue.file(site(wing, 2 * _MONTH_S, attributes={"outside_permit_m2": 100.0}))
    assert queue.get(1).attributes["outside_permit_m2"] == pytest.approx(290, rel=0.01)
    queue.file(site(ground(38, 0, 20, 10), 3 * _MONTH_S))
    assert queue.get(1).attributes["outside_permit_m2"] == pytest.approx(290, rel=0.01)


def test_a_box_finds_the_ground_that_a_site_has_grown_to(queue: Queue) -> None:
    queue.file(site(_HALL))
    annexe = ground(22, 0, 50, 10)
    far = shape(ground(60, 2, 1, 1)).bounds
    assert queue.cases(Filter(bbox=far)) == []
    queue.file(site(annexe, 1))
    assert [case.id for case in queue.cases(Filter(bbox=far))] == [1]
    assert queue.file(site(ground(74, 0, 5, 5), 2)).outcome == "joined", "by its newest part"


def test_a_site_whose_case_is_finished_is_a_new_case(queue: Queue) -> None:
    queue.file(site(_HALL))
    queue.reject(1, "Li", "a tent")
    assert queue.file(site(_HALL, _MONTH_S)).outcome == "new"


def test_a_building_that_is_demolished_and_rebuilt(queue: Queue) -> None:
    first = site(_HALL)
    queue.file(first)
    assert queue.gone(first.key, at(_MONTH_S), "gone in the image of May")
    assert queue.get(1).gone_at == at(_MONTH_S)
    entry = queue.history(1)[-1]
    assert (entry.event, entry.note) == (Event.GONE, "gone in the image of May")
    assert queue.file(site(_HALL, 3 * _MONTH_S)).outcome == "joined"
    assert queue.get(1).gone_at is None


def test_areas_of_cameras_are_not_sites(queue: Queue) -> None:
    area = ground(0, 0, 4, 2)
    queue.file(finding(box=None, geometry=area, basis="homography", accuracy_m=1.0))
    beside = finding(1, box=None, geometry=ground(4, 0, 4, 2), basis="homography", accuracy_m=1.0)
    assert queue.file(beside).outcome == "new"


def test_parts_of_a_site_that_are_filed_at_once_are_one_case(where: str) -> None:
    open_queue(where).close()

    def file(number: int) -> str:
        with open_queue(where) as queue:
            return queue.file(site(_HALL, number, zone=f"zone {number % 3}")).outcome

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(file, range(8)))
    assert outcomes == ["joined"] * 7 + ["new"]


def test_a_case_is_withdrawn_for_a_reason_that_holds_at_that_moment(queue: Queue) -> None:
    queue.file(site(_HALL))
    asked: list[Case] = []

    def reason(case: Case) -> str:
        asked.append(case)
        return "permit 7, entered later"

    assert not queue.withdraw(1, lambda case: None)
    assert queue.get(1).state is State.REPORTED
    assert queue.withdraw(1, reason)
    assert asked[0].place.geometry == _HALL
    assert queue.get(1).state is State.WITHDRAWN
    entry = queue.history(1)[-1]
    assert (entry.event, entry.by, entry.note) == (
        *(Event.STATE, "cv-engine", "permit 7, entered later"),
    )
    assert (entry.from_state, entry.to_state) == (State.REPORTED, State.WITHDRAWN)
    assert not queue.withdraw(1, reason), "the case is no longer open"
    assert len(asked) == 1
    with pytest.raises(QueueError, match="there is no case 9"):
        queue.withdraw(9, reason)


@settings(max_examples=25)  # each makes projections, which takes longer than the rest
@given(
    gap_m=st.floats(0.1, 50),
    lon=st.floats(-179.9, 179.9),
    lat=st.floats(-80, 80),
    azimuth=st.sampled_from([0.0, 90.0, 180.0, 270.0]),
)
def test_a_gap_is_measured_on_the_ground(
    gap_m: float, lon: float, lat: float, azimuth: float
) -> None:
    geod = Geod(ellps="WGS84")

    def square(lon: float, lat: float) -> dict[str, Any]:
        east = geod.fwd(lon, lat, 90, 5)[0] - lon
        north = geod.fwd(lon, lat, 0, 5)[1] - lat
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]
        ring = [[lon + x * east, lat + y * north] for x, y in corners]
        return {"type": "Polygon", "coordinates": [ring]}

    one = square(lon, lat)
    for apart_m, same in ((gap_m - 0.05, True), (gap_m + 0.05, False)):
        other = square(*geod.fwd(lon, lat, azimuth, 10 + apart_m)[:2])
        assert (same_site(one, other, gap_m) > 0) is same
        assert (same_site(other, one, gap_m) > 0) is same
        if same:
            assert shape(one).bounds[0] <= reach(other, gap_m)[2]
            west, south, east, north = reach(one, gap_m)
            left, bottom, right, top = shape(other).bounds
            assert west <= right
            assert left <= east
            assert south <= top
            assert bottom <= north


def test_one_site_on_both_sides_of_the_antimeridian() -> None:
    east = [[180, 0], [180, 1e-4], [179.9999, 1e-4], [180, 0]]
    west = [[-180, 0], [-179.9999, 1e-4], [-180, 1e-4], [-180, 0]]
    beyond = [[-179.99987, 0], [-179.9998, 1e-4], [-179.9998, 0], [-179.99987, 0]]
    both = {"type": "MultiPolygon", "coordinates": [[east], [west]]}
    far = {"type": "Polygon", "coordinates": [beyond]}
    assert same_site(far, both, 10.0) > 0
    assert same_site(both, far, 10.0) > 0
    assert same_site(far, both, 0.5) == 0


def test_joining_areas_that_touch_gives_areas_only() -> None:
    made = joined(ground(0, 0, 10, 10), ground(10, 5, 10, 10))
    assert shape(made).area > 0
    assert made["type"] == "Polygon"
    corner = joined(ground(0, 0, 10, 10), ground(10, 10, 10, 10))
    assert corner["type"] == "MultiPolygon"
    assert area_m2(corner) == pytest.approx(200, rel=0.01)
