from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.case_report.sketch import Spot, sketch_of_all, sketch_of_case
from cv_engine.evidence.report.sketch import Site
from cv_engine.finding import Place
from tests.cases.made import CORNER

_DEGREES = st.floats(-0.01, 0.01).map(lambda shift: round(shift, 6))


def _numbers(svg: str) -> list[str]:
    """The cases of the marks."""
    found = re.findall(r'data-cases="([\d ]+)"', svg)
    return sorted(number for numbers in found for number in numbers.split())


@given(st.lists(st.tuples(_DEGREES, _DEGREES), min_size=1, max_size=30))
def test_every_case_is_on_the_sketch_and_inside_it(places: list[tuple[float, float]]) -> None:
    spots = [Spot(n, 121.5 + lon, 29.8 + lat) for n, (lon, lat) in enumerate(places, 1)]
    svg = sketch_of_all(spots)
    tree = ElementTree.fromstring(svg)
    _, _, width, height = map(float, tree.get("viewBox", "").split())
    for mark in tree.iter("circle"):
        assert 0 < float(mark.get("cx", "-1")) < width
        assert 0 < float(mark.get("cy", "-1")) < height
    assert _numbers(svg) == sorted(str(spot.number) for spot in spots)


def test_north_is_up_and_east_is_right() -> None:
    svg = sketch_of_all([Spot(1, 121.5, 29.8), Spot(2, 121.52, 29.82)])
    (x1, y1), (x2, y2) = (
        (float(x), float(y))
        for x, y in re.findall(r'<circle class="thing" cx="(\S+)" cy="(\S+)"', svg)
    )
    assert x2 > x1
    assert y2 < y1


def test_cases_at_one_place_are_one_mark_with_their_number() -> None:
    svg = sketch_of_all([Spot(n, 121.5, 29.8) for n in (3, 1, 2)])
    assert svg.count("<circle") == 1
    assert "3 cases" in svg
    assert "case 1, 2, 3" in svg


def test_without_a_known_place_there_is_no_sketch() -> None:
    assert sketch_of_all([]) == ""


@pytest.mark.parametrize("accuracy_m", [3.0, 100.0])
def test_the_scale_bar_of_a_case_is_true(accuracy_m: float) -> None:
    site = Site.of(Place(CORNER, accuracy_m, "homography"), {})
    assert site is not None
    svg = sketch_of_case(site, "Place")
    radius = float(re.findall(r'class="within" cx="\S+" cy="\S+" r="(\S+)"', svg)[0])
    left, right = map(float, re.findall(r'class="bar" d="M(\S+) .*H(\S+)V', svg)[0])
    metres = float(re.findall(r">([\d.]+) m<", svg)[0])
    assert metres / (right - left) == pytest.approx(accuracy_m / radius, rel=0.02)


def test_camera_and_zone_are_shown_where_they_are_known() -> None:
    corner = [[121.5499, 29.8699], [121.5501, 29.8699], [121.5501, 29.8701]]
    given_site = {"camera": [121.5503, 29.87], "zone": [corner]}
    site = Site.of(Place(CORNER, 3.0, "homography"), given_site)
    assert site is not None
    svg = sketch_of_case(site, "Place")
    assert 'class="camera"' in svg
    assert 'class="zone"' in svg
    assert ElementTree.fromstring(svg).get("aria-label") == "Place"
