"""A slot for a worker: the worker that runs there, and when it is replaced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cv_engine.live.control.errors import HostError
from cv_engine.live.control.host import Host, Hosts
from cv_engine.live.control.status_snapshot import WorkerEntry
from cv_engine.live.status import WorkerStatus

# A worker that has reported nothing for so long hangs, seconds; a sound one reports every second.
SILENT_S = 15.0
# The same before the first report: the worker may have to fetch and convert a model first.
START_S = 300.0
# Pauses before a worker is started again, seconds, by how often one was lost in a row: the first
# time none, since its cameras wait; later ever longer, since starting seems to be of no use.
PAUSES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
# A worker that ran for so long was sound: the next loss is a first one again, seconds.
PROVEN_S = 300.0


@dataclass(slots=True)
class Slot:
    """A slot for a worker.

    Attributes:
        name: Name of the worker, however often it is replaced.
        capacity: CPU cores.
        host: What runs here at the moment.
        status: What the worker reported last.
        failure: Why the last worker was lost.
        sound: Whether the last worker that ended, or the present one, got as far as a first report.
        starts: Times that a worker was started.
        losses: Times in a row that a worker was lost.
        began: When the present worker was started, seconds on the dispatcher's clock.
        heard: When the worker last reported something new.
        retry_at: When the next worker may be started.
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
    _assigned: tuple[str, ...] | None = None

    @property
    def is_usable(self) -> bool:
        """Whether cameras are placed here: not where workers fail to come up."""
        return self.sound or not self.losses

    def start(self, hosts: Hosts, now: float) -> None:
        """Starts a worker where none runs and the pause is over."""
        if self.host is not None or now < self.retry_at:
            return
        self.starts += 1
        self.began = self.heard = now
        try:
            self.host = hosts.start(self.name)
        except HostError as error:
            self.vacate(str(error), now)

    def poll(self, now: float) -> WorkerStatus | None:
        """What the worker has reported since the last call, ``None`` where that is nothing."""
        status = None if self.host is None else self.host.status()
        if status is None or (self.status is not None and status.at == self.status.at):
            return None
        self.status, self.heard, self.sound = status, now, True
        return status

    def lost(self, now: float) -> str:
        """Why the worker has to be replaced; empty where it need not be."""
        if self.host is None:
            return ""
        if not self.host.alive:
            return self.host.failure or "it ended"
        limit_s = START_S if self.status is None else SILENT_S
        if now - self.heard > limit_s:
            return f"it has not reported for {limit_s:.0f} s"
        return ""

    def vacate(self, why: str, now: float) -> Host | None:
        """Empties the slot for the next worker; returns the present host, to be ended."""
        host, self.host = self.host, None
        if now - self.began >= PROVEN_S:
            self.losses = 0
        self.sound = self.status is not None
        self.failure, self.status, self._assigned = why, None, None
        self.retry_at = now + PAUSES_S[min(self.losses, len(PAUSES_S) - 1)]
        self.losses += 1
        return host

    def assign(self, cameras: Iterable[str]) -> None:
        """Asks the worker to watch these cameras and no others, where that has changed."""
        wanted = tuple(sorted(cameras))
        if self.host is not None and wanted != self._assigned:
            self.host.assign(wanted)
            self._assigned = wanted

    def entry(self, cpu_s: float) -> WorkerEntry:
        """This slot in the status snapshot.

        Args:
            cpu_s: CPU seconds that all workers of this slot have taken.
        """
        status = self.status
        state = "running" if status else "starting" if self.host else "waiting"
        return WorkerEntry(
            worker=self.name,
            node=status.node if status else "",
            pid=status.pid if status else None,
            state=state,
            message=self.failure,
            starts=self.starts,
            cpu_s=cpu_s,
            memory_mb=status.memory_mb if status else 0.0,
            threads=status.threads if status else 0,
            cameras=len(status.cameras) if status else 0,
        )
