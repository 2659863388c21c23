"""A package appears whole or not at all, once, and no evidence is ever destroyed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as Pictures
from shapely.geometry import Polygon

from cv_engine.evidence.clips import FrameNumbers
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.media.caption import caption, place_line
from cv_engine.evidence.media.clip import ClipSource
from cv_engine.evidence.media.playable import is_playable
from cv_engine.evidence.media.redact import Finders
from cv_engine.evidence.media.still import Role, Still
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.package import Exhibit, Style, write
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.staging import STAGING, staged
from cv_engine.evidence.verify import verify
from cv_engine.finding import Place
from tests.evidence.media.scenes import BEGAN, CAR, car_park_still, detections, frames, parked

ZONE = Polygon([(200, 60), (520, 60), (600, 340), (150, 340)])
VIEWS = [f"{view}-{role}.jpg" for role in ("start", "end") for view in ("overview", "closeup")]


def _below(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_whole_package(video: Path, tmp_path: Path, stills: list[Still], key: SigningKey) -> None:
    source = video / "lot_leave_arrive.mp4"
    package = write(
        tmp_path,
        parked(),
        [*stills, car_park_still(video, "between", 2.0)],
        key=key,
        clips=[ClipSource(source, 1.0, 3.0, before_s=1.0, after_s=1.0)],
        zone=ZONE,
        provenance={"model": "0" * 64, "source": {"name": source.name}},
        style=Style(timezone=ZoneInfo("Asia/Shanghai")),
    )
    assert verify(package, key.fingerprint) == []
    assert list(tmp_path.iterdir()) == [package]
    pictures = {*VIEWS, "overview-between.jpg", "closeup-between.jpg"}
    assert {path.name for path in (package / "original").iterdir()} == {*pictures, "clip.mp4"}
    assert {path.name for path in (package / "shareable").iterdir()} == pictures
    manifest = json.loads((package / "manifest.json").read_bytes())
    assert manifest["finding"]["key"] == parked().key
    assert manifest["provenance"] == {
        "model": "0" * 64,
        "redacted": True,
        "source": {"name": source.name},
    }
    assert manifest["clips"][0]["path"] == "original/clip.mp4"
    assert len(frames(package / "original" / "clip.mp4")) == manifest["clips"][0]["pictures"]
    assert [file["path"] for file in manifest["files"]] == sorted(
        path for path in _below(package) if not path.startswith("manifest")
    )


def test_originals_are_the_frames_and_copies_are_not(written: Path, stills: list[Still]) -> None:
    for still in stills:
        data = (written / "original" / f"overview-{still.role}.jpg").read_bytes()
        picture = Pictures.open(io.BytesIO(data))
        back = np.asarray(picture)[:, :, ::-1].astype(int)
        assert np.abs(back - still.image).mean() < 1.5  # rounding of the JPEG only
        shared = np.asarray(Pictures.open(written / "shareable" / f"overview-{still.role}.jpg"))
        assert shared.shape[0] > still.image.shape[0]
        gps = picture.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        assert gps[ExifTags.GPS.GPSLatitudeRef] == "S"
        stamp = picture.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
        assert stamp == f"{still.time:%Y:%m:%d %H:%M:%S}"


def test_written_twice_is_written_once(
    tmp_path: Path, stills: list[Still], key: SigningKey
) -> None:
    package = write(tmp_path, parked(), stills, key=key)
    before = {path: path.stat().st_mtime_ns for path in package.rglob("*")}
    content = _below(package)
    assert write(tmp_path, parked(), [], key=key) == package
    assert before == {path: path.stat().st_mtime_ns for path in package.rglob("*")}
    again = write(tmp_path / "again", parked(), stills, key=key)
    assert _below(again) == content  # byte for byte


def test_runs_at_the_same_time_write_one_package(
    tmp_path: Path, stills: list[Still], key: SigningKey
) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(write, tmp_path, parked(), stills, key=key) for _ in range(4)]
        packages = {run.result() for run in runs}
    assert list(tmp_path.iterdir()) == list(packages)
    assert verify(packages.pop()) == []


def test_damaged_package_is_set_aside(tmp_path: Path, stills: list[Still], key: SigningKey) -> None:
    for number in (1, 2):
        package = write(tmp_path, parked(), stills, key=key)
        (package / "manifest.sig").write_bytes(b"damaged" * number)
        assert write(tmp_path, parked(), stills, key=key) == package
        assert verify(package) == []
        aside = tmp_path / f"{package.name}.damaged-{number}"
        assert (aside / "manifest.sig").read_bytes() == b"damaged" * number
    assert len(list(tmp_path.iterdir())) == 3


def test_file_with_the_packages_name_is_set_aside(
    tmp_path: Path, stills: list[Still], key: SigningKey
) -> None:
    (tmp_path / package_name(parked())).write_text("not a folder")
    assert verify(write(tmp_path, parked(), stills, key=key)) == []


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("市场街-03", "市场街-03"),
        ("../../etc/passwd", "etc-passwd"),
        ("a b/c\x00d", "a-b-c-d"),
        ("", "camera"),
        ("..", "camera"),
        ("街" * 200, "街" * 26),
    ],
)
def test_names(source: str, part: str) -> None:
    finding = parked(source)
    name = package_name(finding)
    assert name == f"motor_vehicle_parked-{part}-20260501T000007Z-{finding.key}"
    assert len(name.encode()) < 200


def test_unreadable_recording_is_noted_and_pictures_are_kept(
    tmp_path: Path, stills: list[Still], key: SigningKey
) -> None:
    recording = tmp_path / "broken.mp4"
    recording.write_bytes(b"no video")
    package = write(
        tmp_path / "evidence", parked(), stills, key=key, clips=[ClipSource(recording, 0, 1)]
    )
    assert verify(package) == []
    clip = json.loads((package / "manifest.json").read_bytes())["clips"][0]
    assert clip["path"] is None
    assert "no clip, is text, not a recording" in clip["missing"]


def test_unredacted_pictures_are_not_called_shareable(
    tmp_path: Path, stills: list[Still], key: SigningKey
) -> None:
    package = write(tmp_path, parked(), stills, key=key, style=Style(redacted=False))
    assert {path.name for path in package.iterdir() if path.is_dir()} == {"original", "annotated"}


def test_bad_findings(tmp_path: Path, stills: list[Still], key: SigningKey) -> None:
    with pytest.raises(EvidenceError, match="at least one still"):
        write(tmp_path, parked(), [], key=key)
    for value in (float("nan"), object(), b"bytes"):
        with pytest.raises(EvidenceError, match="not JSON"):
            write(tmp_path, replace(parked(), attributes={"x": value}), stills, key=key)
    for geometry in ({"type": "Point"}, {"type": "Point", "coordinates": [300.0, 5.0]}, {}):
        place = Place(geometry, None, "camera", CAR)
        with pytest.raises(EvidenceError, match="geometry"):
            write(tmp_path, replace(parked(), place=place), stills, key=key)
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_run_is_removed(
    tmp_path: Path, stills: list[Still], key: SigningKey
) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; "
        "from cv_engine.evidence.staging import staged\n"
        "with staged(Path(sys.argv[1]), 'killed') as folder:\n"
        "    (folder / 'half').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert run.returncode == -signal.SIGKILL
    assert len(list((tmp_path / STAGING).iterdir())) == 1
    with staged(tmp_path, "alive") as alive:
        package = write(tmp_path, parked(), stills, key=key)
        assert list((tmp_path / STAGING).iterdir()) == [alive]
    assert list(tmp_path.iterdir()) == [package]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 512 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("a small file system cannot be mounted by this user")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("free_kb", [8, 200, 400])
def test_full_disk(
    small_disk: Path, video: Path, stills: list[Still], key: SigningKey, free_kb: int
) -> None:
    (small_disk / "filler").write_bytes(bytes((512 - free_kb) * 1024))
    clip = ClipSource(video / "lot_leave_arrive.mp4", 1.0, 3.0)
    with pytest.raises(EvidenceError, match=r"disk is full.*free some space") as caught:
        write(small_disk / "evidence", parked(), stills, key=key, clips=[clip])
    assert STAGING not in str(caught.value)
    assert list((small_disk / "evidence").iterdir()) == []


def test_clip_on_a_full_disk(
    small_disk: Path, video: Path, stills: list[Still], key: SigningKey
) -> None:
    """The pictures fit, the clip does not."""
    clip = ClipSource(video / "lot_leave_arrive.mp4", 1.0, 30.0)
    with pytest.raises(EvidenceError, match="disk is full"):
        write(small_disk, parked(), stills[:1], key=key, clips=[clip])
    assert list(small_disk.iterdir()) == []


def test_folder_that_cannot_be_written(
    tmp_path: Path, stills: list[Still], key: SigningKey
) -> None:
    root = tmp_path / "evidence"
    root.mkdir(mode=0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # an unprivileged user: root may write everywhere
    try:
        with pytest.raises(EvidenceError, match="write permission"):
            write(root, parked(), stills, key=key)
    finally:
        os.seteuid(user)
    (tmp_path / "file").touch()
    with pytest.raises(EvidenceError, match="could not be written"):
        write(tmp_path / "file" / "evidence", parked(), stills, key=key)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (Place(None, None, "unknown"), "position unknown"),
        (
            Place({"type": "Point", "coordinates": [121.5, 29.8]}, None, "camera"),
            "camera position 29.80000° N, 121.50000° E",
        ),
        (
            Place({"type": "Point", "coordinates": [-70.1, -33.2]}, 2.13, "homography"),
            "33.20000° S, 70.10000° W ± 2.1 m (from ground control points)",
        ),
        (
            Place({"type": "Point", "coordinates": [-3.7003, 40.4177]}, 1000.0, "camera"),
            "camera position 40.41770° N, 3.70030° W ± 1,000 m",
        ),
    ],
)
def test_place_in_words(place: Place, line: str) -> None:
    assert place_line(place) == line


def test_a_caption_says_all_that_an_officer_asks(stills: list[Still]) -> None:
    still = replace(stills[1], time=BEGAN + timedelta(minutes=65, seconds=3))
    seen_s = timedelta(minutes=65, seconds=3)
    attributes = {"limit_s": 300.0, "vehicle": "bus"}
    finding = replace(parked(), observed=BEGAN + seen_s, attributes=attributes)
    assert caption(finding, still, ZoneInfo("Asia/Shanghai"), frame="frame 7 of clip.mp4") == [
        "Motor vehicle parked · last seen, 1 h 5 min after the start",
        f"case key {finding.key} · 市场街-03 · zone pavement",
        "limit 5 min 0 s · seen for 1 h 5 min · vehicle: bus",
        "2026-05-01 09:05:10.120 +08:00 · 2026-05-01 01:05:10.120 UTC",
        "error of the camera's clock unknown · frame 7 of clip.mp4",
        "29.86831° S, 121.54402° E ± 2.1 m (from ground control points)",
    ]


@pytest.mark.parametrize(
    ("role", "second", "words"),
    [
        ("start", 0.3, "start"),
        ("start", 2, "2 s after the start"),
        ("between", 7.4, "7 s after the start"),
        ("limit", 15.0, "over the limit, 15 s after the start"),
        ("limit", 14.9, "last seen, 15 s after the start"),
        ("end", 20, "last seen, 20 s after the start"),
        ("plate", 12, "number plate, 12 s after the start"),
    ],
)
def test_a_caption_names_its_moment_in_plain_words(
    stills: list[Still], role: Role, second: float, words: str
) -> None:
    still = replace(stills[0], role=role, time=BEGAN + timedelta(seconds=second))
    assert caption(parked(), still, UTC)[0] == f"Motor vehicle parked · {words}"


def _exhibit(path: str = "shareable/overlay.jpg", data: bytes = b"picture") -> Exhibit:
    return Exhibit(path, "after", "overlay", BEGAN, data)


def test_exhibits_are_kept_unchanged(tmp_path: Path, key: SigningKey) -> None:
    exhibits = [_exhibit(), _exhibit("original/before.tif", b"window")]
    package = write(tmp_path, parked(), [], key=key, exhibits=exhibits)
    assert verify(package, key.fingerprint) == []
    assert (package / "original" / "before.tif").read_bytes() == b"window"
    manifest = json.loads((package / "manifest.json").read_bytes())
    assert [file["path"] for file in manifest["files"]] == [
        *("original/before.tif", "shareable/overlay.jpg"),
    ]
    assert manifest["files"][1]["role"] == "after"
    assert "redacted" not in manifest["provenance"], "exhibits are not searched for what to hide"
    (package / "shareable" / "overlay.jpg").write_bytes(b"another")
    assert [problem.where for problem in verify(package)] == ["shareable/overlay.jpg"]


def test_exhibits_beside_stills(tmp_path: Path, stills: list[Still], key: SigningKey) -> None:
    package = write(tmp_path, parked(), stills, key=key, exhibits=[_exhibit()])
    assert {path.name for path in (package / "shareable").iterdir()} == {*VIEWS, "overlay.jpg"}
    assert verify(package) == []


@pytest.mark.parametrize(
    "path", ["overlay.jpg", "elsewhere/a.jpg", "original/", "original/a/b.jpg", "../original/a.jpg"]
)
def test_exhibits_outside_the_packages_folders_are_refused(path: str) -> None:
    with pytest.raises(EvidenceError, match="must be a file in original/ or shareable/"):
        _exhibit(path)


def _found_on_the_plate() -> Finders:
    """The vehicle of the plate, found a little larger; a faint person, and the plate again."""
    seen = detections([((285, 70, 520, 310), "car"), ((360, 225, 460, 300), "person")])
    seen.confidence = np.array([0.9, 0.06], np.float32)
    quad = np.array([[381, 231], [438, 230], [439, 249], [380, 250]], np.float32)
    return Finders(people=lambda image: seen, plates=lambda image: [quad])


@pytest.mark.parametrize("finders", [None, _found_on_the_plate()], ids=["alone", "found again"])
def test_the_plate_is_cut_out_and_readable(
    tmp_path: Path, stills: list[Still], key: SigningKey, finders: Finders | None
) -> None:
    plate = (380.0, 230.0, 440.0, 250.0)  # on the vehicle of the case
    stills = [*stills, replace(stills[1], role="plate", box=plate)]
    package = write(tmp_path, parked(), stills, key=key, style=Style(finders=finders))
    assert verify(package) == []
    for folder in ("original", "shareable"):
        names = {path.name for path in (package / folder).iterdir()}
        assert names == {*VIEWS, "closeup-plate.jpg"}, "the plate has no view of the whole"
    manifest = json.loads((package / "manifest.json").read_bytes())
    shown = [file for file in manifest["files"] if file.get("role") == "plate"]
    assert [file["view"] for file in shown] == ["closeup", "closeup"]
    original = np.asarray(Pictures.open(package / "original/closeup-plate.jpg"), float)
    height, width = original.shape[:2]
    drawn = Pictures.open(package / "shareable/closeup-plate.jpg")
    factor = drawn.width // width
    shared = np.asarray(drawn.crop((0, 0, width * factor, height * factor)).resize((width, height)))
    inside = np.s_[height // 2 - 5 : height // 2 + 5, width // 2 - 20 : width // 2 + 20]
    assert np.abs(shared[inside] - original[inside]).mean() < 12, "the case's own plate is hidden"


@pytest.mark.parametrize(
    ("starts", "ends", "spacing_s", "chosen"),
    [
        ((0, 1, 2), (10, 11, 12), 10.0, 10.0),
        ((0, 1, 2), (10, 11, 12), 12.0, 12.0),
        ((0, 1, 2), (3, 4, 5), 10.0, 5.0),  # the stay is shorter: as far apart as it permits
    ],
)
def test_the_pictures_of_a_citation_are_some_time_apart(
    tmp_path: Path,
    stills: list[Still],
    key: SigningKey,
    starts: tuple[int, ...],
    ends: tuple[int, ...],
    spacing_s: float,
    chosen: float,
) -> None:
    start, end = stills
    given = [replace(start, time=BEGAN + timedelta(seconds=second)) for second in starts]
    given += [replace(end, time=BEGAN + timedelta(seconds=second)) for second in ends]
    package = write(tmp_path, parked(), given, key=key, style=Style(spacing_s=spacing_s))
    manifest = json.loads((package / "manifest.json").read_bytes())
    times = {f["role"]: datetime.fromisoformat(f["time"]) for f in manifest["files"] if "time" in f}
    assert (times["end"] - times["start"]).total_seconds() >= chosen


def test_a_clip_that_browsers_do_not_play_gets_a_copy_if_asked(
    tmp_path: Path, video: Path, stills: list[Still], key: SigningKey
) -> None:
    clip = ClipSource(video / "pets09_s2l1_vtest.avi", 30.0, 31.0, name="clip", zero=BEGAN)
    without = write(tmp_path / "a", parked(), stills, key=key, clips=[clip])
    assert not (without / "playable").exists()
    package = write(
        tmp_path / "b", parked(), stills, key=key, clips=[clip], style=Style(playable=True)
    )
    assert verify(package) == []
    assert (package / "original/clip.mkv").read_bytes() == (
        without / "original/clip.mkv"
    ).read_bytes()
    assert is_playable(package / "playable/clip.mp4")
    manifest = json.loads((package / "manifest.json").read_bytes())
    (copy,) = [file for file in manifest["files"] if file["path"].startswith("playable/")]
    assert (copy["view"], copy["copy_of"]) == ("clip-playable", "original/clip.mkv")


def test_a_caption_says_which_picture_of_the_clip_a_still_is() -> None:
    times = tuple(BEGAN + timedelta(seconds=0.04 * n) for n in range(100))
    frames = FrameNumbers((("clip-start.mp4", times[:50]), ("clip-end.mp4", times[50:])))
    assert frames.of(BEGAN) == "frame 1 of clip-start.mp4"
    assert frames.of(times[51] + timedelta(milliseconds=1)) == "frame 2 of clip-end.mp4"
    assert frames.of(BEGAN - timedelta(seconds=1)) is None
    assert frames.of(times[3] + timedelta(milliseconds=20)) is None
