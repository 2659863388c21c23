"""Queues of the first schema, with cases of every kind in them, are brought to the present one."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from cv_engine.cases import Event, Filter, Queue, State, open_queue
from cv_engine.cases.audit import audit
from cv_engine.cases.database import store as store_module
from cv_engine.cases.database.migrations import chaining
from cv_engine.cases.database.store import SCHEMA, VERSION_TABLE, Store
from tests.cases.made import at, finding

_DAY_S = 86_400.0
#: The states of the first schema that each case went through after its report.
_WAYS: tuple[tuple[str, ...], ...] = (
    (),
    ("confirmed",),
    ("rejected",),
    ("withdrawn",),
    ("confirmed", "noticed"),
    ("confirmed", "noticed", "left"),
    ("confirmed", "noticed", "cited"),
    ("confirmed", "noticed", "cited", "withdrawn"),
    ("confirmed", "dispatched", "handled", "dispatched", "handled", "verified", "closed"),
)


def _engine(where: str) -> sa.Engine:
    return store_module._engine(store_module._url(where))


class _First:
    """A queue of the first schema, written as the program of that time wrote it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._json = "CAST(:{} AS JSONB)" if connection.dialect.name == "postgresql" else ":{}"
        config = Config()
        config.set_main_option("script_location", "cv_engine.cases.database:migrations")
        config.attributes["connection"] = connection
        config.attributes["version_table"] = VERSION_TABLE
        command.upgrade(config, "0001")

    def add(self, number: int, way: tuple[str, ...]) -> None:
        began, seen = at(number * 1000), at(number * 1000 + 300)
        found = finding(number * 1000, number * 1000 + 300, zone=f"ＺONE {number % 2}")
        self._insert(
            "cases",
            {
                **{"id": number, "key": found.key, "kind": found.kind, "source": found.source},
                **{"standard": "GB/T 47678.5-2026", "code": "09009", "zone": found.zone},
                **{"state": way[-1] if way else "reported", "began": began, "observed": seen},
                **{"left_at": at(number * 1000 + 400) if number % 3 == 0 else None},
                **{"filed_at": at(number * 1000 + _DAY_S), "confidence": 0.75, "geometry": None},
                **{"accuracy_m": None, "basis": "unknown", "evidence": f"e{number}"},
                **dict(zip(("box_x1", "box_y1", "box_x2", "box_y2"), _BOX, strict=True)),
                **{"attributes": {"address": "7 Market St", "plate": "浙B·12345"}},
            },
        )
        filed = {
            **{"key": found.key, "confidence": 0.75, "evidence": f"e{number}", "geometry": None},
            **{"began": began.isoformat(), "observed": seen.isoformat(), "image_box": list(_BOX)},
            **{"attributes": {"plate": "浙B·12345"}, "evidence_sha256": "0" * 63 + "1"},
        }
        self._entry(number, 0, "filed", filed, after="reported")
        if number % 2:
            joined = {**filed, "key": f"joined-{number}", "evidence": None}
            del joined["evidence_sha256"]
            self._entry(number, 1, "joined", joined)
            self._finding(f"joined-{number}", number, began, seen, None)
        if number % 3 == 0:
            self._entry(number, 2, "left", {"key": found.key, "at": seen.isoformat()}, note="gone")
        if number % 4 == 0:
            written = {"key": found.key, "evidence": f"e{number}", "evidence_sha256": "f" * 64}
            self._entry(number, 3, "evidence", written)
        before = "reported"
        for step, after in enumerate(way, 4):
            self._entry(number, step, "state", {}, before, after, "chief")
            before = after
        self._finding(found.key, number, began, seen, f"e{number}")

    def _finding(
        self, key: str, case_id: int, began: datetime, seen: datetime, evidence: str | None
    ) -> None:
        values = {"key": key, "case_id": case_id, "began": began, "observed": seen}
        self._insert("findings", {**values, "left_at": None, "evidence": evidence})

    def _entry(
        self,
        case_id: int,
        step: int,
        event: str,
        data: dict[str, Any],
        before: str | None = None,
        after: str | None = None,
        by: str = "cv-engine",
        note: str = "",
    ) -> None:
        when = at(case_id * 1000 + _DAY_S + step * 0.5)
        values = {"case_id": case_id, "at": when, "event": event, "by": by, "note": note}
        states = {"from_state": before, "to_state": after}
        self._insert("history", {**values, **states, "data": data})

    def _insert(self, table: str, values: dict[str, Any]) -> None:
        names, marks, plain = [], [], {}
        for name, value in values.items():
            as_json = name in ("geometry", "attributes", "data")
            names.append(f'"{name}"')
            marks.append(self._json.format(name) if as_json else f":{name}")
            if isinstance(value, datetime) and self._connection.dialect.name == "sqlite":
                value = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
            plain[name] = json.dumps(value) if as_json and value is not None else value
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(marks)})"
        self._connection.execute(sa.text(statement), plain)


