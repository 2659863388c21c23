"""A GeoReport client posts reports and reads them back, in both formats."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest
from fastapi.testclient import TestClient

from cv_engine.cases.lifecycle import Role
from cv_engine.service.accounts.tokens import Scope
from tests.evidence.media.photos import exif_of, photo
from tests.service.api.city import file_some
from tests.service.api.test_access import OPEN311
from tests.service.made import People

_REPORT = {
    "service_code": "clutter",
    "lat": "29.87",
    "long": "121.55",
    "description": "sofa <b>& boxes",
    "address_string": "7 Market St",
    "email": "li@city.example",
}


@pytest.fixture
def app_of_citizens(people: People) -> TestClient:
    account = people.account("citizens-app")
    return people.program(account, [Scope.REPORTS, Scope.CASES])


def test_a_report_is_posted_and_read_back(people: People, app_of_citizens: TestClient) -> None:
    posted = app_of_citizens.post("/open311/v2/requests.json", data=_REPORT)
    assert posted.status_code == 201, posted.text
    (row,) = posted.json()
    (found,) = app_of_citizens.get(f"/open311/v2/requests/{row['service_request_id']}.json").json()
    assert (found["service_code"], found["status"]) == ("clutter", "open")
    assert (found["lat"], found["long"]) == (29.87, 121.55)
    assert (found["description"], found["address"]) == ("sofa <b>& boxes", "7 Market St")
    case = people.shared.queue.get(int(row["service_request_id"]))
    assert (case.source, case.zone) == ("citizens-app", "reports")
    assert "city.example" not in str(case)


def test_the_same_in_xml(app_of_citizens: TestClient) -> None:
    posted = app_of_citizens.post("/open311/v2/requests.xml", data=_REPORT)
    assert posted.headers["content-type"].startswith("text/xml")
    number = fromstring(posted.content).findtext("request/service_request_id")
    found = fromstring(app_of_citizens.get(f"/open311/v2/requests/{number}.xml").content)
    assert found.findtext("request/description") == "sofa <b>& boxes"
    services = fromstring(app_of_citizens.get("/open311/v2/services.xml").content)
    codes = [each.findtext("service_code") for each in services.iter("service")]
    assert "clutter" in codes
    assert services.findtext("service/metadata") == "false"
    one = fromstring(app_of_citizens.get("/open311/v2/services/clutter.xml").content)
    assert one.findtext("service_definition/service_code") == "clutter"


def test_a_photo_joins_the_evidence(people: People, app_of_citizens: TestClient) -> None:
    files = {"media": ("sofa.jpg", photo(exif=exif_of()), "image/jpeg")}
    posted = app_of_citizens.post("/open311/v2/requests.json", data=_REPORT, files=files)
    assert posted.status_code == 201, posted.text
    (package,) = people.shared.queue.evidence(1)
    folder = people.shared.config.evidence_root / package
    assert (folder / "original" / "photo-1.jpg").is_file()


def test_what_is_no_photo_files_nothing(people: People, app_of_citizens: TestClient) -> None:
    files = {"media": ("sofa.jpg", b"GIF89a", "image/jpeg")}
    posted = app_of_citizens.post("/open311/v2/requests.json", data=_REPORT, files=files)
    assert (posted.status_code, people.shared.queue.count()) == (422, 0)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"lat": "91"}, 400, "lat"),
        ({"lat": "nan"}, 400, "lat"),
        ({"long": ""}, 400, "long"),
        ({"service_code": "flying"}, 422, "taxonomy"),
        ({"description": "a\0b"}, 400, "NUL"),
    ],
)
def test_a_wrong_report_is_named_and_files_nothing(
    people: People, app_of_citizens: TestClient, change: dict[str, str], status: int, said: str
) -> None:
    posted = app_of_citizens.post("/open311/v2/requests.json", data={**_REPORT, **change})
    assert posted.status_code == status
    (error,) = posted.json()
    assert (error["code"], said in error["description"]) == (status, True)
    assert people.shared.queue.count() == 0


def test_requests_are_selected_by_status_code_and_number(
    people: People, app_of_citizens: TestClient
) -> None:
    queue = people.shared.queue
    file_some(queue, 3)
    queue.reject(2, "Li Wei", "no")

    def ids(query: str) -> list[str]:
        answer = app_of_citizens.get(f"/open311/v2/requests.json?{query}")
        assert answer.status_code == 200, answer.text
        return [row["service_request_id"] for row in answer.json()]

    assert ids("") == ["3", "2", "1"]
    assert ids("status=open") == ["3", "1"]
    assert ids("status=closed") == ["2"]
    assert ids("status=open,closed") == ["3", "2", "1"]
    assert ids("service_request_id=2,1") == ["2", "1"]
    assert ids("service_code=clutter") == []
    assert ids("start_date=2026-05-01T00:02:00Z&end_date=2026-05-01T00:02:10Z") == ["3"]
    wrong = app_of_citizens.get("/open311/v2/requests.json?status=lost")
    assert wrong.status_code == 422


def test_the_key_may_stand_in_the_address_or_in_the_form(
    people: People, app_of_citizens: TestClient
) -> None:
    key = app_of_citizens.headers["Authorization"].removeprefix("Bearer ")
    stranger = people.stranger()
    assert stranger.get(f"/open311/v2/services.json?api_key={key}").status_code == 200
    posted = stranger.post("/open311/v2/requests.json", data={**_REPORT, "api_key": key})
    assert posted.status_code == 201


def test_strangers_and_cookies_and_other_tokens_do_nothing(people: People) -> None:
    people.account("Chief", Role.ADMINISTRATOR)
    browser = people.logged_in("Chief")
    other = people.program(people.shared.accounts.get("Chief"), [Scope.ACCOUNTS])
    for method, path in sorted(OPEN311):
        url = path.format(form="json", code="clutter", case_id=1)
        for client, status in ((people.stranger(), 401), (browser, 401), (other, 403)):
            answer = client.request(method, url, data=_REPORT if method == "POST" else None)
            assert answer.status_code == status, (method, path)
            assert answer.json()[0]["code"] == status
    viewer = people.account("Vera", Role.VIEWER)
    reading = people.program(viewer, [Scope.REPORTS])
    assert reading.post("/open311/v2/requests.json", data=_REPORT).status_code == 403
    assert people.shared.queue.count() == 0
