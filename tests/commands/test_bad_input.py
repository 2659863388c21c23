"""Wrong input is reported in one line, and loses no filed case."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from tests.commands.program import Done, run_program
from tests.killing import outcome

START = "2026-05-01T08:00:00Z"
SETTINGS = (
    "video: {sample_s: 1.0}\n"
    "rules: {parking: {dwell_s: 3, min_size: 0.222}, clutter: {enabled: false}}\n"
    "detector: {input_size: 320}\n"
)
_POINTS = """
    ground_control_points:
      - {x: 212, y: 640, latitude: 29.868512, longitude: 121.544021}
      - {x: 1105, y: 655, latitude: 29.868431, longitude: 121.544096}
      - {x: 880, y: 310, latitude: 29.868702, longitude: 121.544342}
      - {x: 402, y: 305, latitude: 29.868759, longitude: 121.544246}
"""


def _analyze(folder: Path, *arguments: object) -> Done:
    """Run the command in ``folder`` and check that it shows no traceback."""
    done = run_program(folder, "analyze", *arguments)
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    return done


def _lines(done: Done) -> str:
    return " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def clip(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of a car park, with the index at the front so that it may be cut off."""
    path = tmp_path_factory.mktemp("clip") / "park.mp4"
    _copy(shared_data / "video" / "lot_leave_arrive.mp4", path, index_first=True)
    return path


def _copy(source: Path, out: Path, *, index_first: bool) -> None:
    """Copy the first six seconds of an MP4."""
    options = {"movflags": "+faststart"} if index_first else {}
    with av.open(str(source)) as film, av.open(str(out), "w", options=options) as copy:
        track = copy.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is None or packet.pts is None or packet.pts * packet.time_base >= 6:
                continue
            packet.stream = track
            copy.mux(packet)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "quick.yaml").write_text(SETTINGS)
    return tmp_path


def _sound_only(path: Path) -> None:
    with av.open(str(path), "w") as out:
        track = out.add_stream("aac", rate=44100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), "fltp", "mono")
        silence.rate, silence.pts = 44100, 0
        for packet in [*track.encode(silence), *track.encode(None)]:
            out.mux(packet)


def test_footage_that_cannot_be_read(folder: Path, shared_data: Path) -> None:
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a recording\n" * 200)
    _copy(shared_data / "video" / "lot_leave_arrive.mp4", folder / "cut.mp4", index_first=False)
    (folder / "cut.mp4").write_bytes((folder / "cut.mp4").read_bytes()[:200_000])
    _sound_only(folder / "sound.mp4")
    wrong = {
        "missing.mp4": "there is no such file",
        "empty.mp4": "the file is empty",
        "text.mp4": "is text, not a recording",
        "cut.mp4": "the MP4's index is missing or damaged",
        "sound.mp4": "has only sound",
    }
    done = _analyze(folder, *wrong, "--start", START, "--data", "data")
    assert done.returncode == 2, done.stderr
    for name, words in wrong.items():
        assert f"failed {name}: {words}" in _lines(done)


