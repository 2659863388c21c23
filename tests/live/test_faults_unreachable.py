"""Cameras that cannot be watched: what is reported of them, and that others are unaffected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog

from benchmarks.cameras.fleet import Fleet
from benchmarks.cameras.odd_servers import GarbageServer, SilentServer
from cv_engine.live.stream.connection import OPEN_S
from tests.live.streams import (
    PATIENCE_S,
    SAMPLE_S,
    TRIES,
    Watching,
    cameras,
    configured,
    empty_street,
    entries_of,
    folder_of_films,
)

pytestmark = pytest.mark.real_time

# Neither occurs in any other text that is written.
_RIGHT, _WRONG = "Ri9ht&secret/word", "wr0ng@secret:word"
_SOUND, _SILENT = 100, 100
_MANY_S = 2.0  # between samples, where there are many cameras
_TINY = (160, 120)  # frame size, pixels; large enough to see that nothing is there
_WATCHED_S = 10.0
# Memory of a stream, MiB: the frames of 20 s, a decoder, a background model.
_CAMERA_MB = 2.0
# The detector is asked about everything new, a hundred times, and is behind for a while.
_SETTLED_SAMPLES = 4
_OTHER_THREADS = 4  # of libraries
# Of the attempts to connect to a hundred silent cameras, one ends as late as this, seconds.
_TOO_LONG_S = 0.9 * OPEN_S


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_films(tmp_path_factory)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with cameras(tmp_path / "server") as fleet:
        yield fleet


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the wait for the answer to an attempt."""
    monkeypatch.setattr("cv_engine.live.stream.connection.OPEN_S", 2.0)


