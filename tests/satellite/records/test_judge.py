from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import shapely
from shapely.geometry import Polygon

from satellite.errors import SatelliteError
from satellite.records.judge import Judge
from satellite.records.permits import DEMOLITION, Exemption, Permit, PlanningZone, SeasonalGround
from satellite.vector.change_types import ChangeType
from tests.zones.scene import EIGHT_PIXELS, street_camera
from zones.camera import Camera

_METRE = 1 / 111_320  # degrees; near the equator both ways
_BEFORE, _AFTER = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 2, 4, tzinfo=UTC)
_YEAR = (date(2026, 1, 1), date(2026, 12, 31))


def _box(west_m: float, south_m: float, east_m: float, north_m: float) -> Polygon:
    return shapely.box(west_m * _METRE, south_m * _METRE, east_m * _METRE, north_m * _METRE)


_HOUSE = _box(0, 0, 20, 10)  # 200 m2


def _judged(judge: Judge, change_type: ChangeType = "new", **more: Any) -> Any:
    given = {"area_m2": 200.0, **more}
    return judge.judge(_HOUSE, change_type, _BEFORE, _AFTER, **given)


@pytest.mark.parametrize(
    ("permits", "outcome", "numbers", "outside_m2"),
    [
        pytest.param([], "no_permit", (), 200, id="none"),
        pytest.param([("1", _box(-5, -5, 30, 30))], "permitted", ("1",), 0, id="inside"),
        pytest.param([("1", _box(0, 0, 16.1, 10))], "permitted", ("1",), 39, id="most of it"),
        pytest.param(
            [("1", _box(0, 0, 15, 10))], "outside_permit", ("1",), 50, id="partly outside"
        ),
        pytest.param([("1", _box(20, 0, 40, 10))], "no_permit", (), 200, id="next door"),
        pytest.param([("1", _box(19.5, 0, 40, 10))], "no_permit", (), 200, id="by a hair"),
        pytest.param(
            [("1", _box(0, 0, 5, 10)), ("2", _box(5, 0, 20, 10))],
            *("permitted", ("2", "1"), 0),
            id="two plots together",
        ),
        pytest.param(
            [("1", _box(0, 0, 8, 10)), ("1", _box(8, 0, 20, 10))],
            *("permitted", ("1",), 0),
            id="two parts of one",
        ),
        pytest.param(
            [("1", _box(0, 0, 10, 10)), ("2", _box(2, 0, 12, 10))],
            *("outside_permit", ("1", "2"), 80),
            id="ground of two permits counts once",
        ),
    ],
)
def test_permits(
    permits: list[tuple[str, Polygon]], outcome: str, numbers: tuple[str, ...], outside_m2: float
) -> None:
    judge = Judge([Permit(number, polygon, *_YEAR) for number, polygon in permits])
    verdict = _judged(judge)
    assert verdict.outcome == outcome
    assert set(verdict.permits) == set(numbers)
    assert verdict.outside_m2 == pytest.approx(outside_m2, abs=1e-6)
    assert verdict.files is (outcome != "permitted")
    assert (verdict.allowed is None) is (not numbers)
    if numbers:
        assert numbers[0] in verdict.reason


@pytest.mark.parametrize(
    ("first", "last", "outcome"),
    [
        (date(2025, 1, 1), date(2026, 1, 4), "expired_permit"),
        (date(2025, 1, 1), date(2026, 1, 5), "permitted"),
        (date(2026, 1, 20), date(2026, 1, 21), "permitted"),
        (date(2026, 2, 4), None, "permitted"),
        (date(2026, 2, 5), None, "no_permit"),
    ],
)
def test_a_permit_counts_if_it_was_valid_between_the_images(
    first: date, last: date | None, outcome: str
) -> None:
    assert _judged(Judge([Permit("1", _HOUSE, first, last)])).outcome == outcome


@pytest.mark.parametrize(
    ("permits", "reason", "expired"),
    [
        ([("7", date(2025, 1, 1), date(2026, 1, 4))], "permit 7 expired on 2026-01-04", ("7",)),
        (
            [("7", date(2026, 3, 1), None)],
            "no permit; permit 7 is valid only from 2026-03-01",
            (),
        ),
    ],
)
def test_a_permit_of_another_time_is_named_with_its_dates(
    permits: list[tuple[str, date, date | None]], reason: str, expired: tuple[str, ...]
) -> None:
    judge = Judge([Permit(number, _HOUSE, first, last) for number, first, last in permits])
    verdict = _judged(judge)
    assert (verdict.reason, verdict.permits) == (reason, ())
    assert verdict.expired == expired
    assert verdict.attributes["expired_permits"] == list(verdict.expired)
    assert (verdict.files, verdict.outside_m2) == (True, 200.0)


def test_a_valid_permit_and_an_expired_one_side_by_side() -> None:
    valid = Permit("8", _box(0, 0, 10, 10), *_YEAR)
    ended = Permit("7", _box(10, 0, 20, 10), date(2020, 1, 1), date(2025, 12, 31))
    verdict = _judged(Judge([valid, ended]))
    assert verdict.reason == "partly outside permit 8; permit 7 expired on 2025-12-31"
    assert (verdict.outcome, verdict.permits, verdict.expired) == ("outside_permit", ("8",), ("7",))


