"""Three machines in a real Ray cluster, with fake workers that only claim to watch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import Connection

from cv_engine.cluster.connection import check, connected, with_passwords
from cv_engine.cluster.errors import ClusterError
from cv_engine.cluster.leader_lock import LeaderLock
from cv_engine.cluster.leased_worker import LEASE_S
from cv_engine.config import CameraConfig, Config
from cv_engine.live.control.dispatcher import Dispatcher
from cv_engine.live.status import CameraStatus, WorkerStatus
from tests.cases.conftest import postgresql, postgresql_url

__all__ = ["postgresql", "postgresql_url"]  # fixtures, which pytest finds by their names

_ROOT = Path(__file__).resolve().parents[2]
_CAMERAS = [f"c{n}" for n in range(6)]
_STORE_BYTES = 80 * 2**20  # the least that Ray takes
_PATIENCE_S = 60.0  # nothing takes so long, on however busy a machine


class FakeWorker:
    """Stands in for a worker; writes what it watches into a file of the folder ``config``."""

    def __init__(self, config: Path, name: str, *, node: str = "") -> None:
        self._folder = config
        self._name = name
        self._node = node
        self._cameras: tuple[str, ...] = ()
        self.alive = True

    def start(self) -> None:
        self._mark()

    def watch(self, cameras: Sequence[str]) -> None:
        self._cameras = tuple(cameras)
        self._mark()

    def status(self) -> WorkerStatus:
        cameras = tuple(CameraStatus(name, "live") for name in self._cameras)
        return WorkerStatus(self._name, self._node, os.getpid(), time.time(), cameras=cameras)

    def stop(self, timeout_s: float = 10.0) -> None:
        self._cameras = ()
        self._mark()

    def _mark(self) -> None:
        partial = self._folder / f".{os.getpid()}"
        partial.write_text(" ".join(self._cameras))
        partial.replace(self._folder / str(os.getpid()))


def _watched(folder: Path) -> Counter[str]:
    """How many live processes watch each camera."""
    found: Counter[str] = Counter()
    for mark in folder.glob("[0-9]*"):
        if Path(f"/proc/{mark.name}/stat").exists():
            found.update(mark.read_text().split())
    return found


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("ray", reason="ray is not installed")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    machine = {"num_cpus": 1, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    made: Any = Cluster(initialize_head=True, head_node_args=machine)
    try:
        yield made
    finally:
        made.shutdown()


def _until(dispatcher: Dispatcher, met: Callable[[], bool], patience_s: float) -> float:
    """Ticks until the condition is met; returns how long that took, seconds."""
    began = time.monotonic()
    while not met():
        assert time.monotonic() - began < patience_s, dispatcher.snapshot()
        dispatcher.tick(time.monotonic())
        time.sleep(0.25)
    return time.monotonic() - began


@pytest.mark.real_time
def test_the_cameras_of_a_lost_machine_move_to_the_others(cluster: Any, tmp_path: Path) -> None:
    from cv_engine.cluster.ray_host import RayHosts

    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES)
    twice: list[Counter[str]] = []

    def all_watched() -> bool:
        watched = _watched(tmp_path)
        if max(watched.values(), default=0) > 1:
            twice.append(watched)
        return watched.keys() == set(_CAMERAS)

    with connected(cluster.address, verbose=False):
        dispatcher = Dispatcher(_CAMERAS, RayHosts(tmp_path, FakeWorker), lambda _: None)
        # A machine may come up after the others have started, and gets its share then.
        _until(dispatcher, lambda: all_watched() and _spread(dispatcher) == [2, 2, 2], 120)
        lost = next(node for node in cluster.worker_nodes if node.node_id)
        cluster.remove_node(lost, allow_graceful=False)
        _until(dispatcher, lambda: not all_watched(), 30)
        took_s = _until(dispatcher, all_watched, 60)
        cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES)
        _until(dispatcher, lambda: len(_workers(dispatcher)) == 3, 60)
        dispatcher.stop()
        _until(dispatcher, lambda: dispatcher.ended, 30)
        assert not any(_watched(tmp_path).values())
        dispatcher.close()
    assert not twice
    assert took_s < LEASE_S + 10


def _spread(dispatcher: Dispatcher) -> list[int]:
    """How many cameras each worker has, ascending."""
    return sorted(Counter(line.worker for line in dispatcher.snapshot().cameras).values())


def _workers(dispatcher: Dispatcher) -> set[str]:
    return {line.worker for line in dispatcher.snapshot().cameras if line.worker}


_DRIVER = """
import sys, time
from pathlib import Path
from cv_engine.cluster.connection import connected
from cv_engine.cluster.ray_host import RayHosts
from cv_engine.live.control.dispatcher import Dispatcher
from tests.cluster.test_cluster import FakeWorker
with connected(sys.argv[1], verbose=False):
    dispatcher = Dispatcher(["a", "b"], RayHosts(Path(sys.argv[2]), FakeWorker), lambda _: None)
    while True:
        dispatcher.tick(time.monotonic())
        if any(line.worker for line in dispatcher.snapshot().cameras):
            print("watching", flush=True)
        time.sleep(0.25)
