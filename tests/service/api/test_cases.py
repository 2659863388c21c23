"""Lists of cases and single ones, on both databases."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.cases import open_queue
from cv_engine.cases.lifecycle import Role
from cv_engine.config import Config
from cv_engine.config.cases import CasesConfig
from cv_engine.service.accounts.passwords import Passwords
from cv_engine.service.app import create_app
from tests.cases.conftest import where
from tests.clock import Clock
from tests.service.api.city import car, file_some, two_areas
from tests.service.made import NOW, People

__all__ = ["where"]


@pytest.fixture
def officer(people: People) -> TestClient:
    people.account()
    return people.logged_in()


def _ids(client: TestClient, url: str) -> list[int]:
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    return [case["id"] for case in answer.json()["cases"]]


def test_cases_are_listed_newest_first_by_every_filter(people: People, officer: TestClient) -> None:
    queue = people.shared.queue
    first, second, third = file_some(queue)
    queue.file(car(3, kind="clutter", zone="quay"))
    queue.confirm(second, "Li Wei")
    assert _ids(officer, "/api/cases") == [4, third, second, first]
    for query, found in {
        "kind=clutter": [4],
        "zone=quay": [4],
        "state=confirmed": [second],
        "camera=market-street&limit=2": [4, third],
        "box=121.505,29.4,121.525,29.6": [third, second],
        "until=2026-05-01T00:01:00Z": [second, first],
        "since=2026-05-01T00:02:00Z&until=2026-05-01T00:02:10Z": [third],
        "text=QUAY": [4],
        "overdue=true": [],
        "department=street": [],
    }.items():
        assert _ids(officer, f"/api/cases?{query}") == found, query
    assert officer.get("/api/cases?count=true&limit=1").json()["count"] == 4


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("box=1,2,3", 422, "west, south, east, north"),
        ("box=nan,0,1,1", 422, "four numbers"),
        ("box=122,29,121,30", 422, "is empty"),
        ("state=lost", 422, "query.state"),
        ("since=2026-05-01T00:00:00", 422, "query.since"),
        ("since=9999-12-31T23:59:59-12:00", 422, "year"),
        ("limit=501", 422, "query.limit"),
        ("text=%20", 422, "empty"),
        ("text=a%00b", 422, "NUL"),
        ("cursor=nonsense", 400, "cursor"),
        ("cursor=MjAyNi0wNS0wMQ", 400, "cursor"),
    ],
)
def test_a_wrong_filter_is_named(officer: TestClient, query: str, status: int, said: str) -> None:
    answer = officer.get(f"/api/cases?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert said in answer.json()["detail"]


def test_one_case_has_its_history_and_the_steps_of_the_caller(
    people: People, officer: TestClient
) -> None:
    (number,) = file_some(people.shared.queue, 1)
    people.shared.queue.confirm(number, "Chen Jie", "no permit")
    case = officer.get(f"/api/cases/{number}").json()
    assert (case["state"], case["version"]) == ("confirmed", 2)
    assert [(e["event"], e["by"], e["note"]) for e in case["history"]] == [
        ("filed", "cv-engine", ""),
        ("state", "Chen Jie", "no permit"),
    ]
    assert len(case["findings"]) == 1
    assert case["sighting"]["presence"] == "seen"
    assert "dispatch" in case["actions"] and "defer" not in case["actions"]
    people.account("Chief", Role.SUPERVISOR)
    assert "defer" in people.logged_in("Chief").get(f"/api/cases/{number}").json()["actions"]


@pytest.mark.parametrize("number", [99, 2**31 - 1])
def test_a_case_that_does_not_exist_is_404(officer: TestClient, number: int) -> None:
    answer = officer.get(f"/api/cases/{number}")
    assert (answer.status_code, f"no case {number}" in answer.text) == (404, True)


def test_officers_of_an_area_see_and_move_its_cases_only(
    where: str, clock: Clock, passwords: Passwords, tmp_path: object, config: Config
) -> None:
    organisation = two_areas(config.data / "city")
    settings = Config(data=config.data, store=where, cases=CasesConfig(organisation=organisation))
    app = create_app(settings, clock, passwords=passwords)
    try:
        people = People(app)
        queue = people.shared.queue
        north = queue.file(car(0)).case_id
        south = queue.file(car(1, zone="quay", source="bridge")).case_id
        with queue.store.writing() as connection:
            connection.exec_driver_sql(f"UPDATE cases SET area = 'south' WHERE id = {south}")
        people.account("Wu", areas=["north"])
        wu = people.logged_in("Wu")
        assert _ids(wu, "/api/cases") == [north]
        assert _ids(wu, "/api/cases?area=south") == []
        assert wu.get("/api/cases?count=true").json()["count"] == 1
        for request in (
            wu.get(f"/api/cases/{south}"),
            wu.get(f"/api/cases/{south}/evidence"),
            wu.post(f"/api/cases/{south}/moves", json={"action": "confirm", "version": 1}),
            wu.post(f"/api/cases/{south}/notes", json={"note": "x"}),
            wu.post(f"/api/cases/{south}/originals", json={"why": "x"}),
            wu.post(f"/api/cases/{north}/merge", json={"into": south, "version": 1}),
        ):
            assert request.status_code == 403, request.url
        assert queue.get(south).version == 1
        moves = {"action": "confirm", "cases": [{"id": n, "version": 1} for n in (south, north)]}
        done = wu.post("/api/cases/moves", json=moves).json()
        assert [each["id"] for each in done["changed"]] == [north]
        assert [(each["id"], each["status"]) for each in done["unchanged"]] == [(south, 403)]
        assert wu.get("/api/statistics?area=south").status_code == 403
        assert wu.get("/api/statistics?period=2026-05").json()["total"]["filed"] in (0, 1)
        assert [a["properties"]["name"] for a in wu.get("/api/areas").json()["features"]] == [
            "north",
            "south",
        ]
    finally:
        app.state.shared.close()


@settings(max_examples=15)
@given(
    before=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    during=st.lists(st.integers(0, 5), max_size=6),
    limit=st.integers(1, 4),
)
def test_a_list_that_is_read_while_cases_are_filed_misses_none_and_repeats_none(
    tmp_path_factory: pytest.TempPathFactory, before: list[int], during: list[int], limit: int
) -> None:
    """Cases begin at any of six moments; others are filed between two pages."""
    folder = tmp_path_factory.mktemp("queue")
    places, ticks = count(), count()
    app = create_app(Config(data=folder), lambda: NOW + timedelta(seconds=next(ticks)))
    try:
        people = People(app)
        queue = people.shared.queue

        def file(minute: int) -> int:
            found = car(next(places))
            moved = timedelta(minutes=minute)
            from dataclasses import replace

            began = found.began.replace(minute=0, second=0) + moved
            return queue.file(replace(found, began=began, observed=began)).case_id

        first = [file(minute) for minute in before]
        program = people.program(people.account_without_password())
        url: str | None = f"/api/cases?limit={limit}"
        seen: list[int] = []
        waiting = list(during)
        while url is not None:
            page = program.get(url).json()
            seen += [case["id"] for case in page["cases"]]
            url = page["next"]
            if waiting:
                file(waiting.pop())
        assert len(seen) == len(set(seen))
        assert set(first) <= set(seen)
    finally:
        app.state.shared.close()


def test_a_page_leads_to_the_next_one_with_the_same_filter(
    people: People, officer: TestClient
) -> None:
    file_some(people.shared.queue, 5)
    people.shared.queue.file(car(7, kind="clutter"))
    url: str | None = "/api/cases?limit=2&kind=motor_vehicle_parked&text=market"
    seen: list[int] = []
    while url is not None:
        page = officer.get(url).json()
        seen += [case["id"] for case in page["cases"]]
        url = page["next"]
    assert seen == [5, 4, 3, 2, 1]


def test_the_queue_is_the_one_of_the_configuration(people: People, where: str) -> None:
    file_some(people.shared.queue, 1)
    with open_queue(where) as queue:
        assert queue.count() == 1