def test_a_wrong_password_is_reported_and_appears_nowhere(
    fleet: Fleet,
    films: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet.add("market", empty_street(films), user="viewer", password=_RIGHT)
    url = fleet.url("market")
    bare = "rtsp://" + url.rsplit("@", 1)[1]
    monkeypatch.setenv("MARKET_PASSWORD", _WRONG)
    entry = {"name": "market", "url": bare, "user": "viewer", "password_env": "MARKET_PASSWORD"}
    data = tmp_path / "data"
    with (
        structlog.testing.capture_logs() as logs,
        Watching(configured(data, [entry], retry_s=8.0)) as watching,
    ):
        watching.until(lambda: watching.cameras["market"].reconnects >= 3, "three attempts")
        refused = watching.cameras["market"]
        assert refused.message == "the camera refuses user or password"
        pauses = [log["retry_in_s"] for log in logs if log["event"] == "stream lost"]
        assert 0.5 <= pauses[0] <= 1.5 and 1.0 <= pauses[1] <= 3.0 and 2.0 <= pauses[2] <= 6.0
        monkeypatch.setenv("MARKET_PASSWORD", _RIGHT)
        watching.until_sampled("market")
    captured = capfd.readouterr()
    reported = [repr(refused), repr(logs), caplog.text, captured.out, captured.err]
    reported += [path.read_text("latin1") for path in data.rglob("*") if path.is_file()]
    for text in reported:
        assert "secret" not in text


@pytest.mark.parametrize(
    "opening",
    [
        b"",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 50000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_garbage_is_reported_and_costs_no_sample(
    fleet: Fleet, films: Path, tmp_path: Path, short_wait: None, opening: bytes
) -> None:
    with GarbageServer(opening) as garbage:
        message = _beside_a_sound_one(fleet, films, tmp_path, garbage.url)
    assert message == "what it sends is not a stream"


def test_a_server_that_never_answers_is_reported(
    fleet: Fleet, films: Path, tmp_path: Path, short_wait: None
) -> None:
    with SilentServer() as silent:
        message = _beside_a_sound_one(fleet, films, tmp_path, silent.url)
    assert message == "no answer in time"


def test_a_host_name_that_does_not_resolve_is_reported(
    fleet: Fleet, films: Path, tmp_path: Path
) -> None:
    message = _beside_a_sound_one(fleet, films, tmp_path, "rtsp://no-such-camera.invalid/1")
    assert message.startswith("there is no host named no-such-camera.invalid")


def _beside_a_sound_one(fleet: Fleet, films: Path, folder: Path, url: str) -> str:
    """The message of a camera that cannot be watched; asserts that another one is unaffected."""
    fleet.add("sound", empty_street(films))
    entries = [{"name": "odd", "url": url}, *entries_of(fleet, ["sound"])]
    with Watching(configured(folder, entries)) as watching:
        watching.until_sampled("sound")
        # Other programs keep the machine busy for a while; the odd camera would, each time.
        assert any(_keeps_its_rate(watching, attempt) for attempt in range(TRIES))
        assert watching.cameras["odd"].samples == 0
        return watching.cameras["odd"].message


def _keeps_its_rate(watching: Watching, attempt: int) -> bool:
    """Whether the sound camera is sampled as often as usual while the odd one is tried twice."""
    before, began = watching.cameras["sound"].samples, time.monotonic()
    watching.until(lambda: watching.cameras["odd"].reconnects >= 2 * attempt + 2, "two attempts")
    watching.until_sampled("sound", 2)
    due = (time.monotonic() - began) / SAMPLE_S
    # A sample may be in progress at either end.
    return watching.cameras["sound"].samples - before >= 0.9 * due - 2


@pytest.mark.slow
def test_a_hundred_cameras_that_never_answer_cost_a_hundred_others_nothing(
    fleet: Fleet, films: Path, tmp_path: Path
) -> None:
    tiny = empty_street(films, size=_TINY, rate=5, key_interval_s=_MANY_S)
    sound = [f"sound-{number}" for number in range(_SOUND)]
    for number, name in enumerate(sound):
        fleet.add(name, tiny, phase_s=_MANY_S * number / _SOUND)
    with ExitStack() as stack:
        silent = stack.enter_context(SilentServer())
        mute = [{"name": f"mute-{number}", "url": silent.url} for number in range(_SILENT)]
        entries = [*mute, *entries_of(fleet, sound)]
        config = configured(tmp_path, entries, sample_s=_MANY_S, input_size=_TINY[0])
        watching = stack.enter_context(Watching(config))
        before = watching.use()
        watching.until(
            lambda: all(watching.cameras[name].samples >= _SETTLED_SAMPLES for name in sound),
            "all that answer are watched",
        )
        watching.until(
            lambda: all(watching.cameras[camera["name"]].reconnects for camera in mute),
            "the silent ones are given up",
        )
        assert {watching.cameras[camera["name"]].message for camera in mute} == {
            "no answer in time"
        }
        # Other programs keep the machine busy for a while; the silent cameras would, each time.
        shares = [_share_sampled(watching, sound)]
        while shares[-1] < 0.95 and len(shares) < TRIES:
            shares.append(_share_sampled(watching, sound))
        after = watching.use()
        assert shares[-1] >= 0.95, shares
        assert after.threads <= before.threads + len(entries) + _OTHER_THREADS
        assert after.memory_mb - before.memory_mb <= _CAMERA_MB * len(entries)
        asked = time.monotonic()
        watching.worker.stop(PATIENCE_S)
        assert not watching.worker.alive
        assert time.monotonic() - asked < _TOO_LONG_S


def _share_sampled(watching: Watching, names: list[str]) -> float:
    """Share of the samples due in `_WATCHED_S` that are processed."""
    samples = -sum(watching.cameras[name].samples for name in names)
    began = time.monotonic()
    watching.until(lambda: time.monotonic() - began >= _WATCHED_S, "a while is over")
    cameras, watched_s = watching.cameras, time.monotonic() - began
    samples += sum(cameras[name].samples for name in names)
    return samples / (len(names) * watched_s / _MANY_S)