def test_a_broken_file_does_not_stop_the_rest(folder: Path, clip: Path) -> None:
    (folder / "broken.mp4").touch()
    whole = clip.read_bytes()
    (folder / "short.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    arguments = ["--camera", "park", "--config", "quick.yaml", "--data", "data", "--start", START]
    videos = ["broken.mp4", "short.mp4"]
    done = _analyze(folder, *videos, *arguments, "--format", "jsonl")
    assert done.returncode == 1, done.stderr
    *cases, summary = map(json.loads, done.stdout.splitlines())
    assert len(cases) == summary["cases_new"] >= 2
    broken, short = summary["videos"]
    assert broken["status"] == "failed"
    assert short["status"] == "done"
    assert "timed as if broken.mp4, which cannot be read, had no length" in short["message"]
    assert not outcome(folder / "data")["problems"]


@pytest.mark.parametrize(
    ("settings", "zone", "where"),
    [
        pytest.param(
            "rules:\n  clutter: {min_size_px: 12}\n",
            {},
            "sizes.yaml:2: rules.clutter.min_size_px: sizes are shares of the frame's height now; "
            "write min_size: 12 / height of the frame in pixels (0.021 at 576 lines, 0.011 at",
            id="pixels-in-the-configuration",
        ),
        pytest.param(
            "data: data\n",
            {"min_size_px": 16},
            "zones.geojson:1: feature 1 (kerb): min_size_px: sizes are shares of the frame's "
            'height now; write "min_size": 16 / height of the frame in pixels (0.028 at 576 lines',
            id="pixels-in-a-zone",
        ),
        pytest.param(
            "rules:\n  clutter: {min_size_m: 0.3}\n",
            {},
            "sizes.yaml:2: rules.clutter.min_size_m: no camera of the configuration has ground",
            id="metres-without-ground-control-points",
        ),
        pytest.param(
            "data: data\n",
            {"min_size_m": 0.3},
            "zones.geojson:1: feature 1 (kerb): min_size_m: camera park has no ground control",
            id="metres-of-a-zone-without-ground-control-points",
        ),
        pytest.param(
            f"rules:\n  clutter: {{min_size_m: 0.3}}\ncameras:\n  - name: gate\n{_POINTS}",
            {},
            "rules.clutter.min_size_m: camera park has no ground control points",
            id="metres-for-a-camera-that-is-not-configured",
        ),
    ],
)
def test_sizes_that_cannot_be_used(
    folder: Path, clip: Path, settings: str, zone: dict[str, float], where: str
) -> None:
    (folder / "sizes.yaml").write_text(settings)
    square = [[10, 10], [90, 10], [90, 90], [10, 90], [10, 10]]
    feature = {
        "type": "Feature",
        "properties": {"zone": "kerb", "frame": "image"} | zone,
        "geometry": {"type": "Polygon", "coordinates": [square]},
    }
    zones = {"type": "FeatureCollection", "features": [feature]}
    (folder / "zones.geojson").write_text(json.dumps(zones))
    options = ["--config", "sizes.yaml", "--zones", "zones.geojson", "--data", "data"]
    done = _analyze(folder, clip, "--camera", "park", "--start", START, *options)
    assert done.returncode == 2, done.stderr
    assert where in _lines(done)


def test_an_unknown_codec_does_not_stop_the_rest_and_times_have_the_offset_of_the_start(
    folder: Path, clip: Path, shared_data: Path
) -> None:
    odd = shared_data / "odd" / "12-video-no-codec" / "svac.mp4"
    options = ["--config", "quick.yaml", "--data", "data"]
    done = _analyze(folder, odd, clip, "--start", "2026-05-01T08:00:00+08:00", *options)
    assert done.returncode == 1, done.stderr
    assert f"failed {odd}: FFmpeg knows no decoder" in _lines(done)
    assert f"done {clip}" in _lines(done)
    for shown in (done.stdout, run_program(folder, "cases", "list", *options).stdout):
        assert "2026-05-01 08:00+08:00" in shown
    shown = run_program(folder, "cases", "show", "1", *options).stdout
    assert "began\t2026-05-01 08:00:00+08:00" in shown


def test_a_track_that_is_not_there_is_refused(folder: Path, clip: Path) -> None:
    done = _analyze(folder, clip, "--track", "7", "--data", "data", "--start", START)
    assert done.returncode == 2, done.stderr
    assert "has no video track 7; there are: 0 (h264, 640 x 360, default)" in _lines(done)


def test_times_without_a_rate_are_said_to_be_a_guess(folder: Path, shared_data: Path) -> None:
    raw = shared_data / "odd" / "01-raw-stream-without-rate" / "norate.h264"
    (folder / "idle.yaml").write_text("rules: {parking: {enabled: false}}\n")
    arguments = ["--config", "idle.yaml", "--start", START, "--format", "jsonl"]
    done = _analyze(folder, raw, *arguments, "--data", "guessed")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert "times are a guess" in summary["videos"][0]["message"]
    assert "--fps" in summary["videos"][0]["message"]
    assert summary["media_s"] == pytest.approx(6.36, abs=1.0)
    done = _analyze(folder, raw, *arguments, "--data", "stated", "--fps", "10")
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["videos"][0]["message"] == ""
    assert summary["media_s"] == pytest.approx(15.9, abs=2.0)


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        ([[10, 10]] * 4, "zones.geojson:1: feature 1 (kerb): coordinates: the corners enclose no"),
        ([[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]], "feature 1 (kerb): coordinates: the outline"),
        ([[5000, 0], [6000, 0], [6000, 9], [5000, 0]], "zone kerb: the zone lies outside"),
    ],
)
def test_zones_that_cannot_be_used(
    corners: list[list[int]], words: str, folder: Path, clip: Path
) -> None:
    feature = {
        "type": "Feature",
        "properties": {"zone": "kerb", "frame": "image"},
        "geometry": {"type": "Polygon", "coordinates": [corners]},
    }
    zones = {"type": "FeatureCollection", "features": [feature]}
    (folder / "zones.geojson").write_text(json.dumps(zones))
    done = _analyze(folder, clip, "--zones", "zones.geojson", "--start", START, "--data", "data")
    assert done.returncode == 2, done.stderr
    assert words in _lines(done)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("rules:\n  parking:\n    dwell: 60\n", "mine.yaml:3: rules.parking.dwell: unknown key"),
        ("rules:\n  parking:\n    dwell_s: 5 min\n", "expected a number of seconds above 0"),
    ],
)
def test_settings_that_cannot_be_used(settings: str, words: str, folder: Path, clip: Path) -> None:
    (folder / "mine.yaml").write_text(settings)
    done = _analyze(folder, clip, "--config", "mine.yaml", "--data", "data")
    assert done.returncode == 2
    assert words in _lines(done)
    assert not (folder / "data").exists()


