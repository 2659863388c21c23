"""The board: what is being watched at the moment, for everyone who wants to know."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cv_engine.files import write_atomically
from cv_engine.live.status import CameraStatus, Latency

# How often it is written, seconds.
WRITTEN_EVERY_S = 2.0
# A board as old as this is nobody's any more, seconds: several writings were missed.
STALE_S = 15.0
_PLACE = Path("live") / "status.json"


@dataclass(frozen=True, slots=True)
class WorkerEntry:
    """One place for a worker, and what runs there.

    Attributes:
        worker: Its name.
        node: Name of the machine; empty before the worker's first word.
        pid: Process number there, ``None`` where none runs.
        state: starting, running, or waiting (to be started again).
        message: Why the last one ended.
        starts: Times that a worker was started here.
        cpu_s: CPU seconds of all of them.
        memory_mb: Resident memory, MiB.
        threads: Threads.
        cameras: How many it watches.
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


@dataclass(frozen=True, slots=True)
class CameraEntry:
    """One camera, and who watches it.

    Attributes:
        worker: Name of the worker, empty where none does.
        status: The camera, with counts since watching began.
    """

    worker: str
    status: CameraStatus


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    """What is watched at one moment.

    Attributes:
        at: That moment, seconds since 1970.
        began: When watching began.
        pid: Process number of the program.
        stopped: Whether watching has come to its end, as it was asked to.
        workers: Places for workers.
        cameras: All cameras that are to be watched.
    """

    at: float
    began: float
    pid: int
    stopped: bool
    workers: Sequence[WorkerEntry]
    cameras: Sequence[CameraEntry]

    def is_stale(self, now: float) -> bool:
        """Whether whoever wrote this is gone without having said so."""
        return not self.stopped and now - self.at > STALE_S


def snapshot_path(data: Path) -> Path:
    """Where the board of a data folder lies."""
    return data / _PLACE


def write_snapshot(data: Path, board: StatusSnapshot) -> None:
    """Writes the board in place of the last one, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    path = snapshot_path(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asdict(board), ensure_ascii=False).encode())


def read_snapshot(data: Path) -> StatusSnapshot | None:
    """The last board of a data folder; ``None`` where there is none that can be read.

    Raises:
        OSError: It is there and may not be read.
    """
    try:
        values = json.loads(snapshot_path(data).read_bytes())
        workers = [WorkerEntry(**line) for line in values.pop("workers")]
        cameras = [
            CameraEntry(line["worker"], _camera(line["status"])) for line in values.pop("cameras")
        ]
        return StatusSnapshot(**values, workers=workers, cameras=cameras)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return None  # none, or one of another version of the program


def _camera(values: Mapping[str, Any]) -> CameraStatus:
    known = {field.name for field in fields(CameraStatus)}
    if values.keys() != known:
        raise ValueError("written by another version")
    return CameraStatus(**{**values, "latency": Latency(**values["latency"])})