"""


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP])
def test_workers_end_when_the_dispatcher_is_gone(
    cluster: Any, tmp_path: Path, way: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _DRIVER, cluster.address, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        try:
            assert driver.stdout.readline() == "watching\n"
            driver.send_signal(
                way
            )  # SIGSTOP: the process still exists for the cluster, but is silent
            deadline = time.monotonic() + LEASE_S + 5
            while any(_watched(tmp_path).values()):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            driver.kill()


@pytest.mark.parametrize(
    ("store", "evidence", "shared", "wrong"),
    [
        (None, "s3://bucket/evidence", False, "store: workers on several machines"),
        ("queue.db", "s3://bucket/evidence", True, "store: workers on several machines"),
        ("postgresql://cv@db/cases", "/data/evidence", False, "which other machines do not see"),
        ("postgresql://cv@db/cases", "/data/evidence", True, None),
        ("postgresql+psycopg://cv@db/cases", "s3://bucket/evidence", False, None),
    ],
)
def test_a_cluster_needs_a_shared_queue_and_evidence_store(
    store: str | None, evidence: str, shared: bool, wrong: str | None
) -> None:
    config = Config(store=store)
    if wrong is None:
        check(config, evidence, shared=shared)
    else:
        with pytest.raises(ClusterError, match=wrong):
            check(config, evidence, shared=shared)


def test_passwords_of_the_environment_are_sent_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "secret")
    url = SecretStr("rtsp://10.0.0.5/1")
    cameras = (
        CameraConfig(name="gate", url=url, password_env="GATE_PASSWORD"),
        CameraConfig(name="yard", url=url, password_env="YARD_PASSWORD"),
        CameraConfig(name="open", url=url),
    )
    gate, yard, opened = with_passwords(Config(cameras=cameras)).cameras
    assert gate.password == SecretStr("secret")
    assert gate.password_env is None
    assert (yard, opened) == cameras[1:]


def test_a_missing_cluster_is_reported() -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    with (
        pytest.raises(ClusterError, match=r"no Ray cluster at '127\.0\.0\.1:1'"),
        connected("127.0.0.1:1", verbose=False),
    ):
        pass


def test_a_missing_ray_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ClusterError, match=r"cv-engine\[cluster\]"),
        connected("auto", verbose=False),
    ):
        pass


def test_only_one_program_holds_the_lock(postgresql_url: str) -> None:
    with closing(LeaderLock(postgresql_url)) as first:
        with pytest.raises(ClusterError, match="another `cv-engine watch --cluster`"):
            LeaderLock(postgresql_url)
        assert not first.lost
    with closing(LeaderLock(postgresql_url)):
        pass


def test_the_lock_is_taken_again_when_the_connection_is_lost(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv_engine.cluster.leader_lock._CHECK_S", 0.05)
    with closing(LeaderLock(postgresql_url)) as leader_lock:
        _end_connections(postgresql_url)
        _wait(lambda: _lock_is_held(postgresql_url))
        assert not leader_lock.lost
        with pytest.raises(ClusterError, match="another"):
            LeaderLock(postgresql_url)


def test_a_lock_taken_by_another_program_is_lost(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv_engine.cluster.leader_lock._CHECK_S", 0.05)
    with closing(LeaderLock(postgresql_url)) as leader_lock:
        other_has_it = threading.Event()
        take = leader_lock._take

        def take_later() -> Connection | None:
            assert other_has_it.wait(_PATIENCE_S)
            return take()

        monkeypatch.setattr(leader_lock, "_take", take_later)
        _end_connections(postgresql_url)
        with closing(LeaderLock(postgresql_url)):
            other_has_it.set()
            _wait(lambda: leader_lock.lost)


def test_a_database_that_does_not_answer_is_reported() -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(ClusterError, match="does not answer"):
        LeaderLock("postgresql://cv@127.0.0.1:1/cases")


def _wait(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.05)


def _end_connections(url: str) -> None:
    """Ends all connections to the database and waits for their end, as a restart of the server."""
    import psycopg

    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid = ANY(%s)"
    with psycopg.connect(url, autocommit=True) as connection:
        pids = [
            pid
            for (pid,) in connection.execute(
                "SELECT pid FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ]
        connection.execute(f"SELECT pg_terminate_backend(pid) {others}", (pids,))
        _wait(lambda: connection.execute(f"SELECT 1 {others}", (pids,)).fetchone() is None)


def _lock_is_held(url: str) -> bool:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
        return connection.execute(held).fetchone() is not None
