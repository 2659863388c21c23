from __future__ import annotations

from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from benchmarks import queue as queue_benchmark
from benchmarks.harness.generated_cases import generate
from benchmarks.queue import on_sqlite, questions
from cv_engine.cases import Filter, State, open_queue
from cv_engine.cases.audit import audit
from cv_engine.cases.database.store import Store

_CASES = 2_000


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("generated") / "queue.db"
    generate(file, _CASES)
    return file


def test_generated_cases_are_as_the_queue_would_have_filed_them(generated: Path) -> None:
    with closing(Store(generated)) as store, store.snapshot() as connection:
        assert list(audit(connection)) == []
        names = "SELECT type, name, sql FROM sqlite_schema WHERE name LIKE '%cas%' ORDER BY name"
        made = connection.exec_driver_sql(names).all()
        statistics = connection.exec_driver_sql("SELECT * FROM sqlite_stat1 ORDER BY idx").all()
    with closing(Store(generated.with_name("new.db"))) as store, store.snapshot() as connection:
        assert connection.exec_driver_sql(names).all() == made
        wanted = connection.exec_driver_sql("SELECT * FROM sqlite_stat1 ORDER BY idx").all()
        assert statistics == wanted
    with open_queue(generated) as queue:
        assert queue.count() == _CASES
        assert 0 < queue.count(Filter(state=State.REPORTED)) < _CASES / 20
        assert queue.count(Filter(bbox=(121.4, 29.7, 121.6, 29.9))) > _CASES / 10
        street = queue.count(Filter(text="中和路"))
        assert 0 < street < _CASES / 10


def test_filing_and_every_list_are_timed(generated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_benchmark, "_ASKED", 3)
    monkeypatch.setattr(queue_benchmark, "_WRITERS", 2)
    monkeypatch.setattr(queue_benchmark, "_STEADY_WRITERS", 1)
    result = on_sqlite(generated, seconds=0.5)
    with open_queue(generated) as queue, closing(Store(generated)) as store:
        assert queue.count() > _CASES
        lists = questions(Random(1), queue.count(), store)
    assert {f"p95_ms.{name}" for name in lists} <= result.keys()
    assert all(value > 0 for value in result.values())
