"""Statistics, catalogue, cameras, zones and audit over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cv_engine.cases.lifecycle import Role
from cv_engine.config import CameraConfig, Config
from cv_engine.live.control.status_snapshot import CameraEntry, StatusSnapshot, write_snapshot
from cv_engine.live.status import CameraStatus
from cv_engine.service.accounts.passwords import Passwords
from cv_engine.service.app import create_app
from tests.clock import Clock
from tests.service.api.city import file_some
from tests.service.made import NOW, People

_ZONES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[0, 0], [400, 0], [400, 300], [0, 300], [0, 0]]],
            },
            "properties": {"zone": "pavement", "frame": "image"},
        }
    ],
}


@pytest.fixture
def chief(people: People) -> TestClient:
    people.account("Chief", Role.ADMINISTRATOR)
    return people.logged_in("Chief")


def test_the_figures_are_those_of_the_command_line(people: People, chief: TestClient) -> None:
    queue = people.shared.queue
    for number in file_some(queue, 3)[:2]:
        queue.confirm(number, "Li Wei")
    found = chief.get("/api/statistics?period=2026-05&by=class&times=true").json()
    (row,) = found["rows"]
    assert (row["value"], row["received"], row["filed"]) == ("motor_vehicle_parked", 3, 2)
    assert row["filing_rate"] == pytest.approx(2 / 3)
    assert found["total"]["received"] == 3
    assert chief.get("/api/statistics").json()["period"] == f"{NOW:%Y-%m}"
    wrong = chief.get("/api/statistics?period=soon")
    assert (wrong.status_code, "2026-Q4" in wrong.text) == (422, True)
    assert chief.get("/api/statistics?by=place").status_code == 422
    assert chief.get("/api/statistics/places?period=2026-05&least=2").json() == []


def test_the_catalogue_has_kinds_reasons_and_departments(chief: TestClient) -> None:
    taxonomy = chief.get("/api/taxonomy").json()
    assert "clutter" in {each["kind"] for each in taxonomy["classes"]}
    reasons = {each["id"]: each["actions"] for each in taxonomy["reasons"]}
    assert "reject" in reasons["no_violation"]
    assert chief.get("/api/organisation").json() == {"departments": [], "areas": []}
    assert chief.get("/api/areas").json()["features"] == []


def test_cameras_have_their_state_and_no_secrets(
    tmp_path: Path, clock: Clock, passwords: Passwords
) -> None:
    zones = tmp_path / "zones.geojson"
    zones.write_text(json.dumps(_ZONES))
    cameras = (
        CameraConfig.model_validate(
            {"name": "market", "zones": zones, "url": "rtsp://user:hunter2@10.0.0.5/1"}
        ),
        CameraConfig.model_validate({"name": "quay"}),
    )
    app = create_app(Config(data=tmp_path / "data", cameras=cameras), clock, passwords=passwords)
    try:
        status = CameraStatus("market", "live", NOW.timestamp() - 60, view="good", samples=30)
        at = NOW.timestamp()
        snapshot = StatusSnapshot(at, at - 60, 1, False, (), (CameraEntry("w", status),))
        write_snapshot(tmp_path / "data", snapshot)
        people = People(app)
        people.account(role=Role.VIEWER)
        viewer = people.logged_in()
        answer = viewer.get("/api/cameras")
        assert "hunter2" not in answer.text and "rtsp" not in answer.text
        found = answer.json()
        market, quay = found["cameras"]
        assert (market["state"], market["view"], market["samples"]) == ("live", "good", 30)
        assert (quay["state"], quay["has_stream"], found["stale"]) == (None, False, False)
        clock.advance(60)
        assert viewer.get("/api/cameras").json()["stale"]
        assert viewer.get("/api/cameras/market/zones").json() == _ZONES
        assert viewer.get("/api/cameras/quay/zones").json()["features"] == []
        assert viewer.get("/api/cameras/..%2f..%2fetc/zones").status_code == 404
        assert viewer.get("/api/cameras/none/zones").status_code == 404
    finally:
        app.state.shared.close()


def test_zones_are_checked_as_on_the_command_line(chief: TestClient) -> None:
    good = chief.post("/api/zones/check?width=640&height=480", json=_ZONES).json()
    assert good["usable"], good
    _bad = json.loads(json.dumps(_ZONES))
    _bad["features"][0]["properties"]["kinds"] = ["flying"]
    bad = chief.post("/api/zones/check", json=_bad).json()
    assert not bad["usable"]
    assert "flying" in str(bad["problems"])
    assert "/" not in bad["problems"][0]["where"]  # no path of this machine
    assert not chief.post("/api/zones/check", json={"type": "nothing"}).json()["usable"]


def test_an_audit_finds_what_was_changed_behind_the_queue(
    people: People, chief: TestClient
) -> None:
    (number,) = file_some(people.shared.queue, 1)
    assert chief.get(f"/api/cases/{number}/audit").json() == []
    with people.shared.queue.store.writing() as connection:
        connection.exec_driver_sql("UPDATE cases SET head = 'changed'")
    (problem,) = chief.get(f"/api/cases/{number}/audit").json()
    assert problem["what"] == "head"
    assert chief.get("/api/cases/99/audit").status_code == 404


def test_the_access_log_is_for_those_who_see_all_cases(people: People, chief: TestClient) -> None:
    (number,) = file_some(people.shared.queue, 1)
    chief.post(f"/api/cases/{number}/originals", json={"why": "first"})
    chief.post(f"/api/cases/{number}/originals", json={"why": "second"})
    assert [each["why"] for each in chief.get("/api/looks").json()] == ["second", "first"]
    (older,) = chief.get(f"/api/looks?before=2&case={number}").json()
    assert older["why"] == "first"
    people.account("Wu", Role.SUPERVISOR, ["north"])
    assert people.logged_in("Wu").get("/api/looks").status_code == 403
