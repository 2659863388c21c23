from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.container import InputContainer

from benchmarks.cameras import fleet as fleets
from benchmarks.cameras.fleet import Fleet, FleetError
from benchmarks.cameras.footage import Footage, encoded
from benchmarks.cameras.hls import HlsServer
from benchmarks.cameras.odd_servers import GarbageServer, SilentServer
from tests.video.recordings import HEIGHT, WIDTH, number_of, record, times

pytestmark = pytest.mark.real_time

RATE = 25
LENGTH_S = 8
# What a busy machine and FFmpeg's parser, which waits for the next picture, may take, seconds.
LATE_S = 0.5

available = cache(fleets.available)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """Eight seconds in which the n-th of 25 pictures a second shows n; a key frame a second."""
    return _numbered(tmp_path_factory.mktemp("footage"), LENGTH_S)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with _fleet(tmp_path) as running:
        yield running


def _fleet(folder: Path, *, tls: bool = False, scheme: fleets.Scheme = "digest") -> Fleet:
    reason = available()
    if reason is not None:
        pytest.skip(reason)
    return Fleet(folder / "fleet", tls=tls, scheme=scheme)


def _numbered(folder: Path, seconds: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Footage:
    clip = record(folder / "numbered.mp4", times(seconds * RATE, RATE))
    return encoded(clip, folder, size=size, rate=RATE, key_interval_s=1.0)


@dataclass(frozen=True)
class Seen:
    """A picture, when it arrived, and the camera's own time for it (seconds)."""

    number: int
    at: float
    stamp: float
    reported: float | None
    is_whole: bool
    width: int


def _open(url: str, transport: str = "tcp", wait_s: float = 10.0) -> InputContainer:
    options = {"analyzeduration": "100000", "fpsprobesize": "0"}
    if url.startswith("rtsp"):
        options["rtsp_transport"] = transport
    return av.open(url, options=options, timeout=wait_s)


def _watch(
    url: str, enough: Callable[[list[Seen]], bool], *, transport: str = "tcp", wait_s: float = 10.0
) -> list[Seen]:
    """Watches until enough is seen or the stream ends; FFmpeg ends a silent stream."""
    seen: list[Seen] = []
    with suppress(av.ExitError), _open(url, transport, wait_s) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            reported = None
            if packet.has_sidedata("prft"):
                report = bytes(packet.get_sidedata("prft"))
                reported = struct.unpack_from("q", report)[0] / 1e6
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                continue
            for frame in frames:
                number = _number(frame)
                stamp = float(frame.time or 0.0)
                whole = not (frame.is_corrupt or packet.is_corrupt)
                seen.append(Seen(number, time.time(), stamp, reported, whole, frame.width))
            if enough(seen):
                break
    return seen


def _number(frame: av.VideoFrame) -> int:
    return number_of(np.asarray(frame.to_ndarray(format="gray"), np.uint8))


def _lasts(seconds: float) -> Callable[[list[Seen]], bool]:
    return lambda seen: bool(seen) and seen[-1].stamp - seen[0].stamp >= seconds


class TestLive:
    def test_a_camera_plays_in_real_time_and_reports_the_right_time(
        self, fleet: Fleet, footage: Footage
    ) -> None:
        fleet.add("east", footage, phase_s=2.5)
        began = fleet.began("east")
        assert time.time() - began == pytest.approx(2.5, abs=0.5)
        with ThreadPoolExecutor() as threads:
            watch = partial(_watch, fleet.url("east"), _lasts(3.0))
            watching = [threads.submit(watch, transport=way) for way in ("tcp", "udp")]
            watched = [client.result() for client in watching]
        for seen in watched:
            shown = (seen[-1].at - began) % LENGTH_S - seen[-1].number / RATE
            assert 0 <= shown % LENGTH_S < LATE_S
            errors = [
                (one.reported - began - one.number / RATE + 1) % LENGTH_S - 1
                for one in seen
                if one.reported is not None
            ]
            assert len(errors) > RATE, "a report comes soon"
            assert max(map(abs, errors)) < 0.1

    def test_timestamps_continue_when_the_footage_restarts(
        self, fleet: Fleet, tmp_path: Path
    ) -> None:
        fleet.add("east", _numbered(tmp_path, 2))
        seen = _watch(fleet.url("east"), _lasts(3.0))
        steps = [later.stamp - earlier.stamp for earlier, later in pairwise(seen)]
        assert steps == pytest.approx([1 / RATE] * len(steps), abs=0.001)
        numbers = [one.number for one in seen]
        assert len(numbers) > 3 * RATE
        assert all((b - a) % (2 * RATE) == 1 for a, b in pairwise(numbers)), numbers

    def test_clients_of_a_camera_see_the_same(self, fleet: Fleet, footage: Footage) -> None:
        fleet.add("east", footage)
        with _open(fleet.url("east"), "udp"):
            seen = _watch(fleet.url("east"), _lasts(1.0))
        shown = (seen[-1].at - fleet.began("east")) % LENGTH_S - seen[-1].number / RATE
        assert 0 <= shown % LENGTH_S < LATE_S

    def test_footage_starts_with_the_first_client(self, fleet: Fleet, footage: Footage) -> None:
        fleet.add("east", footage, mode="hold")
        with pytest.raises(FleetError, match="east has had no client yet"):
            fleet.began("east")
        before = time.time()
        seen = _watch(fleet.url("east"), _lasts(1.0))
        assert [one.number for one in seen[:5]] == [0, 1, 2, 3, 4]
        assert before < fleet.began("east") < before + LATE_S
        again = _watch(fleet.url("east"), _lasts(1.0))
        assert again[0].number > seen[-1].number, "the camera has continued"

    def test_footage_that_plays_once_ends_and_the_camera_is_gone(
        self, fleet: Fleet, tmp_path: Path
    ) -> None:
        fleet.add("east", _numbered(tmp_path, 2), mode="once")
        seen = _watch(fleet.url("east"), lambda _: False)
        assert [one.number for one in seen] == list(range(2 * RATE))
        with pytest.raises(av.HTTPNotFoundError):
            _watch(fleet.url("east"), _lasts(1.0))

    def test_the_last_view_is_held(self, fleet: Fleet, tmp_path: Path) -> None:
        fleet.add("east", _numbered(tmp_path, 2), mode="hold")
        seen = _watch(fleet.url("east"), _lasts(4.5))
        last_group = list(range(RATE, 2 * RATE))
        expected = [*range(2 * RATE), *last_group, *last_group]
        assert [one.number for one in seen[: len(expected)]] == expected

    def test_sender_reports(self, fleet: Fleet, footage: Footage) -> None:
        kinds: tuple[fleets.Reports, ...] = ("right", "unset", "none")
        for kind in kinds:
            fleet.add(kind, footage, reports=kind)
        with ThreadPoolExecutor() as threads:
            watch = partial(_watch, enough=_lasts(2.5))
            seen = dict(zip(kinds, threads.map(watch, map(fleet.url, kinds)), strict=True))
        late = {
            kind: [one.at - one.reported for one in seen[kind] if one.reported is not None]
            for kind in kinds
        }
        assert late["right"] and 0 <= late["right"][-1] < LATE_S
        assert late["unset"] and late["unset"][-1] > timedelta(days=365).total_seconds()
        assert not late["none"]


class TestAccess:
    @pytest.mark.parametrize("scheme", ["basic", "digest"])
    @pytest.mark.parametrize("tls", [False, True])
    def test_a_camera_asks_for_its_password(
        self, tmp_path: Path, footage: Footage, scheme: fleets.Scheme, tls: bool
    ) -> None:
        with _fleet(tmp_path, tls=tls, scheme=scheme) as fleet:
            fleet.add("east", footage, user="ann", password="p@ss/1:2")
            fleet.add("open", footage)
            url = fleet.url("east", tls=tls)
            assert url.startswith("rtsps://ann:" if tls else "rtsp://ann:")
            assert _watch(url, _lasts(0.5))
            assert _watch(fleet.url("open", tls=tls), _lasts(0.5))
            for wrong in (url.replace("ann:", "bob:"), fleet.url("open", tls=tls)[:-4] + "east"):
                with pytest.raises(av.HTTPUnauthorizedError):
                    _watch(wrong, _lasts(0.5))

    def test_no_such_camera(self, fleet: Fleet, footage: Footage) -> None:
        fleet.add("east", footage)
        with pytest.raises(av.HTTPNotFoundError):
            _watch(fleet.url("east")[:-4] + "west", _lasts(0.5))
        with pytest.raises(FleetError, match="freeze west"):
            fleet.freeze("west")


class TestFaults:
    def _watch_through(self, fleet: Fleet, fail: Callable[[], None], more_s: float) -> list[Seen]:
        """Watches the camera for a second, makes it fail, and watches on."""
        failed: list[float] = []

        def enough(seen: list[Seen]) -> bool:
            if not failed and _lasts(1.0)(seen):
                fail()
                failed.append(time.time())
            return bool(failed) and time.time() > failed[0] + more_s

        return _watch(fleet.url("east"), enough, wait_s=more_s + 1.0)

    def test_a_frozen_camera_sends_nothing_and_then_continues_with_the_due_picture(
        self, fleet: Fleet, footage: Footage
    ) -> None:
        fleet.add("east", footage)
        seen = self._watch_through(fleet, partial(fleet.freeze, "east"), 1.0)
        # At its timeout FFmpeg returns the last picture, which it had kept.
        assert time.time() - seen[-2].at > 1.0, "nothing came"
        fleet.thaw("east")
        seen = _watch(fleet.url("east"), _lasts(1.0))
        shown = (seen[-1].at - fleet.began("east")) % LENGTH_S - seen[-1].number / RATE
        assert 0 <= shown % LENGTH_S < LATE_S

    def test_a_switched_camera_sends_other_pictures_in_the_same_connection(
        self, fleet: Fleet, footage: Footage, tmp_path: Path
    ) -> None:
        fleet.add("east", footage, phase_s=2.0)
        other = _numbered(tmp_path, 3, (2 * WIDTH, 2 * HEIGHT))
        seen = self._watch_through(fleet, partial(fleet.switch, "east", other), 1.0)
        assert seen[0].width == WIDTH
        new = [one for one in seen if one.width == 2 * WIDTH]
        assert [one.number for one in new[:3]] == [0, 1, 2]
        steps = [later.stamp - earlier.stamp for earlier, later in pairwise(seen)]
        assert min(steps) > 0 and max(steps) < 0.2

    def test_some_pictures_are_corrupted(self, fleet: Fleet, footage: Footage) -> None:
        fleet.add("east", footage)
        whole = _watch(fleet.url("east"), _lasts(2.0))
        fleet.corrupt("east", 0.5)
        damaged = _watch(fleet.url("east"), lambda seen: len(seen) > 2 * RATE)
        numbers = [later.number - earlier.number for earlier, later in pairwise(damaged)]
        assert len(whole) > 2 * RATE
        assert all(one.is_whole for one in whole[RATE:])
        assert any(not one.is_whole for one in damaged) or set(numbers) != {1}

    @pytest.mark.parametrize("seconds", [100.0, -20.0])
    def test_a_cameras_clock_jumps(self, fleet: Fleet, footage: Footage, seconds: float) -> None:
        fleet.add("east", footage)
        seen = self._watch_through(fleet, partial(fleet.jump, "east", seconds), 2.5)
        steps = [later.stamp - earlier.stamp for earlier, later in pairwise(seen)]
        jumps = [step for step in steps if abs(step) > 1.0]
        assert jumps == pytest.approx([seconds], abs=0.5)
        assert [b.number - a.number for a, b in pairwise(seen[:-1])].count(1) > RATE
        assert seen[-1].reported == pytest.approx(seen[-1].at, abs=LATE_S), "reports follow"

    def test_a_cameras_clients_are_disconnected(self, fleet: Fleet, footage: Footage) -> None:
        fleet.add("east", footage)
        fleet.add("west", footage)
        with _open(fleet.url("west")) as other:
            began = time.time()
            self._watch_through(fleet, partial(fleet.kick, "east"), 20.0)
            assert time.time() - began < 10.0, "the stream ended"
            assert next(other.demux(video=0)).size
        assert _watch(fleet.url("east"), _lasts(0.5)), "they may come back"

    def test_packets_get_lost(self, fleet: Fleet, footage: Footage) -> None:
        fleet.add("east", footage, loss=0.3)
        seen = _watch(fleet.url("east"), _lasts(3.0), transport="udp")
        assert 1 < len(seen) < 3 * RATE * 0.9

    def test_a_killed_server_resumes_at_the_due_picture(
        self, fleet: Fleet, footage: Footage
    ) -> None:
        fleet.add("east", footage, mode="hold")
        url = fleet.url("east")
        self._watch_through(fleet, fleet.kill, 20.0)
        began = fleet.began("east")
        with pytest.raises(ConnectionRefusedError):
            _watch(url, _lasts(0.5))
        fleet.start()
        assert (fleet.url("east"), fleet.began("east")) == (url, began)
        seen = _watch(url, _lasts(1.0))
        assert 0 <= seen[-1].at - began - seen[-1].number / RATE < LATE_S

    def test_the_whole_server_hangs(self, fleet: Fleet, footage: Footage) -> None:
        fleet.add("east", footage)
        fleet.hang()
        began = time.time()
        with suppress(av.InvalidDataError):  # FFmpeg's error at its timeout
            assert not _watch(fleet.url("east"), _lasts(0.5), wait_s=0.5)
        assert time.time() - began >= 0.5
        fleet.resume()
        assert _watch(fleet.url("east"), _lasts(0.5))


class TestOddServers:
    def test_a_silent_server_takes_connections_and_never_answers(self) -> None:
        with SilentServer() as server:
            for _ in range(2):
                began = time.time()
                with suppress(av.InvalidDataError):  # FFmpeg's error at its timeout
                    assert not _watch(server.url, _lasts(0.5), wait_s=0.3)
                assert time.time() - began >= 0.3
            assert server.connections == 2

    @pytest.mark.parametrize("opening", [b"", b"RTSP/1.0 200 OK\r\n"])
    def test_a_server_that_talks_garbage(self, opening: bytes) -> None:
        with GarbageServer(opening) as server, suppress(av.InvalidDataError):
            assert not _watch(server.url, _lasts(0.5), wait_s=1.0)
        assert server.connections == 1


class TestHls:
    def test_a_camera_plays_over_http(self, footage: Footage) -> None:
        with HlsServer() as server:
            server.add("east", footage, phase_s=LENGTH_S - 3.0)
            seen = _watch(server.url("east"), _lasts(5.0))
        steps = [later.stamp - earlier.stamp for earlier, later in pairwise(seen)]
        assert steps == pytest.approx([1 / RATE] * len(steps), abs=0.001)
        numbers = [one.number for one in seen]
        assert len(numbers) > 5 * RATE
        assert all((b - a) % (LENGTH_S * RATE) == 1 for a, b in pairwise(numbers)), numbers
        assert all(one.is_whole for one in seen)

    def test_it_asks_for_its_password(self, footage: Footage) -> None:
        with HlsServer() as server:
            server.add("east", footage, user="ann", password="secret")
            assert _watch(server.url("east"), _lasts(0.5))
            with pytest.raises(av.HTTPUnauthorizedError):
                _watch(server.url("east").replace("ann:", "bob:"), _lasts(0.5))
