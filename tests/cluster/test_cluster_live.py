"""`watch --cluster` on three machines, with one lost in the middle of a stay."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from benchmarks.cameras.fleet import Fleet
from benchmarks.cameras.footage import Footage, encoded
from benchmarks.harness.planted import film
from cv_engine.cases import Case, open_queue
from cv_engine.cluster.leased_worker import LEASE_S
from cv_engine.evidence.storage.opening import open_store
from cv_engine.live.control.status_snapshot import StatusSnapshot, read_snapshot
from cv_engine.pipeline.checkpoint import checkpoint_path, ended
from tests.cases.conftest import postgresql, postgresql_url
from tests.cluster.machines import Machines
from tests.evidence.storage.object_server import BUCKET, ObjectServer, introduce
from tests.live.streams import cameras

__all__ = ["postgresql", "postgresql_url"]  # fixtures, which pytest finds by their names

_NAMES = ["east", "north", "west"]
_OTHERS = ["alpha", "beta"]  # machines besides this one
_STORE = f"s3://{BUCKET}/city"
# When the crate is put down, and after how long it is a case: the machine is lost in between.
_PUT_S, _DWELL_S, _LENGTH_S = 6.0, 30.0, 90.0
# Samples are a second apart, and a busy machine takes part of another.
_TOLERANCE_S = 2.5
_LOST_AFTER_S = 4.0
# A lost machine is noticed after the length of a lease; then comes a new connection.
_RECONNECTED_S = 20.0
_PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    folder = tmp_path_factory.mktemp("film")
    path = folder / "street.mp4"
    film(path, seed=1, length_s=_LENGTH_S, put_s=_PUT_S, taken_s=_LENGTH_S)
    return encoded(path, folder, size=(480, 270), rate=5, key_interval_s=1.0)


@dataclass(frozen=True, slots=True)
class City:
    """The cameras, the machines, and where their results are stored."""

    fleet: Fleet
    machines: Machines
    server: ObjectServer
    queue: str
    data: Path

    def snapshot(self) -> StatusSnapshot:
        snapshot = read_snapshot(self.data)
        return snapshot or StatusSnapshot(0.0, 0.0, 0, False, (), ())

    def machine_of(self, camera: str) -> str:
        """The name of the machine that watches a camera; empty where none does."""
        for entry in self.snapshot().cameras:
            if entry.status.camera == camera and entry.status.state == "live":
                return entry.worker.rsplit("-", 2)[0]
        return ""

    def put(self, camera: str) -> float:
        return self.fleet.began(camera) + _PUT_S

    def stored(self, camera: str) -> float:
        """Time of a camera's stored checkpoint, seconds since 1970; 0 where there is none."""
        name = checkpoint_path(self.data, camera).name
        try:
            at = ended(zlib.decompress((self.objects / "checkpoints" / name).read_bytes()))
        except (OSError, zlib.error):  # does not exist, or is being written
            return 0.0
        return 0.0 if at is None else at.timestamp()

    @property
    def objects(self) -> Path:
        return self.server.folder / BUCKET / "city"

    def cases(self) -> list[Case]:
        with open_queue(self.queue) as queue:
            return queue.cases()


@pytest.fixture
def city(
    tmp_path: Path, street: Footage, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[City]:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    data = tmp_path / "data"
    data.mkdir()
    with ObjectServer(tmp_path / "server") as server, cameras(tmp_path / "fleet") as fleet:
        introduce(monkeypatch, server.url)
        for name in _NAMES:
            fleet.add(name, street, mode="hold")
        with Machines(tmp_path / "machines", data) as machines:
            for name in _OTHERS:
                machines.add(name)
            yield City(fleet, machines, server, postgresql_url, data)


def _until(met: Callable[[], object], patience_s: float = _PATIENCE_S) -> float:
    """Waits until the condition is met; returns how long that took, seconds."""
    began = time.monotonic()
    while not met():
        assert time.monotonic() - began < patience_s
        time.sleep(0.1)
    return time.monotonic() - began


@pytest.fixture
def program(city: City, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`cv-engine watch --cluster`, running."""
    settings = {
        "store": city.queue,
        "cameras": [{"name": name, "url": city.fleet.url(name)} for name in _NAMES],
        "detector": {"backend": "onnxruntime", "precision": "fp32"},
        "video": {"sample_s": 1.0},
        "rules": {"clutter": {"dwell_s": _DWELL_S}, "parking": {"enabled": False}},
        "evidence": {"store": _STORE, "before_s": 2.0, "after_s": 2.0},
        "live": {"calm_sample_s": 1.0, "checkpoint_s": 3.0, "metrics_port": None},
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "cli", "watch", "--config", str(config)]
    with (
        (tmp_path / "watch.log").open("wb") as log,
        subprocess.Popen(
            [*command, "--data", str(city.data), "--cluster", city.machines.address],
            stdout=log,
            stderr=log,
        ) as running,
    ):
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.slow
@pytest.mark.real_time
def test_a_stay_continues_when_its_machine_is_lost(
    city: City, program: subprocess.Popen[bytes]
) -> None:
    lost = _OTHERS[0]
    _until(lambda: len({city.machine_of(name) for name in _NAMES} - {""}) == 1 + len(_OTHERS))
    camera = next(name for name in _NAMES if city.machine_of(name) == lost)
    _until(lambda: city.stored(camera) > city.put(camera) + _LOST_AFTER_S)
    assert camera not in {case.source for case in city.cases()}, (
        "too late: the stay is a case already"
    )
    city.machines.lose(lost)
    taken_over_s = _until(lambda: city.machine_of(camera) not in ("", lost))
    assert taken_over_s < LEASE_S + _RECONNECTED_S
    assert time.time() < city.fleet.began(camera) + _LENGTH_S, "too late: the film is over"

    store = open_store(_STORE)
    _until(lambda: len(city.cases()) == len(store.names()) == len(_NAMES))
    program.send_signal(signal.SIGTERM)
    assert program.wait(_PATIENCE_S) == 0
    cases = {case.source: case for case in city.cases()}
    assert len(city.cases()) == len(cases) == len(_NAMES)
    for name, case in cases.items():
        put = datetime.fromtimestamp(city.put(name), UTC)
        assert abs((case.began - put).total_seconds()) < _TOLERANCE_S, name
    for name in store.names():
        assert not store.problems(name)
