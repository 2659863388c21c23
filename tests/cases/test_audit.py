from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.audit import Problem, audit
from cv_engine.cases.database import triggers
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import case_evidence, cases, findings, history
from cv_engine.cases.replay import REPLAYED
from tests.cases.database.filled import filled

_TAMPERINGS = 100


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    filled(where)
    opened = Store(where)
    yield opened
    opened.close()


def _problems(connection: Connection) -> list[Problem]:
    return [problem for problem in audit(connection) if not problem.remark]


def test_an_untouched_queue_is_in_order(store: Store) -> None:
    with store.snapshot() as connection:
        assert list(audit(connection)) == []
        assert list(audit(connection, [3, 5])) == []


def _pick(connection: Connection, chance: random.Random, table: sa.Table) -> Any:
    rows = connection.execute(sa.select(table).order_by(*table.primary_key.columns)).all()
    return chance.choice(rows)


def _changed(value: Any, chance: random.Random) -> Any:
    """Another value of the same kind."""
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, int):
        return value + 1
    if isinstance(value, dict):
        return {**value, "added": chance.random()}
    return value + timedelta(microseconds=1)


def _change_entry(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, history)
    names = ("at", "event", "by", "role", "note", "to_state", "from_state", "data", "hash")
    name = chance.choice([each for each in names if getattr(row, each) is not None])
    values = {name: _changed(getattr(row, name), chance)}
    connection.execute(history.update().where(history.c.id == row.id).values(values))
    return int(row.case_id)


def _remove_entry(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, history)
    connection.execute(history.delete().where(history.c.id == row.id))
    return int(row.case_id)


def _remove_last_entry_and_close_the_gap(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, cases)
    last = sa.and_(history.c.case_id == row.id, history.c.seq == row.version)
    connection.execute(history.delete().where(last))
    connection.execute(cases.update().where(cases.c.id == row.id).values(version=row.version - 1))
    return int(row.id)


def _swap_entries(connection: Connection, chance: random.Random) -> int:
    row = chance.choice(connection.execute(sa.select(history).where(history.c.seq == 2)).all())
    first = sa.and_(history.c.case_id == row.case_id, history.c.seq == 1)
    for where, seq in ((first, 0), (history.c.id == row.id, 1)):
        connection.execute(history.update().where(where).values(seq=seq))
    zero = sa.and_(history.c.case_id == row.case_id, history.c.seq == 0)
    connection.execute(history.update().where(zero).values(seq=2))
    return int(row.case_id)


def _move_entry(connection: Connection, chance: random.Random) -> int:
    """The last entry of a case becomes the next one of another."""
    row = _pick(connection, chance, cases)
    last = sa.and_(history.c.case_id == row.id, history.c.seq == row.version)
    other = chance.choice(connection.execute(sa.select(cases).where(cases.c.id != row.id)).all())
    values = {"case_id": other.id, "seq": other.version + 1}
    connection.execute(history.update().where(last).values(values))
    return int(other.id)


def _add_entry(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, cases)
    last = sa.select(history).where(history.c.case_id == row.id).order_by(history.c.seq.desc())
    copied = connection.execute(last.limit(1)).one()._asdict()
    del copied["id"]
    connection.execute(history.insert().values({**copied, "seq": copied["seq"] + 1}))
    return int(row.id)


def _change_case(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, cases)
    names = (*REPLAYED, "state", "version", "head", "kind", "source", "zone", "key")
    name = chance.choice([each for each in names if getattr(row, each) is not None])
    values = {name: _changed(getattr(row, name), chance)}
    connection.execute(cases.update().where(cases.c.id == row.id).values(values))
    return int(row.id)


def _forget_a_time(connection: Connection, chance: random.Random) -> int:
    named = [name for name in REPLAYED if name.endswith("_at") and name != "filed_at"]
    rows = connection.execute(sa.select(cases).where(cases.c.confirmed_at.is_not(None))).all()
    row = chance.choice(rows)
    name = chance.choice([each for each in named if getattr(row, each) is not None])
    connection.execute(cases.update().where(cases.c.id == row.id).values({name: None}))
    return int(row.id)


def _change_evidence(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, findings)
    name = chance.choice(("evidence", "evidence_sha256"))
    values = {name: "0" * 64 if getattr(row, name) is None else None}
    connection.execute(findings.update().where(findings.c.key == row.key).values(values))
    return int(row.case_id)


