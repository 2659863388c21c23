"""A copy of a clip hides people in every picture, also where a search has missed them."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import supervision as sv

from cv_engine.evidence.media.redact import Finders
from cv_engine.evidence.media.still import Box, Image
from cv_engine.privacy.clips import box_in, redact_clip
from cv_engine.privacy.errors import PrivacyError

_PERSON: Box = (40, 30, 60, 90)
_CAR: Box = (80, 40, 150, 100)


def _clip(path: Path, pictures: int = 50, rate: int = 25) -> Path:
    """A still street of noise, which shows wherever anything was averaged."""
    street = np.random.default_rng(3).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(pictures):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(street, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def _pictures(path: Path) -> list[tuple[float, Image]]:
    with av.open(str(path)) as container:
        return [
            (float(frame.time or 0), np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))
            for frame in container.decode(video=0)
        ]


def _contrast(image: Image, box: Box) -> float:
    x1, y1, x2, y2 = (int(side) for side in box)
    return float(image[y1:y2, x1:x2].std())


def _person(box: Box = _PERSON, name: str = "person") -> sv.Detections:
    return sv.Detections(
        np.array([box], np.float32),
        confidence=np.ones(1, np.float32),
        class_id=np.zeros(1, int),
        data={"class_name": np.array([name])},
    )


_HEAD: Box = (42, 32, 58, 44)


def test_every_picture_is_there_at_its_time_and_hides_the_head(tmp_path: Path) -> None:
    source = _clip(tmp_path / "clip.mp4")
    finders = Finders(people=lambda image: _person())
    assert redact_clip(source, tmp_path / "copy.mp4", None, finders) == 50
    before, after = _pictures(source), _pictures(tmp_path / "copy.mp4")
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=1e-3)
    assert max(_contrast(image, _HEAD) for _, image in after) < 0.5 * _contrast(before[0][1], _HEAD)


def test_who_is_missed_by_every_other_search_is_hidden_all_the_same(tmp_path: Path) -> None:
    searches = count()

    def every_other(image: Image) -> sv.Detections:
        far: Box = (-20, -20, -10, -10)
        return _person() if next(searches) % 2 else _person(far)

    source = _clip(tmp_path / "clip.mp4")
    redact_clip(source, tmp_path / "copy.mp4", None, Finders(people=every_other))
    plain = _contrast(_pictures(source)[0][1], _HEAD)
    assert all(_contrast(p, _HEAD) < 0.5 * plain for _, p in _pictures(tmp_path / "copy.mp4"))


def test_the_vehicle_of_the_case_stays_readable(tmp_path: Path) -> None:
    """A vehicle behind it is hidden, where it is not covered by the vehicle of the case."""
    source = _clip(tmp_path / "clip.mp4", 10)
    behind = _person((100, 10, 158, 95), "car")
    redact_clip(source, tmp_path / "copy.mp4", _CAR, Finders(people=lambda image: behind))
    plain, copy = _pictures(source)[0][1], _pictures(tmp_path / "copy.mp4")[0][1]
    inside, beside = (85, 50, 145, 92), (152, 52, 157, 92)
    assert _contrast(copy, inside) > 0.9 * _contrast(plain, inside)
    assert _contrast(copy, beside) < 0.6 * _contrast(plain, beside)


def test_odd_sizes_are_cut_to_even_ones(tmp_path: Path) -> None:
    street = np.random.default_rng(3).integers(0, 255, (121, 161, 3), dtype=np.uint8)
    with av.open(str(tmp_path / "clip.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 161, 121, "yuvj444p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(street, format="bgr24")))
        container.mux(stream.encode(None))
    assert redact_clip(tmp_path / "clip.avi", tmp_path / "copy.mp4", None, Finders()) == 1
    assert _pictures(tmp_path / "copy.mp4")[0][1].shape == (120, 160, 3)


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_a_clip_that_cannot_be_read_leaves_no_copy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(PrivacyError, match=r"clip\.mp4: cannot be copied"):
        redact_clip(tmp_path / "clip.mp4", tmp_path / "copy.mp4", None, Finders())
    assert not (tmp_path / "copy.mp4").exists()


def test_the_box_comes_from_the_manifest() -> None:
    assert box_in({"finding": {"place": {"image_box": [1, 2, 3, 4]}}}) == (1.0, 2.0, 3.0, 4.0)
    others: list[dict[str, Any]] = [{}, {"finding": {"place": {"image_box": None}}}, {"note": {}}]
    for content in others:
        assert box_in(content) is None
