"""An open stream: its frames with their times, and why it cannot be opened or breaks off."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import pytest

from benchmarks.cameras.fleet import Fleet, available
from benchmarks.cameras.footage import Footage, encoded
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.connection import Connection
from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.tls import Trust
from tests.live.encoded_frames import encoded_frames
from tests.video.recordings import record, times

pytestmark = pytest.mark.real_time

# Nothing takes so long, on however busy a machine.
_PATIENCE_S = 60.0
_PASSWORD = "p@ss/w:rd?#"


@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_have_times_and_can_be_stored(suffix: str, b_frames: int, tmp_path: Path) -> None:
    path = record(tmp_path / f"a{suffix}", times(40), gop=10, b_frames=b_frames)
    before_s = time.monotonic()
    found = encoded_frames(path)
    assert sorted(round(each.media_s * 10) for each in found) == list(range(40))
    assert [round(each.media_s, 2) for each in found if each.key] == [0.0, 1.0, 2.0, 3.0]
    stamps = [each.packet.dts for each in found if each.packet.dts is not None]
    if suffix != ".mkv":  # Matroska stores no dts, and FFmpeg guesses none for the first frames
        assert stamps == sorted(set(stamps)), "they do not run backwards"
    assert len(stamps) == 40
    assert all(before_s <= each.arrived_s <= time.monotonic() for each in found)
    assert {each.sent_at for each in found} == {None}, "a file does not say"
    form = found[0].format
    assert all(each.format is form for each in found), "one for each connection"
    assert (form.codec, form.width, form.height) == ("h264", 192, 96)
    # Start codes, and parameter sets with the key frame or in the header: any decoder can begin.
    first = bytes(found[0].packet)
    assert first.startswith((b"\0\0\0\1", b"\0\0\1"))
    assert b"\0\0\1\x67" in form.header + first


def test_audio_is_left_out(shared_data: Path, tmp_path: Path) -> None:
    source = record(tmp_path / "silent.mkv", times(20), gop=10)
    path = tmp_path / "loud.mkv"
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        picture = out.add_stream_from_template(given.streams.video[0])
        sound = out.add_stream("aac", rate=16000)
        assert isinstance(sound, av.AudioStream)
        for packet in given.demux(given.streams.video[0]):
            if packet.size:
                packet.stream = picture
                out.mux(packet)
        for number in range(20):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.sample_rate, frame.pts = 16000, number * 1024
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    assert len(encoded_frames(path)) == 20


@pytest.mark.parametrize("content", [b"", b"no video at all\n" * 100])
def test_a_file_that_is_not_video_is_reported(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "camera.mp4"
    path.write_bytes(content)
    with pytest.raises(StreamError, match="not a stream"):
        Connection(Address(str(path)), stall_s=1.0)


def test_a_stream_without_video_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "sound.mka"
    with av.open(str(path), "w", format="matroska") as out:
        sound = out.add_stream("aac", rate=16000)
        assert isinstance(sound, av.AudioStream)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate, frame.pts = 16000, 0
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    with pytest.raises(StreamError, match="no video in a known format"):
        Connection(Address(str(path)), stall_s=1.0)


def test_a_refused_connection_reveals_no_secret() -> None:
    address = Address.of("rtsp://127.0.0.1:9/x", "viewer", "hunter2")
    with pytest.raises(StreamError, match="refused") as caught:
        Connection(address, stall_s=1.0)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    missing = available()
    if missing is not None:
        pytest.skip(missing)
    with Fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    folder = tmp_path_factory.mktemp("footage")
    clip = record(folder / "clip.mp4", times(100), gop=10)
    return encoded(clip, folder, size=(192, 96), rate=10, key_interval_s=1.0)


def _opened(address: Address) -> Connection:
    """A connection; the server refuses UDP where another program has just taken the ports."""
    for _ in range(2):
        try:
            return Connection(address, stall_s=10.0)
        except StreamError as error:
            if "5XX" not in str(error):
                raise
    return Connection(address, stall_s=10.0)


def _first(connection: Connection, count: int) -> list[EncodedFrame]:
    try:
        return list(islice(connection, count))
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("reports", "transport"),
    [("right", "tcp"), ("right", "udp"), ("unset", "tcp"), ("none", "tcp")],
)
def test_sender_reports_give_the_capture_time_of_key_frames(
    reports: str, transport: str, fleet: Fleet, footage: Footage
) -> None:
    name = f"{reports}-{transport}"
    fleet.add(name, footage, reports=reports)  # type: ignore[arg-type]
    address = Address.of(fleet.url(name), transport=transport)  # type: ignore[arg-type]
    opened_at = time.time()
    found = _first(_opened(address), 40)
    assert [each.media_s for each in found] == sorted(each.media_s for each in found)
    assert found[-1].media_s - found[0].media_s == pytest.approx(3.9, abs=0.2)
    sent = [each.sent_at for each in found if each.sent_at is not None]
    assert all(each.key for each in found if each.sent_at is not None)
    if reports == "right":
        assert sent
        assert opened_at - 5.0 <= sent[-1] <= time.time() + 5.0
    elif sent:
        assert all(abs(sent_at - time.time()) > 3600.0 for sent_at in sent)


def test_a_password_of_odd_characters_works_and_a_wrong_one_is_refused(
    fleet: Fleet, footage: Footage
) -> None:
    fleet.add("locked", footage, user="viewer", password=_PASSWORD)
    url = Address.of(fleet.url("locked")).url
    assert _first(Connection(Address.of(url, "viewer", _PASSWORD), stall_s=10.0), 3)
    with pytest.raises(StreamError) as caught:
        Connection(Address.of(url, "viewer", "hunter2"), stall_s=10.0)
    assert str(caught.value) == "the camera refuses user or password"


def test_a_silent_camera_ends_the_connection(fleet: Fleet, footage: Footage) -> None:
    fleet.add("silent", footage)
    connection = Connection(Address.of(fleet.url("silent")), stall_s=3.0)
    stream = iter(connection)
    try:
        next(stream)
        fleet.freeze("silent")
        began_s = time.monotonic()
        with pytest.raises(StreamError, match="no answer in time"):
            list(stream)
        assert time.monotonic() - began_s < _PATIENCE_S
    finally:
        connection.close()


def test_over_tls_and_with_a_plain_password(footage: Footage, tmp_path: Path, fleet: Fleet) -> None:
    with Fleet(tmp_path / "fleet", tls=True, scheme="basic") as secure:
        secure.add("locked", footage, user="viewer", password=_PASSWORD)
        url = Address.of(secure.url("locked", tls=True)).url
        assert url.startswith("rtsps://")
        with pytest.raises(StreamError, match="certificate is not trusted") as caught:
            Connection(Address.of(url, "viewer", _PASSWORD), stall_s=10.0)
        pinned = re.search("sha256:([0-9a-f]{64})", str(caught.value))
        assert pinned is not None
        trust = Trust(fingerprint=pinned[1])
        address = Address.of(url, "viewer", _PASSWORD, trust=trust)
        found = _first(Connection(address, stall_s=10.0), 20)
        assert found[-1].media_s - found[0].media_s == pytest.approx(1.9, abs=0.2)
        assert any(each.key for each in found)
        assert _first(Connection(address, stall_s=10.0, by_ffmpeg=True), 3)
        with pytest.raises(StreamError, match="refuses user or password"):
            Connection(Address.of(url, "viewer", "hunter2", trust=trust), stall_s=10.0)
