"""Tile executors: the tiles of a comparison are judged serially, in processes, or on a cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import cv2
import structlog

from satellite.compare.comparison_request import ComparisonRequest
from satellite.errors import SatelliteError
from satellite.layers.layers import Layers
from satellite.malloc_trim import release
from satellite.registration.pair import Pair, Preparation

# Most tiles in one task of a cluster's CPU. Opening the images and the network takes seconds.
_MOST_PER_TASK = 16


@dataclass(frozen=True, slots=True)
class TileWork:
    """Everything needed to judge tiles; can be sent to other processes and machines.

    Attributes:
        request: The images, and how they are compared.
        preparation: The estimated shifts and light of the pair, as JSON values.
        folder: Folder of the layers.
    """

    request: ComparisonRequest
    preparation: Mapping[str, Any]
    folder: Path

    def run(self, names: Iterable[str]) -> Iterator[str]:
        """Judges tiles, and yields the name of each once its result is on disk.

        Raises:
            SatelliteError: An image cannot be read, or the layers cannot be written.
            ModelError: The network is not available, or fails.
        """
        with ExitStack() as stack:
            worker = _TileWorker(self, stack.enter_context(self.request.pair()))
            for name in names:
                worker.judge(name)
                yield name


class _TileWorker:
    """Judges tiles with one detector and one pair of open images."""

    def __init__(self, work: TileWork, pair: Pair) -> None:
        pair.use(Preparation.from_dict(work.preparation))
        self._pair = pair
        self._layers = Layers.open(work.folder)
        self._detector = work.request.choose(pair.grid.resolution_m).detector
        margin, side = self._detector.margin_px, self._layers.side
        self._tiles = {tile.name: tile for tile in pair.grid.tiles(side, margin)}

    def judge(self, name: str) -> None:
        tile = self._tiles[name]
        views = self._pair.read_tile(tile)
        self._layers.write(tile, self._detector(views), views.quality)
        del views
        release()


class TileExecutor(Protocol):
    """Judges tiles, in any order."""

    def __call__(self, work: TileWork, names: Sequence[str]) -> Iterator[str]:
        """Yields the name of each tile once it is judged.

        Raises:
            SatelliteError, ModelError: As of :meth:`TileWork.run`. Tiles judged so far are on disk.
        """
        ...


def serial_executor(work: TileWork, names: Sequence[str]) -> Iterator[str]:
    """Judges tiles in this process, one after the other."""
    return work.run(names)


def process_executor(count: int | None = None) -> TileExecutor:
    """Makes an executor that judges tiles in processes of this machine, one thread each.

    Args:
        count: Number of processes; ``None``: one for each core that this process may use.
    """
    wanted = count or len(os.sched_getaffinity(0))

    def execute(work: TileWork, names: Sequence[str]) -> Iterator[str]:
        processes = min(wanted, len(names))
        if processes <= 1:
            yield from work.run(names)
            return
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, context, initializer=_start_process, initargs=(work,))
        try:
            for done in as_completed([pool.submit(_judge, name) for name in names]):
                yield done.result()
        except BrokenProcessPool as error:
            raise SatelliteError(
                "a process that judged tiles was ended from outside, most likely because memory "
                "ran out; the tiles judged so far are kept: run it again with fewer processes "
                "(satellite.workers)"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

    return execute


# Set once in each process of a pool, when the process starts.
_workers: list[_TileWorker] = []
_open_images = ExitStack()


def _start_process(work: TileWork) -> None:
    Thread(target=_exit_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _log_errors_only()
    _workers.append(_TileWorker(work, _open_images.enter_context(work.request.pair())))


def _exit_with_parent() -> None:
    """Exits this process when its parent is killed: the next run judges the remaining tiles."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _judge(name: str) -> str:
    _workers[0].judge(name)
    return name


def cluster_executor() -> TileExecutor:
    """Makes an executor of all CPUs of the Ray cluster that this process is connected to.

    All machines of the cluster must see the same folders under the same paths.
    """
    import ray

    def execute(work: TileWork, names: Sequence[str]) -> Iterator[str]:
        # Ray runs the tasks of a lost machine again on another one.
        remote = ray.remote(num_cpus=1, max_retries=-1)(_judge_all)
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus = int(resources.get("CPU", 1))
        size = max(1, min(_MOST_PER_TASK, len(names) // (2 * cpus)))
        batches = [list(names[at : at + size]) for at in range(0, len(names), size)]
        waiting = [remote.remote(work, batch) for batch in batches]
        while waiting:
            ready, waiting = ray.wait(waiting)
            try:
                yield from ray.get(ready[0])
            except ray.exceptions.RayTaskError as error:
                for task in waiting:
                    ray.cancel(task)
                raise error.cause from None

    return execute


def _judge_all(work: TileWork, names: Sequence[str]) -> list[str]:
    cv2.setNumThreads(1)
    _log_errors_only()
    return list(work.run(names))


def _log_errors_only() -> None:
    """Drops warnings about the images, which the main process has logged already."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def run_tiles(
    executor: TileExecutor,
    work: TileWork,
    names: Sequence[str],
    progress: Callable[[float], None],
) -> None:
    """Judges tiles with an executor and reports the share that is done, 0 to 1."""
    for number, _ in enumerate(executor(work, names), 1):
        progress(number / len(names))
