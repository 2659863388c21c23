"""Which of several video tracks is read."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from cv_engine.video.container import ReadSettings, opened
from cv_engine.video.errors import VideoError
from cv_engine.video.source import open_video
from tests.video.recordings import picture

_LARGE, _SMALL = (384, 192), (192, 96)


def _with_tracks(path: Path, marks: tuple[Disposition, ...]) -> Path:
    """A recording with a large track and a small one."""
    with av.open(str(path), "w") as out:
        tracks = []
        for mark, (width, height) in zip(marks, (_LARGE, _SMALL), strict=True):
            track = out.add_stream("libx264", rate=10)
            track.width, track.height, track.pix_fmt = width, height, "yuv420p"
            track.disposition = mark
            tracks.append(track)
        for number in range(10):
            for track in tracks:
                frame = av.VideoFrame.from_ndarray(picture(number), "bgr24")
                frame = frame.reformat(track.width, track.height, "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                out.mux(track.encode(frame))
        for track in tracks:
            out.mux(track.encode(None))
    return path


def _with_cover(path: Path) -> Path:
    """A recording in small pictures, after a large still picture that is its cover."""
    with av.open(str(path), "w") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 1024, 768, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        track = out.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = *_SMALL, "yuv420p"
        still = av.VideoFrame.from_ndarray(np.full((768, 1024, 3), 99, np.uint8), "bgr24")
        still.pts, still.time_base = 0, Fraction(1, 1)
        out.mux(cover.encode(still.reformat(format="yuvj420p")))
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(picture(number), "bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(track.encode(frame.reformat(format="yuv420p")))
        out.mux(track.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_the_default_track_is_read_whatever_its_size(tmp_path: Path, name: str) -> None:
    path = _with_tracks(tmp_path / name, (Disposition(0), Disposition.default))
    video = open_video(path)
    assert (video.width, video.height) == _SMALL


def test_the_track_is_that_of_ffmpeg_where_several_are_marked(tmp_path: Path) -> None:
    path = _with_tracks(tmp_path / "a.mkv", (Disposition.default, Disposition.default))
    with av.open(str(path)) as container:
        best = container.streams.best("video")
        assert best is not None
        expected = best.index  # of an open container: afterwards the number is any
    with opened(path) as (_, track):
        assert track.index == expected


def test_a_cover_is_no_track(tmp_path: Path) -> None:
    video = open_video(_with_cover(tmp_path / "a.mp4"))
    assert (video.width, video.height) == _SMALL
    assert video.codec == "h264"


def test_a_stated_track_is_read(tmp_path: Path) -> None:
    path = _with_tracks(tmp_path / "a.mkv", (Disposition(0), Disposition.default))
    video = open_video(path, ReadSettings(track=0))
    assert (video.width, video.height) == _LARGE


def test_a_track_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = _with_tracks(tmp_path / "a.mkv", (Disposition(0), Disposition.default))
    with pytest.raises(VideoError) as error:
        open_video(path, ReadSettings(track=2))
    assert "no video track 2" in str(error.value)
    assert "0 (h264, 384 x 192), 1 (h264, 192 x 96, default)" in str(error.value)
    assert "--track" in str(error.value)


def _without_codec(path: Path, fourcc: bytes = b"avc1") -> Path:
    data = path.read_bytes()
    assert fourcc in data
    path.write_bytes(data.replace(fourcc, b"svac"))
    return path


def test_pictures_of_an_unknown_codec_are_refused_with_a_reason(tmp_path: Path) -> None:
    path = _with_tracks(tmp_path / "a.mp4", (Disposition.default, Disposition.default))
    with pytest.raises(VideoError, match="no decoder for the pictures of track 0"):
        open_video(_without_codec(path))
    with pytest.raises(VideoError, match="no decoder for the pictures of track 1"):
        open_video(path, ReadSettings(track=1))


def test_a_track_of_an_unknown_codec_is_left_out(tmp_path: Path) -> None:
    path = _with_tracks(tmp_path / "a.mp4", (Disposition.default, Disposition.default))
    data = path.read_bytes()
    at = data.index(b"avc1", data.index(b"moov"))
    path.write_bytes(data[:at] + b"svac" + data[at + 4 :])
    video = open_video(path)
    assert (video.width, video.height) == _SMALL
