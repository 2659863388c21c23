"""Crews: who judges the tiles of a comparison, in this process, in several, or on many machines."""

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

from satellite.compare.comparison_request import Order
from satellite.errors import SatelliteError
from satellite.layers.layers import Layers
from satellite.malloc_trim import release
from satellite.registration.pair import Pair, Preparation

# Tiles that a CPU of a cluster is given at once at most: opening the images and the network takes seconds.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class TileWork:
    """What whoever judges tiles has to know; it can be sent to other processes and machines.

    Attributes:
        order: What is compared, and how.
        preparation: What was estimated of the pair, as JSON values.
        folder: Where the layers lie.
    """

    order: Order
    preparation: Mapping[str, Any]
    folder: Path

    def done(self, names: Iterable[str]) -> Iterator[str]:
        """Judges tiles, and gives the name of each as it is on the disk.

        Raises:
            SatelliteError: An image cannot be read, or the layers cannot be written.
            ModelError: The network cannot be had, or fails.
        """
        with ExitStack() as stack:
            hand = _Hand(self, stack.enter_context(self.order.pair()))
            for name in names:
                hand.judge(name)
                yield name


class _Hand:
    """Judges tiles with one detector and one pair of open images."""

    def __init__(self, work: TileWork, pair: Pair) -> None:
        pair.use(Preparation.from_dict(work.preparation))
        self._pair = pair
        self._layers = Layers.open(work.folder)
        self._detector = work.order.choose(pair.grid.resolution_m).detector
        margin, side = self._detector.margin_px, self._layers.side
        self._tiles = {tile.name: tile for tile in pair.grid.tiles(side, margin)}

    def judge(self, name: str) -> None:
        tile = self._tiles[name]
        views = self._pair.read_tile(tile)
        self._layers.write(tile, self._detector(views), views.quality)
        del views
        release()


class Crew(Protocol):
    """Judges tiles; which of them in which order does not matter."""

    def __call__(self, work: TileWork, names: Sequence[str]) -> Iterator[str]:
        """Gives the name of each tile once it is done.

        Raises:
            SatelliteError, ModelError: As of :meth:`TileWork.done`; what is done is on the disk.
        """
        ...


def processes(count: int | None = None) -> Crew:
    """A crew of processes on this machine, one thread each.

    Args:
        count: How many; ``None``: one for each core that may be used.
    """
    wanted = count or len(os.sched_getaffinity(0))

    def crew(work: TileWork, names: Sequence[str]) -> Iterator[str]:
        hands = min(wanted, len(names))
        if hands <= 1:
            yield from work.done(names)
            return
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(hands, context, initializer=_begin, initargs=(work,))
        try:
            for done in as_completed([pool.submit(_judge, name) for name in names]):
                yield done.result()
        except BrokenProcessPool as error:
            raise SatelliteError(
                "a process that judged tiles was ended from outside, most likely for want of memory; "
                "what is done is kept: let fewer of them work (satellite.workers) and run it again"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

    return crew


# Of a crew's process: set once, when it begins.
_hands: list[_Hand] = []
_open = ExitStack()


def _begin(work: TileWork) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _be_silent()
    _hands.append(_Hand(work, _open.enter_context(work.order.pair())))


def _end_with_parent() -> None:
    """Ends this process where the one that gave it work is killed: its successor does the rest."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _judge(name: str) -> str:
    _hands[0].judge(name)
    return name


def cluster() -> Crew:
    """A crew of all CPUs of the Ray cluster that this process is connected to.

    Its machines see the same folders, by the same paths.
    """
    import ray

    def crew(work: TileWork, names: Sequence[str]) -> Iterator[str]:
        # A machine that is lost gives its tiles back: they are judged again elsewhere.
        remote = ray.remote(num_cpus=1, max_retries=-1)(_judge_all)
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus = int(resources.get("CPU", 1))
        at_once = max(1, min(_AT_ONCE, len(names) // (2 * cpus)))
        some = [list(names[at : at + at_once]) for at in range(0, len(names), at_once)]
        waiting = [remote.remote(work, each) for each in some]
        while waiting:
            ready, waiting = ray.wait(waiting)
            try:
                yield from ray.get(ready[0])
            except ray.exceptions.RayTaskError as error:
                for task in waiting:
                    ray.cancel(task)
                raise error.cause from None

    return crew


def _judge_all(work: TileWork, names: Sequence[str]) -> list[str]:
    cv2.setNumThreads(1)
    _be_silent()
    return list(work.done(names))


def _be_silent() -> None:
    """Leaves out what the process that gives out the tiles has said of the same images already."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def alone(work: TileWork, names: Sequence[str]) -> Iterator[str]:
    """The crew that is this process by itself."""
    return work.done(names)


def each(crew: Crew, work: TileWork, names: Sequence[str], told: Callable[[float], None]) -> None:
    """Has tiles judged and tells the share that is done, 0 to 1."""
    for number, _ in enumerate(crew(work, names), 1):
        told(number / len(names))
