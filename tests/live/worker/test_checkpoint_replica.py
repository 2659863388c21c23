"""Checkpoints outlive their machine: in a real S3 server, between two machines' folders."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from cv_engine.live.worker.checkpoint_replica import CheckpointReplica
from cv_engine.pipeline.checkpoint import Checkpoint, Checkpoints, ended
from tests.evidence.conftest import address, environment, held, line, running
from tests.evidence.storage.object_server import Line, ObjectServer

# Fixtures, which pytest finds by their names.
__all__ = ["address", "environment", "held", "line", "running"]

pytest.importorskip("obstore", reason="the extra s3 is not installed")

BEGAN = datetime(2026, 5, 1, 8, tzinfo=UTC)
_SOON_S = 2.0  # patience where nothing is going to come
_LONGEST_S = 20.0  # a busy machine takes its time
_HOUR_S = 3600.0


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv_engine.live.worker.checkpoint_replica._POLL_S", 0.02)


class _State(msgspec.Struct):
    picture: NDArray[np.float64]


class Machine:
    """A folder of checkpoints, and its replica."""

    def __init__(self, folder: Path, address: str | None, every_s: float) -> None:
        folder.mkdir()
        self.now = 1000.0
        self.checkpoints = Checkpoints(folder, _State)
        self.replica = CheckpointReplica(self.checkpoints, address, every_s, lambda: self.now)
        self.replica.start()

    def save(self, minute: int, camera: str = "gate") -> None:
        state = _State(np.full((40, 60), float(minute)))
        at = BEGAN + timedelta(minutes=minute)
        assert self.checkpoints.save(
            camera, "s", Checkpoint("live", 60.0 * minute, False, at, state)
        )

    def minute(self, camera: str = "gate") -> int | None:
        kept = self.checkpoints.load(camera, "s")
        assert kept is None or (kept.state.picture == kept.seen_s / 60).all()
        return None if kept is None else round(kept.seen_s / 60)

    def fetch(self, camera: str = "gate") -> None:
        _until(lambda: self.replica.fetch(camera))


Make = Callable[..., Machine]


@pytest.fixture
def machine(tmp_path: Path, address: str) -> Iterator[Make]:
    """Makes a machine."""
    made: list[Machine] = []

    def make(every_s: float = 0.0, place: str | None = address) -> Machine:
        made.append(Machine(tmp_path / f"machine-{len(made)}", place, every_s))
        return made[-1]

    yield make
    for each in made:
        assert each.replica.stop(_LONGEST_S)


@pytest.fixture
def stored(held: Path) -> Callable[[], list[int]]:
    """The minutes of the stored checkpoints; none where one is just being replaced."""

    def read() -> list[int]:
        try:
            times = [ended(zlib.decompress(path.read_bytes())) for path in _objects(held)]
        except FileNotFoundError:  # the server takes the old one away before it has the new one
            return []
        return [round((time - BEGAN).total_seconds() / 60) for time in times if time]

    return read


def _objects(held: Path) -> list[Path]:
    return sorted((held / "checkpoints").glob("*.checkpoint"))


def _until(reached: Callable[[], object]) -> None:
    end = time.monotonic() + _LONGEST_S
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


Stored = Callable[[], list[int]]


def test_another_machine_resumes_where_one_stopped(machine: Make, stored: Stored) -> None:
    lost, other = machine(), machine()
    lost.fetch()
    lost.save(7)
    _until(lambda: stored() == [7])
    other.fetch()
    assert other.minute() == 7


@pytest.mark.parametrize(
    ("here", "there", "used"),
    [(None, 5, 5), (4, 5, 5), (6, 5, 6), (5, 5, 5), (3, None, 3), (None, None, None)],
)
def test_the_newer_one_is_used(
    machine: Make, stored: Stored, here: int | None, there: int | None, used: int | None
) -> None:
    before, taker = machine(), machine(_HOUR_S)
    before.fetch()
    if there is not None:
        before.save(there)
        _until(lambda: stored() == [there])
    if here is not None:
        taker.save(here)
    taker.fetch()
    assert taker.minute() == used


@pytest.mark.parametrize("damaged", ["here", "there", "not a checkpoint"])
def test_a_damaged_one_is_ignored(
    machine: Make,
    stored: Stored,
    running: ObjectServer,
    held: Path,
    damaged: str,
) -> None:
    before, taker = machine(), machine(_HOUR_S)
    before.fetch()
    before.save(5)
    _until(lambda: stored() == [5])
    assert before.replica.stop(_LONGEST_S)
    taker.save(4)
    if damaged == "here":
        path = taker.checkpoints.path("gate")
        path.write_bytes(path.read_bytes()[:-1])
    else:
        (path,) = _objects(held)
        running.put(path, zlib.compress(b"?" * 99) if damaged == "not a checkpoint" else b"?")
    taker.fetch()
    assert taker.minute() == (5 if damaged == "here" else 4)


def test_only_what_has_changed_is_sent_and_not_too_often(
    machine: Make, stored: Stored, line: Line, address: str
) -> None:
    one = machine(60.0)  # by way of the line
    one.fetch()
    one.save(1)
    _until(lambda: stored() == [1])
    sent = line.sent
    one.now += 61
    time.sleep(0.2)
    assert line.sent == sent
    one.save(2)
    _until(lambda: stored() == [2])
    sent = line.sent
    one.save(3)
    time.sleep(0.2)
    assert line.sent == sent
    one.now += 61
    _until(lambda: stored() == [3])


def test_what_was_fetched_is_not_sent_back(machine: Make, stored: Stored, held: Path) -> None:
    before, taker = machine(), machine()
    before.fetch()
    before.save(1)
    _until(lambda: stored() == [1])
    (path,) = _objects(held)
    sent = path.stat().st_mtime_ns
    taker.fetch()
    time.sleep(0.2)
    assert path.stat().st_mtime_ns == sent


def test_a_released_camera_is_sent_at_once_and_no_more(machine: Make, stored: Stored) -> None:
    one = machine(_HOUR_S)
    one.fetch()
    one.save(1)
    _until(lambda: stored() == [1])
    one.save(2)
    one.replica.release("gate")
    _until(lambda: stored() == [2])
    one.save(3)  # another process of this machine does
    one.now += 2 * _HOUR_S
    time.sleep(0.2)
    assert stored() == [2]
    one.fetch()
    one.now += 2 * _HOUR_S
    _until(lambda: stored() == [3])


def test_the_last_checkpoint_is_sent_at_the_end(machine: Make, stored: Stored) -> None:
    one = machine(_HOUR_S)
    for camera in ("gate", "yard"):
        one.fetch(camera)
        one.save(1, camera)
    _until(lambda: stored() == [1, 1])
    for camera in ("gate", "yard"):
        one.save(2, camera)
        one.replica.release(camera)
    assert one.replica.stop(_LONGEST_S)
    assert stored() == [2, 2]


def test_while_the_store_is_away_the_local_checkpoint_is_used(
    machine: Make, environment: pytest.MonkeyPatch, line: Line, stored: Stored
) -> None:
    environment.setattr("cv_engine.live.worker.checkpoint_replica._PATIENCE_S", _SOON_S)
    line.stalls_after = -1
    with capture_logs() as logs:
        one = machine()
        one.save(1)
        began = time.monotonic()
        one.replica.fetch("gate")
        assert time.monotonic() - began < _SOON_S / 2
        one.fetch()
        assert one.minute() == 1
        began = time.monotonic()
        one.fetch("yard")
        assert time.monotonic() - began < _SOON_S / 2  # it is not asked again for a while
        assert [entry["event"] for entry in logs] == ["checkpoints are not in the store"]
        line.stalls_after = None
        one.now += 61
        _until(lambda: stored() == [1])
        _until(lambda: len(logs) == 2)  # reported once the store has answered
    assert logs[-1]["event"] == "checkpoints are being sent again"


def test_a_store_that_hangs_delays_no_stop(
    machine: Make, line: Line, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr("cv_engine.live.worker.checkpoint_replica._PATIENCE_S", _SOON_S)
    line.stalls_after = -1
    one = machine()
    one.replica.fetch("gate")
    _until(line.stalled.is_set)
    began = time.monotonic()
    assert not one.replica.stop(0.05)
    assert time.monotonic() - began < _SOON_S / 2


def test_without_a_store_there_is_nothing_to_wait_for(machine: Make) -> None:
    one = machine(place=None)
    one.save(1)
    assert one.replica.fetch("gate")
    one.replica.release("gate")
    assert one.minute() == 1
