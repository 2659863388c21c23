"""`cv-engine cameras check`: what is wrong with cameras, without their passwords."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from pathlib import Path

import numpy as np
import pytest

import cli
from cv_engine.commands.exit_codes import run
from tests.live.stream.certificates import identity
from tests.zones.scene import (
    EIGHT_PIXELS,
    PLANE,
    STREET,
    control_points,
    inverse,
    project,
    street_camera,
)
from zones.camera import Camera


def _check(folder: Path, entry: str, *options: str) -> int:
    config = folder / "c.yaml"
    config.write_text(f"cameras:\n  - {entry}\n")
    return run(cli.app, ["cameras", "check", "--config", str(config), *options])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://admin:s3#cret@10.0.0.5/x", "write it as %23"),
        ("rtsp://admin:s3/cret@10.0.0.5/x", "write it as %2F"),
        ("rtsp://admin:s3?cret@10.0.0.5/x", "write it as %3F"),
        ("rtsp://admin:s3cret@10.0.0.5:99999/x", "the port is no number from 1 to 65535"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_its_line(
    url: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(tmp_path, f"{{name: a, url: '{url}'}}") == 2
    shown = capsys.readouterr()
    assert f"{tmp_path}/c.yaml:2: cameras[0].url: " in shown.err
    assert expected in shown.err
    assert "cret" not in shown.err + shown.out


def test_an_at_in_a_password_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(tmp_path, "{name: a, url: 'rtsp://u:s3@cret@cam/x'}", "--format", "jsonl") == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["errors"] == 0
    assert "holds an @" in row["problems"][0]
    assert "cret" not in str(row)


def test_a_file_of_authorities_is_looked_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = "{name: a, url: 'rtsps://cam/x', tls_ca: ca.pem}"
    assert _check(tmp_path, entry, "--format", "jsonl") == 2
    assert "the file cannot be read" in capsys.readouterr().out
    (tmp_path / "ca.pem").write_text("none")
    assert _check(tmp_path, entry, "--format", "jsonl") == 2
    assert "the file holds no certificate" in capsys.readouterr().out
    identity(is_ca=True).write(tmp_path / "ca.pem")
    assert _check(tmp_path, entry) == 0


def test_a_password_that_is_not_in_the_environment_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = "{name: a, url: 'rtsp://cam/x', password_env: CAM_PW}"
    assert _check(tmp_path, entry, "--format", "jsonl") == 0
    assert "the environment variable CAM_PW is not set here" in capsys.readouterr().out
    monkeypatch.setenv("CAM_PW", "s3cret")
    assert _check(tmp_path, entry, "--format", "jsonl") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["problems"] == []
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtsp://cam:8000/x", "port 8000 usually serves the protocol of Hikvision's own programs"),
        (
            "rtsps://cam:554/x",
            "port 554 usually serves rtsp, not rtsps; rtsps usually has port 322",
        ),
        ("rtsp://cam:8554/x", None),
        ("rtsp://cam/x", None),
    ],
)
def test_a_port_that_serves_something_else_is_a_warning(
    url: str, words: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(tmp_path, f"{{name: a, url: '{url}'}}", "--format", "jsonl") == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (words or "") in "".join(row["problems"])
    assert bool(row["problems"]) is (words is not None)


def test_connect_finds_a_port_at_which_nothing_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        entry = f"{{name: a, url: 'rtsp://u:s3cret@127.0.0.1:{port}/x'}}"
        assert _check(tmp_path, entry, "--connect") == 0
    assert _check(tmp_path, entry, "--connect", "--format", "jsonl") == 2
    shown = capsys.readouterr().out
    assert f"nothing answers at port {port}" in shown
    assert "s3cret" not in shown


def _entries(folder: Path, *cameras: Camera, zones: str = "zones.geojson") -> Path:
    """A configuration of some cameras with one file of zones."""
    entries = [
        {
            "name": camera.name,
            "zones": zones,
            "max_fit_error_m": camera.max_fit_error_m,
            "ground_control_points": [
                {"x": p.x, "y": p.y, "latitude": p.lat, "longitude": p.lon}
                for p in camera.ground_control_points
            ],
        }
        for camera in cameras
    ]
    config = folder / "c.yaml"
    config.write_text(json.dumps({"cameras": entries}))
    return config


def _problems(config: Path, capsys: pytest.CaptureFixture[str]) -> str:
    run(cli.app, ["cameras", "check", "--config", str(config), "--format", "jsonl"])
    rows = map(json.loads, capsys.readouterr().out.splitlines())
    return " ".join(problem for row in rows for problem in row["problems"])


def test_a_zone_that_no_camera_sees_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def zone(name: str, corners: list[list[float]], **more: str) -> dict[str, object]:
        geometry = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
        return {"type": "Feature", "properties": {"zone": name, **more}, "geometry": geometry}

    pixels = np.array([[300.0, 400.0], [900.0, 400.0], [900.0, 650.0], [300.0, 650.0]])
    ahead = PLANE.to_degrees(project(inverse(STREET), pixels)).tolist()
    behind = [[lon, lat - 0.01] for lon, lat in ahead]
    features = [zone("kerb", ahead), zone("yard", behind), zone("gate", ahead, camera="north")]
    document = {"type": "FeatureCollection", "features": features}
    (tmp_path / "zones.geojson").write_text(json.dumps(document))
    street = street_camera(EIGHT_PIXELS)
    said = _problems(_entries(tmp_path, street), capsys)
    assert "zone yard: no camera shows the zone (street)" in said
    assert "zone gate: the zone is for camera north, which does not use this file" in said
    assert "zone kerb" not in said


def test_a_point_that_the_others_put_elsewhere_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = control_points(STREET, EIGHT_PIXELS[:5])
    wrong = dataclasses.replace(points[4], lat=points[4].lat + 4 / 111_320)
    camera = Camera("street", None, (*points[:4], wrong), max_fit_error_m=3.0)
    config = _entries(tmp_path, camera)
    (tmp_path / "zones.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    assert re.search(
        r"point 5: the other points put it [\d.]+ m away; check its", (_problems(config, capsys))
    )
