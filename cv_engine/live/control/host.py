"""Where a worker runs, as the dispatcher sees it: asked what to watch, and for its status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cv_engine.live.status import WorkerStatus


class Watching(Protocol):
    """What a host runs: :class:`cv_engine.live.worker.worker.Worker`, or a stand-in for it."""

    def watch(self, cameras: Sequence[str]) -> None:
        """Watches these cameras from now on, and no others."""

    def start(self) -> None:
        """Opens what is shared by all cameras."""

    def status(self) -> WorkerStatus:
        """The present status; cheap, from any thread. Lists every camera until it is released."""

    def stop(self, timeout_s: float = ...) -> None:
        """Writes all checkpoints and closes the streams; raises what ended the work early."""

    @property
    def alive(self) -> bool:
        """Whether the worker still works, between start and stop."""


class WorkerClass(Protocol):
    """Makes a worker; can be pickled by its name."""

    def __call__(self, config: Any, name: str, *, node: str = ...) -> Watching:
        """A worker of this configuration."""


class Host(Protocol):
    """One running worker. None of the calls waits for the worker, except :meth:`kill`."""

    @property
    def alive(self) -> bool:
        """False once it is certain that the worker watches nothing any more."""

    @property
    def failure(self) -> str:
        """Why the worker ended; empty while it runs."""

    @property
    def holds(self) -> frozenset[str]:
        """The cameras that the worker may be watching, whatever was requested since."""

    def assign(self, cameras: Sequence[str]) -> None:
        """Asks the worker to watch these cameras and no others."""

    def status(self) -> WorkerStatus | None:
        """What the worker reported last; ``None`` before its first report."""

    def stop(self) -> None:
        """Asks the worker to write all checkpoints and to end."""

    def kill(self) -> None:
        """Ends the worker where it still runs, and frees its resources."""


class Hosts(Protocol):
    """Where hosts come from."""

    def slots(self) -> Mapping[str, float]:
        """The slots for workers there are at the moment, and the CPU cores of each."""

    def start(self, slot: str) -> Host:
        """Starts a worker in a slot.

        Raises:
            HostError: The worker cannot be started.
        """


class AssignedCameras:
    """The cameras that a worker may be watching, by what was requested and what it reported.

    Requests are numbered, and each status comes with the number of the last request that the worker
    had followed; so a status from before a request cannot mislead.
    """

    def __init__(self) -> None:
        self._number = 0
        self._requested: dict[int, frozenset[str]] = {0: frozenset()}
        self._reported: frozenset[str] = frozenset()

    def request(self, cameras: Sequence[str]) -> int:
        """Notes which cameras the worker is asked to watch; returns the number of the request."""
        self._number += 1
        self._requested[self._number] = frozenset(cameras)
        return self._number

    def acknowledge(self, number: int, status: WorkerStatus) -> None:
        """Takes in a status, reported after the request of this number had been followed."""
        self._reported = frozenset(camera.camera for camera in status.cameras)
        self._requested = {n: cameras for n, cameras in self._requested.items() if n >= number}

    @property
    def cameras(self) -> frozenset[str]:
        """All cameras that the worker reported last, or was asked for since."""
        return self._reported.union(*self._requested.values())
