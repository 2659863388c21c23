from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import Actor, ForbiddenError, QueueError, Role
from cv_engine.cases.dispatch import actor_named, read_organisation
from tests.cases.dispatch.made import CITY, KINDS, city, feature, square, write_city


def test_a_city_is_read_with_departments_officers_and_areas(tmp_path: Path) -> None:
    organisation = city(tmp_path)
    assert organisation.departments["street"].teams == ("north", "south")
    assert organisation.departments["street"].name_zh == "街面秩序科"
    assert organisation.officers["Chen Jie"].role is Role.SUPERVISOR
    assert [area.name for area in organisation.areas] == ["Old Town", "Market Street", "River Bank"]
    assert organisation.areas[2].kinds == frozenset({"clutter"})


def test_areas_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "organisation.yaml"
    path.write_text("departments: [{id: street, name: street management}]\n")
    assert read_organisation(path, KINDS).areas == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("role: supervisor", "role: boss", ":6: officers[1].role: 'boss' is not one of viewer"),
        ("role: supervisor", "role: engine", ":6: officers[1].role: 'engine' is not one of"),
        ("team: north", "team: west", ":5: officers[0].team: street has no team 'west'"),
        (
            "department: street, team: north",
            "department: strete",
            ":5: officers[0].department: there is no department 'strete'; known: street, sani",
        ),
        ("id: sanitation", "id: street", ":3: departments[1].id: 'street' is listed twice"),
        ("name: Guest", "name: Li Wei", ":7: officers[2].name: 'Li Wei' is listed twice"),
        ("officers:", "officer:", ":4: officer: unknown key; did you mean officers?"),
        (
            "  - {id: sanitation, name: sanitation office}",
            "  - {id: parks}",
            ":3: departments[1].name: ",
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = write_city(tmp_path, CITY.replace(old, new, 1))
    with pytest.raises(QueueError) as caught:
        read_organisation(path, KINDS)
    assert f"{path}{said}" in str(caught.value)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"department": "street"}, "feature 1: name: the area has no name"),
        (
            {"name": "A", "department": "water"},
            "feature 1 (A): department: 'water' is no department",
        ),
        ({"name": "A", "department": "street", "team": "east"}, "'east' is no team of the dep"),
        ({"name": "A", "team": "north"}, "feature 1 (A): team: 'north' is no team"),
        ({"name": "A", "kinds": ["cluttr"]}, "feature 1 (A): kinds: 'cluttr' is no violation; did"),
        ({"name": "A", "zones": 7}, "feature 1 (A): zones: 7 is no list of names"),
        ({"name": "A", "cameras": [""]}, "feature 1 (A): cameras: '' is no name"),
        ({"name": "A", "departement": "street"}, "unknown property; did you mean department?"),
    ],
)
def test_a_wrong_property_of_an_area_is_said_with_its_line(
    tmp_path: Path, properties: dict[str, Any], said: str
) -> None:
    path = write_city(tmp_path, areas=(feature(square(0, 0), **properties),))
    with pytest.raises(QueueError) as caught:
        read_organisation(path, KINDS)
    text = str(caught.value)
    assert said in text
    assert text.startswith(f"{tmp_path / 'areas.geojson'}:")
    assert text.split(":")[1].isdigit()


def test_all_areas_that_are_wrong_are_said_at_once(tmp_path: Path) -> None:
    crossed = square(0, 0)
    ring = crossed["coordinates"][0]
    ring[1], ring[2] = ring[2], ring[1]
    path = write_city(tmp_path, areas=(feature(crossed, name="A"), feature(square(0, 0))))
    with pytest.raises(QueueError) as caught:
        read_organisation(path, KINDS)
    crossing, nameless = str(caught.value).splitlines()
    assert "feature 1 (A): coordinates: the outline crosses itself" in crossing
    assert "feature 2: name: the area has no name" in nameless


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("", "the file is empty"),
        ("{", "the file is not JSON"),
        (json.dumps({"type": "Point"}), "no GeoJSON FeatureCollection"),
        (json.dumps({"type": "FeatureCollection", "features": [3]}), "no GeoJSON feature"),
    ],
)
def test_a_file_of_areas_that_cannot_be_used_is_named(
    tmp_path: Path, content: str | None, said: str
) -> None:
    path = write_city(tmp_path)
    areas = tmp_path / "areas.geojson"
    areas.unlink()
    if content is not None:
        areas.write_text(content)
    with pytest.raises(QueueError, match=said) as caught:
        read_organisation(path, KINDS)
    assert str(areas) in str(caught.value)


def test_who_acts_has_the_role_of_the_file_and_a_stranger_is_refused(tmp_path: Path) -> None:
    organisation = city(tmp_path)
    assert actor_named(organisation, "Li Wei") == Actor("Li Wei", Role.OFFICER)
    assert actor_named(organisation, " Chen Jie ") == Actor("Chen Jie", Role.SUPERVISOR)
    with pytest.raises(ForbiddenError, match=r"Mallory is not an officer of .*--by; known: Li Wei"):
        actor_named(organisation, "Mallory")


def test_without_listed_officers_everybody_is_a_supervisor(tmp_path: Path) -> None:
    assert actor_named(None, "me") == Actor("me", Role.SUPERVISOR)
    start = CITY[: CITY.index("officers:")]
    assert actor_named(city(tmp_path, start), "me") == Actor("me", Role.SUPERVISOR)
