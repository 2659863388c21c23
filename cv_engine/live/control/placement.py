"""Which worker watches which camera: by measured load, with few moves."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import fsum
from statistics import fmean, median

from cv_engine.live.status import WorkerStatus

# How far the fullest worker may be above the emptiest before a camera is moved, as a share of the
# mean. A move costs a reconnection and some seconds unwatched, and loads change with daylight.
MARGIN = 0.25
# What a camera costs at least, CPU share: 25 compressed frames a second are received and buffered
# even where none is sampled. This also spreads cameras whose streams are down.
LEAST_LOAD = 0.005
# Over how long a load is measured, seconds: some dozen samples, so that a single one hardly counts.
MEASURED_S = 30.0


def place(
    cameras: Mapping[str, float | None],
    workers: Mapping[str, float],
    now: Mapping[str, str],
) -> dict[str, str]:
    """Gives each camera to a worker.

    A camera stays with its worker unless the worker is gone, or the workers' fill (load per unit of
    capacity) differs by more than `MARGIN` of its mean and moving the camera evens it out.

    Args:
        cameras: Each camera's load, CPU share; ``None`` where the load is not known yet, which
            counts as the median of the others.
        workers: Each worker's capacity, CPU cores, above 0.
        now: Each camera's present worker; cameras and workers that are gone may still be named.

    Returns:
        Each camera's worker: all cameras, or none where there is no worker. Depends on the
        arguments only, not on their order.
    """
    if not workers:
        return {}
    loads = _filled_in(cameras)
    placed = {name: now[name] for name in sorted(loads) if now.get(name) in workers}
    _add(placed, loads, workers)
    _even_out(placed, loads, workers)
    return placed


def _filled_in(cameras: Mapping[str, float | None]) -> dict[str, float]:
    known = [load for load in cameras.values() if load is not None]
    usual = median(known) if known else LEAST_LOAD
    return {
        name: max(LEAST_LOAD, usual if load is None else load) for name, load in cameras.items()
    }


def _add(placed: dict[str, str], loads: Mapping[str, float], workers: Mapping[str, float]) -> None:
    """Places the cameras that have no worker, the heaviest first, each on the emptiest worker."""
    held = _held(placed, loads, workers)
    heap = [(fsum(held[name].values()) / workers[name], name) for name in workers]
    heapq.heapify(heap)
    for camera in sorted(loads.keys() - placed.keys(), key=lambda name: (-loads[name], name)):
        fill, worker = heap[0]
        placed[camera] = worker
        heapq.heapreplace(heap, (fill + loads[camera] / workers[worker], worker))


def _even_out(
    placed: dict[str, str], loads: Mapping[str, float], workers: Mapping[str, float]
) -> None:
    """Moves cameras from the fullest to the emptiest worker while they differ too much.

    This terminates: each move makes the fuller of the two less full than before.
    """
    held = _held(placed, loads, workers)
    fills = {name: fsum(held[name].values()) / workers[name] for name in sorted(workers)}
    margin = MARGIN * fsum(loads.values()) / fsum(workers.values())
    while True:
        fullest = max(fills, key=lambda name: (fills[name], name))
        emptiest = min(fills, key=lambda name: (fills[name], name))
        if fills[fullest] - fills[emptiest] <= margin:
            return
        after = {
            camera: max(
                fills[fullest] - load / workers[fullest],
                fills[emptiest] + load / workers[emptiest],
            )
            for camera, load in held[fullest].items()
        }
        best = min(after, key=lambda name: (after[name], name))
        if after[best] >= fills[fullest]:
            return  # each of its cameras is too heavy to even anything out
        held[emptiest][best] = held[fullest].pop(best)
        placed[best] = emptiest
        for name in (fullest, emptiest):
            fills[name] = fsum(held[name].values()) / workers[name]


def _held(
    placed: Mapping[str, str], loads: Mapping[str, float], workers: Iterable[str]
) -> dict[str, dict[str, float]]:
    held: dict[str, dict[str, float]] = {name: {} for name in workers}
    for camera, worker in placed.items():
        held[worker][camera] = loads[camera]
    return held


@dataclass(slots=True)
class _Start:
    """The start of a measurement: CPU seconds that a camera had taken at a time of its worker."""

    worker: str
    at: float
    work_s: float


class Loads:
    """The load of each camera, measured from the CPU time of its samples.

    Args:
        cameras: Names of the cameras that are watched; none has been measured yet.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self._loads: dict[str, float | None] = dict.fromkeys(cameras)
        self._starts: dict[str, _Start] = {}

    def take(self, status: WorkerStatus) -> None:
        """Takes in what a worker reported."""
        for camera in status.cameras:
            name = camera.camera
            began = self._starts.get(name)
            fresh = _Start(status.worker, status.at, camera.work_s)
            if began is None or began.worker != fresh.worker or began.work_s > fresh.work_s:
                self._starts[name] = fresh
            elif fresh.at - began.at >= MEASURED_S:
                share = (fresh.work_s - began.work_s) / (fresh.at - began.at)
                known = self._loads.get(name)
                # The mean with the load before: neither a quiet minute nor a busy one decides.
                self._loads[name] = share if known is None else fmean((known, share))
                self._starts[name] = fresh

    @property
    def cameras(self) -> Mapping[str, float | None]:
        """CPU share of each camera; ``None`` where it has not been measured yet."""
        return self._loads
