"""The dispatcher: keeps every camera watched by one worker, and by one only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog
from msgspec.structs import replace

from cv_engine.live.control.host import Host, Hosts
from cv_engine.live.control.placement import Loads, place
from cv_engine.live.control.slot import Slot
from cv_engine.live.control.status_snapshot import WRITTEN_EVERY_S, CameraEntry, StatusSnapshot
from cv_engine.live.control.totals import Totals
from cv_engine.live.status import CameraStatus

# How often loads are compared again, seconds: a move costs a reconnection, so moves are rare.
PLACED_EVERY_S = 300.0


class Dispatcher:
    """Manages the workers: starts them, replaces them, assigns their cameras.

    A camera is taken from its worker before another gets it, and is assigned again only when that
    worker reports that it has released the camera, or is certain to be gone. Nothing here waits:
    :meth:`tick` is to be called every half second or so.

    Args:
        cameras: The names of all cameras that are to be watched.
        hosts: Where workers run.
        publish: Called with the status snapshot every few seconds.
        clock: Returns seconds since 1970, for the snapshot.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        hosts: Hosts,
        publish: Callable[[StatusSnapshot], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cameras = tuple(cameras)
        self._hosts = hosts
        self._publish = publish
        self._clock = clock
        self._began = clock()
        self._slots: dict[str, Slot] = {}
        self._leaving: list[Host] = []
        self._loads = Loads(cameras)
        self._totals = Totals(cameras)
        self._plan: dict[str, str] = {}
        self._placed_on: frozenset[str] = frozenset()
        self._placed_at = 0.0
        self._published_at: float | None = None
        self._unwatched_since: dict[str, float] = {}
        self._came_up = False
        self._stopping = False

    def tick(self, now: float) -> None:
        """Does what is to be done at this moment.

        Args:
            now: Seconds on a clock that never jumps.
        """
        self._collect(now)
        if not self._stopping:
            self._follow_slots(now)
            self._start(now)
            self._place(now)
            self._assign()
        if self._published_at is None or now - self._published_at >= WRITTEN_EVERY_S:
            self._published_at = now
            self._publish(self.snapshot())

    @property
    def failure(self) -> str:
        """Why no worker has ever come up, where all of them failed to; else empty."""
        if self._came_up or any(slot.is_usable for slot in self._slots.values()):
            return ""
        return next((slot.failure for slot in self._slots.values()), "")

    def stop(self) -> None:
        """Asks all workers to write their checkpoints, and to end."""
        self._stopping = True
        for host in self._running():
            host.stop()

    @property
    def ended(self) -> bool:
        """Whether no worker runs any more."""
        return not any(host.alive for host in self._running())

    def close(self) -> None:
        """Ends the workers that still run, and publishes the last snapshot."""
        self._stopping = True
        for slot in self._slots.values():
            self._clear(slot, "")
        self._publish(self.snapshot())

    def snapshot(self) -> StatusSnapshot:
        """What is watched at the moment."""
        return StatusSnapshot(
            self._clock(),
            self._began,
            os.getpid(),
            self._stopping and self.ended,
            tuple(slot.entry(self._totals.cpu_s(slot.name)) for slot in self._slots.values()),
            tuple(self._camera_entries()),
        )

    def _running(self) -> Iterator[Host]:
        yield from self._leaving
        for slot in self._slots.values():
            if slot.host is not None:
                yield slot.host

    def _collect(self, now: float) -> None:
        """Takes in what the workers report, and clears away those that are gone or silent."""
        for slot in self._slots.values():
            status = slot.poll(now)
            if status is not None:
                self._came_up = True
                self._totals.take(status)
                self._loads.take(status)
            why = slot.lost(now)
            if why:
                self._clear(slot, "" if self._stopping else why, now)
        self._leaving = [host for host in self._leaving if host.alive]

    def _clear(self, slot: Slot, why: str, now: float = 0.0) -> None:
        """Ends what runs in a slot; its cameras count as held until the end is certain."""
        host = slot.vacate(why, now)
        if host is None:
            return
        host.kill()
        self._totals.ended(slot.name)
        if host.alive:
            self._leaving.append(host)
        if why:
            log = structlog.get_logger(__name__)
            retry_in_s = slot.retry_at - now
            log.warning("worker lost", worker=slot.name, reason=why, retry_in_s=retry_in_s)

    def _follow_slots(self, now: float) -> None:
        """Follows machines that come and go."""
        offered = self._hosts.slots()
        for name in sorted(self._slots.keys() - offered.keys()):
            self._clear(self._slots[name], "its machine is gone", now)
            del self._slots[name]
        for name, capacity in offered.items():
            if name not in self._slots:
                self._slots[name] = Slot(name, capacity)

    def _start(self, now: float) -> None:
        for slot in self._slots.values():
            slot.start(self._hosts, now)

    def _place(self, now: float) -> None:
        """Places the cameras again where workers came or went, else rarely.

        A worker that crashed keeps its cameras for its successor: a stream that crashes workers
        would crash one after the other if its cameras were given to others.
        """
        usable = {slot.name: slot.capacity for slot in self._slots.values() if slot.is_usable}
        if usable.keys() == self._placed_on and now - self._placed_at < PLACED_EVERY_S:
            return
        before = self._plan
        self._plan = place(self._loads.cameras, usable, before)
        self._placed_on, self._placed_at = frozenset(usable), now
        moved = [name for name, slot in self._plan.items() if before.get(name, slot) != slot]
        if moved:
            log = structlog.get_logger(__name__)
            log.info("cameras moved", count=len(moved), cameras=moved[:10])

    def _assign(self) -> None:
        """Assigns to each worker those of its cameras that no other may still be watching."""
        held: dict[str, list[Host]] = {}
        for host in self._running():
            for name in host.holds:
                held.setdefault(name, []).append(host)
        wanted: dict[str, list[str]] = {name: [] for name in self._slots}
        for name, worker in self._plan.items():
            taker = self._slots[worker].host
            if taker is not None and _is_free(held.get(name, ()), taker):
                wanted[worker].append(name)
        for slot in self._slots.values():
            slot.assign(wanted[slot.name])

    def _camera_entries(self) -> Iterator[CameraEntry]:
        watchers = {
            camera.camera: slot.name
            for slot in self._slots.values()
            if slot.status is not None
            for camera in slot.status.cameras
        }
        for name in self._cameras:
            status = self._totals.camera(name)
            if name in watchers:
                self._unwatched_since.pop(name, None)
                yield CameraEntry(watchers[name], status)
            else:
                since = self._unwatched_since.setdefault(name, self._clock())
                yield CameraEntry("", self._unwatched(status, since))

    def _unwatched(self, status: CameraStatus, since: float) -> CameraStatus:
        """A camera that no worker has at the moment, with the reason."""
        slot = self._slots.get(self._plan.get(status.camera, ""))
        if self._stopping:
            message = ""
        elif slot is None:
            message = "there is no worker for it"
        elif slot.failure and slot.status is None:
            message = f"its worker was lost: {slot.failure}"
        else:
            message = "its worker is starting" if slot.status is None else "moves to another worker"
        state = "stopped" if self._stopping or slot is None else "connecting"
        return replace(status, since=since, message=message, state=state)


def _is_free(holders: Iterable[Host], taker: Host) -> bool:
    return all(host is taker for host in holders)