def _change_photos(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, case_evidence)
    one = case_evidence.c.name == row.name
    values = {"sha256": "0" * 64} if chance.random() < 0.5 else {"name": row.name + "-1"}
    connection.execute(case_evidence.update().where(one).values(values))
    return int(row.case_id)


def _remove_photos(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, case_evidence)
    connection.execute(case_evidence.delete().where(case_evidence.c.name == row.name))
    return int(row.case_id)


def _remove_finding(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, findings)
    connection.execute(findings.delete().where(findings.c.key == row.key))
    return int(row.case_id)


def _rename_finding(connection: Connection, chance: random.Random) -> int:
    row = _pick(connection, chance, findings)
    values = {"key": f"{row.key}x"}
    connection.execute(findings.update().where(findings.c.key == row.key).values(values))
    return int(row.case_id)


def _remove_case(connection: Connection, chance: random.Random) -> int:
    """The case alone, or all of it: the entries and findings too."""
    row = _pick(connection, chance, cases)
    if chance.random() < 0.5:
        connection.execute(history.delete().where(history.c.case_id == row.id))
        connection.execute(findings.delete().where(findings.c.case_id == row.id))
        connection.execute(case_evidence.delete().where(case_evidence.c.case_id == row.id))
    connection.execute(cases.delete().where(cases.c.id == row.id))
    return int(row.id)


_KINDS: tuple[Callable[[Connection, random.Random], int], ...] = (
    *(_change_entry,) * 4,
    *(_change_case,) * 4,
    _remove_entry,
    _remove_last_entry_and_close_the_gap,
    _swap_entries,
    _move_entry,
    _add_entry,
    _forget_a_time,
    _change_evidence,
    _change_photos,
    _remove_photos,
    _remove_finding,
    _rename_finding,
    _remove_case,
)


def _without_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        return
    for table in (history, findings, case_evidence):
        connection.exec_driver_sql(
            f"ALTER TABLE {table.name} DROP CONSTRAINT {table.name}_case_id_fkey"
        )


def test_every_tampering_is_found(store: Store) -> None:
    """Each is done alone, in a transaction that is rolled back afterwards."""
    with store._engine.execution_options(cv_write=True).connect() as connection:
        for number in range(_TAMPERINGS):
            tamper = _KINDS[number % len(_KINDS)]
            with connection.begin() as transaction:
                triggers.drop(connection)
                _without_foreign_keys(connection)
                case = tamper(connection, random.Random(number))
                # On PostgreSQL, a missing number alone may be that of a rolled-back filing.
                found = {problem.case_id for problem in audit(connection)}
                assert case in found, (number, tamper.__name__, case)
                if tamper is not _remove_case:
                    assert case in {problem.case_id for problem in _problems(connection)}
                transaction.rollback()
        with connection.begin():
            assert list(audit(connection)) == []


def test_a_case_that_was_removed_whole_leaves_a_gap_in_the_numbers(tmp_path: Path) -> None:
    filled(tmp_path / "queue.sqlite")
    store = Store(tmp_path / "queue.sqlite")
    with store.writing() as connection:
        triggers.drop(connection)
        highest = connection.execute(sa.select(sa.func.max(cases.c.id))).scalar_one()
        for number in (7, highest):
            for table in (history, findings, case_evidence):
                connection.execute(table.delete().where(table.c.case_id == number))
            connection.execute(cases.delete().where(cases.c.id == number))
        assert [(p.case_id, p.what, p.remark) for p in audit(connection)] == [
            (7, "number", False),
            (highest, "number", False),
        ]
    store.close()


def test_an_entry_names_what_was_done_to_it(store: Store) -> None:
    with store.writing() as connection:
        triggers.drop(connection)
        connection.execute(
            history.update()
            .where(history.c.case_id == 5, history.c.seq == 2)
            .values(by="somebody else")
        )
        connection.execute(cases.update().where(cases.c.id == 6).values(officer=None, reason="x"))
        assert [str(problem) for problem in audit(connection)] == [
            "case 5, entry 2: the entry was changed, or is not in its place: its hash does not fit",
            "case 6: reason is x, by the history None",
        ]
