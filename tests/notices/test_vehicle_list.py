"""The list of vehicles of a trial."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from cv_engine.cases import Role
from cv_engine.finding import Place
from cv_engine.notices.errors import NoticeError
from cv_engine.notices.registry import Registry
from cv_engine.notices.vehicle_list import VehicleList

_TEXT = """plate,status,reason,zones,from,to,phone
浙B·12345,,,,,,13800000000
浙B0110警,exempt,police,,,,
浙B55555,normal,resident,pavement; market,2026-05-01T00:00:00+08:00,2026-06-01T00:00:00+08:00,
"""


def _read(folder: Path, text: str) -> Registry:
    path = folder / "vehicles.csv"
    path.write_text(text, encoding="utf-8-sig")
    return VehicleList.read(path)


def test_vehicles_contacts_and_permits_are_found(tmp_path: Path) -> None:
    vehicles = _read(tmp_path, _TEXT)
    known, police = vehicles.vehicle("浙B12345"), vehicles.vehicle("浙B0110警")
    assert known is not None and police is not None
    assert (known.status, known.has_contact) == ("normal", True)
    assert (police.status, police.exempt_reason, police.has_contact) == ("exempt", "police", False)
    contact = vehicles.contact("浙B12345", who="cv-engine", role=Role.ENGINE, why="x", case_id=1)
    assert contact is not None and contact.phone == "13800000000"
    assert vehicles.vehicle("浙B99999") is None
    assert vehicles.contact("浙B99999", who="x", role=Role.ENGINE, why="x", case_id=1) is None


@pytest.mark.parametrize(
    ("zone", "at", "holds"),
    [
        ("pavement", "2026-05-01T00:00:00+08:00", True),
        ("market", "2026-05-31T23:59:59+08:00", True),
        ("pavement", "2026-04-30T23:59:59+08:00", False),
        ("bus lane", "2026-05-02T00:00:00+08:00", False),
    ],
)
def test_a_permit_holds_in_its_zones_and_time(
    tmp_path: Path, zone: str, at: str, holds: bool
) -> None:
    place = Place(None, None, "unknown")
    permits = _read(tmp_path, _TEXT).exemptions("浙B55555", zone, datetime.fromisoformat(at), place)
    assert [each.reason for each in permits] == (["resident"] if holds else [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("number\n1\n", "vehicles.csv:1: the list has no column 'number'"),
        ("phone\n1\n", "vehicles.csv:1: the list has a column plate"),
        ("plate,phone\nA1,1\nA1,2\n", "vehicles.csv:3: plate: A1 is there twice"),
        ("plate,status\nA1,lost\n", "vehicles.csv:2: status: 'lost' is not one of"),
        ("plate,phone\n,1\n", "vehicles.csv:2: plate: the line has no plate"),
        ("plate,from\nA1,2026-05-01\n", "vehicles.csv:2: from: '2026-05-01' is no time"),
        ("plate,to\nA1,soon\n", "vehicles.csv:2: to: 'soon' is no time"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(NoticeError, match=message):
        _read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoticeError, match="cannot be read"):
        VehicleList.read(tmp_path / "none.csv")
