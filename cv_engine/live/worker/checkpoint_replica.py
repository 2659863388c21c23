"""Copies of the checkpoints in object storage: a lost machine loses no camera's state."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

import structlog

from cv_engine.evidence.errors import StoreError
from cv_engine.evidence.storage.address import read_address
from cv_engine.evidence.storage.object_store import ObjectStore
from cv_engine.files import write_atomically
from cv_engine.pipeline.checkpoint import Checkpoints, ended

# How long an answer of the store may take, seconds (twice that at worst). A camera that is taken
# over is not watched in that time.
_PATIENCE_S = 5.0
# How often changed checkpoints are searched for, seconds.
_POLL_S = 1.0
# How long a store that did not answer is left alone, seconds: a store that is away comes back in
# minutes.
_AWAY_S = 60.0
# zlib's level. Most of a checkpoint are times that are equal all over the picture: it shrinks to a
# fifth in a twentieth of a second. A higher level takes twice as long for a twentieth less.
_LEVEL = 1
_FOLDER = "checkpoints/"


@dataclass(slots=True)
class _Copy:
    """The stored checkpoint of one camera.

    Attributes:
        here: Whether the newer of both checkpoints is in place here, or the store does not answer.
        leaving: Whether the camera is being released: its checkpoint is sent once more at most.
        stamp: Stamp of the file that is stored.
        sent_at: When sending the last checkpoint started, or the last one was fetched.
    """

    here: bool = False
    leaving: bool = False
    stamp: tuple[int, int] | None = None
    sent_at: float = float("-inf")


class CheckpointReplica:
    """A thread that copies changed checkpoints to a store, the latest of each camera.

    Only this daemon thread waits for the store. Without an address there is no thread, and nothing
    to be fetched.

    Args:
        checkpoints: The checkpoints on this machine.
        address: The evidence store, where that is object storage: checkpoints lie beside the
            packages.
        every_s: Least time between two copies of one camera's checkpoint, seconds: so much of its
            past is lost with the machine.
        clock: Seconds on a clock that never jumps.

    Raises:
        EvidenceError: The store's extra is not installed, or the environment holds no credentials.
    """

    def __init__(
        self,
        checkpoints: Checkpoints[Any],
        address: str | None,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checkpoints = checkpoints
        self._store = None if address is None else ObjectStore(read_address(address), _PATIENCE_S)
        self._every_s = every_s
        self._clock = clock
        self._copies: dict[str, _Copy] = {}
        self._lock = Lock()
        self._woken = Event()
        self._stopping = Event()
        self._away_until = float("-inf")
        self._reported = ""
        self._thread = Thread(
            target=self._run, args=(self._store,), name="checkpoint replica", daemon=True
        )

    def start(self) -> None:
        """Starts the thread, where there is a store."""
        if self._store is not None:
            self._thread.start()

    def fetch(self, camera: str) -> bool:
        """Requests a camera's checkpoint, if the store has a newer one; returns at once.

        From now on the camera's checkpoints are sent.

        Returns:
            Whether the newer checkpoint is in place; if not, call again in a moment.
        """
        if self._store is None:
            return True
        with self._lock:
            copy = self._copies.get(camera)
            if copy is None or copy.leaving:
                copy = self._copies[camera] = _Copy()
                self._woken.set()
            return copy.here

    def release(self, camera: str) -> None:
        """Sends a camera's checkpoint for the last time, soon; returns at once.

        The worker that takes the camera over fetches it a moment later. Sending is tried once:
        later, the checkpoint would replace a newer one.
        """
        with self._lock:
            if camera in self._copies:
                self._copies[camera].leaving = True
                self._woken.set()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Sends the checkpoints of released cameras, and ends the thread.

        Args:
            timeout_s: How long to wait for that, seconds.

        Returns:
            Whether the thread has ended.
        """
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self, store: ObjectStore) -> None:
        while not self._stopping.is_set():
            self._copy_all(store)
            self._woken.wait(_POLL_S)
            self._woken.clear()
        self._copy_all(store)

    def _copy_all(self, store: ObjectStore) -> None:
        """Copies what a camera waits for first, and the rest until a camera waits again."""
        with self._lock:
            copies = list(self._copies.items())
        copies.sort(key=lambda entry: entry[1].here and not entry[1].leaving)
        for camera, copy in copies:
            if copy.here and not copy.leaving and self._woken.is_set():
                return
            leaving = copy.leaving  # as it is now: a camera released meanwhile comes next time
            self._copy_one(store, camera, copy)
            if leaving:
                self._forget(camera, copy)

    def _copy_one(self, store: ObjectStore, camera: str, copy: _Copy) -> None:
        """Fetches or sends one camera's checkpoint, where that is due."""
        now = self._clock()
        too_soon = not copy.leaving and now - copy.sent_at < self._every_s
        try:
            if now < self._away_until or (self._stopping.is_set() and not copy.leaving):
                pass
            elif copy.here and not too_soon:
                self._send(store, camera, copy)
            elif not copy.here and not copy.leaving:
                self._fetch(store, camera, copy)
        except StoreError as error:
            self._away_until = self._clock() + _AWAY_S
            self._report(str(error))
        except (OSError, zlib.error) as error:
            structlog.get_logger(__name__).warning(
                "the stored checkpoint cannot be used", camera=camera, reason=str(error)
            )
        copy.here = True

    def _fetch(self, store: ObjectStore, camera: str, copy: _Copy) -> None:
        path = self._checkpoints.path(camera)
        stored = store.read(_FOLDER + path.name)
        self._report("")
        if stored is None:
            return
        copy.sent_at = self._clock()
        data = zlib.decompress(stored)
        there, here = ended(data), ended(path.read_bytes()) if path.exists() else None
        if there is not None and (here is None or here < there):
            write_atomically(path, data)
            here = there
        if here == there and here is not None:
            copy.stamp = _stamp(path.stat())

    def _send(self, store: ObjectStore, camera: str, copy: _Copy) -> None:
        path = self._checkpoints.path(camera)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return  # no checkpoint was written yet
        with file:
            stamp = _stamp(os.fstat(file.fileno()))
            if stamp == copy.stamp:
                return
            data = zlib.compress(file.read(), _LEVEL)
        started = self._clock()
        store.write(_FOLDER + path.name, data)
        self._report("")
        copy.stamp, copy.sent_at = stamp, started

    def _forget(self, camera: str, copy: _Copy) -> None:
        with self._lock:
            if self._copies.get(camera) is copy:
                del self._copies[camera]

    def _report(self, reason: str) -> None:
        """Logs why the store cannot be used, once, and when it can be used again."""
        log = structlog.get_logger(__name__)
        if reason and reason != self._reported:
            log.warning("checkpoints are not in the store", reason=reason)
        elif self._reported and not reason:
            log.info("checkpoints are being sent again")
        self._reported = reason


def _stamp(found: os.stat_result) -> tuple[int, int]:
    """What differs between a file and the one that it replaced: each is a new file."""
    return found.st_mtime_ns, found.st_ino
