"""A worker: many cameras in one process, a thread for each stream and one that samples them all."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from cv_engine.config import Config
from cv_engine.live.status import WorkerStatus
from cv_engine.live.worker.sampling import SamplingLoop
from cv_engine.live.worker.services import LiveServices
from cv_engine.services import Services

_MEBIBYTE = 1 << 20
# glibc's number of the option for its number of heaps, in mallopt: with one per thread, each would
# hold memory that others need.
_M_ARENA_MAX = -8
_ARENAS = 2


class Worker:
    """Watches cameras until stopped.

    Args:
        config: Settings.
        name: Name of the worker.
        node: Name of the machine; asked of the system where empty.
    """

    def __init__(self, config: Config, name: str, *, node: str = "") -> None:
        self._config = config
        self._name = name
        self._node = node or socket.gethostname()
        self._assigned: tuple[str, ...] = ()
        self._loop: SamplingLoop | None = None

    def watch(self, cameras: Sequence[str]) -> None:
        """Names the cameras to watch from now on; others are released with their state saved."""
        self._assigned = tuple(cameras)

    def start(self) -> None:
        """Opens what is needed and starts.

        Raises:
            ConfigError, ModelError, QueueError, EvidenceError: Settings are wrong, or the data
                folder cannot be written.
        """
        _limit_malloc_arenas()
        cv2.setNumThreads(1)
        services = Services(self._config)
        try:
            self._loop = SamplingLoop(LiveServices.open(services), lambda: self._assigned)
        except BaseException:
            services.close()
            raise
        # Libraries stay: the garbage collector need not search them again and again.
        gc.freeze()
        self._loop.start()

    def status(self) -> WorkerStatus:
        """The state of the worker and of its cameras."""
        return WorkerStatus(
            worker=self._name,
            node=self._node,
            pid=os.getpid(),
            at=time.time(),
            cpu_s=time.process_time(),
            memory_mb=_resident_mb(),
            threads=threading.active_count(),
            cameras=() if self._loop is None else self._loop.statuses(),
        )

    def stop(self, timeout_s: float = 10.0) -> None:
        """Releases every camera with its state saved, and closes everything.

        Raises:
            BaseException: What ended the work early.
        """
        if self._loop is not None:
            self._loop.stop(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether cameras are being watched."""
        return self._loop is not None and self._loop.alive


def _limit_malloc_arenas() -> None:
    """Keeps glibc from giving each stream's thread a heap of its own."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, _ARENAS)


def _resident_mb() -> float:
    """Memory in use, MiB; the most there was, where the system does not report it."""
    try:
        with Path("/proc/self/statm").open(encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / _MEBIBYTE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
