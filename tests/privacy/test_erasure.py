"""A plate is gone from everywhere after a request, what must stay is named, the audit holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cv_engine.cases import Action, Actor, Event, ForbiddenError, QueueError, Role
from cv_engine.cases.database.tables import cases, erasing, findings, history, looks, notices
from cv_engine.cases.looks import Look, each_look, record_look
from cv_engine.cases.plates import cases_of_plate
from cv_engine.privacy.erasure import ERASURE, Erasing, ErasureReport
from cv_engine.privacy.notices import NoticesHolder
from cv_engine.privacy.registry import RegistryHolder
from cv_engine.registry import Kind
from tests.cases.made import at, finding
from tests.privacy.city import CHIEF, OTHER, PLATE, City
from tests.registry.made import load, registry, write

_WHY = "request 17 of 浙B·12345's owner"


def _erase(city: City, plate: str = PLATE, **days: int) -> ErasureReport:
    held = Erasing(city.queue, city.deleter, city.rules(**days), [NoticesHolder(city.queue)])
    return held.erase(plate, CHIEF, _WHY, city.clock.now)


def _everything(city: City) -> str:
    """All rows of all tables that a plate may be in, and all file names and contents."""
    with city.queue.store.reading() as connection:
        tables = [
            str(list(connection.execute(table.select())))
            for table in (cases, findings, history, looks, erasing, notices)
        ]
    found = (path for path in city.spool.rglob("*") if path.is_file())
    files = [path.read_bytes().decode(errors="replace") for path in found]
    return "\n".join([*tables, *files])


def test_a_plate_is_gone_from_cases_findings_history_notes_and_files(city: City) -> None:
    number = city.park()
    city.queue.note(number, "Li", "the driver of 浙b 123-45 was not there; 3123456 is no plate")
    city.reject(number)
    package = city.package(number)
    report = _erase(city)
    assert (report.cases, report.kept, report.evidence.deleted) == ([number], [], [package.name])
    left = _everything(city)
    assert "12345" not in left.replace("3123456", "")
    case = city.queue.get(number)
    assert case.attributes == {"plate": {"erased": True}, "colour": "white"}
    note = next(each for each in city.queue.history(number) if each.event is Event.NOTED)
    assert note.note == "the driver of [erased] was not there; 3123456 is no plate"
    erased = next(each for each in city.queue.history(number) if each.event is Event.ERASED)
    assert set(erased.data["entries"]) == {"1", "2"}
    assert erased.note == "request 17 of [erased]'s owner"
    assert city.problems() == []


def test_another_vehicle_keeps_everything(city: City) -> None:
    city.reject(city.park(PLATE))
    other = city.park(OTHER)
    before = (city.queue.get(other), city.queue.history(other))
    _erase(city)
    assert (city.queue.get(other), city.queue.history(other)) == before
    assert city.package(other).is_dir()


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("open", "reported: somebody still has to act"),
        ("cited", "the citation is open"),
        ("closed", "closed with a citation, which is kept until 2027"),
    ],
)
def test_what_must_be_kept_is_named_with_the_reason(city: City, way: str, why: str) -> None:
    number = city.park()
    if way != "open":
        city.cite(number, close=way == "closed")
    before = city.queue.history(number)
    report = _erase(city, cited=365)
    assert report.cases == []
    assert report.kept[0].what == f"case {number}"
    assert why in report.kept[0].why
    assert city.queue.history(number) == before
    assert city.package(number).is_dir()


def test_what_was_kept_is_erased_once_its_time_is_over(city: City) -> None:
    number = city.cite(city.park(), close=True)
    assert _erase(city, cited=365).cases == []
    city.later(366)
    assert _erase(city, cited=365).cases == [number]
    assert "12345" not in _everything(city)
    assert city.problems() == []


def test_erasing_again_changes_nothing(city: City) -> None:
    number = city.reject(city.park())
    _erase(city)
    version = city.queue.get(number).version
    again = _erase(city)
    assert (again.cases, again.looks, again.evidence.deleted) == ([], 0, [])
    assert city.queue.get(number).version == version


def test_merged_and_split_cases_lose_the_plate_too(city: City) -> None:
    first, second = city.park(), city.park(OTHER)
    city.queue.merge(second, first, "Li")
    (key,) = [each.key for each in city.queue.findings(first) if each.source == "camera-2"]
    third = city.queue.split(first, [key], "Li").id
    for number in (first, third):
        city.reject(number)
    with city.queue.store.reading() as connection:
        assert cases_of_plate(connection, OTHER) == [first, second, third]
    other = city.package(third)
    report = _erase(city, OTHER)
    assert "99999" not in _everything(city)
    assert report.evidence.deleted == [other.name]
    assert city.package(first).is_dir()  # it shows the other vehicle
    assert city.problems() == []


def test_two_people_may_ask_about_one_case(city: City) -> None:
    number = city.park()
    city.queue.note(number, "Li", f"beside {PLATE} stood {OTHER}")
    city.queue.note(number, "Li", f"{OTHER} drove off")
    city.reject(number)
    _erase(city, PLATE)
    with city.queue.store.writing() as connection:
        from cv_engine.cases.changes import LockedCase
        from cv_engine.cases.removal.erasing import erase_plate

        assert erase_plate(LockedCase.of(connection, number, city.clock.now), OTHER, CHIEF, "17")
    assert "99999" not in _everything(city)
    assert city.problems() == []


def test_what_is_left_of_an_erased_entry_cannot_be_changed_unseen(city: City) -> None:
    number = city.reject(city.park())
    _erase(city)
    entry = sa.and_(history.c.case_id == number, history.c.seq == 1)
    changed = history.update().where(entry).values(note="forged")
    with (
        pytest.raises(sa.exc.DBAPIError, match="append-only"),
        city.queue.store.writing() as connection,
    ):
        connection.execute(changed)
    with city.queue.store.writing() as connection:
        connection.execute(erasing.insert().values(case_id=number))
        connection.execute(changed)
        connection.execute(erasing.delete())
    assert city.problems() == [
        f"case {number}, entry 1: the entry was changed, or is not in its place: its hash does "
        "not fit"
    ]


def test_not_even_an_erasure_changes_who_acted_and_when(city: City) -> None:
    number = city.park()
    with (
        pytest.raises(sa.exc.DBAPIError, match="append-only"),
        city.queue.store.writing() as connection,
    ):
        connection.execute(erasing.insert().values(case_id=number))
        connection.execute(history.update().values(by="no one"))


def test_the_log_of_looks_loses_the_plate_and_keeps_the_erasure(city: City) -> None:
    city.reject(city.park())
    look = Look("Li", Role.OFFICER, "contact", "appeal", at(0), plate=PLATE)
    record_look(city.queue.store, look)
    assert _erase(city).looks == 1
    with city.queue.store.reading() as connection:
        first, second = each_look(connection)
    assert first.erased
    assert (second.look.who, second.look.what) == ("Chief", ERASURE)
    assert "12345" not in _everything(city)
    assert city.problems() == []


def _notice(city: City, case_id: int, plate: str = PLATE, **values: Any) -> None:
    """A notice that was sent, as the program keeps it."""
    row = {
        "case_id": case_id,
        "round": 0,
        "key": f"{case_id}-0",
        "plate": plate,
        "way": "notice",
        "reason": "asked",
        "decided_at": city.clock.now,
        "state": "sent",
        "text": f"{plate}: please leave",
        **values,
    }
    with city.queue.store.writing() as connection:
        connection.execute(notices.insert().values(row))


def test_notices_go_with_their_case_and_stay_with_it(city: City) -> None:
    ended, waiting, other = city.reject(city.park()), city.park(), city.reject(city.park(OTHER))
    _notice(city, ended, error="refused: 13800000000 is unknown", message_id="m1")
    _notice(city, waiting)
    _notice(city, other, OTHER)
    report = _erase(city)
    assert report.records == {"notices": 1}
    assert [each.what for each in report.kept] == [f"case {waiting}", "notice 2"]
    with city.queue.store.reading() as connection:
        left = connection.execute(notices.select().order_by(notices.c.id)).all()
    assert [row.plate for row in left] == [None, PLATE, OTHER]
    assert (left[0].text, left[0].error, left[0].message_id) == (None, None, None)
    assert (left[0].state, left[1].text) == ("sent", f"{PLATE}: please leave")


def test_a_notice_that_was_not_sent_yet_is_not_sent_after_its_erasure(city: City) -> None:
    _notice(city, city.reject(city.park()), state="waiting", next_at=city.clock.now)
    _erase(city)
    with city.queue.store.reading() as connection:
        (left,) = connection.execute(notices.select()).all()
    assert (left.state, left.next_at) == ("cancelled", None)


def test_what_the_citys_lists_hold_is_named_and_not_erased(city: City, tmp_path: Path) -> None:
    city.reject(city.park())
    load(tmp_path, Kind.VEHICLES, write(tmp_path / "v.csv", "plate,phone", f"{PLATE},13800000000"))
    look = Look("Li", Role.OFFICER, "contact", "appeal", at(0), plate=PLATE)
    record_look(city.queue.store, look)
    with registry(tmp_path) as opened:
        holder = RegistryHolder(opened)
        erasing_it = Erasing(city.queue, city.deleter, city.rules(), [holder])
        report = erasing_it.erase(PLATE, CHIEF, _WHY, city.clock.now)
        assert opened.vehicle(PLATE) is not None
        nothing = holder.erase(OTHER, city.clock.now)
    assert (report.records, report.kept, report.looks) == ({"registry": 0}, [], 1)
    (left,) = report.beyond
    assert left.what == "registry vehicles"
    assert "the city's own list" in left.why and "registry import vehicles" in left.why
    assert nothing.beyond == ()


def test_a_registry_that_does_not_answer_stops_no_erasure(city: City, tmp_path: Path) -> None:
    number = city.reject(city.park())
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "vehicles.db").write_bytes(b"no table" * 1000)
    with registry(tmp_path) as opened:
        erasing_it = Erasing(city.queue, city.deleter, city.rules(), [RegistryHolder(opened)])
        report = erasing_it.erase(PLATE, CHIEF, _WHY, city.clock.now)
    assert report.cases == [number]
    assert "the table is damaged" in report.beyond[0].why


def test_only_a_supervisor_with_a_reason_erases(city: City) -> None:
    number = city.reject(city.park())
    held = Erasing(city.queue, city.deleter, city.rules())
    with pytest.raises(ForbiddenError):
        held.erase(PLATE, Actor("Li", Role.OFFICER), _WHY, city.clock.now)
    with pytest.raises(QueueError, match="why"):
        held.erase(PLATE, CHIEF, " ", city.clock.now)
    assert city.queue.get(number).attributes["plate"]["text"] == PLATE


def test_the_same_footage_filed_again_brings_nothing_back(city: City) -> None:
    number = city.reject(city.park())
    _erase(city)
    read = {"plate": {"text": PLATE, "confidence": 0.997, "layout": "blue"}, "colour": "white"}
    again = finding(86_400, 86_700, source="camera-1", attributes=read)
    assert city.queue.file(again).case_id == number
    assert "12345" not in _everything(city)


def test_a_case_on_appeal_waits(city: City) -> None:
    number = city.reject(city.park())
    city.queue.move(number, Action.APPEAL, "Li", "the complainant objects")
    assert "appealed" in _erase(city).kept[0].why
