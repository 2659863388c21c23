"""A worker in an actor on a machine of the cluster, which runs only while its lease is renewed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from cv_engine.live.control.host import Watching, WorkerClass
from cv_engine.live.control.process_worker import Logs
from cv_engine.live.status import WorkerStatus

# How long a worker runs without hearing from the dispatcher, seconds. This bounds how long the
# cameras of a machine that is cut off stay unwatched, and how long the dispatcher may be delayed.
LEASE_S = 10.0
# How long a worker that is asked to stop may take to write its checkpoints: within the lease.
STOP_S = 7.0
_EXPIRED = 3  # exit code


class LeasedWorker:
    """Runs a worker as long as the dispatcher renews the lease; then ends the process at once.

    A machine that is cut off from the network still runs and cannot be stopped from outside; but
    once its lease is over, its cameras can be assigned to others. The end of the lease is measured
    on this machine's own clock, from a call whose answer the dispatcher has received: so a delayed
    call renews nothing, and the dispatcher knows when the lease is surely over.

    Args:
        worker: Class of the worker that runs here.
        name: Name of the worker.
        node: Name of the machine.
        lease_s: Length of the lease, seconds.
    """

    def __init__(self, worker: WorkerClass, name: str, node: str, lease_s: float) -> None:
        self._class = worker
        self._name = name
        self._node = node
        self._lease_s = lease_s
        self._until: float | None = None  # end of the lease, on this machine's clock
        self._followed = 0
        self._worker: Watching | None = None  # until opened

    def open(self, config: Any) -> None:
        """Starts the worker, which watches nothing yet.

        Args:
            config: Settings. They hold passwords, so they come by a call of their own: an actor's
                constructor arguments are kept in the cluster's store.
        """
        Logs(verbose=True).configure(worker=self._name)
        worker = self._class(config, self._name, node=self._node)
        worker.start()
        self._worker = worker

    def heartbeat(
        self, number: int, cameras: Sequence[str], heard_at: float | None
    ) -> tuple[int, WorkerStatus, float]:
        """Renews the lease, and follows the request.

        Args:
            number: Number of the request.
            cameras: Names of the cameras to watch; none as long as ``heard_at`` is not known.
            heard_at: When the last call arrived whose answer the dispatcher has received, seconds
                on this machine's clock.

        Returns:
            The number of the last request followed, the status, and when this call arrived.
        """
        now = time.monotonic()
        worker = self._opened()
        if heard_at is not None:
            begins = self._until is None
            self._until = heard_at + self._lease_s
            if now >= self._until:
                os._exit(_EXPIRED)
            if begins:
                threading.Thread(target=self._end_in_time, daemon=True).start()
        if not worker.alive:
            worker.stop()  # raises what ended the worker
            raise RuntimeError("the worker has ended")
        if number > self._followed:
            worker.watch(cameras)
            self._followed = number
        return self._followed, worker.status(), now

    def stop(self) -> None:
        """Writes all checkpoints, and ends the actor."""
        from ray import actor

        leave: Callable[[], None] = actor.exit_actor
        self._opened().stop(STOP_S)
        leave()

    def _opened(self) -> Watching:
        if self._worker is None:
            raise RuntimeError("the worker has not been opened")
        return self._worker

    def _end_in_time(self) -> None:
        assert self._until is not None
        while (left_s := self._until - time.monotonic()) > 0:
            time.sleep(left_s)
        os._exit(_EXPIRED)
