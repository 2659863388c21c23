from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.cases import Assignment, Filter, Queue, QueueError, State, open_queue
from cv_engine.cases import filter as filter_module
from cv_engine.cases.database.store import Store
from cv_engine.cases.filter import select_cases
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


@pytest.mark.parametrize("narrow", [5_000, 0], ids=["from the span", "along the time"])
def test_filters(filled: Queue, narrow: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_module, "_NARROW", narrow)
    for asked, numbers in _CASES:
        wanted = Filter(**asked)
        assert [case.id for case in filled.cases(wanted)] == numbers, asked
        if not {"limit", "offset"} & set(asked):
            assert filled.count(wanted) == len(numbers), asked


_DEGREES = st.floats(-0.02, 0.02).map(lambda value: round(value, 4))
_BOXES = st.tuples(_DEGREES, _DEGREES, st.floats(0, 0.02), st.floats(0, 0.02)).map(
    lambda box: (121.5 + box[0], 29.8 + box[1], 121.5 + box[0] + box[2], 29.8 + box[1] + box[3])
)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    with open_queue(tmp_path_factory.mktemp("city") / "queue.sqlite") as queue:
        yield queue


@given(
    places=st.lists(_BOXES, min_size=1, max_size=8),
    asked=_BOXES,
    confirmed=st.sets(st.integers(0, 7)),
    page=st.tuples(st.none() | st.integers(0, 5), st.integers(0, 3)),
)
@settings(max_examples=40, deadline=None)
def test_a_box_holds_what_touches_it_newest_first(
    city: Queue,
    places: list[tuple[float, float, float, float]],
    asked: tuple[float, float, float, float],
    confirmed: set[int],
    page: tuple[int | None, int],
) -> None:
    camera = f"camera-{city.count()}"
    numbers = []
    for step, (west, south, east, north) in enumerate(places):
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        times = (1000.0 * step, 1000.0 * step + 1)
        numbers.append(
            city.file(finding(*times, box=None, geometry=geometry, source=camera)).case_id
        )
        if step in confirmed:
            city.confirm(numbers[-1], "Li")
    limit, offset = page
    for state in (None, State.REPORTED, State.CONFIRMED):
        touching = [
            numbers[step]
            for step, (west, south, east, north) in reversed(list(enumerate(places)))
            if west <= asked[2]
            and east >= asked[0]
            and south <= asked[3]
            and north >= asked[1]
            and state in (None, State.CONFIRMED if step in confirmed else State.REPORTED)
        ]
        wanted = Filter(bbox=asked, state=state, source=camera, limit=limit, offset=offset)
        shown = touching[offset:] if limit is None else touching[offset : offset + limit]
        assert [case.id for case in city.cases(wanted)] == shown
        assert city.count(wanted) == len(touching)


@pytest.mark.parametrize("state", [State.CLOSED, None])
def test_the_newest_cases_of_a_box_are_read_from_the_index_of_squares(
    where: str, state: State | None
) -> None:
    wanted = Filter(bbox=(121.503, 29.803, 121.507, 29.807), state=state, limit=50)
    with closing(Store(where)) as store, store.reading() as connection:
        asked = "EXPLAIN QUERY PLAN"
        if store.dialect == "postgresql":
            asked = "EXPLAIN"
            # The table is empty, so whatever the server does is quick.
            for name in ("seqscan", "bitmapscan"):
                connection.exec_driver_sql(f"SET enable_{name} = off")
        statement = select_cases(connection, wanted).compile(
            connection.engine, compile_kwargs={"literal_binds": True}
        )
        plan = connection.exec_driver_sql(f"{asked} {statement}").all()
    lines = [str(row[-1]) for row in plan]
    read = [line for line in lines if " on cases" in line or "SEARCH" in line]
    assert read
    assert {"cases_by_square" in line for line in read} == {True}
    # Merged, or limited each by itself: not all that lies in the box is read.
    assert [line for line in lines if "MERGE" in line or "->  Limit" in line]


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
    store = Store(tmp_path / "queue.sqlite")
    wanted = Filter(source="a", state=State.REPORTED, kind="clutter", limit=50)
    with store.reading() as connection:
        statement = select_cases(connection, wanted).compile(
            connection.engine, compile_kwargs={"literal_binds": True}
        )
        plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {statement}")).all()
    store.close()
    assert [row.detail for row in plan] == ["SEARCH cases USING INDEX cases_by_source (source=?)"]


def test_a_page_continues_after_the_last_case_of_the_one_before(queue: Queue) -> None:
    for number in range(6):  # two begin at one moment
        queue.file(located(121.5 + number / 100, 29.5, began=number // 2 * 60, observed=500))
    pages, after = [], None
    while page := queue.cases(Filter(limit=2, after=after)):
        pages.append([case.id for case in page])
        after = page[-1].began, page[-1].id
        queue.file(located(121.5, 29.7 + len(pages) / 100, began=1000, observed=1001))
    assert pages == [[6, 5], [4, 3], [2, 1]]
    box = (121.0, 29.0, 122.0, 30.0)
    assert [c.id for c in queue.cases(Filter(bbox=box, after=(at(60), 4)))] == [3, 2, 1]


def test_cases_of_some_areas_are_found(queue: Queue) -> None:
    for number in range(3):
        queue.file(located(121.5 + number / 100, 29.5))
    with queue.store.writing() as connection:
        connection.exec_driver_sql("UPDATE cases SET area = 'north' WHERE id = 1")
        connection.exec_driver_sql("UPDATE cases SET area = 'south' WHERE id = 2")
    for areas, found in ((["north"], [1]), (["north", "south"], [2, 1]), ([], [])):
        assert [c.id for c in queue.cases(Filter(areas=frozenset(areas)))] == found
        assert queue.count(Filter(areas=frozenset(areas))) == len(found)


def test_sqlite_reads_a_page_from_the_index_however_far_it_is(tmp_path: Any) -> None:
    with closing(Store(tmp_path / "q.db")) as store, store.reading() as connection:
        chosen = select_cases(connection, Filter(after=(at(0), 7), limit=5)).compile(connection)
        values = tuple(chosen.construct_params().values())
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {chosen}", values).all()
    told = " ".join(str(row[-1]) for row in plan)
    assert "cases_by_time" in told and "TEMP B-TREE" not in told
