"""Copies of clips that every browser plays."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from cv_engine.evidence.errors import ClipError
from cv_engine.evidence.media.clip import cut
from cv_engine.evidence.media.playable import is_playable, transcode
from tests.video.recordings import number_of, record, times


@pytest.mark.parametrize(
    ("codec", "playable"),
    [("libx264", True), ("libx265", False), ("mjpeg", False), ("mpeg4", False)],
)
def test_a_copy_is_played_wherever_the_clip_is_not(
    tmp_path: Path, codec: str, playable: bool
) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    source = record(tmp_path / "source.mkv", times(60), codec=codec, gop=10, pixel_format=pixels)
    moments = {"stay begins": 3.0, "limit reached": 4.0}
    clip = cut(source, 2.0, 5.0, tmp_path / "clip", chapters=moments)
    assert is_playable(clip.path) is playable
    copy = tmp_path / "copy.mp4"
    assert transcode(clip.path, copy) == clip.pictures
    assert is_playable(copy)
    with av.open(str(copy)) as container:
        shown = [
            (frame.time, number_of(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)))
            for frame in container.decode(video=0)
        ]
        titles = [each["metadata"]["title"] for each in container.chapters()]
    assert [number for _, number in shown] == [20 + round(10 * time_s) for time_s, _ in shown]
    assert titles == ["before", *moments]
    head = copy.read_bytes()[:4096]
    assert b"moov" in head, "the index comes first, so that it plays while it is loaded"


def test_what_is_no_clip_leaves_no_copy(tmp_path: Path) -> None:
    clip, copy = tmp_path / "clip.mp4", tmp_path / "copy.mp4"
    clip.write_bytes(b"no clip")
    for use in (is_playable, lambda path: transcode(path, copy)):
        with pytest.raises(ClipError, match="clip"):
            use(clip)
    assert not copy.exists()