_BOX = (100.0, 100.0, 200.0, 180.0)


def _first(where: str) -> None:
    """Make a queue of the first schema, with a case of every way and number."""
    engine = _engine(where).execution_options(cv_write=True)
    with engine.begin() as connection:
        made = _First(connection)
        for number in range(1, 4 * len(_WAYS) + 1):
            made.add(number, _WAYS[number % len(_WAYS)])
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT setval('cases_id_seq', max(id)) FROM cases"))
    engine.dispose()


def _rows(where: str) -> dict[str, list[Any]]:
    engine = _engine(where)
    with engine.begin() as connection:
        found = {
            table: [
                row._asdict()
                for row in connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY {key}"))
            ]
            for table, key in (("cases", "id"), ("findings", "key"), ("history", "id"))
        }
    engine.dispose()
    return found


def test_everything_of_the_first_schema_survives(where: str) -> None:
    _first(where)
    before = _rows(where)
    open_queue(where).close()
    after = _rows(where)
    assert {table: len(rows) for table, rows in after.items()} == {
        table: len(rows) for table, rows in before.items()
    }
    renamed = {"left_at": "gone_at"}
    changed = {"state", "event", "from_state", "to_state", "seq", "data"}
    for table, rows in before.items():
        for old, new in zip(rows, after[table], strict=True):
            for name, value in old.items():
                if name not in changed:
                    assert new[renamed.get(name, name)] == value, (table, name)
            if table == "history":
                assert _parsed(new["data"]) == _parsed(old["data"])


def _parsed(data: Any) -> Any:
    return json.loads(data) if isinstance(data, str) else data


@pytest.fixture
def upgraded(where: str) -> Any:
    _first(where)
    with open_queue(where) as queue:
        yield queue


def test_the_histories_are_chained(upgraded: Queue) -> None:
    with upgraded._store.snapshot() as connection:
        assert list(audit(connection)) == []
    assert all(case.version == len(upgraded.history(case.id)) for case in upgraded.cases())


def test_what_had_left_is_closed_as_left(upgraded: Queue) -> None:
    left = [case for case in upgraded.cases() if case.result.outcome == "left"]
    assert len(left) == 4
    assert {case.state for case in left} == {State.CLOSED}
    entries = upgraded.history(left[0].id)
    assert (entries[-1].from_state, entries[-1].to_state) == (State.NOTICED, State.CLOSED)
    assert any(
        entry.event is Event.GONE and entry.note == "gone"
        for case in upgraded.cases()
        for entry in upgraded.history(case.id)
    )


def test_the_stages_have_the_times_of_their_last_entries(upgraded: Queue) -> None:
    case = upgraded.get(8)
    times = {e.to_state: e.at for e in upgraded.history(8) if e.event is Event.STATE}
    result = case.result
    assert case.state is State.CLOSED
    assert result.confirmed_at == times[State.CONFIRMED]
    assert result.dispatched_at == times[State.DISPATCHED]
    assert result.handled_at == times[State.HANDLED]
    assert result.verified_at == times[State.VERIFIED]
    assert result.ended_at == times[State.CLOSED]


def test_the_evidence_and_its_last_digest_survive(upgraded: Queue) -> None:
    for number, digest in ((3, "0" * 63 + "1"), (4, "f" * 64)):
        filed = upgraded.filed_evidence(upgraded.get(number).key)
        assert filed is not None
        assert (filed.case_id, filed.name, filed.sha256) == (number, f"e{number}", digest)
    assert upgraded.evidence(4) == ["e4"]


def test_an_upgraded_queue_is_searched_and_filed_to(upgraded: Queue) -> None:
    count = upgraded.count()
    assert upgraded.count(Filter(text="market zone")) == count
    assert upgraded.count(Filter(text="zone 1")) == count / 2
    assert upgraded.file(finding(9e6, 9e6 + 300)).outcome == "new"
    again = finding(4000, 4300, zone="ＺONE 0")
    assert upgraded.file(again).case_id == 4
    with (
        pytest.raises(sa.exc.DBAPIError, match="append-only"),
        upgraded._store.writing() as connection,
    ):
        connection.execute(sa.text("DELETE FROM history"))


def test_an_interrupted_upgrade_leaves_the_old_version(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _first(where)
    before = _rows(where)

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(chaining, "_chain_cases", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_queue(where)
    assert _rows(where) == before
    engine = _engine(where)
    with engine.begin() as connection:
        version = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
        assert version.scalar_one() == "0001"
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):  # its triggers are there, too
            connection.execute(sa.text("DELETE FROM history"))
    engine.dispose()
    open_queue(where).close()
    with closing(Store(where)) as store, store.snapshot() as connection:
        found = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
        assert found.scalar_one() == SCHEMA
        assert list(audit(connection)) == []
