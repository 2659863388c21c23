from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.cases import QueueError
from cv_engine.cases.taxonomy import load_taxonomy

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
    assert [(each.kind, each.standard) for each in own] == [("camera_blind", "cv-engine")]
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


_HEAD = """\
version: 1
default_standard: S
standards: [{id: S, digits: 2, provisional: true, provenance: me}]
classes:
"""


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("  - {kind: a, name: A, codes: {S: 12}}", r"t\.yaml:5: classes: code 12 of S must be 2"),
        ('  - {kind: a, name: A, codes: {T: "12"}}', r"t\.yaml:5: classes: 'T' is not among"),
        ('  - {kind: a, name: A, code: {S: "12"}}', r"t\.yaml:5: classes: unknown key 'code'"),
        ("  - {kind: a, name: A}", r"t\.yaml:5: classes: 'codes' is missing"),
        ("  - kind: [", "not valid YAML"),
        ("  - a", "entry 1 must be a mapping"),
        ("  {}", "classes: must be a list"),
        (
            '  - {kind: a, name: A, codes: {S: "12"}}\n  - {kind: a, name: A, codes: {S: "13"}}',
            "kind 'a' has two classes in S",
        ),
    ],
)
def test_an_invalid_catalogue_is_explained(tmp_path: Path, classes: str, message: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(_HEAD + classes + "\n")
    with pytest.raises(QueueError, match=message):
        load_taxonomy(path)


def test_a_city_can_use_its_own_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(_HEAD + '  - {kind: jaywalking, name: J, codes: {S: "01"}}\n')
    assert load_taxonomy(path).classify("jaywalking").code == "01"
    with pytest.raises(QueueError, match="cannot be read"):
        load_taxonomy(tmp_path / "none.yaml")
