"""Every access to what is not for everybody is in a log that no one can change unseen."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from cv_engine.cases import QueueError, Role
from cv_engine.cases.audit import audit
from cv_engine.cases.database import triggers
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import looks
from cv_engine.cases.looks import Look, each_look, erase_plate_of_looks, record_look
from tests.cases.made import at


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    opened = Store(where)
    yield opened
    opened.close()


def _look(store: Store, number: int, plate: str | None = None) -> None:
    who, why = f"Officer {number}", "appeal of the driver"
    record_look(store, Look(who, Role.OFFICER, "originals", why, at(number), number, plate))


def _problems(store: Store) -> list[str]:
    with store.snapshot() as connection:
        return [str(problem) for problem in audit(connection)]


def test_looks_are_kept_with_who_what_and_why(store: Store) -> None:
    for number in (1, 2, 3):
        _look(store, number, "浙B12345" if number == 2 else None)
    with store.reading() as connection:
        found = list(each_look(connection))
        assert [each.seq for each in found] == [1, 2, 3]
        assert [(each.look.who, each.look.at) for each in found][2] == ("Officer 3", at(3))
        assert [each.seq for each in each_look(connection, plate="浙B12345")] == [2]
        assert [each.look.case_id for each in each_look(connection, case_id=3)] == [3]
    assert _problems(store) == []


@pytest.mark.parametrize("missing", ["who", "what", "why"])
def test_a_look_without_a_reason_is_refused(store: Store, missing: str) -> None:
    given = {"who": "Li", "what": "contact", "why": "a call"} | {missing: " "}
    who, what, why = given.values()
    with pytest.raises(QueueError, match=missing):
        record_look(store, Look(who, Role.OFFICER, what, why, at(0)))
    with store.reading() as connection:
        assert list(each_look(connection)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE looks SET who = 'no one' WHERE seq = 2",
        "UPDATE looks SET plate = 'A1' WHERE seq = 2",
        "DELETE FROM looks WHERE seq = 2",
    ],
)
def test_the_database_refuses_to_change_the_log(store: Store, statement: str) -> None:
    for number in (1, 2, 3):
        _look(store, number)
    with (
        pytest.raises(sa.exc.DBAPIError, match="append-only"),
        store.writing() as connection,
    ):
        connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE looks SET why = 'other' WHERE seq = 2", "look 2: the access was changed"),
        ("UPDATE looks SET plate = 'A1' WHERE seq = 2", "look 2: the plate of the access"),
        ("DELETE FROM looks WHERE seq = 2", "look 2: the access is missing"),
        ("DELETE FROM looks WHERE seq = 3", "look 3: the last accesses are missing"),
        ("DELETE FROM looks", "look 1: the last accesses are missing"),
    ],
)
def test_a_change_behind_the_log_is_found(store: Store, statement: str, found: str) -> None:
    for number in (1, 2, 3):
        _look(store, number, "浙B12345")
    with store.writing() as connection:
        triggers.drop(connection)
        connection.execute(sa.text(statement))
    assert any(problem.startswith(found) for problem in _problems(store)), _problems(store)


def test_an_erased_plate_leaves_the_chain_whole_and_no_trace(store: Store) -> None:
    _look(store, 1, "浙B12345")
    _look(store, 2, "浙B99999")
    with store.writing() as connection:
        assert erase_plate_of_looks(connection, "浙B12345") == 1
    with store.reading() as connection:
        assert list(each_look(connection, plate="浙B12345")) == []
        first, second = each_look(connection)
        row = connection.execute(looks.select().where(looks.c.seq == 1)).one()
    assert (first.erased, first.look.who, second.erased) == (True, "Officer 1", False)
    assert "12345" not in str(tuple(row))
    assert _problems(store) == []


def test_looks_of_many_at_once_are_one_chain(store: Store) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: _look(store, number), range(30)))
    with store.reading() as connection:
        assert [each.seq for each in each_look(connection)] == list(range(1, 31))
    assert _problems(store) == []