def test_a_data_folder_that_cannot_be_created(folder: Path, clip: Path) -> None:
    (folder / "file").touch()
    done = _analyze(folder, clip, "--data", "file/data")
    assert done.returncode == 2
    assert "file/data: the data folder cannot be written (Not a directory)" in _lines(done)
    assert "choose another with --data" in _lines(done)


class Disk:
    """A small tmpfs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mount(self, options: str) -> bool:
        """Mount the disk; false where this machine does not allow it."""
        self.folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def change(self, options: str) -> None:
        command = ["mount", "-o", f"remount,{options}", str(self.folder)]
        subprocess.run(command, capture_output=True, check=True)


@pytest.fixture
def disk(folder: Path) -> Iterator[Disk]:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = Disk(folder / "disk")
    yield disk
    subprocess.run(["umount", str(disk.folder)], capture_output=True, check=False)


def test_a_disk_that_cannot_be_written(folder: Path, clip: Path, disk: Disk) -> None:
    if not disk.mount("ro"):
        pytest.skip("this machine does not allow mounting a tmpfs")
    done = _analyze(folder, clip, "--data", "disk/data")
    assert done.returncode == 2
    assert "the data folder cannot be written (Read-only file system)" in _lines(done)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_loses_nothing(folder: Path, clip: Path, disk: Disk) -> None:
    """Space for no evidence package, then for the first one only, then for all."""
    arguments = [clip, "--start", START, "--config", "quick.yaml", "--data"]
    assert _analyze(folder, *arguments, "elsewhere").returncode == 0
    expected = outcome(folder / "elsewhere")
    largest = max(_size(package) for package in (folder / "elsewhere" / "evidence").iterdir())
    # The queue and its log take 400 kB, keys and certificates some pages.
    sizes = [540_000, 540_000 + largest * 3 // 2]
    if not disk.mount(f"size={sizes[0]}"):
        pytest.skip("this machine does not allow mounting a tmpfs")
    for cases, size in enumerate(sizes):
        disk.change(f"size={size}")
        full = _analyze(folder, *arguments, "disk")
        assert full.returncode == 1, full.stderr
        assert "disk is full" in _lines(full)
        left = outcome(disk.folder)
        assert len(left["cases"]) == len(left["packages"]) == cases
        assert not left["problems"]
        assert not left["partial"]
    disk.change("size=64m")
    again = _analyze(folder, *arguments, "disk")
    assert again.returncode == 0, again.stderr
    assert outcome(disk.folder) == expected


def test_a_disk_too_small_for_the_queue(folder: Path, clip: Path, disk: Disk) -> None:
    if not disk.mount("size=60k"):
        pytest.skip("this machine does not allow mounting a tmpfs")
    done = _analyze(folder, clip, "--start", START, "--data", "disk")
    assert done.returncode == 1
    assert "queue.db: the disk is full: make room and run it again" in _lines(done)
