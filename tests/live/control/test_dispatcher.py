"""The dispatcher with workers that follow a clock of ours: no process, no waiting."""

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
    """A worker that does what it was asked some ticks later, and tells so."""

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
        self._told: WorkerStatus | None = None
        self.assigned: list[tuple[str, ...]] = []

    @property
    def holds(self) -> frozenset[str]:
        return self._assigned.cameras

    def assign(self, cameras: Sequence[str]) -> None:
        self.assigned.append(tuple(cameras))
        number = self._assigned.request(cameras)
        self._messages.append((self.delay, number, frozenset(cameras)))

    def status(self) -> WorkerStatus | None:
        if self._told is not None:
            self._assigned.acknowledge(self._followed, self._told)
        return self._told

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
        self._told = WorkerStatus(self.name, "here", 1, self._at, cpu_s, cameras=cameras)


class _Street:
    """Some machines with workers, a clock, and a dispatcher."""

    def __init__(self, cameras: int, workers: int, delay: int = 1) -> None:
        self.now = 100.0
        self.offered = {f"w{n}": 1.0 for n in range(workers)}
        self.delay = delay
        self.broken = ""
        self.stillborn: frozenset[str] = frozenset()
        self.hosts: list[_Host] = []
        self.boards: list[StatusSnapshot] = []
        self.loads: dict[str, float] = {}
        names = [f"c{n}" for n in range(cameras)]
        self.dispatcher = Dispatcher(names, self, self.boards.append, lambda: self.now)

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
    street = _Street(cameras=10, workers=3)
    street.run(4)
    assert sorted(Counter(street.watched.values()).values()) == [3, 3, 4]


def test_a_crashed_worker_is_replaced_at_once_and_gets_its_cameras_back() -> None:
    street = _Street(cameras=6, workers=2)
    street.run(5)
    before = street.watched
    street.host("w0").end("its process was ended by SIGSEGV")
    street.run(4)
    assert street.watched == before
    assert len(street.hosts) == 3
    assert [line.message for line in street.dispatcher.snapshot().workers] == [
        "its process was ended by SIGSEGV",
        "",
    ]


def test_repeated_crashes_lengthen_the_pauses_and_spare_the_others() -> None:
    street = _Street(cameras=6, workers=2)
    street.run(5)
    others = {camera for camera, slot in street.watched.items() if slot == "w1"}
    for pause_s in PAUSES_S[:6]:
        started = len(street.hosts)
        street.host("w0").end("poison")
        street.tick(0.1)
        street.run(int(pause_s / 0.5) - 1, 0.5)
        assert len(street.hosts) == started + (pause_s == 0.0)
        street.run(5, 0.5)
        assert len(street.hosts) == started + 1
    assert {camera for camera, slot in street.watched.items() if slot == "w1"} == others


def test_cameras_of_a_worker_that_stays_down_move_to_the_others() -> None:
    street = _Street(cameras=6, workers=2)
    street.run(5)
    street.stillborn = frozenset({"w0"})
    street.host("w0").end("crashed")
    street.run(5)
    assert set(street.watched.values()) == {"w1"}
    assert len(street.watched) == 6
    street.stillborn = frozenset()
    street.run(60)
    assert Counter(street.watched.values()) == {"w0": 3, "w1": 3}


def test_a_silent_worker_is_killed_before_its_cameras_are_reassigned() -> None:
    street = _Street(cameras=4, workers=2)
    street.run(5)
    silent = street.host("w0")
    silent.silent = True
    street.run(int(SILENT_S))
    ended = [silent.alive]
    street.run(4)
    assert [*ended, silent.alive] == [True, False]
    assert len(street.watched) == 4


def test_cameras_of_a_worker_that_may_still_run_are_not_reassigned() -> None:
    street = _Street(cameras=4, workers=2)
    street.run(5)
    cut_off = street.host("w0")
    held = cut_off.watching
    cut_off.silent = cut_off.survives_kill = True
    del street.offered["w0"]
    street.run(20)
    assert street.host("w1").watching.isdisjoint(held)
    waiting = {
        c.status.camera: c.status for c in street.dispatcher.snapshot().cameras if not c.worker
    }
    assert waiting.keys() == held
    cut_off.end("its lease is over")
    street.run(3)
    assert len(street.host("w1").watching) == 4


def test_a_new_machine_gets_its_share() -> None:
    street = _Street(cameras=6, workers=1)
    street.run(5)
    street.offered["w9"] = 1.0
    street.run(6)
    assert Counter(street.watched.values()) == {"w0": 3, "w9": 3}


def test_the_cameras_of_a_machine_that_is_gone_move_to_the_others() -> None:
    street = _Street(cameras=6, workers=3)
    street.run(5)
    before = street.watched
    del street.offered["w2"]
    street.run(3)
    assert len(street.watched) == 6
    assert all(street.watched[c] == slot for c, slot in before.items() if slot != "w2")


