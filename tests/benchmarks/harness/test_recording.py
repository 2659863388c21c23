from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import pytest

from benchmarks.harness import recording
from benchmarks.harness.recording import clips_in, make, repeat
from tests.video.recordings import record, times


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter-size street: the tests do not depend on the number of pixels."""
    monkeypatch.setattr(recording, "WIDTH", 320)
    monkeypatch.setattr(recording, "HEIGHT", 180)


def _packets(path: Path) -> tuple[list[float], list[float]]:
    """Presentation times of all pictures, and of the key frames, seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        packets = [
            (float(packet.pts * stream.time_base), packet.is_keyframe)
            for packet in container.demux(stream)
            if packet.pts is not None
        ]
    return sorted(time for time, _ in packets), [time for time, is_key in packets if is_key]


def test_clips_are_taken_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.AVI", "notes.txt", "c.mkv", "events.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in clips_in(tmp_path)] == ["a.AVI", "b.mp4", "c.mkv"]


def test_a_recording_has_the_form_of_a_street_cameras(tmp_path: Path) -> None:
    """Two clips of 4 and 2 seconds, at another rate than the recording's."""
    clips = [record(tmp_path / "a.mp4", times(40)), record(tmp_path / "b.mp4", times(20))]
    path = make(clips, tmp_path / "cache")
    shown, keys = _packets(path)
    steps = [later - earlier for earlier, later in pairwise(shown)]
    assert steps == pytest.approx([1 / recording.RATE] * len(steps), abs=1e-3)
    assert shown[-1] == pytest.approx(6.0, abs=0.3)
    assert keys == pytest.approx([0.0, 2.0, 4.0], abs=1e-3)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.width, context.height) == ("h264", 320, 180)


def test_it_is_made_once(tmp_path: Path) -> None:
    clips = [record(tmp_path / "a.mp4", times(10))]
    path = make(clips, tmp_path / "cache")
    made_ns = path.stat().st_mtime_ns
    assert make(clips, tmp_path / "cache") == path
    assert path.stat().st_mtime_ns == made_ns
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "nothing half-made"
    other = make([*clips, record(tmp_path / "b.mp4", times(10))], tmp_path / "cache")
    assert other != path


def test_repeating_copies_what_is_there(tmp_path: Path) -> None:
    once = make([record(tmp_path / "a.mp4", times(40))], tmp_path / "cache")
    shown_once, _ = _packets(once)
    path = repeat(once, 10.0, tmp_path / "long.mp4")
    shown, keys = _packets(path)
    assert 10.0 <= shown[-1] + 1 / recording.RATE < 10.0 + recording.KEY_INTERVAL_S + 0.1
    assert all(later > earlier for earlier, later in pairwise(shown))
    assert shown[: len(shown_once)] == pytest.approx(shown_once, abs=1e-3)
    gaps = [later - earlier for earlier, later in pairwise(keys)]
    assert max(gaps) <= recording.KEY_INTERVAL_S + 0.1
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == len(shown)
