"""Evidence over HTTP: parts of files, copies by default, originals with a reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cv_engine.cases.lifecycle import Role
from cv_engine.cases.looks import each_look
from cv_engine.evidence.signing import SigningKey
from cv_engine.service.accounts.tokens import Scope
from tests.cases.made import Clock as CityClock
from tests.clock import Clock
from tests.privacy.city import PLATE, City
from tests.service.made import People


@pytest.fixture
def city(people: People, tmp_path: Path) -> City:
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    return City(people.shared.queue, people.shared.config.evidence_root, key, CityClock())


@pytest.fixture
def officer(people: People) -> TestClient:
    people.account()
    return people.logged_in()


def _urls(client: TestClient, case_id: int) -> dict[str, str]:
    (package,) = client.get(f"/api/cases/{case_id}/evidence").json()
    return {file["path"]: file["url"] for file in package["files"]}


def test_a_copy_is_shown_whole_and_in_parts(city: City, officer: TestClient) -> None:
    url = _urls(officer, city.park())["shareable/overview-start.jpg"]
    whole = officer.get(url)
    data = f"shareable/overview-start.jpg {PLATE}".encode()
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["content-type"] == "image/jpeg"
    assert whole.headers["accept-ranges"] == "bytes"
    assert "private" in whole.headers["cache-control"]
    assert "default-src 'none'" in whole.headers["content-security-policy"]
    part = officer.get(url, headers={"Range": "bytes=4-8"})
    assert (part.status_code, part.content) == (206, data[4:9])
    assert part.headers["content-range"] == f"bytes 4-8/{len(data)}"
    assert officer.get(url, headers={"Range": "bytes=9999-"}).status_code == 416


def test_an_original_needs_a_reason_which_is_logged_first_and_lasts_a_while(
    people: People, city: City, officer: TestClient, clock: Clock
) -> None:
    case_id, other = city.park(), city.park()
    url = _urls(officer, case_id)["original/overview-start.jpg"]
    refused = officer.get(url)
    assert (refused.status_code, f"/api/cases/{case_id}/originals" in refused.text) == (403, True)
    empty = officer.post(f"/api/cases/{case_id}/originals", json={"why": " "})
    assert empty.status_code == 422
    assert officer.get(url).status_code == 403
    allowed = officer.post(f"/api/cases/{case_id}/originals", json={"why": "appeal 17"})
    assert allowed.status_code == 201
    assert officer.get(url).content == f"original/overview-start.jpg {PLATE}".encode()
    assert officer.get(url).headers["cache-control"] == "no-store"
    assert officer.get(_urls(officer, other)["original/overview-start.jpg"]).status_code == 403
    people.account("Chen Jie")
    assert people.logged_in("Chen Jie").get(url).status_code == 403
    clock.advance(15 * 60)
    assert officer.get(url).status_code == 403
    with people.shared.queue.store.reading() as connection:
        (logged,) = each_look(connection)
    assert (logged.look.who, logged.look.why, logged.look.case_id) == (
        "Li Wei",
        "appeal 17",
        case_id,
    )


def test_viewers_and_tokens_without_the_scope_see_no_originals(
    people: People, city: City, officer: TestClient
) -> None:
    case_id = city.park()
    url = _urls(officer, case_id)["original/overview-start.jpg"]
    why = {"why": "x"}
    assert officer.post(f"/api/cases/{case_id}/originals", json=why).status_code == 201
    account = people.shared.accounts.get("Li Wei")
    assert people.program(account, [Scope.CASES]).get(url).status_code == 403
    assert people.program(account, [Scope.CASES, Scope.ORIGINALS]).get(url).status_code == 200
    people.shared.accounts.change("Li Wei", "Chief", role=Role.VIEWER)
    viewer = people.logged_in()
    assert viewer.get(url).status_code == 403  # the reason is not an hour old, and the role gone


@pytest.mark.parametrize(
    "path",
    [
        "shareable/../original/overview-start.jpg",
        "shareable/%2e%2e/original/overview-start.jpg",
        "..%2f..%2f..%2fqueue.db",
        "../../../queue.db",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "manifest.json",
        "shareable/overview-start.jpg%00.png",
        "shareable",
        "SHAREABLE/overview-start.jpg",
    ],
)
def test_only_files_of_the_manifest_are_shown(city: City, officer: TestClient, path: str) -> None:
    case_id = city.park()
    package = city.package(case_id).name
    answer = officer.get(f"/api/cases/{case_id}/evidence/{package}/{path}")
    assert answer.status_code in (403, 404, 422)  # a browser takes the dots out itself
    assert PLATE not in answer.text


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..", "other"])
def test_only_packages_of_the_case_are_shown(city: City, officer: TestClient, name: str) -> None:
    case_id, other = city.park(), city.park()
    name = city.package(other).name if name == "other" else name
    answer = officer.get(f"/api/cases/{case_id}/evidence/{name}/shareable/overview-start.jpg")
    assert answer.status_code in (404, 405)


def test_a_link_in_a_package_leads_nowhere(city: City, officer: TestClient) -> None:
    case_id = city.park()
    url = _urls(officer, case_id)["shareable/overview-start.jpg"]
    picture = city.package(case_id) / "shareable" / "overview-start.jpg"
    picture.unlink()
    picture.symlink_to("/etc/passwd")
    assert officer.get(url).status_code == 404


def test_evidence_that_was_deleted_says_by_which_rule(city: City, officer: TestClient) -> None:
    from cv_engine.privacy.purge import purge
    from tests.privacy.city import CHIEF

    case_id = city.reject(city.park())
    url = _urls(officer, case_id)["shareable/overview-start.jpg"]
    city.clock.now = city.clock.now.replace(year=2027)
    purge(city.queue, city.deleter, city.rules(rejected=1), CHIEF, city.clock.now)
    answer = officer.get(url)
    assert (answer.status_code, "rejected, 1 day" in answer.text) == (410, True)
    (package,) = officer.get(f"/api/cases/{case_id}/evidence").json()
    assert (package["files"], package["purged_by"] is None) == ([], False)


def test_evidence_that_is_missing_is_a_problem_and_no_bug(city: City, officer: TestClient) -> None:
    case_id = city.park()
    url = _urls(officer, case_id)["shareable/overview-start.jpg"]
    shutil.rmtree(city.package(case_id))
    assert officer.get(url).status_code == 404
    assert officer.get(f"/api/cases/{case_id}/evidence").status_code == 404
