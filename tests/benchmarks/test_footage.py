from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.cameras.footage import Footage, encoded, parameter_sets, remuxed
from tests.video.recordings import HEIGHT, WIDTH, number_of, picture, record, times

RATE = 25
LENGTH_S = 8


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """Eight seconds in which the n-th of 25 pictures a second shows n; a key frame a second."""
    return _numbered(tmp_path_factory.mktemp("footage"), LENGTH_S)


def _numbered(folder: Path, seconds: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Footage:
    clip = record(folder / "numbered.mp4", times(seconds * RATE, RATE))
    return encoded(clip, folder, size=size, rate=RATE, key_interval_s=1.0)


def _number(frame: av.VideoFrame) -> int:
    return number_of(np.asarray(frame.to_ndarray(format="gray"), np.uint8))


def test_any_clip_is_encoded_as_a_camera_does(footage: Footage) -> None:
    assert footage.duration_s == pytest.approx(LENGTH_S)
    assert (footage.width, footage.height) == (WIDTH, HEIGHT)
    keys = [unit.dts_us for unit in footage.units if unit.is_key]
    assert keys == [second * 1_000_000 for second in range(LENGTH_S)]
    assert all(unit.dts_us == unit.pts_us for unit in footage.units), "nothing is reordered"


def test_it_is_made_once(tmp_path: Path) -> None:
    first = _numbered(tmp_path, 1)
    made_ns = first.path.stat().st_mtime_ns
    clip = tmp_path / "numbered.mp4"
    size = (WIDTH, HEIGHT)
    assert encoded(clip, tmp_path, size=size, rate=RATE, key_interval_s=1.0) == first
    assert first.path.stat().st_mtime_ns == made_ns
    other = encoded(clip, tmp_path, size=size, rate=RATE, key_interval_s=0.5)
    assert other.path != first.path


def test_a_recording_is_remuxed_unchanged(tmp_path: Path) -> None:
    clip = record(tmp_path / "clip.mp4", times(30), gop=10, b_frames=2)
    taken = remuxed(clip, tmp_path)
    assert len(taken.units) == 30
    assert taken.duration_s == pytest.approx(3.0)
    data = taken.path.read_bytes()
    for unit in taken.units:
        sets = parameter_sets(data[unit.offset : unit.offset + unit.size])
        assert sets == (taken.parameters if unit.is_key else b"")
    with av.open(str(taken.path)) as container:
        numbers = [_number(frame) for frame in container.decode(video=0)]
    assert numbers == list(range(30))


def test_every_key_picture_gets_its_parameter_sets(tmp_path: Path) -> None:
    """In open groups of pictures decoding can start at the first only."""
    clip = tmp_path / "open.mp4"
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.options = {"x264-params": "open-gop=1:keyint=10:bframes=2:scenecut=0"}
        for number in range(30):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), "bgr24")))
        out.mux(stream.encode(None))
    taken = remuxed(clip, tmp_path)
    data = taken.path.read_bytes()
    keys = [unit for unit in taken.units if unit.is_key]
    assert len(keys) > 1
    for key in keys:
        assert parameter_sets(data[key.offset : key.offset + key.size]) == taken.parameters


def test_a_recording_that_is_not_h264_has_to_be_encoded(tmp_path: Path) -> None:
    clip = record(tmp_path / "clip.avi", times(3), codec="mpeg4")
    with pytest.raises(ValueError, match=r"mpeg4, not H\.264"):
        remuxed(clip, tmp_path)
