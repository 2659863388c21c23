"""`cv-engine zones frame`, `zones draw` and `cameras draw`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.commands.program import Done, run_program
from tests.video.recordings import HEIGHT, WIDTH, number_of, record, times
from tests.zones.scene import EIGHT_PIXELS, STREET, control_points

Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return partial(run_program, tmp_path)


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """A configuration with one camera, its zone and eight points, the third 1.5 m off."""
    noise = np.zeros((8, 2))
    noise[2, 0] = 1.5
    points = [
        {"x": p.x, "y": p.y, "latitude": p.lat, "longitude": p.lon}
        for p in control_points(STREET, EIGHT_PIXELS, noise)
    ]
    ring = [[100, 100], [400, 100], [400, 400], [100, 400], [100, 100]]
    zone = {
        "type": "Feature",
        "properties": {"zone": "pavement", "kinds": ["clutter"], "frame": "image"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    zones = {"type": "FeatureCollection", "features": [zone]}
    (tmp_path / "zones.geojson").write_text(json.dumps(zones))
    camera = {"name": "gate", "zones": "zones.geojson", "ground_control_points": points}
    path = tmp_path / "c.yaml"
    path.write_text(json.dumps({"cameras": [camera, {"name": "bare"}]}))
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "frame.png"
    cv2.imwrite(str(path), np.full((720, 1280, 3), 100, np.uint8))
    return path


def _changed(path: Path, x: int, y: int) -> bool:
    image = cv2.imread(str(path))
    assert image is not None
    return bool((image[y, x] != 100).any())


def test_a_frame_of_a_video_is_saved_in_full_size(run: Run, tmp_path: Path) -> None:
    video = record(tmp_path / "a.mp4", times(40), gop=10)
    done = run("zones", "frame", video, "--out", "still.png", "--at", 2)
    assert done.returncode == 0, done.stderr
    assert f"{WIDTH} x {HEIGHT} pixels" in done.stderr
    image = cv2.imread(str(tmp_path / "still.png"))
    assert image is not None
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert number_of(np.asarray(image, np.uint8)) == 20


def test_a_picture_that_cannot_be_written_is_refused(run: Run, tmp_path: Path) -> None:
    video = record(tmp_path / "a.mp4", times(10))
    assert "use .png or .jpg" in run("zones", "frame", video, "--out", "a.doc").stderr
    done = run("zones", "frame", video, "--out", "missing/a.png")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_zones_and_points_of_a_camera_are_drawn(
    run: Run, configured: Path, picture: Path, tmp_path: Path
) -> None:
    command = ("zones", "draw", "zones.geojson", "--on", picture, "--out", "drawn.png")
    assert run(*command).returncode == 0
    assert _changed(tmp_path / "drawn.png", 380, 120)
    assert not _changed(tmp_path / "drawn.png", 950, 330)
    done = run(*command, "--camera", "gate", "--config", configured)
    assert done.returncode == 0, done.stderr
    assert _changed(tmp_path / "drawn.png", 950, 330)


def test_a_camera_is_drawn_and_its_points_are_listed_with_their_errors(
    run: Run, configured: Path, picture: Path, tmp_path: Path
) -> None:
    command = ("cameras", "draw", "gate", "--on", picture, "--config", configured)
    done = run(*command, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["point"] for row in rows] == list(range(1, 9))
    assert max(rows, key=lambda row: row["left_out_error_m"])["point"] == 3
    assert _changed(tmp_path / "camera.png", 380, 120)
    assert _changed(tmp_path / "camera.png", 950, 330)


def test_a_camera_without_zones_and_points_is_refused(
    run: Run, configured: Path, picture: Path
) -> None:
    done = run("cameras", "draw", "bare", "--on", picture, "--config", configured)
    assert done.returncode == 2
    assert "nothing to draw" in done.stderr


def test_points_outside_the_picture_are_named(run: Run, configured: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((500, 1000, 3), np.uint8))
    done = run("cameras", "draw", "gate", "--on", small, "--config", configured)
    assert "1000 x 500 pixels: point 1, 2, 5, 7" in done.stderr
