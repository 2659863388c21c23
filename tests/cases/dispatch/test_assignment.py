from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from cv_engine.cases import Assignment, QueueError
from cv_engine.cases.dispatch.assignment import area_of, checked, responsible
from cv_engine.cases.dispatch.organisation import Area, Organisation
from tests.cases.dispatch.made import city, square

CAR, CLUTTER = "motor_vehicle_parked", "clutter"


def _point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def _found(
    organisation: Organisation,
    geometry: dict[str, Any] | None,
    kind: str = CAR,
    department: str | None = None,
    zone: str = "pavement",
    source: str = "gate",
) -> tuple[str | None, Assignment | None]:
    more = {"zone": zone, "source": source}
    area = area_of(organisation, kind, department, geometry, **more)
    whom = responsible(organisation, kind, department, geometry, **more)
    return (None if area is None else area.name), whom


@pytest.mark.parametrize(
    ("lon", "lat", "kind", "department", "name", "whom"),
    [
        (121.5, 29.5, CAR, None, "Market Street", Assignment("street", "north")),
        (121.1, 29.1, CAR, None, "Old Town", Assignment("street", "south")),
        (122.5, 30.5, CAR, None, None, None),
        (122.5, 30.5, CLUTTER, None, "River Bank", Assignment("sanitation")),
        (121.5, 29.5, CLUTTER, "sanitation", "River Bank", Assignment("sanitation")),
        (121.5, 29.5, CLUTTER, "street", "Market Street", Assignment("street", "north")),
        (50.0, 10.0, CAR, "street", None, Assignment("street")),
        (121.5, 29.5, CAR, "water", None, Assignment("water")),
    ],
)
def test_the_class_names_the_department_and_the_smallest_area_of_it_the_team(
    tmp_path: Path,
    lon: float,
    lat: float,
    kind: str,
    department: str | None,
    name: str | None,
    whom: Assignment | None,
) -> None:
    assert _found(city(tmp_path), _point(lon, lat), kind, department) == (name, whom)


@pytest.mark.parametrize(
    ("zone", "source", "name"),
    [
        ("quay", "gate", "River Bank"),
        ("pavement", "bridge-2", "River Bank"),
        ("pavement", "Market Street", "Market Street"),
        ("Old Town", "gate", "Old Town"),
        ("pavement", "gate", None),
    ],
)
def test_a_case_without_a_place_is_where_its_zone_or_camera_is(
    tmp_path: Path, zone: str, source: str, name: str | None
) -> None:
    assert _found(city(tmp_path), None, CLUTTER, zone=zone, source=source)[0] == name


def test_a_site_across_an_edge_is_where_most_of_it_lies() -> None:
    organisation = _organisation([("west", (0, 0, 1, 1)), ("east", (1, 0, 9, 9))])
    assert _found(organisation, square(0.4, 0.2, 0.8))[0] == "west"
    assert _found(organisation, square(0.8, 0.2, 0.8))[0] == "east"


def test_a_place_on_the_edge_of_two_equal_areas_is_in_the_first_by_name() -> None:
    organisation = _organisation([("b", (0, 0, 1, 1)), ("a", (1, 0, 2, 1))])
    assert _found(organisation, _point(1, 0.5))[0] == "a"


_SIDES = st.tuples(*(st.integers(0, 6) for _ in range(2)), *(st.integers(1, 4) for _ in range(2)))


@given(
    boxes=st.lists(st.tuples(st.sampled_from("abcd"), _SIDES), min_size=1, max_size=6),
    lon=st.integers(0, 10),
    lat=st.integers(0, 10),
    data=st.data(),
)
def test_the_order_of_the_file_does_not_decide(
    boxes: list[tuple[str, tuple[int, int, int, int]]], lon: int, lat: int, data: st.DataObject
) -> None:
    areas = [(name, (x, y, x + w, y + h)) for name, (x, y, w, h) in boxes]
    other = data.draw(st.permutations(areas))
    found = _found(_organisation(areas), _point(lon, lat))
    assert found == _found(_organisation(other), _point(lon, lat))
    holding = [
        (name, (x2 - x1) * (y2 - y1))
        for name, (x1, y1, x2, y2) in areas
        if x1 <= lon <= x2 and y1 <= lat <= y2
    ]
    assert (found[0] is None) == (not holding)
    assert found[0] is None or found[0] in {name for name, _ in holding}


def _organisation(
    areas: Sequence[tuple[str, tuple[float, float, float, float]]],
) -> Organisation:
    return Organisation(
        Path("organisation.yaml"),
        areas=tuple(Area(name, box(*sides), f"department {name}") for name, sides in areas),
    )


@pytest.mark.parametrize("typed", ["street", "Street Management", "街面秩序科", " STREET "])
def test_a_department_is_known_by_id_and_names(tmp_path: Path, typed: str) -> None:
    to = checked(Assignment(typed, "north", "Li Wei"), city(tmp_path))
    assert to == Assignment("street", "north", "Li Wei")


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (Assignment("strete"), "no department 'strete'; known: street, sanitation"),
        (Assignment("street", "east"), "street has no team 'east'; known: north, south"),
        (Assignment("street", None, "Mallory"), "no officer 'Mallory'; known: Li Wei"),
    ],
)
def test_who_is_not_in_the_organisation_gets_no_case(
    tmp_path: Path, to: Assignment, said: str
) -> None:
    with pytest.raises(QueueError, match=said):
        checked(to, city(tmp_path))


def test_without_an_organisation_any_department_may_be_named() -> None:
    assert checked(Assignment("fire", "any"), None) == Assignment("fire", "any")
