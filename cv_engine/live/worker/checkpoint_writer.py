"""Checkpoints written by a thread of their own: a slow disk delays no sample."""

from __future__ import annotations

from pathlib import Path
from threading import Condition, Thread

from cv_engine.live.worker.state import LiveState
from cv_engine.pipeline.checkpoint import Checkpoints


class CheckpointWriter(Checkpoints[LiveState]):
    """Checkpoints, the latest of each camera, written by a thread.

    The content of a checkpoint is fixed when it is saved; the file follows. Before `start` and
    after `stop` the file is written at once.

    Args:
        folder: Folder of the checkpoints; must exist.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, LiveState)
        self._waiting: dict[str, bytes] = {}
        self._writing = ""
        self._running = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="checkpoints", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._running = True
        self._thread.start()

    def write(self, camera: str, data: bytes) -> bool:
        """Hands a checkpoint over; an older one of the camera that still waits is discarded."""
        with self._changed:
            if self._running:
                self._waiting[camera] = data
                self._changed.notify_all()
                return True
        return super().write(camera, data)

    def flush(self, camera: str, timeout_s: float) -> bool:
        """Waits until the latest checkpoint of a camera is written; returns whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: camera not in self._waiting and camera != self._writing, timeout_s
            )

    def stop(self, timeout_s: float) -> bool:
        """Writes what waits and ends the thread; returns whether it has ended."""
        with self._changed:
            self._running = False
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = ""
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or not self._running)
                if not self._waiting:
                    return
                self._writing = next(iter(self._waiting))
                data = self._waiting.pop(self._writing)
            super().write(self._writing, data)
