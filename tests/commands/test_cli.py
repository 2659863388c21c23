"""The command line as a user sees it: output, messages and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from cv_engine.cases import open_queue
from cv_engine.finding import Finding, Place
from tests.commands.program import run_program

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

CHANGES = (
    *("confirm", "reject", "undo", "notice", "cite", "dispatch", "assign", "handle", "verify"),
    *("return", "close", "defer", "extend", "resume", "appeal", "reopen", "withdraw"),
    *("priority", "note"),
)
BEGAN = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command in an empty folder, in this process."""
    return partial(run_program, tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two cases in its queue."""
    folder = tmp_path / "data"
    folder.mkdir()
    place = Place({"type": "Point", "coordinates": [121.544, 29.8683]}, 3.0, "homography")
    with open_queue(folder / "queue.db") as queue:
        for number, kind in enumerate(("motor_vehicle_parked", "clutter")):
            began = BEGAN + timedelta(hours=number)
            queue.file(
                Finding(
                    kind=kind,
                    source="market-street",
                    zone="pavement",
                    place=place,
                    began=began,
                    observed=began + timedelta(seconds=400),
                    confidence=0.9,
                )
            )
    return folder


def _json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    "command",
    [
        (),
        *((name,) for name in ("analyze", "watch", "status", "demo", "doctor")),
        *(("cases", name) for name in ("list", "show", "export", *CHANGES)),
        *(("taxonomy", name) for name in ("check", "show", "crosswalk")),
        ("evidence", "verify"),
        *(("models", name) for name in ("list", "pull", "bench", "quantise")),
        *(("zones", name) for name in ("check", "draw")),
        *(("cameras", name) for name in ("check", "discover")),
        *(("satellite", name) for name in ("diff", "run")),
    ],
)
def test_every_command_has_help(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command, "--help")
    assert done.returncode == 0
    assert "Usage: cv-engine" in done.stdout


@pytest.mark.parametrize(
    ("args", "code"), [(("--version",), 0), (("frobnicate",), 2), (("cases", "show", "77"), 2)]
)
def test_the_process_exits_with_the_commands_code(
    args: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    command = [sys.executable, str(ROOT / "cli.py"), *args]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr


def test_help_imports_no_heavy_library() -> None:
    heavy = "av cv2 numpy onnxruntime openvino rasterio shapely sqlalchemy supervision pydantic"
    code = (
        "import sys, cli; from cv_engine.commands.exit_codes import run; run(cli.app, ['--help']);"
        f"print(sorted(set({heavy.split()!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def test_cases_list_as_json_lines_prints_nothing_else(run: Run, data: Path) -> None:
    done = run("cases", "list", "--data", data, "--format", "jsonl")
    assert done.returncode == 0
    rows = _json_lines(done.stdout)
    assert [row["kind"] for row in rows] == ["clutter", "motor_vehicle_parked"]
    assert rows[0]["geometry"] == {"type": "Point", "coordinates": [121.544, 29.8683]}
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--kind", "clutter"), 1),
        (("--kind", "parking"), 0),
        (("--zone", "pavement"), 2),
        (("--camera", "elsewhere"), 0),
        (("--state", "reported"), 2),
        (("--state", "confirmed"), 0),
        (("--since", "2026-05-01T16:30:00+08:00"), 1),
        (("--until", "2026-05-01T08:30:00Z"), 1),
        (("--box", "121.5,29.8,121.6,29.9"), 2),
        (("--box", "0,0,1,1"), 0),
        (("--limit", "1"), 1),
    ],
)
def test_cases_can_be_filtered(run: Run, data: Path, options: tuple[str, ...], count: int) -> None:
    done = run("cases", "list", "--data", data, "--format", "jsonl", *options)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == count


def test_the_table_shows_times_of_the_cameras_own_zone(
    run: Run, data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "ningbo.yaml"
    config.write_text("cameras:\n  - name: market-street\n    timezone: Asia/Shanghai\n")
    done = run("cases", "list", "--data", data, "--config", config)
    assert done.returncode == 0, done.stderr
    assert "2026-05-01 16:00+08:00" in done.stdout
    assert "6 min 40 s" in done.stdout
    shown = run("cases", "show", 1, "--data", data, "--config", config)
    assert "2026-05-01 16:00:00+08:00" in shown.stdout
    assert "29.868300, 121.544000 ±3 m" in shown.stdout


def test_decisions_are_kept_in_the_history(run: Run, data: Path) -> None:
    done = run("cases", "confirm", 1, "--by", "officer Li", "--note", "plain", "--data", data)
    assert done.returncode == 0, done.stderr
    done = run(
        "cases", "reject", 2, "--by", "officer Li", "--reason", "a market day", "--data", data
    )
    assert done.returncode == 0, done.stderr
    (shown,) = _json_lines(run("cases", "show", 2, "--data", data, "--format", "jsonl").stdout)
    assert shown["state"] == "rejected"
    assert "a market day" in json.dumps(shown["history"])
    sheet = run("cases", "show", 1, "--data", data)
    assert "state to confirmed by officer Li (supervisor): plain" in sheet.stdout


def test_a_decision_that_the_state_does_not_allow_is_refused(run: Run, data: Path) -> None:
    run("cases", "reject", 1, "--reason", "no", "--data", data)
    done = run("cases", "confirm", 1, "--data", data)
    assert done.returncode == 2
    assert "case 1 is rejected" in done.stderr


def test_export_writes_geojson_and_csv(run: Run, data: Path, tmp_path: Path) -> None:
    done = run("cases", "export", "--data", data)
    assert len(json.loads(done.stdout)["features"]) == 2
    out = tmp_path / "cases.csv"
    done = run("cases", "export", "--as", "csv", "--out", out, "--data", data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert len(out.read_text(encoding="utf-8").splitlines()) == 3


def test_an_empty_queue_is_no_error(run: Run, tmp_path: Path) -> None:
    done = run("cases", "list", "--data", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "no cases" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("cases", "list", "--since", "yesterday"), "--since yesterday: not a time"),
        (("cases", "list", "--since", "2026-05-01T08:00:00"), "has no offset from UTC"),
        (("cases", "list", "--box", "1,2,3"), "expected 4 numbers"),
        (("cases", "list", "--state", "lost"), "lost"),
        (("cases", "show", "77"), "there is no queue"),
        (("cases", "list", "--format", "xml"), "--format"),
        (("cases", "list", "--config", "missing.yaml"), "missing.yaml"),
        (("analyze", "x.mp4", "--at", "121.5,29.8"), "latitude comes first"),
        (("analyze", "x.mp4", "--start", "8 o'clock"), "not a time"),
        (("models", "pull", "yolo99"), "yolo99"),
        (("zones", "check", "missing.geojson"), "missing.geojson"),
        (("zones", "check", "missing.geojson", "--size", "big"), "write it as 1920x1080"),
        (("evidence", "verify", "missing"), "there is no such folder"),
        (("frobnicate",), "frobnicate"),
        (("analyze",), "VIDEO"),
    ],
)
def test_wrong_input_is_reported_and_exits_2(run: Run, args: tuple[str, ...], words: str) -> None:
    done = run(*args)
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2, text
    assert words in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("name", "content"),
    [("missing.mp4", None), ("empty.mp4", b""), ("notes.mp4", b"not a video\n" * 100)],
)
def test_files_that_are_no_video_are_reported(
    run: Run, tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run("analyze", name, "--start", "2026-05-01T08:00:00Z", "--format", "jsonl")
    assert done.returncode == 2, done.stderr
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert all(row["type"] == "summary" for row in _json_lines(done.stdout))


def test_an_unknown_key_names_file_line_and_key(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("rules:\n  parking:\n    dwell: 60\n")
    done = run("cases", "list", "--config", "mine.yaml")
    assert done.returncode == 2
    assert "mine.yaml:3" in done.stderr
    assert "dwell" in done.stderr


def test_a_data_folder_that_cannot_be_created_is_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("cases", "confirm", 1, "--data", tmp_path / "file" / "data")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "file" in done.stderr


def test_the_default_models_licence_is_listed(run: Run) -> None:
    rows = _json_lines(run("models", "list", "--format", "jsonl").stdout)
    licences = {row["name"]: row["licence"] for row in rows}
    assert licences["yolov8n"] == "AGPL-3.0"


def test_a_model_is_quantised_into_the_cache(
    run: Run, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = shared_data / "weights" / "yolox_nano.onnx"
    frames = shared_data / "detector" / "coco128" / "images"
    done = run("models", "quantise", model, "--frames", frames, "--count", 4, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    (row,) = _json_lines(done.stdout)
    assert row["precision"] == "int8"
    assert Path(str(row["path"])).is_relative_to(tmp_path / "cache")
    done = run("models", "quantise", model, "--frames", tmp_path / "nothing")
    assert done.returncode == 2
    assert "there is no such file or folder" in done.stderr


def test_logs_go_to_stderr_only_with_verbose(run: Run, shared_data: Path, tmp_path: Path) -> None:
    clip = shared_data / "video" / "candela_m1_10.mp4"
    common = ("analyze", clip, "--start", "2026-05-01T08:00:00Z", "--format", "jsonl")
    quiet = run(*common, "--data", tmp_path / "a")
    verbose = run("--verbose", *common, "--data", tmp_path / "b")
    if "cannot be downloaded" in quiet.stderr:
        pytest.skip("no source of weights is reached from here")
    for done in (quiet, verbose):
        assert done.returncode == 0, done.stderr
        assert {row["type"] for row in _json_lines(done.stdout)} <= {"case", "summary"}
    assert "[info" not in quiet.stderr
    assert "[info" in verbose.stderr


def test_zones_check_finds_a_crossing_outline_and_passes_a_sound_one(
    run: Run, tmp_path: Path
) -> None:
    def write(name: str, ring: list[list[int]]) -> Path:
        feature = {
            "type": "Feature",
            "properties": {"zone": "kerb", "frame": "image"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        path = tmp_path / name
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        return path

    crossing = write("bad.geojson", [[0, 0], [100, 100], [100, 0], [0, 100], [0, 0]])
    done = run("zones", "check", crossing, "--size", "640x480")
    assert done.returncode == 2
    assert "kerb" in done.stdout
    sound = write("good.geojson", [[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]])
    done = run("zones", "check", sound, "--size", "640x480", "--format", "jsonl")
    assert done.returncode == 0
    assert done.stdout == ""


def test_the_packaged_configuration_runs_as_it_is(run: Run) -> None:
    done = run("cameras", "check")
    assert done.returncode == 0, done.stderr


def test_doctor_lists_its_checks(run: Run, tmp_path: Path) -> None:
    done = run("doctor", "--data", tmp_path / "data", "--format", "jsonl")
    rows = {row["name"]: row for row in _json_lines(done.stdout)}
    assert done.returncode == 0, rows
    assert {"python", "packages", "runtimes", "weights", "codecs", "data folder", "clock"} <= set(
        rows
    )
    assert rows["codecs"]["state"] == "ok"


def test_a_closed_pipe_gives_no_error_message(data: Path) -> None:
    command = f"{sys.executable} {ROOT / 'cli.py'} cases export --data {data} | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
