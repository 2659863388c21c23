"""The dispatcher with simulated workers and clock: no process, no waiting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cv_engine.live.control.dispatcher import PLACED_EVERY_S, Dispatcher
from cv_engine.live.control.errors import HostError
from cv_engine.live.control.host import AssignedCameras
from cv_engine.live.control.placement import MEASURED_S
from cv_engine.live.control.slot import PAUSES_S, SILENT_S, START_S
from cv_engine.live.control.status_snapshot import StatusSnapshot
from cv_engine.live.status import CameraStatus, WorkerStatus


class _Host:
    """A worker that follows each request some ticks later, and reports it."""

    def __init__(self, name: str, delay: int) -> None:
        self.name = name
        self.delay = delay
        self.silent = False
        self.watching: frozenset[str] = frozenset()
        self.alive = True
        self.survives_kill = False
        self.failure = ""
        self.work_s: dict[str, float] = {}
        self._at = 0.0
        self._messages: list[tuple[int, int, frozenset[str]]] = []
        self._followed = 0
        self._assigned = AssignedCameras()
        self._reported: WorkerStatus | None = None
        self.assigned: list[tuple[str, ...]] = []

    @property
    def holds(self) -> frozenset[str]:
        return self._assigned.cameras

    def assign(self, cameras: Sequence[str]) -> None:
        self.assigned.append(tuple(cameras))
        number = self._assigned.request(cameras)
        self._messages.append((self.delay, number, frozenset(cameras)))

    def status(self) -> WorkerStatus | None:
        if self._reported is not None:
            self._assigned.acknowledge(self._followed, self._reported)
        return self._reported

    def stop(self) -> None:
        self.watching = frozenset()
        self.end("")

    def kill(self) -> None:
        if not self.survives_kill:
            self.end(self.failure)

    def end(self, why: str) -> None:
        self.alive = False
        self.failure = why
        self.watching = frozenset()

    def step(self, seconds: float, loads: Mapping[str, float]) -> None:
        if not self.alive or self.silent:
            return
        self._at += seconds
        for name in self.watching:
            spent = loads.get(name, 0.1) * seconds
            self.work_s[name] = self.work_s.get(name, 0.0) + spent
        self._messages = [(left - 1, n, cameras) for left, n, cameras in self._messages]
        while self._messages and self._messages[0][0] <= 0:
            _, self._followed, self.watching = self._messages.pop(0)
        cameras = tuple(
            CameraStatus(c, "live", work_s=self.work_s.get(c, 0.0)) for c in sorted(self.watching)
        )
        cpu_s = sum(self.work_s.values())
        self._reported = WorkerStatus(self.name, "here", 1, self._at, cpu_s, cameras=cameras)


class _Fleet:
    """Machines with workers, a clock, and a dispatcher."""

    def __init__(self, cameras: int, workers: int, delay: int = 1) -> None:
        self.now = 100.0
        self.offered = {f"w{n}": 1.0 for n in range(workers)}
        self.delay = delay
        self.broken = ""
        self.stillborn: frozenset[str] = frozenset()
        self.hosts: list[_Host] = []
        self.snapshots: list[StatusSnapshot] = []
        self.loads: dict[str, float] = {}
        names = [f"c{n}" for n in range(cameras)]
        self.dispatcher = Dispatcher(names, self, self.snapshots.append, lambda: self.now)

    def slots(self) -> Mapping[str, float]:
        return self.offered

    def start(self, slot: str) -> _Host:
        if self.broken:
            raise HostError(self.broken)
        host = _Host(slot, self.delay)
        if slot in self.stillborn:
            host.end("no model")
        self.hosts.append(host)
        return host

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        for host in self.hosts:
            host.step(seconds, self.loads)
        self.dispatcher.tick(self.now)
        assert max(Counter(c for h in self.hosts for c in h.watching).values(), default=0) <= 1

    def run(self, ticks: int, seconds: float = 1.0) -> None:
        for _ in range(ticks):
            self.tick(seconds)

    def host(self, slot: str) -> _Host:
        return [host for host in self.hosts if host.name == slot][-1]

    @property
    def watched(self) -> dict[str, str]:
        return {c: host.name for host in self.hosts for c in host.watching}


def test_every_camera_is_watched_soon_and_evenly() -> None:
    fleet = _Fleet(cameras=10, workers=3)
    fleet.run(4)
    assert sorted(Counter(fleet.watched.values()).values()) == [3, 3, 4]


def test_a_crashed_worker_is_replaced_at_once_and_gets_its_cameras_back() -> None:
    fleet = _Fleet(cameras=6, workers=2)
    fleet.run(5)
    before = fleet.watched
    fleet.host("w0").end("its process was ended by SIGSEGV")
    fleet.run(4)
    assert fleet.watched == before
    assert len(fleet.hosts) == 3
    assert [entry.message for entry in fleet.dispatcher.snapshot().workers] == [
        "its process was ended by SIGSEGV",
        "",
    ]


def test_repeated_crashes_lengthen_the_pauses_and_spare_the_others() -> None:
    fleet = _Fleet(cameras=6, workers=2)
    fleet.run(5)
    others = {camera for camera, slot in fleet.watched.items() if slot == "w1"}
    for pause_s in PAUSES_S[:6]:
        started = len(fleet.hosts)
        fleet.host("w0").end("poison")
        fleet.tick(0.1)
        fleet.run(int(pause_s / 0.5) - 1, 0.5)
        assert len(fleet.hosts) == started + (pause_s == 0.0)
        fleet.run(5, 0.5)
        assert len(fleet.hosts) == started + 1
    assert {camera for camera, slot in fleet.watched.items() if slot == "w1"} == others


def test_cameras_of_a_worker_that_stays_down_move_to_the_others() -> None:
    fleet = _Fleet(cameras=6, workers=2)
    fleet.run(5)
    fleet.stillborn = frozenset({"w0"})
    fleet.host("w0").end("crashed")
    fleet.run(5)
    assert set(fleet.watched.values()) == {"w1"}
    assert len(fleet.watched) == 6
    fleet.stillborn = frozenset()
    fleet.run(60)
    assert Counter(fleet.watched.values()) == {"w0": 3, "w1": 3}


def test_a_silent_worker_is_killed_before_its_cameras_are_reassigned() -> None:
    fleet = _Fleet(cameras=4, workers=2)
    fleet.run(5)
    silent = fleet.host("w0")
    silent.silent = True
    fleet.run(int(SILENT_S))
    ended = [silent.alive]
    fleet.run(4)
    assert [*ended, silent.alive] == [True, False]
    assert len(fleet.watched) == 4


def test_cameras_of_a_worker_that_may_still_run_are_not_reassigned() -> None:
    fleet = _Fleet(cameras=4, workers=2)
    fleet.run(5)
    cut_off = fleet.host("w0")
    held = cut_off.watching
    cut_off.silent = cut_off.survives_kill = True
    del fleet.offered["w0"]
    fleet.run(20)
    assert fleet.host("w1").watching.isdisjoint(held)
    waiting = {
        c.status.camera: c.status for c in fleet.dispatcher.snapshot().cameras if not c.worker
    }
    assert waiting.keys() == held
    cut_off.end("its lease is over")
    fleet.run(3)
    assert len(fleet.host("w1").watching) == 4


def test_a_new_machine_gets_its_share() -> None:
    fleet = _Fleet(cameras=6, workers=1)
    fleet.run(5)
    fleet.offered["w9"] = 1.0
    fleet.run(6)
    assert Counter(fleet.watched.values()) == {"w0": 3, "w9": 3}


def test_the_cameras_of_a_machine_that_is_gone_move_to_the_others() -> None:
    fleet = _Fleet(cameras=6, workers=3)
    fleet.run(5)
    before = fleet.watched
    del fleet.offered["w2"]
    fleet.run(3)
    assert len(fleet.watched) == 6
    assert all(fleet.watched[c] == slot for c, slot in before.items() if slot != "w2")


def test_load_is_balanced_rarely() -> None:
    fleet = _Fleet(cameras=4, workers=2)
    fleet.run(5)
    heavy = sorted(fleet.host("w0").watching)
    fleet.loads = {**dict.fromkeys(fleet.watched, 0.02), **dict.fromkeys(heavy, 0.4)}
    before = fleet.watched
    fleet.run(int(PLACED_EVERY_S - MEASURED_S), 1.0)
    assert fleet.watched == before
    fleet.run(60)
    assert {fleet.watched[camera] for camera in heavy} == {"w0", "w1"}


def test_unchanged_assignments_are_not_sent_again() -> None:
    fleet = _Fleet(cameras=2, workers=1)
    fleet.run(50)
    assert fleet.host("w0").assigned == [("c0", "c1")]


def test_it_is_reported_that_no_worker_comes_up() -> None:
    fleet = _Fleet(cameras=2, workers=2)
    fleet.stillborn = frozenset({"w0", "w1"})
    assert fleet.dispatcher.failure == ""
    fleet.run(3)
    assert fleet.dispatcher.failure == "no model"


def test_a_worker_that_cannot_be_started_is_retried() -> None:
    fleet = _Fleet(cameras=2, workers=1)
    fleet.broken = "no memory"
    fleet.run(3)
    assert fleet.dispatcher.failure == "no memory"
    fleet.broken = ""
    fleet.run(10)
    assert len(fleet.watched) == 2
    assert fleet.dispatcher.failure == ""


def test_a_worker_has_longer_to_come_up_than_to_report() -> None:
    fleet = _Fleet(cameras=2, workers=1)
    fleet.tick()
    fleet.host("w0").silent = True
    fleet.run(int(START_S) - 5)
    assert len(fleet.hosts) == 1
    fleet.run(20)
    assert len(fleet.hosts) == 2


def test_counts_of_the_snapshot_continue_over_a_crash() -> None:
    fleet = _Fleet(cameras=1, workers=1)
    fleet.run(10)
    before = fleet.dispatcher.snapshot()
    counted = before.cameras[0].status.work_s
    assert counted > 0
    fleet.host("w0").end("crashed")
    fleet.tick()
    lost = fleet.dispatcher.snapshot().cameras[0]
    assert (lost.worker, lost.status.state) == ("", "connecting")
    assert "crashed" in lost.status.message
    assert lost.status.since == fleet.now
    fleet.run(5)
    after = fleet.dispatcher.snapshot()
    assert after.cameras[0].status.work_s > counted
    assert after.workers[0].cpu_s > before.workers[0].cpu_s


def test_stopping_ends_every_worker_and_marks_the_snapshot() -> None:
    fleet = _Fleet(cameras=4, workers=2)
    fleet.run(5)
    fleet.dispatcher.stop()
    fleet.run(3)
    assert fleet.dispatcher.ended
    fleet.dispatcher.close()
    snapshot = fleet.snapshots[-1]
    assert snapshot.stopped
    assert {entry.status.state for entry in snapshot.cameras} == {"stopped"}
    assert len(fleet.hosts) == 2


@given(st.integers(0, 3))
def test_closing_ends_what_does_not_stop(delay: int) -> None:
    fleet = _Fleet(cameras=4, workers=2, delay=delay)
    fleet.run(2)
    fleet.dispatcher.close()
    assert not any(host.alive for host in fleet.hosts)


class _Mishaps(RuleBasedStateMachine):
    """Whatever happens, no camera is watched twice, and in the end all cameras are watched."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = _Fleet(cameras=7, workers=3, delay=2)

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.fleet.tick(seconds)

    @rule(number=st.integers(0, 3))
    def a_worker_crashes(self, number: int) -> None:
        for host in self.fleet.hosts:
            if host.name == f"w{number}":
                host.end("crashed")

    @rule(number=st.integers(0, 3), killable=st.booleans())
    def a_worker_falls_silent(self, number: int, killable: bool) -> None:
        for host in self.fleet.hosts:
            if host.name == f"w{number}":
                host.silent, host.survives_kill = True, not killable

    @rule(number=st.integers(0, 3), delay=st.integers(1, 5))
    def a_machine_comes_or_goes(self, number: int, delay: int) -> None:
        self.fleet.delay = delay
        if self.fleet.offered.pop(f"w{number}", None) is None:
            self.fleet.offered[f"w{number}"] = 1.0

    @rule()
    def machines_that_were_cut_off_are_gone(self) -> None:
        for host in self.fleet.hosts:
            if host.survives_kill:
                host.end("its lease is over")

    @invariant()
    def no_camera_is_watched_twice(self) -> None:
        counts = Counter(c for host in self.fleet.hosts for c in host.watching)
        assert max(counts.values(), default=0) <= 1

    def teardown(self) -> None:
        self.machines_that_were_cut_off_are_gone()
        self.fleet.offered["w0"] = 1.0
        # One that fell silent before its first report is given so long to start.
        self.fleet.run(int(START_S / 10.0) + 1, 10.0)
        self.fleet.run(80, 2.0)
        assert len(self.fleet.watched) == 7


TestMishaps = _Mishaps.TestCase
TestMishaps.settings = settings(max_examples=40)


@pytest.mark.parametrize("ticks", [1, 2, 3])
def test_requested_cameras_are_held_until_reported_released(ticks: int) -> None:
    host = _Host("w0", delay=3)
    host.assign(["a"])
    host.assign(["b"])
    for _ in range(ticks):
        host.step(1.0, {})
        host.status()
    assert host.holds == ({"a", "b"} if ticks < 3 else {"b"})
