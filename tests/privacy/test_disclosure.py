"""A person gets all that is held about their vehicle, and nothing of other people."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import Actor, ForbiddenError, Role
from cv_engine.cases.looks import Look, each_look, record_look
from cv_engine.privacy.disclosure import DISCLOSURE, Disclosed, Disclosing
from cv_engine.privacy.notices import NoticesHolder
from cv_engine.privacy.originals import log_look_at_originals
from cv_engine.privacy.purge import purge
from cv_engine.privacy.registry import RegistryHolder
from cv_engine.registry import Kind
from tests.privacy.city import CHIEF, OTHER, PLATE, City
from tests.registry.made import load, registry, write


def _write(city: City, file: Path, plate: str = PLATE, by: Actor = CHIEF) -> Disclosed:
    held = Disclosing(city.queue, city.store, city.spool, [NoticesHolder(city.queue)])
    return held.write(plate, file, by, "request 17", city.clock.now)


def _read(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        return {
            name: json.loads(archive.read(name)) if name.endswith(".json") else archive.read(name)
            for name in archive.namelist()
        }


def test_all_cases_with_their_shareable_pictures_are_in_the_file(
    city: City, tmp_path: Path
) -> None:
    first, second = city.park(), city.reject(city.park())
    city.park(OTHER)
    found = _write(city, tmp_path / "out.zip")
    assert (found.cases, found.pictures, found.missing) == ((first, second), 2, {})
    content = _read(tmp_path / "out.zip")
    assert [case["id"] for case in content["cases.json"]] == [first, second]
    assert content["cases.json"][1]["history"][-1]["to_state"] == "rejected"
    name = f"pictures/{city.package(first).name}/overview-start.jpg"
    assert content[name] == f"shareable/overview-start.jpg {PLATE}".encode()
    assert not any("original" in each for each in content)
    assert OTHER not in str(content)
    assert content["notices.json"] == []


def test_the_names_of_officers_are_left_out(city: City, tmp_path: Path) -> None:
    number = city.park()
    city.queue.confirm(number, "Officer Wang")
    log_look_at_originals(city.queue, number, Actor("Officer Wang"), "appeal", city.clock.now)
    _write(city, tmp_path / "out.zip")
    content = _read(tmp_path / "out.zip")
    assert "Wang" not in str(content)
    assert content["looks.json"][0]["why"] == "appeal"


def test_the_file_tells_who_has_looked_and_is_a_look_itself(city: City, tmp_path: Path) -> None:
    city.park()
    look = Look("Li", Role.OFFICER, "contact", "a call", city.clock.now, plate=PLATE)
    record_look(city.queue.store, look)
    _write(city, tmp_path / "out.zip")
    assert [each["what"] for each in _read(tmp_path / "out.zip")["looks.json"]] == ["contact"]
    with city.queue.store.reading() as connection:
        last = list(each_look(connection, plate=PLATE))[-1].look
    assert (last.who, last.what, last.why) == ("Chief", DISCLOSURE, "request 17")


def _write_with_registry(city: City, folder: Path, role: Role) -> tuple[Disclosed, list[Look]]:
    accesses: list[Look] = []
    with registry(folder, accesses, contact_role=role) as opened:
        held = Disclosing(city.queue, city.store, city.spool, [RegistryHolder(opened)])
        found = held.write(PLATE, folder / "out.zip", CHIEF, "request 17", city.clock.now)
    return found, accesses


def test_what_the_registries_hold_is_in_the_file_whenever_it_was_valid(
    city: City, tmp_path: Path
) -> None:
    rows = (f"{PLATE},13800000000", f"{OTHER},13800000001")
    load(tmp_path, Kind.VEHICLES, write(tmp_path / "v.csv", "plate,phone", *rows))
    permits = (f"7,{PLATE},market,2020-12-31", f"8,{OTHER},market,", "9,,market,")
    header = "number,plate,zone,valid_to"
    load(tmp_path, Kind.PARKING, write(tmp_path / "p.csv", header, *permits))
    header = "plate,reason,valid_from"
    works = write(tmp_path / "e.csv", header, f"{PLATE},works,2099-01-01")
    load(tmp_path, Kind.EXEMPTIONS, works)
    found, accesses = _write_with_registry(city, tmp_path, Role.SUPERVISOR)
    assert found.records == {"registry": 3}
    vehicle, permit, exemption = _read(tmp_path / "out.zip")["registry.json"]
    assert (vehicle["registry"], vehicle["contact"]["phone"]) == ("vehicles", "13800000000")
    assert (permit["registry"], permit["number"]) == ("parking", "7")
    assert (exemption["registry"], exemption["reason"]) == ("exemptions", "works")
    assert [(each.who, each.what, each.plate) for each in accesses] == [
        (CHIEF.name, "contact", PLATE)
    ]


def test_contact_data_are_disclosed_by_who_may_see_them_only(city: City, tmp_path: Path) -> None:
    load(tmp_path, Kind.VEHICLES, write(tmp_path / "v.csv", "plate,phone", f"{PLATE},138"))
    with pytest.raises(ForbiddenError, match="it takes the role administrator"):
        _write_with_registry(city, tmp_path, Role.ADMINISTRATOR)
    assert list(tmp_path.glob("out.zip*")) == []


def test_what_was_deleted_is_named_as_missing(city: City, tmp_path: Path) -> None:
    number = city.reject(city.park())
    name = city.package(number).name
    city.later(31)
    purge(city.queue, city.deleter, city.rules(rejected=30), CHIEF, city.clock.now)
    found = _write(city, tmp_path / "out.zip")
    assert found.pictures == 0
    assert "rejected, 30 days" in found.missing[name]
    assert name in _read(tmp_path / "out.zip")["README.txt"].decode()


def test_pictures_in_which_nothing_is_hidden_are_not_handed_out(city: City, tmp_path: Path) -> None:
    package = city.package(city.park())
    (package / "shareable").rename(package / "annotated")
    found = _write(city, tmp_path / "out.zip")
    assert "no pictures that may be handed out" in found.missing[package.name]


def test_an_officer_may_not_disclose_and_no_file_is_left(city: City, tmp_path: Path) -> None:
    city.park()
    with pytest.raises(ForbiddenError, match="supervisor"):
        _write(city, tmp_path / "out.zip", by=Actor("Li", Role.OFFICER))
    assert list(tmp_path.glob("out.zip*")) == []


def test_a_vehicle_that_is_not_known_gives_an_empty_file(city: City, tmp_path: Path) -> None:
    city.park()
    assert _write(city, tmp_path / "out.zip", OTHER).cases == ()
    assert _read(tmp_path / "out.zip")["cases.json"] == []


def test_originals_are_for_officers_with_a_reason_and_the_look_comes_first(city: City) -> None:
    number = city.park()
    with pytest.raises(ForbiddenError, match="officer"):
        log_look_at_originals(city.queue, number, Actor("V", Role.VIEWER), "x", city.clock.now)
    with pytest.raises(ValueError, match="why"):
        log_look_at_originals(city.queue, number, Actor("Li"), "  ", city.clock.now)
    names = log_look_at_originals(city.queue, number, Actor("Li"), "appeal 3", city.clock.now)
    assert names == [city.package(number).name]
    with city.queue.store.reading() as connection:
        (only,) = each_look(connection, case_id=number)
    assert (only.look.who, only.look.what, only.look.why) == ("Li", "originals", "appeal 3")