@pytest.mark.parametrize(
    ("permits", "change_type", "reason"),
    [
        ([], "new", "no permit; zone A1 forbids building"),
        ([Permit("8", _HOUSE, *_YEAR)], "new", "permit 8, although zone A1 forbids building"),
        ([], "demolition", "demolition: a change type that is not filed"),
    ],
)
def test_a_zone_that_forbids_building_is_in_the_reason(
    permits: list[Permit], change_type: ChangeType, reason: str
) -> None:
    around = _box(-5, -5, 30, 30)
    for building in ("forbidden", "allowed"):
        judge = Judge(permits, [PlanningZone("A1", around, building)])
        verdict = _judged(judge, change_type)
        assert (verdict.reason == reason) is (building == "forbidden" or change_type != "new")


def test_a_demolition_permit_does_not_allow_building() -> None:
    judge = Judge(
        [Permit("1", _HOUSE, *_YEAR, kind=DEMOLITION)], filed_change_types=("new", "demolition")
    )
    assert _judged(judge).outcome == "no_permit"
    assert _judged(judge, "demolition").outcome == "permitted"


def test_exempt_and_seasonal_ground() -> None:
    around, beside = _box(-5, -5, 30, 30), _box(10, -5, 30, 30)
    verdict = _judged(Judge(exempt=[Exemption("military", around)]))
    assert (verdict.outcome, verdict.reason) == ("exempt", "exempt: military")
    assert _judged(Judge(exempt=[Exemption("military", beside)])).outcome == "no_permit"
    verdict = _judged(Judge(seasonal=[SeasonalGround("greenhouses", around)]))
    assert (verdict.outcome, verdict.reason) == ("seasonal", "seasonal: greenhouses")
    assert not verdict.files
    assert _judged(Judge(seasonal=[SeasonalGround("mulch", beside)])).files


@pytest.mark.parametrize(
    ("change_type", "change_types", "confidence", "files"),
    [
        ("new", None, 0.5, True),
        ("extension", None, 0.5, True),
        ("demolition", None, 1.0, False),
        ("bare_ground", None, 1.0, False),
        ("extension", ["new"], 1.0, False),
        ("demolition", ["new", "demolition"], 0.95, True),
        ("demolition", ["new", "demolition"], 0.85, False),
    ],
)
def test_only_new_buildings_and_extensions_are_filed_by_default(
    change_type: ChangeType, change_types: list[str] | None, confidence: float, files: bool
) -> None:
    judge = Judge() if change_types is None else Judge(filed_change_types=change_types)
    verdict = _judged(judge, change_type, confidence=confidence)
    assert verdict.files is files
    assert verdict.outcome == ("no_permit" if files else "not_filed")


@pytest.mark.parametrize(
    ("change_types", "message"),
    [
        (["new", "extention"], "'extention' is not a change type: known are new, extension"),
        (["bare_ground"], "'bare_ground' cannot become a case: cleared ground is no building"),
    ],
)
def test_change_types_that_cannot_be_filed(change_types: list[str], message: str) -> None:
    with pytest.raises(SatelliteError, match=message):
        Judge(filed_change_types=change_types)


def test_the_planning_zone_is_the_one_with_the_largest_part() -> None:
    zones = [
        PlanningZone("A1", _box(-50, -50, 8, 50), "forbidden"),
        PlanningZone("R2", _box(8, -50, 80, 50), "allowed"),
    ]
    verdict = _judged(Judge(planning=zones))
    assert (verdict.planning, verdict.building) == ("R2", "allowed")
    assert verdict.files, "where building is allowed, a building still needs its permit"
    nowhere = _judged(Judge(planning=[PlanningZone("A1", _box(30, 30, 40, 40))]))
    assert (nowhere.planning, nowhere.building) == (None, None)


def test_blind_spots() -> None:
    camera = street_camera(EIGHT_PIXELS)
    spot = camera.locate(640, 600)
    assert spot.lon is not None
    assert spot.lat is not None
    shed = shapely.box(spot.lon, spot.lat, spot.lon + 5 * _METRE, spot.lat + 5 * _METRE)
    gate = Camera("gate", (29.8683, 121.5440))

    def judged(*cameras: Camera) -> Any:
        return Judge(cameras=cameras).judge(shed, "new", _BEFORE, _AFTER, area_m2=25.0)

    assert judged().blind_spot
    assert judged(camera).seen_by == ("street",)
    assert not judged(camera).blind_spot
    assert judged(gate).may_be_seen_by == ("gate",)
    assert not judged(gate).blind_spot, "a blind spot only if surely not covered"
    attributes = judged(camera, gate).attributes
    assert (attributes["seen_by"], attributes["may_be_seen_by"]) == (["street"], ["gate"])
    assert attributes["blind_spot"] is False


def test_images_without_a_time_zone_are_refused() -> None:
    with pytest.raises(SatelliteError, match="has no time zone"):
        Judge().judge(_HOUSE, "new", datetime(2026, 1, 5), _AFTER, area_m2=1.0)
