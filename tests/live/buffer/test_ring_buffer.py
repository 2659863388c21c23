"""The last seconds of a stream: bounded, and kept as clips that play and have the right times."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.packet import Packet
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.video.source import open_video
from tests.live.encoded_frames import BEGAN_S, HandClock, encoded_frames, numbered, units_of
from tests.video.recordings import number_of

_RATE = 10.0
_MUCH = 1 << 30


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[EncodedFrame]:
    return numbered(tmp_path_factory.mktemp("made"), 60, gop=10)


@pytest.fixture
def clock() -> CaptureClock:
    """A clock whose steady time is UTC."""
    return HandClock().capture()


def _fill(ring: RingBuffer, made: list[EncodedFrame], began_s: float = BEGAN_S) -> None:
    for encoded in made:
        ring.add(began_s + encoded.media_s, encoded)


def _packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def _kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def _shown(path: Path, at_s: list[float]) -> list[int]:
    """The numbers shown in the frames at these media times."""
    return [number_of(sample.image()) for sample in open_video(path).read(at_s)]


@given(
    longest_s=st.floats(0.5, 4.0),
    share=st.floats(0.05, 1.5),
)
def test_the_ring_is_bounded_in_time_and_bytes(
    longest_s: float,
    share: float,
    made: list[EncodedFrame],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    most = round(share * sum(encoded.packet.size for encoded in made))
    ring = RingBuffer(tmp_path_factory.mktemp("ring"), longest_s, most)
    for number, encoded in enumerate(made):
        ring.add(BEGAN_S + encoded.media_s, encoded)
        held = made[: number + 1][-len(ring._ring) :] if ring._ring else []
        assert ring.bytes == sum(each.packet.size for each in held) <= most
        assert not held or encoded.media_s - held[0].media_s <= longest_s + 1e-6


@pytest.mark.parametrize(
    ("codec", "suffix", "b_frames"),
    [
        ("libx264", ".ts", 0),
        ("libx264", ".ts", 3),
        ("libx264", ".mp4", 0),
        ("libx264", ".mp4", 2),
        ("libx264", ".mkv", 2),
        ("libx265", ".ts", 0),
        ("libx265", ".mp4", 2),
        ("mjpeg", ".mkv", 0),
        ("mpeg4", ".mkv", 0),
    ],
)
def test_a_clip_plays_and_is_bit_exact(
    codec: str, suffix: str, b_frames: int, tmp_path: Path, clock: CaptureClock
) -> None:
    made = numbered(tmp_path, 60, gop=10, codec=codec, suffix=suffix, b_frames=b_frames)
    ring = RingBuffer(tmp_path / "kept", 20.0, _MUCH)
    _fill(ring, made)
    assert ring.keep("car", BEGAN_S + 2.5)
    (path,) = _kept(tmp_path / "kept")
    (recording,) = ring.footage("car", clock).recordings
    first_s = recording.began.timestamp() - BEGAN_S
    last_key_s = 2.5 if codec == "mjpeg" else 2.0  # every frame is a key frame
    assert first_s == pytest.approx(last_key_s, abs=0.01)
    held = [bytes(each.packet) for each in made]
    start = next(n for n, each in enumerate(made) if each.media_s >= last_key_s - 0.01 and each.key)
    written = _packets(path)
    assert len(written) == len(held) - start
    units = [
        (_units(kept), _units(given)) for kept, given in zip(written, held[start:], strict=True)
    ]
    assert all(kept == given for kept, given in units[1:])
    # The parameter sets may precede the first frame.
    assert units[0][0][-len(units[0][1]) :] == units[0][1]
    # Each frame is shown at the time at which it was taken.
    wanted = [round(last_key_s * _RATE), 30, 41, 55]
    assert _shown(path, [number / _RATE - first_s for number in wanted]) == wanted


def test_equal_clips_of_two_stays_are_written_once(
    made: list[EncodedFrame], tmp_path: Path, clock: CaptureClock
) -> None:
    """When the program starts, a busy street has twenty new stays at once."""
    ring = RingBuffer(tmp_path / "kept", 20.0, _MUCH)
    _fill(ring, made[:-1])
    for tag in ("car", "van"):
        assert ring.keep(tag, BEGAN_S + 2.5)
    car, van = _kept(tmp_path / "kept")
    assert car.samefile(van)
    ring.release("car")
    (recording,) = ring.footage("van", clock).recordings
    assert len(_packets(recording.path)) == len(made[:-1]) - 20
    # A clip kept a sample later is longer, and is another file.
    ring.add(BEGAN_S + made[-1].media_s, made[-1])
    assert ring.keep("car", BEGAN_S + 2.5)
    car, van = _kept(tmp_path / "kept")
    assert not car.samefile(van)


def _units(data: bytes) -> list[bytes]:
    """The NAL units of a frame: Matroska has lengths in place of start codes."""
    if data.startswith((b"\0\0\0\1", b"\0\0\1")):
        return list(units_of(data))
    if data[0] != 0:
        return [data]
    units, place = [], 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        units.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return units


@pytest.mark.parametrize(
    "name", ["lot_leave_arrive.mp4", "us_street_intersection.mp4", "candela_m1_10.mp4"]
)
def test_real_footage_is_kept_as_it_is(
    name: str, shared_data: Path, tmp_path: Path, clock: CaptureClock
) -> None:
    source = shared_data / "video" / name
    made = [each for each in encoded_frames(source) if each.media_s < 12.0]
    ring = RingBuffer(tmp_path / "kept", 60.0, _MUCH)
    _fill(ring, made)
    assert ring.keep("car", BEGAN_S + 5.0)
    (recording,) = ring.footage("car", clock).recordings
    offset_s = recording.began.timestamp() - BEGAN_S
    assert 0 <= offset_s <= 5.0
    kept, given = open_video(recording.path), open_video(source)
    for at_s in (5.0, 7.3, 9.1):
        (copy,), (original,) = kept.read([at_s - offset_s]), given.read([at_s])
        assert copy.media_s + offset_s == pytest.approx(original.media_s, abs=0.002)
        assert np.array_equal(copy.image(), original.image())


def test_keeping_a_clip_does_not_change_the_ring(made: list[EncodedFrame], tmp_path: Path) -> None:
    before = [(each.packet.pts, each.packet.dts, bytes(each.packet)) for each in made]
    ring = RingBuffer(tmp_path, 20.0, _MUCH)
    _fill(ring, made)
    ring.keep("a", BEGAN_S + 1.0)
    ring.keep("b", BEGAN_S + 1.5)
    assert [(each.packet.pts, each.packet.dts, bytes(each.packet)) for each in made] == before
    sizes = {path.stat().st_size for path in _kept(tmp_path)}
    assert len(sizes) == 1


def test_a_clip_starts_at_the_first_key_frame_left(
    made: list[EncodedFrame], tmp_path: Path
) -> None:
    ring = RingBuffer(tmp_path, 3.0, _MUCH)
    assert not ring.reaches(BEGAN_S)
    assert not ring.keep("car", BEGAN_S)
    _fill(ring, made)  # six seconds, with the last three left
    assert not ring.reaches(BEGAN_S + 2.9)
    assert ring.reaches(BEGAN_S + 3.1)
    assert ring.keep("car", BEGAN_S + 1.0), "the rest of the clip"
    (path,) = _kept(tmp_path)
    assert _shown(path, [0.0]) == [30]


def test_frames_of_two_connections_are_not_joined(
    made: list[EncodedFrame], tmp_path: Path, clock: CaptureClock
) -> None:
    other = numbered(tmp_path, 30, gop=10, codec="mjpeg", suffix=".mkv")
    ring = RingBuffer(tmp_path / "kept", 60.0, _MUCH)
    _fill(ring, made)
    _fill(ring, other, BEGAN_S + 20.0)
    assert ring.keep("car", BEGAN_S + 1.0)
    (recording,) = ring.footage("car", clock).recordings
    assert recording.began.timestamp() == pytest.approx(BEGAN_S + 20.0)
    assert _shown(recording.path, [0.0, 2.0]) == [0, 20]


def test_clip_times_follow_the_capture_clock(made: list[EncodedFrame], tmp_path: Path) -> None:
    """By the clock as it is now: it may have been set since."""
    machine = HandClock()
    clock = machine.capture()
    clock.place(0.0, machine.monotonic, machine.wall - 1.0)
    ring = RingBuffer(tmp_path, 60.0, _MUCH)
    _fill(ring, made[:20])
    ring.keep("car", BEGAN_S)
    _fill(ring, made[20:])
    ring.keep("car", BEGAN_S + 4.0)
    ring.keep("other car", BEGAN_S + 5.0)
    footage = ring.footage("car", clock)
    assert footage.stream
    assert [each.began for each in footage.recordings] == [
        clock.utc(BEGAN_S),
        clock.utc(BEGAN_S + 4.0),
    ]
    assert footage.recordings[0].ended - footage.recordings[0].began == pytest.approx(
        timedelta(seconds=1.9), abs=timedelta(milliseconds=2)
    )
    assert {each.clock_basis for each in footage.recordings} == {"sender reports of the stream"}
    clock.shift_s += 3600.0
    moved = ring.footage("car", clock)
    assert moved.recordings[0].began - footage.recordings[0].began == timedelta(hours=1)
    # The stills show the frames that were taken at the reported times.
    shots = list(moved.stills([clock.utc(BEGAN_S + 0.5), clock.utc(BEGAN_S + 4.5)]))
    assert [number_of(shot.sample.image()) for shot in shots] == [5, 45]


def test_a_later_run_finds_what_was_kept(
    made: list[EncodedFrame], tmp_path: Path, clock: CaptureClock
) -> None:
    first = RingBuffer(tmp_path, 60.0, _MUCH)
    _fill(first, made)
    for tag in ("a", "b", "c"):
        first.keep(tag, BEGAN_S + 2.0)
    again = RingBuffer(tmp_path, 60.0, _MUCH)
    assert again.bytes == 0
    assert again.keeps("a")
    assert len(again.footage("a", clock).recordings) == 1
    again.release("a")
    assert not again.keeps("a")
    assert not again.footage("a", clock).recordings
    again.release_all_but(["c", "d"])
    assert not again.keeps("b")
    assert again.keeps("c")
    assert len(_kept(tmp_path)) == 1


def test_half_written_clips_of_a_killed_run_are_ignored(
    made: list[EncodedFrame], tmp_path: Path, clock: CaptureClock
) -> None:
    ring = RingBuffer(tmp_path, 60.0, _MUCH)
    _fill(ring, made)
    ring.keep("car", BEGAN_S)
    (whole,) = _kept(tmp_path)
    half = whole.with_name(f"{whole.name.replace('@', '@1')}.part.mkv")
    half.write_bytes(whole.read_bytes()[:1000])
    assert [
        each.path for each in RingBuffer(tmp_path, 60.0, _MUCH).footage("car", clock).recordings
    ] == [whole]
    ring.release_all_but(["car"])
    assert _kept(tmp_path) == [whole]


def test_a_disk_that_cannot_be_written_leaves_nothing_behind(
    made: list[EncodedFrame], tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("a file stands where the folder should be")
    ring = RingBuffer(tmp_path / "kept", 60.0, _MUCH)
    _fill(ring, made)
    with pytest.raises(OSError, match="kept"):
        ring.keep("car", BEGAN_S)
    assert not ring.keeps("car")


def test_frames_that_cannot_be_stored_raise_os_error(
    made: list[EncodedFrame], tmp_path: Path
) -> None:
    """A camera may send data that are not H.264, which must not end the watching."""
    packet = cast("Packet[VideoStream]", Packet(b"\0\0\0\1 nothing that can be understood"))
    packet.pts = packet.dts = 0
    spoilt = made[0]._replace(packet=packet, format=replace(made[0].format, header=b""))
    ring = RingBuffer(tmp_path, 60.0, _MUCH)
    ring.add(BEGAN_S, spoilt)
    with pytest.raises(OSError, match="the stream cannot be stored"):
        ring.keep("car", BEGAN_S)
    assert _kept(tmp_path) == []
