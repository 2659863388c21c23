"""Steps over HTTP: with the version that was seen, alone and many at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from fastapi.testclient import TestClient

from cv_engine.cases.lifecycle import Role
from tests.cases.conftest import where
from tests.evidence.media.photos import exif_of, photo
from tests.service.api.city import car, file_some
from tests.service.made import People

__all__ = ["where"]


@pytest.fixture
def officer(people: People) -> TestClient:
    people.account()
    return people.logged_in()


def test_a_case_goes_from_the_report_to_its_closing(people: People, officer: TestClient) -> None:
    (number,) = file_some(people.shared.queue, 1)
    version = 1
    for action, more in (
        ("confirm", {"note": "no permit"}),
        ("dispatch", {"to": {"department": "street", "team": "north"}}),
        ("handle", {}),
        ("return", {"reason": "not_remedied"}),
        ("handle", {}),
        ("verify", {}),
        ("close", {}),
    ):
        step = {"action": action, "version": version, **more}
        answer = officer.post(f"/api/cases/{number}/moves", json=step)
        assert answer.status_code == 200, answer.text
        version = answer.json()["version"]
    case = officer.get(f"/api/cases/{number}").json()
    assert (case["state"], case["outcome"], case["department"]) == ("closed", "handled", "street")
    assert {entry["by"] for entry in case["history"][1:]} == {"Li Wei"}
    assert {entry["role"] for entry in case["history"][1:]} == {"officer"}


def test_of_two_officers_on_one_case_one_wins_and_the_other_reads_what_happened(
    people: People,
) -> None:
    (number,) = file_some(people.shared.queue, 1)
    together = Barrier(2)

    def take(person: str, action: str) -> tuple[int, str]:
        people.account(person)
        client = people.logged_in(person)
        together.wait()
        step = {"action": action, "version": 1, "reason": "no_violation"}
        answer = client.post(f"/api/cases/{number}/moves", json=step)
        return answer.status_code, answer.json().get("detail", person)

    with ThreadPoolExecutor() as pool:
        answers = sorted(pool.map(take, ["Li Wei", "Chen Jie"], ["confirm", "reject"]))
    (won, winner), (lost, told) = answers
    assert (won, lost) == (200, 409)
    assert winner in told and "nothing was changed" in told
    assert people.shared.queue.get(number).version == 2


def test_a_step_that_is_sent_again_is_not_taken_twice(people: People, officer: TestClient) -> None:
    (number,) = file_some(people.shared.queue, 1)
    step = {"action": "confirm", "version": 1}
    answers = [officer.post(f"/api/cases/{number}/moves", json=step) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert "confirmed by Li Wei" in answers[1].json()["detail"]
    wrong = officer.post(f"/api/cases/{number}/moves", json={"action": "close", "version": 2})
    assert (wrong.status_code, "possible steps" in wrong.text) == (409, True)


@pytest.mark.parametrize(
    ("step", "status", "said"),
    [
        ({"action": "reject", "version": 1}, 422, "give a reason"),
        ({"action": "reject", "version": 1, "reason": "weather"}, 422, "is not for reject"),
        ({"action": "confirm"}, 422, "body.version"),
        ({"action": "confirm", "version": 1, "by": "Mallory"}, 422, "body.by"),
        ({"action": "confirm", "version": 1, "note": "a\0b"}, 422, "NUL"),
        ({"action": "withdraw", "version": 1, "note": "x"}, 403, "role supervisor"),
        ({"action": "merge", "version": 1}, 422, "name the case"),
        ({"action": "fly", "version": 1}, 422, "body.action"),
    ],
)
def test_a_step_that_cannot_be_taken_changes_nothing(
    people: People, officer: TestClient, step: dict[str, object], status: int, said: str
) -> None:
    (number,) = file_some(people.shared.queue, 1)
    answer = officer.post(f"/api/cases/{number}/moves", json=step)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    assert people.shared.queue.get(number).version == 1


def test_many_cases_at_once_are_each_changed_or_not(people: People, officer: TestClient) -> None:
    file_some(people.shared.queue, 3)
    people.shared.queue.confirm(2, "Chen Jie")
    steps = {
        "action": "reject",
        "reason": "no_violation",
        "cases": [{"id": number, "version": 1} for number in (1, 2, 3, 99)],
    }
    done = officer.post("/api/cases/moves", json=steps)
    assert done.status_code == 200
    assert [case["id"] for case in done.json()["changed"]] == [1, 3]
    assert [(each["id"], each["status"]) for each in done.json()["unchanged"]] == [
        (2, 409),
        (99, 404),
    ]


def test_what_else_people_change(people: People, officer: TestClient) -> None:
    queue = people.shared.queue
    file_some(queue, 2)
    people.account("Chief", Role.SUPERVISOR)
    chief = people.logged_in("Chief")
    to = {"version": 1, "department": "street", "officer": "Li Wei"}
    case = officer.post("/api/cases/1/assignment", json=to).json()
    assert (case["department"], case["officer"], case["version"]) == ("street", "Li Wei", 2)
    unknown = officer.post("/api/cases/2/assignment", json={"version": 1, "team": "north"})
    assert (unknown.status_code, "none is responsible" in unknown.text) == (422, True)
    urgent = {"version": 2, "priority": "urgent"}
    assert officer.post("/api/cases/1/priority", json=urgent).json()["priority"] == "urgent"
    noted = officer.post("/api/cases/1/notes", json={"note": "owner called"})
    assert noted.json()["version"] == 4
    later = {"version": 4, "due_at": "2027-01-01T00:00:00Z", "note": "rain"}
    assert officer.post("/api/cases/1/deadline", json=later).status_code == 403
    extended = chief.post("/api/cases/1/deadline", json=later)
    assert extended.json()["due_at"] == "2027-01-01T00:00:00Z"


def test_cases_are_merged_and_split(people: People, officer: TestClient) -> None:
    file_some(people.shared.queue, 2)
    merged = officer.post("/api/cases/2/merge", json={"into": 1, "version": 1, "note": "one"})
    assert (merged.status_code, merged.json()["id"]) == (200, 1)
    case = officer.get("/api/cases/1").json()
    assert len(case["findings"]) == 2
    key = case["findings"][1]["key"]
    split = officer.post("/api/cases/1/split", json={"keys": [key], "version": case["version"]})
    assert (split.status_code, split.json()["id"]) == (200, 3)


def test_a_case_is_handled_with_photos_that_join_its_evidence(
    people: People, officer: TestClient
) -> None:
    queue = people.shared.queue
    (number,) = file_some(queue, 1)
    for step in ({"action": "confirm"}, {"action": "dispatch", "to": {"department": "street"}}):
        version = queue.get(number).version
        officer.post(f"/api/cases/{number}/moves", json={**step, "version": version})
    files = [("photos", ("../../after.jpg", photo(exif=exif_of()), "image/jpeg"))] * 2
    url = f"/api/cases/{number}/photos"
    old = officer.post(url, data={"action": "handle", "version": "1"}, files=files)
    assert (old.status_code, queue.evidence(number)) == (409, [])
    done = officer.post(
        url, data={"action": "handle", "version": "3", "note": "towed"}, files=files
    )
    assert (done.status_code, done.json()["state"]) == (200, "handled")
    (package,) = officer.get(f"/api/cases/{number}/evidence").json()
    assert [file["path"] for file in package["files"]] == [
        "original/photo-1.jpg",
        "original/photo-2.jpg",
    ]


@pytest.mark.parametrize(
    ("data", "files", "status", "said"),
    [
        ({"action": "note", "version": "1"}, [("photos", ("a.jpg", b"no photo"))], 422, "no photo"),
        ({"action": "note", "version": "1"}, [], 422, "photo"),
        ({"action": "reject", "version": "1"}, [("photos", ("a.jpg", b"x"))], 422, "form.action"),
        (
            {"action": "note", "version": "1"},
            [("photos", (f"{n}.jpg", b"x")) for n in range(11)],
            400,
            "",
        ),
    ],
)
def test_what_is_no_photo_changes_nothing(
    people: People,
    officer: TestClient,
    data: dict[str, str],
    files: list[tuple[str, tuple[str, bytes]]],
    status: int,
    said: str,
) -> None:
    (number,) = file_some(people.shared.queue, 1)
    answer = officer.post(f"/api/cases/{number}/photos", data=data, files=files)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    assert people.shared.queue.get(number).version == 1


def test_a_photo_may_be_larger_than_other_bodies(people: People, officer: TestClient) -> None:
    file_some(people.shared.queue, 1)
    files = [("photos", ("a.jpg", b"x" * (4 << 20)))]
    data = {"action": "note", "version": "1"}
    answer = officer.post("/api/cases/1/photos", data=data, files=files)
    assert (answer.status_code, "no photo" in answer.text) == (422, True)


def test_a_stranger_uploads_nothing(people: People) -> None:
    file_some(people.shared.queue, 1)
    files = [("photos", ("a.jpg", b"x" * 1000))]
    data = {"action": "note", "version": "1"}
    answer = people.stranger().post("/api/cases/1/photos", data=data, files=files)
    assert answer.status_code == 401


def test_a_bomb_is_no_photo(people: People, officer: TestClient) -> None:
    import io

    from PIL import Image

    file_some(people.shared.queue, 1)
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    files = [("photos", ("a.png", bomb.getvalue(), "image/png"))]
    data = {"action": "note", "version": "1"}
    answer = officer.post("/api/cases/1/photos", data=data, files=files)
    assert (answer.status_code, "more pixels" in answer.text) == (422, True)


def test_cars_of_the_tests_are_cases_of_their_own(people: People) -> None:
    queue = people.shared.queue
    assert [queue.file(car(number)).outcome for number in range(3)] == ["new"] * 3