def test_load_is_balanced_rarely() -> None:
    street = _Street(cameras=4, workers=2)
    street.run(5)
    heavy = sorted(street.host("w0").watching)
    street.loads = {**dict.fromkeys(street.watched, 0.02), **dict.fromkeys(heavy, 0.4)}
    before = street.watched
    street.run(int(PLACED_EVERY_S - MEASURED_S), 1.0)
    assert street.watched == before
    street.run(60)
    assert {street.watched[camera] for camera in heavy} == {"w0", "w1"}


def test_unchanged_assignments_are_not_sent_again() -> None:
    street = _Street(cameras=2, workers=1)
    street.run(50)
    assert street.host("w0").assigned == [("c0", "c1")]


def test_it_is_reported_that_no_worker_comes_up() -> None:
    street = _Street(cameras=2, workers=2)
    street.stillborn = frozenset({"w0", "w1"})
    assert street.dispatcher.failure == ""
    street.run(3)
    assert street.dispatcher.failure == "no model"


def test_a_worker_that_cannot_be_started_is_retried() -> None:
    street = _Street(cameras=2, workers=1)
    street.broken = "no memory"
    street.run(3)
    assert street.dispatcher.failure == "no memory"
    street.broken = ""
    street.run(10)
    assert len(street.watched) == 2
    assert street.dispatcher.failure == ""


def test_a_worker_has_longer_to_come_up_than_to_report() -> None:
    street = _Street(cameras=2, workers=1)
    street.tick()
    street.host("w0").silent = True
    street.run(int(START_S) - 5)
    assert len(street.hosts) == 1
    street.run(20)
    assert len(street.hosts) == 2


def test_counts_of_the_snapshot_continue_over_a_crash() -> None:
    street = _Street(cameras=1, workers=1)
    street.run(10)
    before = street.dispatcher.snapshot()
    counted = before.cameras[0].status.work_s
    assert counted > 0
    street.host("w0").end("crashed")
    street.tick()
    lost = street.dispatcher.snapshot().cameras[0]
    assert (lost.worker, lost.status.state) == ("", "connecting")
    assert "crashed" in lost.status.message
    assert lost.status.since == street.now
    street.run(5)
    after = street.dispatcher.snapshot()
    assert after.cameras[0].status.work_s > counted
    assert after.workers[0].cpu_s > before.workers[0].cpu_s


def test_stopping_ends_every_worker_and_marks_the_snapshot() -> None:
    street = _Street(cameras=4, workers=2)
    street.run(5)
    street.dispatcher.stop()
    street.run(3)
    assert street.dispatcher.ended
    street.dispatcher.close()
    board = street.boards[-1]
    assert board.stopped
    assert {line.status.state for line in board.cameras} == {"stopped"}
    assert len(street.hosts) == 2


@given(st.integers(0, 3))
def test_closing_ends_what_does_not_stop(delay: int) -> None:
    street = _Street(cameras=4, workers=2, delay=delay)
    street.run(2)
    street.dispatcher.close()
    assert not any(host.alive for host in street.hosts)


class _Mishaps(RuleBasedStateMachine):
    """Whatever happens, no camera is watched twice, and in the end all are watched."""

    def __init__(self) -> None:
        super().__init__()
        self.street = _Street(cameras=7, workers=3, delay=2)

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.street.tick(seconds)

    @rule(number=st.integers(0, 3))
    def a_worker_crashes(self, number: int) -> None:
        for host in self.street.hosts:
            if host.name == f"w{number}":
                host.end("crashed")

    @rule(number=st.integers(0, 3), killable=st.booleans())
    def a_worker_falls_silent(self, number: int, killable: bool) -> None:
        for host in self.street.hosts:
            if host.name == f"w{number}":
                host.silent, host.survives_kill = True, not killable

    @rule(number=st.integers(0, 3), delay=st.integers(1, 5))
    def a_machine_comes_or_goes(self, number: int, delay: int) -> None:
        self.street.delay = delay
        if self.street.offered.pop(f"w{number}", None) is None:
            self.street.offered[f"w{number}"] = 1.0

    @rule()
    def what_was_cut_off_is_gone(self) -> None:
        for host in self.street.hosts:
            if host.survives_kill:
                host.end("its lease is over")

    @invariant()
    def nobody_is_watched_twice(self) -> None:
        counts = Counter(c for host in self.street.hosts for c in host.watching)
        assert max(counts.values(), default=0) <= 1

    def teardown(self) -> None:
        self.what_was_cut_off_is_gone()
        self.street.offered["w0"] = 1.0
        self.street.run(80, 2.0)
        assert len(self.street.watched) == 7


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
