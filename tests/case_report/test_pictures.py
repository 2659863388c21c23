from __future__ import annotations

import base64
import io
import json
from datetime import UTC
from pathlib import Path

import pytest
from PIL import Image

from cv_engine.case_report.pictures import Package, read_package


@pytest.fixture
def package(data: Path) -> Path:
    """A package of the program."""
    (found,) = (data / "evidence").glob("motor_vehicle_parked-*")
    return found


def _read(folder: Path, beside: Path | None = None) -> Package:
    return read_package(folder, str(folder), beside, UTC)


def _list(package: Path, path: str, **file: str) -> None:
    """Writes a file into a package, and lists it in its manifest; reports do not verify."""
    (package / path).parent.mkdir(exist_ok=True)
    (package / path).write_bytes(b"x")
    manifest = json.loads((package / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"].append({"path": path, "size": 1, "sha256": 64 * "0", **file})
    (package / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_views_of_the_whole_come_before_close_ones_in_order_of_time(package: Path) -> None:
    titles = [picture.title for picture in _read(package).pictures]
    assert titles == [
        "overview, start, 00:00:00",
        "overview, end, 00:05:00",
        "closeup, start, 00:00:00",
        "closeup, end, 00:05:00",
    ]


def test_pictures_are_scaled_to_what_a_report_shows(package: Path) -> None:
    for picture in _read(package).pictures:
        data = base64.b64decode(picture.source.removeprefix("data:image/jpeg;base64,"))
        with Image.open(io.BytesIO(data)) as image:
            assert max(image.size) <= 960


def test_without_a_folder_to_link_from_nothing_is_linked(package: Path) -> None:
    _list(package, "original/clip.mp4", view="clip")
    read = _read(package)
    assert read.clips == ()
    assert {picture.link for picture in read.pictures} == {None}


def test_the_copy_that_browsers_play_stands_for_its_clip(package: Path) -> None:
    _list(package, "original/clip.mkv", view="clip")
    (clip,) = _read(package, package.parent).clips
    assert (clip.name, clip.is_original) == ("original/clip.mkv", True)
    assert clip.link == f"{package.name}/original/clip.mkv"
    _list(package, "playable/clip.mp4", view="playable", copy_of="original/clip.mkv")
    (clip,) = _read(package, package.parent).clips
    assert clip.name == "playable/clip.mp4"


def test_a_missing_picture_is_left_out(package: Path) -> None:
    (package / "shareable" / "overview-start.jpg").unlink()
    assert len(_read(package).pictures) == 3


@pytest.mark.parametrize("manifest", [b"", b"{}", b"\xff"])
def test_a_damaged_manifest_is_named(package: Path, manifest: bytes) -> None:
    (package / "manifest.json").write_bytes(manifest)
    read = _read(package)
    assert read.problem.startswith("manifest.json is not")
    assert read.pictures == ()
