from __future__ import annotations

from datetime import timedelta

import pytest

from cv_engine.cases import QueueError
from cv_engine.cases.lifecycle import STEPS
from cv_engine.cases.taxonomy import Recurrence, load_taxonomy

_GB, _CJ = "GB/T 47678.5-2026", "CJ/T 214"


@pytest.mark.parametrize(
    ("kind", "gb", "cj"),
    [
        ("motor_vehicle_parked", "09009", "0505"),
        ("non_motor_vehicle_parked", "09010", "0506"),
        ("clutter", "06036", "0507"),
        ("street_vendor", "09001", "0501"),
        ("building_without_permit", "08016", "0101"),
        ("trading_on_roadway", "09006", None),
    ],
)
def test_kinds_have_their_codes_in_both_standards(kind: str, gb: str, cj: str | None) -> None:
    taxonomy = load_taxonomy()
    assert taxonomy.classify(kind).code == gb
    if cj is None:
        with pytest.raises(QueueError, match="has no class for kind"):
            taxonomy.classify(kind, _CJ)
    else:
        assert taxonomy.classify(kind, _CJ).code == cj


def test_every_code_of_a_city_is_marked_provisional() -> None:
    taxonomy = load_taxonomy()
    own = [each for each in taxonomy.classes.values() if not each.provisional]
    assert {each.standard for each in own} == {"cv-engine"}
    assert [each.kind for each in own] == ["camera_blind", "sensor_silent"]
    copied = [standard for standard in taxonomy.standards.values() if standard.id != "cv-engine"]
    assert {s.provenance for s in copied} == {"from secondary copies"}
    assert [c.kind for c in taxonomy.classes.values() if c.inferred] == [
        *("manhole_cover_water", "manhole_cover_sewage", "manhole_cover_rain")
    ]


def test_a_class_of_no_city_is_found_without_a_standard() -> None:
    taxonomy = load_taxonomy()
    assert taxonomy.classify("camera_blind").standard == "cv-engine"
    assert taxonomy.classify("motor_vehicle_parked").standard == _GB
    for standard in (_GB, _CJ):
        with pytest.raises(QueueError, match="has no class for kind 'camera_blind'"):
            taxonomy.classify("camera_blind", standard)


@pytest.mark.parametrize(
    ("standard", "code", "to", "codes"),
    [
        (_CJ, "0505", _GB, {"09009"}),
        (_GB, "09009", _CJ, {"0505"}),
        (_CJ, "0202", _GB, {"07006", "07007"}),
        (_GB, "09006", _CJ, set()),
        (_GB, "99999", _CJ, set()),
    ],
)
def test_crosswalk(standard: str, code: str, to: str, codes: set[str]) -> None:
    assert {each.code for each in load_taxonomy().crosswalk(standard, code, to)} == codes


def test_unknown_kinds_and_standards_are_named() -> None:
    with pytest.raises(QueueError, match="'jaywalking' is not in the taxonomy"):
        load_taxonomy().classify("jaywalking")
    with pytest.raises(QueueError, match="no standard 'DIN 1'"):
        load_taxonomy().classify("clutter", "DIN 1")


def test_every_major_and_class_is_named_in_both_languages() -> None:
    taxonomy = load_taxonomy()
    assert all(each.name and each.name_zh for each in taxonomy.majors.values())
    assert all(each.name and each.name_zh for each in taxonomy.classes.values())
    assert all(each.name and each.name_zh for each in taxonomy.reasons.values())
    majors = {standard: len(taxonomy.tree(standard)) for standard in taxonomy.standards}
    assert majors == {_GB: 10, _CJ: 6, "cv-engine": 1}


def test_a_class_belongs_to_the_major_that_its_code_begins_with() -> None:
    street = next(major for major in load_taxonomy().tree() if major.code == "09")
    assert street.name_zh == "街面秩序"
    kinds = [each.kind for each in load_taxonomy().tree()[street]]
    assert kinds[:2] == ["street_vendor", "trading_outside_shop"], "in the order of their codes"
    assert "clutter" not in kinds


def test_no_time_limit_and_no_department_is_invented() -> None:
    taxonomy = load_taxonomy()
    assert taxonomy.departments == ()
    for each in taxonomy.classes.values():
        assert (each.department, each.limits, each.urgent_limits) == (None, {}, {})


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("motor_vehicle_parked", Recurrence(may_return=False)),
        ("street_vendor", Recurrence()),
        ("clutter", Recurrence(timedelta(minutes=30), timedelta(days=1))),
        ("unauthorised_building", Recurrence(timedelta(days=120), timedelta(days=120))),
        ("camera_blind", Recurrence(timedelta(minutes=30), None)),
    ],
)
def test_what_cannot_drive_away_is_recognised_when_it_is_seen_again(
    kind: str, expected: Recurrence
) -> None:
    assert load_taxonomy().classify(kind).recurrence == expected


def test_reasons_are_listed_for_each_move() -> None:
    taxonomy = load_taxonomy()
    assert taxonomy.reason("no_violation").name_zh == "不属于违规"
    assert "wrong_department" in [each.id for each in taxonomy.reasons_for("return")]
    assert "wrong_department" not in [each.id for each in taxonomy.reasons_for("reject")]
    with pytest.raises(QueueError, match=r"no reason 'because'; known: no_violation, permitted"):
        taxonomy.reason("because")


def test_every_step_that_needs_a_reason_finds_some() -> None:
    needing = {step.action.value for step in STEPS if step.needs_reason}
    for action in (*needing, "extend"):
        reasons = [each.id for each in load_taxonomy().reasons_for(action)]
        assert len(reasons) > 1
        assert reasons[-1] == "other"
