"""Counts that continue over the lives of workers: a worker counts from zero, a total does not."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from cv_engine.live.status import CameraStatus, WorkerStatus

_COUNTS = (
    "packets",
    "received_bytes",
    "damaged",
    "samples",
    "asked",
    "dropped",
    "reconnects",
    "cases",
    "joined",
    "work_s",
)


class Totals:
    """What all workers together have reported of each camera since watching began.

    Args:
        cameras: Names of the cameras that are watched.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self._past = {name: CameraStatus(name) for name in cameras}
        self._present: dict[str, dict[str, CameraStatus]] = {}
        self._watcher: dict[str, str] = {}  # the worker that reported a camera last
        self._past_cpu_s: dict[str, float] = {}
        self._cpu_s: dict[str, float] = {}

    def take(self, status: WorkerStatus) -> None:
        """Takes in what a worker reported last."""
        before = self._present.get(status.worker, {})
        present = {camera.camera: camera for camera in status.cameras}
        for name, known in before.items():
            # Released, or released and watched again since: its counts began at zero again.
            if name not in present or _has_restarted(present[name], known):
                self._fold(known)
        self._present[status.worker] = present
        self._watcher.update(dict.fromkeys(present, status.worker))
        self._cpu_s[status.worker] = status.cpu_s

    def ended(self, worker: str) -> None:
        """Takes in that a worker is gone; the next one of that name counts from zero."""
        for known in self._present.pop(worker, {}).values():
            self._fold(known)
        spent = self._cpu_s.pop(worker, 0.0)
        self._past_cpu_s[worker] = self._past_cpu_s.get(worker, 0.0) + spent

    def camera(self, name: str) -> CameraStatus:
        """The camera as it was reported last, with all of its counts so far."""
        past = self._past.setdefault(name, CameraStatus(name))
        present = self._present.get(self._watcher.get(name, ""), {}).get(name)
        return past if present is None else _sum(past, present)

    def cpu_s(self, worker: str) -> float:
        """CPU seconds that all workers of this name have taken."""
        return self._past_cpu_s.get(worker, 0.0) + self._cpu_s.get(worker, 0.0)

    def _fold(self, known: CameraStatus) -> None:
        past = self._past.get(known.camera, CameraStatus(known.camera))
        self._past[known.camera] = _sum(past, known)


def _has_restarted(camera: CameraStatus, before: CameraStatus) -> bool:
    return any(getattr(camera, name) < getattr(before, name) for name in _COUNTS)


def _sum(past: CameraStatus, present: CameraStatus) -> CameraStatus:
    """The present state with the counts of both."""
    counts = {name: getattr(past, name) + getattr(present, name) for name in _COUNTS}
    return replace(present, **counts, latency=past.latency + present.latency)
