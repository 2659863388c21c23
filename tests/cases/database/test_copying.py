from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cv_engine.cases import Action, Filter, QueueError, open_queue
from cv_engine.cases.audit import audit
from cv_engine.cases.database import copying
from cv_engine.cases.database.copying import TABLES, copy_queue
from cv_engine.cases.database.moving import move_queue, undo_move
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import devices, outlets
from cv_engine.errors import Failure
from tests.cases.database.filled import SUPERVISOR, filled
from tests.cases.made import at, finding

_ROOT = Path(__file__).resolve().parents[3]
_LONGEST_S = 300.0


@pytest.fixture(params=["sqlite", "postgresql"])
def to(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of another queue that does not exist yet, on either database."""
    if request.param == "sqlite":
        return str(tmp_path / "moved" / "queue.sqlite")
    postgresql = request.getfixturevalue("postgresql")
    import psycopg

    with psycopg.connect(postgresql.format("postgres"), autocommit=True) as connection:
        name = f"m{abs(hash(str(tmp_path)))}"
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return str(postgresql.format(name))


def content(where: str) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with closing(Store(where)) as store, store.snapshot() as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(sa.select(table).order_by(*table.primary_key))
            ]
            for table in TABLES
        }


def _add_outlet(where: str) -> None:
    """An outlet that has not received what is filed from now on, and a device."""
    with closing(Store(where)) as store, store.writing() as connection:
        connection.execute(outlets.insert().values(name="city: 'bus' 100%", since=at(0)))
        device = {"id": "bin-7", "kind": "bin", "zone": "park", "settings": {"a": [1]}}
        connection.execute(
            devices.insert().values(condition={"full": 0.5}, registered_at=at(1.25), **device)
        )


def test_a_copy_equals_its_source_and_works_on(where: str, to: str) -> None:
    _add_outlet(_made(where))
    filled(where)
    with closing(Store(where)) as source, closing(Store(to)) as target:
        copied = copy_queue(source, target)
    assert content(to) == content(where)
    assert copied.rows["cases"] > 20
    assert copied.rows["deliveries"] > 100
    with closing(Store(to)) as store, store.snapshot() as connection:
        assert list(audit(connection)) == []
    with open_queue(to) as queue:
        assert queue.file(finding(9e6, 9e6 + 300)).case_id == copied.rows["cases"] + 1
        assert queue.count(Filter(bbox=(121.5, 29.8, 121.6, 29.9))) == 1
        assert queue.count(Filter(text="market no.")) == 1
        assert queue.count(Filter(since=at(0), until=at(200))) > 0
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), queue._store.writing() as c:
            c.execute(sa.text("UPDATE history SET note = 'x'"))


def _made(where: str) -> str:
    open_queue(where).close()
    return where


def _indexes(where: str) -> list[str]:
    with closing(Store(where)) as store, store.reading() as connection:
        inspector = sa.inspect(connection)
        return sorted(
            str(index["name"]) for table in TABLES for index in inspector.get_indexes(table.name)
        )


def test_a_copy_has_the_indexes_of_a_new_queue(where: str, to: str) -> None:
    filled(where)
    with closing(Store(where)) as source, closing(Store(to)) as target:
        before = _indexes(to)
        copy_queue(source, target)
    assert _indexes(to) == before


class _Stop(Exception):
    pass


def _stopping(after: int) -> Callable[[str, int, int], None]:
    reports: Iterator[int] = iter(range(after))

    def progress(table: str, done: int, total: int) -> None:
        if next(reports, None) is None:
            raise _Stop

    return progress


@pytest.mark.parametrize("after", [0, 1, 4, 11])
def test_an_interrupted_copy_is_finished_and_no_queue_before(
    where: str, to: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_ROWS_AT_ONCE", 7)
    filled(where)
    with closing(Store(where)) as source, closing(Store(to)) as target, pytest.raises(_Stop):
        copy_queue(source, target, _stopping(after))
    with pytest.raises(QueueError, match="unfinished copy"):
        open_queue(to)
    reports: list[tuple[str, int, int]] = []
    with closing(Store(where)) as source, closing(Store(to, unfinished=True)) as target:
        copy_queue(source, target, lambda *report: reports.append(report))
    assert content(to) == content(where)
    assert all(done <= total for _, done, total in reports)
    if after > 4:  # the cases were copied before
        assert "cases" not in {table for table, _, _ in reports}


_KILLED = """
import sys
from cv_engine.cases.database import copying
from cv_engine.cases.database.moving import move_queue
from cv_engine.cases.database.store import Store
copying._ROWS_AT_ONCE = 5
move_queue(Store(sys.argv[1]), Store(sys.argv[2], unfinished=True),
           lambda *report: print(*report, flush=True))
"""


def test_a_killed_move_is_resumed(where: str, to: str) -> None:
    filled(where)
    before = content(where)
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, where, to], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(6):
        assert process.stdout.readline()
    process.kill()
    process.communicate(timeout=_LONGEST_S)
    with closing(Store(where)) as source, closing(Store(to, unfinished=True)) as target:
        move_queue(source, target, lambda *_: None)
    assert content(to) == before == content(where)


def test_a_database_with_other_cases_is_refused_and_stays_as_it_is(where: str, to: str) -> None:
    filled(where)
    with open_queue(to) as queue:
        queue.file(finding())
    before = content(to)
    with (
        closing(Store(where)) as source,
        closing(Store(to)) as target,
        pytest.raises(QueueError, match="is not empty"),
    ):
        move_queue(source, target, lambda *_: None)
    assert content(to) == before
    with open_queue(where) as queue:  # still in use
        assert queue.file(finding(9e6, 9e6 + 300)).outcome == "new"


def test_an_unfinished_copy_of_another_queue_is_refused(tmp_path: Path, to: str) -> None:
    for name in ("one", "other"):
        filled(tmp_path / name)
    with (
        closing(Store(tmp_path / "one")) as source,
        closing(Store(to)) as target,
        pytest.raises(_Stop),
    ):
        copy_queue(source, target, _stopping(2))
    with (
        closing(Store(tmp_path / "other")) as source,
        closing(Store(to, unfinished=True)) as target,
        pytest.raises(QueueError, match=r"unfinished copy of .*one, not of .*other"),
    ):
        copy_queue(source, target)


def test_a_moved_queue_can_be_read_and_takes_nothing_more(where: str, to: str) -> None:
    filled(where)
    with open_queue(where) as before:  # as a worker that has been running for weeks
        count = before.count()
        before.file(finding(8e6, 8e6 + 300))
        with closing(Store(where)) as source, closing(Store(to)) as target:
            move_queue(source, target, lambda *_: None)
            moved = str(target.name)
        with pytest.raises(QueueError, match="the queue has moved to ") as caught:
            before.file(finding(9e6, 9e6 + 300))
        assert moved in str(caught.value)
        assert caught.value.failure is Failure.UNAVAILABLE  # so that it is retried
        with pytest.raises(QueueError, match="has moved"):
            before.move(1, Action.CONFIRM, SUPERVISOR)
        with pytest.raises(QueueError, match="has moved"):
            before.seen(before.get(1).key, at(9e6))
        assert before.count() == count + 1
        assert len(before.history(1)) > 0
    with open_queue(to) as queue:
        assert queue.count() == count + 1
        queue.file(finding(9e6, 9e6 + 300))


def test_a_move_can_be_repeated_and_taken_back(where: str, to: str) -> None:
    filled(where)
    with closing(Store(where)) as source, closing(Store(to)) as target:
        first = move_queue(source, target, lambda *_: None)
        assert move_queue(source, target, lambda *_: None) == first
        assert undo_move(source) == str(target.name)
        with pytest.raises(QueueError, match="has not moved"):
            undo_move(source)
    with open_queue(where) as queue:
        assert queue.file(finding(9e6, 9e6 + 300)).outcome == "new"


def test_a_queue_that_has_moved_does_not_move_somewhere_else(tmp_path: Path, to: str) -> None:
    filled(tmp_path / "one")
    with closing(Store(tmp_path / "one")) as source:
        with closing(Store(to)) as target:
            move_queue(source, target, lambda *_: None)
        with (
            closing(Store(tmp_path / "other")) as target,
            pytest.raises(QueueError, match="has moved to"),
        ):
            move_queue(source, target, lambda *_: None)


def test_a_source_that_changed_during_the_interruption_is_noticed(
    where: str, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_ROWS_AT_ONCE", 7)
    filled(where)
    with closing(Store(where)) as source, closing(Store(to)) as target, pytest.raises(_Stop):
        copy_queue(source, target, _stopping(3))
    with open_queue(where, clock=lambda: at(0) + timedelta(days=400)) as queue:
        queue.move(1, Action.CONFIRM, SUPERVISOR)
    with (
        closing(Store(where)) as source,
        closing(Store(to, unfinished=True)) as target,
        pytest.raises(QueueError, match="case 1 differs from the source"),
    ):
        copy_queue(source, target)
