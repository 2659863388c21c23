"""The cases of a plate are found by an index, however many cases there are."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from cv_engine.cases import Queue
from cv_engine.cases.database.plate_index import plate_column
from cv_engine.cases.database.tables import cases, findings
from cv_engine.cases.plates import cases_of_plate
from tests.cases.made import finding


def _file(queue: Queue, number: int, attributes: dict[str, object]) -> int:
    began = number * 10_000
    return queue.file(finding(began, began + 300, attributes=attributes)).case_id


def test_cases_are_found_by_the_text_of_their_plate_only(queue: Queue) -> None:
    first = _file(queue, 1, {"plate": {"text": "浙B12345", "confidence": 0.9}})
    _file(queue, 2, {"plate": {"text": "浙B123456"}})
    _file(queue, 3, {"plate": "浙B12345"})  # as another program may write it
    _file(queue, 4, {"note": "浙B12345"})
    _file(queue, 5, {})
    last = _file(queue, 6, {"plate": {"text": "浙B12345"}})
    with queue.store.reading() as connection:
        assert cases_of_plate(connection, "浙B12345") == [first, last]
        assert cases_of_plate(connection, "沪A00000") == []


def test_a_plate_that_only_a_later_finding_has_is_found(queue: Queue) -> None:
    first = queue.file(finding(0, 300)).case_id
    read = {"plate": {"text": "浙B12345"}}
    assert queue.file(finding(10, 310, attributes=read)).case_id == first
    with queue.store.reading() as connection:
        assert cases_of_plate(connection, "浙B12345") == [first]


@pytest.mark.parametrize("table", [cases, findings], ids=lambda table: str(table.name))
def test_the_search_uses_its_index(queue: Queue, table: sa.Table) -> None:
    _file(queue, 1, {"plate": {"text": "浙B12345"}})
    with queue.store.reading() as connection:
        if connection.dialect.name == "postgresql":  # whose planner reads one page at once
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        wanted = plate_column(connection, table) == "浙B12345"
        number = table.c.id if table is cases else table.c.case_id
        statement = (
            sa.select(number)
            .where(wanted)
            .compile(connection, compile_kwargs={"literal_binds": True})
        )
        verb = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
        plan = str(connection.exec_driver_sql(f"{verb} {statement}".replace("%", "%%")).all())
    assert f"{table.name}_by_plate" in plan
