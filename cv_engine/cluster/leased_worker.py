"""Where a worker sits on a machine of the cluster: an actor, which lives on a lease."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from cv_engine.live.control.host import Watching, WorkerClass
from cv_engine.live.control.process_worker import Logs
from cv_engine.live.status import WorkerStatus

# How long a worker goes on that has not heard of the dispatcher, seconds. It bounds how long the
# cameras of a machine that is cut off stay unwatched, and how long the dispatcher may be held up.
LEASE_S = 10.0
# How long a worker that is asked to stop may take to keep where everything stands: within the lease.
STOP_S = 7.0
_EXPIRED = 3  # exit code


class LeasedWorker:
    """Runs a worker as long as the dispatcher renews the lease; then ends the process at once.

    A machine that the network has cut off still runs, and nobody can tell it to stop; but once its
    lease is over its cameras can be given to others. The end of the lease is told in this
    machine's own time, as of a call that the dispatcher has had an answer to: so a call that is
    long on its way renews nothing, and the dispatcher can tell when the lease is surely over.

    Args:
        worker: What runs here.
        name: Its name.
        node: Name of the machine.
        lease_s: Length of the lease, seconds.
    """

    def __init__(self, worker: WorkerClass, name: str, node: str, lease_s: float) -> None:
        self._class = worker
        self._name = name
        self._node = node
        self._lease_s = lease_s
        self._until: float | None = None  # on this machine's clock; none is needed yet
        self._followed = 0
        self._worker: Watching

    def open(self, config: Any) -> None:
        """Opens the worker, which watches nothing yet.

        Args:
            config: Settings. They hold passwords, and come by a call of their own because what an
                actor is made with is kept in the cluster's store.
        """
        Logs(verbose=True).configure(worker=self._name)
        self._worker = self._class(config, self._name, node=self._node)
        self._worker.start()

    def beat(
        self, number: int, cameras: Sequence[str], heard_at: float | None
    ) -> tuple[int, WorkerStatus, float]:
        """Renews the lease, and follows what is asked.

        Args:
            number: Of the question.
            cameras: Those to watch; none as long as ``heard_at`` is not known.
            heard_at: When the last call came that the dispatcher has the answer to.

        Returns:
            The number of the last question that was followed, the status, and when this call came.
        """
        now = time.monotonic()
        if heard_at is not None:
            begins = self._until is None
            self._until = heard_at + self._lease_s
            if now >= self._until:
                os._exit(_EXPIRED)
            if begins:
                threading.Thread(target=self._end_in_time, daemon=True).start()
        if not self._worker.alive:
            self._worker.stop()  # raises what ended it
            raise RuntimeError("the worker has ended")
        if number > self._followed:
            self._worker.watch(cameras)
            self._followed = number
        return self._followed, self._worker.status(), now

    def stop(self) -> None:
        """Keeps where everything stands, and ends."""
        from ray import actor

        leave: Callable[[], None] = actor.exit_actor
        self._worker.stop(STOP_S)
        leave()

    def _end_in_time(self) -> None:
        assert self._until is not None
        while (left_s := self._until - time.monotonic()) > 0:
            time.sleep(left_s)
        os._exit(_EXPIRED)
