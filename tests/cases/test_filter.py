from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cv_engine.cases import Assignment, Filter, Queue, QueueError, State
from cv_engine.cases import filter as filter_module
from tests.cases.made import at, finding, located


@pytest.fixture
def filled(queue: Queue) -> Iterator[Queue]:
    queue.file(located(121.50, 29.80, 0, 100))
    queue.file(located(121.60, 29.90, 200, 300, kind="clutter", zone="square"))
    queue.file(located(121.70, 29.95, 400, 500, source="side-street"))
    queue.file(finding(600, 700, box=(0.0, 0.0, 9.0, 9.0), kind="clutter"))
    queue.confirm(3, "Li")
    queue.assign(1, Assignment("street", "north", "Li"), "Chen")
    queue.assign(3, Assignment("street", "south"), "Chen")
    yield queue


_CASES: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [4, 3, 2, 1]),
    ({"kind": "clutter"}, [4, 2]),
    ({"kind": "nothing"}, []),
    ({"zone": "square"}, [2]),
    ({"source": "side-street"}, [3]),
    ({"state": State.CONFIRMED}, [3]),
    ({"state": State.REPORTED, "kind": "clutter", "zone": "pavement"}, [4]),
    ({"department": "street"}, [3, 1]),
    ({"department": "street", "team": "north"}, [1]),
    ({"officer": "Li"}, [1]),
    ({"officer": "Zhao"}, []),
    ({"since": at(300)}, [4, 3, 2]),
    ({"since": at(301)}, [4, 3]),
    ({"until": at(200)}, [2, 1]),
    ({"until": at(199)}, [1]),
    ({"since": at(250), "until": at(450)}, [3, 2]),
    ({"since": at(101), "until": at(199)}, []),
    ({"since": at(300.5), "until": at(399.5)}, []),
    ({"bbox": (121.5, 29.8, 121.6, 29.9)}, [2, 1]),
    ({"bbox": (121.55, 29.8, 122.0, 30.0)}, [3, 2]),
    ({"bbox": (121.5000001, 29.8, 121.55, 30.0)}, []),
    ({"bbox": (-180.0, -90.0, 180.0, 90.0)}, [3, 2, 1]),
    ({"bbox": (121.5, 29.8, 121.6, 29.9), "kind": "clutter", "since": at(0)}, [2]),
    ({"limit": 2}, [4, 3]),
    ({"limit": 2, "offset": 1}, [3, 2]),
    ({"offset": 3}, [1]),
    ({"limit": 0}, []),
]


@pytest.mark.parametrize("narrow", [5_000, 0], ids=["from the box", "along the time"])
def test_filters(filled: Queue, narrow: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_module, "_NARROW", narrow)
    for asked, numbers in _CASES:
        wanted = Filter(**asked)
        assert [case.id for case in filled.cases(wanted)] == numbers, asked
        if not {"limit", "offset"} & set(asked):
            assert filled.count(wanted) == len(numbers), asked


def test_a_case_that_lasted_is_found_by_its_new_end(filled: Queue) -> None:
    key = filled.get(1).key
    filled.gone(key, at(2000))
    assert [case.id for case in filled.cases(Filter(since=at(1999), until=at(2100)))] == [1]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"since": at(0).replace(tzinfo=None)}, "since has no time zone"),
        ({"since": at(1), "until": at(0)}, "until lies before since"),
        ({"limit": -1}, "below 0"),
        ({"offset": -1}, "below 0"),
        ({"bbox": (122.0, 29.0, 121.0, 30.0)}, "west, south, east, north"),
        ({"bbox": (121.0, float("nan"), 122.0, 30.0)}, "not a number"),
    ],
)
def test_invalid_filters_are_explained(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(QueueError, match=message):
        Filter(**asked)


def test_sqlite_starts_from_the_most_selective_index(tmp_path: Any) -> None:
    import sqlalchemy as sa

    from cv_engine.cases.database.store import Store
    from cv_engine.cases.filter import select_cases

    store = Store(tmp_path / "queue.sqlite")
    wanted = Filter(source="a", state=State.REPORTED, kind="clutter", limit=50)
    with store.reading() as connection:
        statement = select_cases(connection, wanted).compile(
            connection.engine, compile_kwargs={"literal_binds": True}
        )
        plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {statement}")).all()
    store.close()
    assert [row.detail for row in plan] == ["SEARCH cases USING INDEX cases_by_source (source=?)"]
