"""Evidence is deleted when its rule says so, once, and its case tells what was deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cv_engine.cases import Action, Actor, Event, ForbiddenError, Role
from cv_engine.cases.database.tables import purged_evidence
from cv_engine.cases.removal.retention import Rules
from cv_engine.cases.taxonomy import Retention, load_taxonomy
from cv_engine.evidence.storage.outbox import Outbox
from cv_engine.evidence.verify import manifest_sha256
from cv_engine.privacy.purge import Deleter, PurgeReport, due, purge
from tests.privacy.city import CHIEF, City


def _purge(city: City, **days: int) -> PurgeReport:
    return purge(city.queue, city.deleter, city.rules(**days), CHIEF, city.clock.now)


def test_a_rejected_case_loses_its_pictures_after_its_days_and_not_before(city: City) -> None:
    number = city.reject(city.park())
    package = city.package(number)
    sha256 = manifest_sha256(package)
    city.later(29.9)
    assert _purge(city, rejected=30).deleted == []
    assert package.is_dir()
    city.later(0.2)
    report = _purge(city, rejected=30)
    assert report.deleted == [package.name]
    assert not package.exists()
    entry = city.queue.history(number)[-1]
    assert (entry.event, entry.by, entry.at) == (Event.PURGED, "Chief", city.clock.now)
    assert entry.data["packages"] == [{"name": package.name, "sha256": sha256}]
    assert entry.data["rule"] == "rejected, 30 days (of every class)"
    purged = city.queue.purged(package.name)
    assert purged is not None
    assert (purged.case_id, purged.sha256, purged.deleted_at) == (number, sha256, city.clock.now)
    assert city.problems() == []


def test_only_what_the_rules_name_is_deleted(city: City) -> None:
    open_case, cited = city.park(), city.cite(city.park())
    closed, rejected = city.cite(city.park(), close=True), city.reject(city.park())
    city.later(400)
    assert due(city.queue, city.rules(rejected=30, closed=30), city.clock.now) == {
        "rejected, 30 days (of every class)": 1
    }
    _purge(city, rejected=30, closed=30)
    assert [city.package(n).is_dir() for n in (open_case, cited, closed, rejected)] == [
        *(True, True, True, False)
    ]
    _purge(city, cited=399)
    assert not city.package(closed).exists()
    assert city.package(cited).is_dir()


def test_a_class_with_a_rule_of_its_own_keeps_by_that(city: City) -> None:
    taxonomy = load_taxonomy()
    classes = {
        key: replace(each, retention=Retention(rejected=timedelta(days=90)))
        if each.kind == "clutter"
        else each
        for key, each in taxonomy.classes.items()
    }
    default = Retention(rejected=timedelta(days=30))
    rules = Rules(replace(taxonomy, classes=classes), default)
    car, goods = city.reject(city.park()), city.reject(city.park(None, "clutter"))
    city.later(40)
    purge(city.queue, city.deleter, rules, CHIEF, city.clock.now)
    assert (city.package(car).exists(), city.package(goods).exists()) == (False, True)
    city.later(60)
    report = purge(city.queue, city.deleter, rules, CHIEF, city.clock.now)
    assert report.cases == {"rejected, 90 days (of clutter)": 1}
    assert not city.package(goods).exists()


def test_a_second_purge_changes_nothing(city: City) -> None:
    number = city.reject(city.park())
    city.later(31)
    _purge(city, rejected=30)
    version = city.queue.get(number).version
    assert _purge(city, rejected=30) == PurgeReport()
    assert city.queue.get(number).version == version


def test_an_appealed_case_counts_from_its_next_end(city: City) -> None:
    number = city.reject(city.park())
    city.later(31)
    _purge(city, rejected=30)
    city.queue.move(number, Action.APPEAL, "Li", "the complainant objects")
    note = city.spool / "case-1-noted-1-0123456789abcdef"
    note.mkdir()
    _attach(city, number, note.name)
    city.queue.move(number, Action.REJECT, CHIEF, "still no violation")
    city.later(29)
    assert _purge(city, rejected=30).deleted == []
    city.later(2)
    assert _purge(city, rejected=30).deleted == [note.name]
    assert city.problems() == []


def _attach(city: City, number: int, name: str) -> None:
    from cv_engine.cases.dispatch.attachment import Attachment

    city.queue.note(number, "Li", "photo", evidence=Attachment(name, "f" * 64))


def test_a_viewer_and_an_officer_may_not_purge(city: City) -> None:
    for role in (Role.VIEWER, Role.OFFICER):
        with pytest.raises(ForbiddenError, match="supervisor"):
            purge(city.queue, city.deleter, city.rules(), Actor("Li", role), city.clock.now)


class _Killed(Deleter):
    """The program ends as soon as there is something to delete."""

    def delete(self, names: Iterable[str], at: datetime, report: PurgeReport) -> None:
        if list(names):
            raise KeyboardInterrupt


def test_what_a_killed_purge_left_is_deleted_by_the_next(city: City) -> None:
    """The record comes first: a run that ends there leaves files, never a gap without proof."""
    number = city.reject(city.park())
    package = city.package(number)
    city.later(31)
    killed = _Killed(city.queue, city.store, city.spool)
    with pytest.raises(KeyboardInterrupt):
        purge(city.queue, killed, city.rules(rejected=30), CHIEF, city.clock.now)
    purged = city.queue.purged(package.name)
    assert purged is not None
    assert purged.deleted_at is None
    assert package.is_dir()
    assert _purge(city, rejected=30).deleted == [package.name]
    assert not package.exists()
    assert city.problems() == []


def test_a_folder_that_is_held_is_left_for_the_next_run(city: City) -> None:
    from cv_engine.evidence.staging import locked

    package = city.package(city.reject(city.park()))
    city.later(31)
    with locked(package) as mine:
        assert mine
        assert "another process" in _purge(city, rejected=30).left[package.name]
        assert package.is_dir()
    assert _purge(city, rejected=30).deleted == [package.name]


def test_what_was_set_aside_of_a_package_goes_with_it(city: City) -> None:
    package = city.package(city.reject(city.park()))
    aside = package.with_name(f"{package.name}.damaged-1")
    aside.mkdir()
    (aside / "picture.jpg").write_bytes(b"a face")
    city.later(31)
    _purge(city, rejected=30)
    assert list(city.spool.iterdir()) == []


def test_a_deleted_package_is_not_uploaded(city: City, tmp_path: Path) -> None:
    from cv_engine.evidence.storage.store import LocalStore

    class Elsewhere(LocalStore):
        in_place = False

        def put(self, folder: Path) -> None:
            raise AssertionError("nothing is to be sent")

    package = city.package(city.reject(city.park()))
    city.later(31)
    killed = _Killed(city.queue, city.store, city.spool)
    with pytest.raises(KeyboardInterrupt):
        purge(city.queue, killed, city.rules(rejected=30), CHIEF, city.clock.now)
    sending = Outbox(city.spool, Elsewhere(tmp_path / "store"), city.queue).send_waiting()
    assert (sending.sent, sending.unsent) == ([], {})
    assert package.is_dir()


def test_a_forged_record_of_deletion_is_found(city: City) -> None:
    number = city.park()
    values = {"name": city.package(number).name, "case_id": number, "sha256": None}
    with city.queue.store.writing() as connection:
        connection.execute(
            purged_evidence.insert().values(**values, rule="none", at=city.clock.now)
        )
    assert any("deleted evidence" in each for each in city.problems())
    with city.queue.store.writing() as connection:
        connection.execute(sa.delete(purged_evidence))
    assert city.problems() == []
