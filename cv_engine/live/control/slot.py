"""A place for a worker: the one that runs there, and when it is replaced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cv_engine.live.control.errors import HostError
from cv_engine.live.control.host import Host, Hosts
from cv_engine.live.control.status_snapshot import WorkerEntry
from cv_engine.live.status import WorkerStatus

# A worker that has told nothing for so long hangs, seconds; it tells something every second.
SILENT_S = 15.0
# The same before its first word: it may have to fetch and convert a model first.
START_S = 300.0
# Pauses before a worker is started again, seconds, by how often one was lost in a row: the first
# time at once, as its cameras wait; later ever longer, as it seems to be of no use.
PAUSES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
# A worker that ran for so long was sound: the next loss is a first one again, seconds.
PROVEN_S = 300.0


@dataclass(slots=True)
class Slot:
    """A place for a worker.

    Attributes:
        name: The worker's name, however often it is replaced.
        capacity: CPU cores.
        host: What runs here at the moment.
        status: What it told last.
        failure: Why the last one was lost.
        sound: Whether the last one that ended, or the present one, got as far as a first word.
        starts: Times that one was started.
        losses: Times in a row that one was lost.
        began: When the present one was started, seconds on the dispatcher's clock.
        heard: When it last told something new.
        retry_at: When the next one may be started.
    """

    name: str
    capacity: float
    host: Host | None = None
    status: WorkerStatus | None = None
    failure: str = ""
    sound: bool = False
    starts: int = 0
    losses: int = 0
    began: float = 0.0
    heard: float = 0.0
    retry_at: float = 0.0
    _given: tuple[str, ...] | None = None

    @property
    def is_usable(self) -> bool:
        """Whether cameras are placed here: not where workers fail to come up."""
        return self.sound or not self.losses

    def start(self, hosts: Hosts, now: float) -> None:
        """Starts a worker where none runs and it is time to."""
        if self.host is not None or now < self.retry_at:
            return
        self.starts += 1
        self.began = self.heard = now
        try:
            self.host = hosts.start(self.name)
        except HostError as error:
            self.vacate(str(error), now)

    def listen(self, now: float) -> WorkerStatus | None:
        """What the worker has told since the last call, ``None`` where that is nothing."""
        told = None if self.host is None else self.host.status()
        if told is None or (self.status is not None and told.at == self.status.at):
            return None
        self.status, self.heard, self.sound = told, now, True
        return told

    def lost(self, now: float) -> str:
        """Why the worker has to be replaced; empty where it need not be."""
        if self.host is None:
            return ""
        if not self.host.alive:
            return self.host.failure or "it ended"
        limit_s = START_S if self.status is None else SILENT_S
        if now - self.heard > limit_s:
            return f"it has not been heard of for {limit_s:.0f} s"
        return ""

    def vacate(self, why: str, now: float) -> Host | None:
        """Gives up what runs here, for a next one later; returns it, to be ended."""
        host, self.host = self.host, None
        if now - self.began >= PROVEN_S:
            self.losses = 0
        self.sound = self.status is not None
        self.failure, self.status, self._given = why, None, None
        self.retry_at = now + PAUSES_S[min(self.losses, len(PAUSES_S) - 1)]
        self.losses += 1
        return host

    def give(self, cameras: Iterable[str]) -> None:
        """Asks the worker to watch these and no others, where that is news to it."""
        wanted = tuple(sorted(cameras))
        if self.host is not None and wanted != self._given:
            self.host.assign(wanted)
            self._given = wanted

    def line(self, cpu_s: float) -> WorkerEntry:
        """This place on the board."""
        told = self.status
        state = "running" if told else "starting" if self.host else "waiting"
        return WorkerEntry(
            worker=self.name,
            node=told.node if told else "",
            pid=told.pid if told else None,
            state=state,
            message=self.failure,
            starts=self.starts,
            cpu_s=cpu_s,
            memory_mb=told.memory_mb if told else 0.0,
            threads=told.threads if told else 0,
            cameras=len(told.cameras) if told else 0,
        )
