"""Counts that go on over the lives of workers: a new one begins at nothing, a total does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cv_engine.live.status import CameraStatus, Latency, WorkerStatus

_COUNTS = (
    "packets",
    "received_bytes",
    "damaged",
    "samples",
    "asked",
    "dropped",
    "reconnects",
    "cases",
    "work_s",
)


class Totals:
    """What all workers together have told of each camera since watching began.

    Args:
        cameras: Those that are watched.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self._past = {name: CameraStatus(name) for name in cameras}
        self._present: dict[str, dict[str, CameraStatus]] = {}
        self._watcher: dict[str, str] = {}  # who told of a camera last
        self._past_cpu_s: dict[str, float] = {}
        self._cpu_s: dict[str, float] = {}

    def take(self, status: WorkerStatus) -> None:
        """Takes in what a worker told last."""
        before = self._present.get(status.worker, {})
        present = {camera.camera: camera for camera in status.cameras}
        for name, known in before.items():
            # Let go, or taken over again since: what was counted then does not come back.
            if name not in present or _is_anew(present[name], known):
                self._fold(known)
        self._present[status.worker] = present
        self._watcher.update(dict.fromkeys(present, status.worker))
        self._cpu_s[status.worker] = status.cpu_s

    def ended(self, worker: str) -> None:
        """Takes in that a worker is gone; one of the same name counts from nothing again."""
        for known in self._present.pop(worker, {}).values():
            self._fold(known)
        spent = self._cpu_s.pop(worker, 0.0)
        self._past_cpu_s[worker] = self._past_cpu_s.get(worker, 0.0) + spent

    def camera(self, name: str) -> CameraStatus:
        """The camera as it was told of last, with all of its counts so far."""
        past = self._past.setdefault(name, CameraStatus(name))
        present = self._present.get(self._watcher.get(name, ""), {}).get(name)
        return replace(past) if present is None else _sum(past, present)

    def cpu_s(self, worker: str) -> float:
        """CPU seconds that all workers of this name have taken."""
        return self._past_cpu_s.get(worker, 0.0) + self._cpu_s.get(worker, 0.0)

    def _fold(self, known: CameraStatus) -> None:
        past = self._past.get(known.camera, CameraStatus(known.camera))
        self._past[known.camera] = _sum(past, known)


def _is_anew(camera: CameraStatus, before: CameraStatus) -> bool:
    return any(getattr(camera, name) < getattr(before, name) for name in _COUNTS)


def _sum(past: CameraStatus, present: CameraStatus) -> CameraStatus:
    """The present state with the counts of both."""
    counts = {name: getattr(past, name) + getattr(present, name) for name in _COUNTS}
    pairs = zip(past.latency.counts, present.latency.counts, strict=True)
    latency = Latency([a + b for a, b in pairs], past.latency.sum_s + present.latency.sum_s)
    return replace(present, **counts, latency=latency)
