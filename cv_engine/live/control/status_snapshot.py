"""The status snapshot: what is being watched at one moment, for everyone who wants to know."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cv_engine.files import write_atomically
from cv_engine.live.status import CameraStatus

# How often the snapshot is written, seconds.
WRITTEN_EVERY_S = 2.0
# The program that wrote a snapshot as old as this is gone, seconds: several writings were missed.
STALE_S = 15.0
_PLACE = Path("live") / "status.json"


class WorkerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One slot for a worker, and what runs there.

    Attributes:
        worker: Name of the worker.
        node: Name of the machine; empty before the worker's first report.
        pid: Process number there, ``None`` where none runs.
        state: starting, running, or waiting (to be started again).
        message: Why the last worker ended.
        starts: Times that a worker was started here.
        cpu_s: CPU seconds of all workers that ran here.
        memory_mb: Resident memory, MiB.
        threads: Threads.
        cameras: How many cameras the worker watches.
    """

    worker: str
    node: str
    pid: int | None
    state: str
    message: str
    starts: int
    cpu_s: float
    memory_mb: float
    threads: int
    cameras: int


class CameraEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One camera, and who watches it.

    Attributes:
        worker: Name of the worker, empty where none does.
        status: The camera, with counts since watching began.
    """

    worker: str
    status: CameraStatus


class StatusSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is watched at one moment.

    Attributes:
        at: That moment, seconds since 1970.
        began: When watching began.
        pid: Process number of the program.
        stopped: Whether watching was stopped on request.
        workers: Slots for workers.
        cameras: All cameras that are to be watched.
    """

    at: float
    began: float
    pid: int
    stopped: bool
    workers: tuple[WorkerEntry, ...]
    cameras: tuple[CameraEntry, ...]

    def is_stale(self, now: float) -> bool:
        """Whether the program that wrote this is gone without having stopped."""
        return not self.stopped and now - self.at > STALE_S


def snapshot_path(data: Path) -> Path:
    """Where the status snapshot of a data folder lies."""
    return data / _PLACE


def write_snapshot(data: Path, snapshot: StatusSnapshot) -> None:
    """Replaces the last snapshot by this one, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    path = snapshot_path(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.encode(snapshot))


def read_snapshot(data: Path) -> StatusSnapshot | None:
    """The last snapshot of a data folder; ``None`` where there is none that can be read.

    Raises:
        OSError: The file exists and may not be read.
    """
    try:
        return msgspec.json.decode(snapshot_path(data).read_bytes(), type=StatusSnapshot)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None  # there is none, or one of another version of the program
