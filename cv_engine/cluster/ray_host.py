"""Workers as actors of a Ray cluster, one on each processor core."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cv_engine.cluster.leased_worker import LEASE_S, LeasedWorker
from cv_engine.live.control.errors import HostError
from cv_engine.live.control.host import AssignedCameras, WorkerClass
from cv_engine.live.status import WorkerStatus

# How often a worker is asked how it stands, seconds: many times within its lease.
BEAT_S = 1.0
# How often the cluster is asked for its machines, seconds.
_NODES_S = 1.0
# For how long nothing is started on a machine whose worker has fallen silent, seconds. Ray needs
# some fifteen to notice that a machine is gone; until then it would be waited for.
_DOUBT_S = 30.0
_NAME_DIGITS = 6  # of a machine's number in the cluster: several machines may have the same name


@dataclass(frozen=True, slots=True)
class _Place:
    node_id: str
    node: str


class RayHosts:
    """Workers on all machines of the cluster that this process is connected to.

    Args:
        config: Settings, given to each worker.
        worker: What runs on each core.
        most: Workers on one machine at most; one for each core where ``None``.
        clock: Seconds on a clock that never jumps.

    Cameras are given out only after the time of a lease: workers of a program that ran before this
    one, and was killed, have ended themselves by then.
    """

    def __init__(
        self,
        config: Any,
        worker: WorkerClass,
        most: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._worker = worker
        self._most = most
        self._clock = clock
        self._open_at = clock() + LEASE_S
        self._places: dict[str, _Place] = {}
        self._asked_at: float | None = None
        self._there: frozenset[str] = frozenset()
        self._doubted: dict[str, float] = {}

    def slots(self) -> Mapping[str, float]:
        """One for each core of the machines that are there."""
        now = self._clock()
        if self._asked_at is None or now - self._asked_at >= _NODES_S:
            self._asked_at = now
            self._look_around()
        return {
            name: 1.0
            for name, place in self._places.items()
            if now >= self._doubted.get(place.node_id, 0.0)
        }

    def start(self, slot: str) -> RayHost:
        """Starts an actor.

        Raises:
            HostError: The machine is gone.
        """
        place = self._places.get(slot)
        if place is None:
            raise HostError("its machine is gone")
        scheduling = NodeAffinitySchedulingStrategy(place.node_id, soft=False)
        # Not restarted by Ray, which the dispatcher does; and not detached, so that it ends when
        # this process does.
        made = ray.remote(LeasedWorker).options(
            num_cpus=1, max_restarts=0, scheduling_strategy=scheduling
        )
        actor: Any = made.remote(self._worker, slot, place.node, LEASE_S)
        return RayHost(self, actor, actor.open.remote(self._config), place.node_id, self._clock)

    def is_there(self, node_id: str) -> bool:
        """Whether a machine is there, as the cluster knows at this moment."""
        self._look_around()
        return node_id in self._there

    def doubt(self, node_id: str) -> None:
        """Leaves a machine out for a while."""
        self._doubted[node_id] = self._clock() + _DOUBT_S

    @property
    def is_open(self) -> bool:
        """Whether cameras may be given out yet."""
        return self._clock() >= self._open_at

    def _look_around(self) -> None:
        with suppress(RayError, ConnectionError, RuntimeError):  # its head is away: as it was
            known: Callable[[], list[dict[str, Any]]] = ray.nodes
            nodes = [node for node in known() if node["Alive"]]
            self._there = frozenset(node["NodeID"] for node in nodes)
            self._places = {
                f"{node['NodeManagerHostname']}-{node['NodeID'][:_NAME_DIGITS]}-{number}": _Place(
                    node["NodeID"], node["NodeManagerHostname"]
                )
                for node in nodes
                for number in range(1, self._count(node["Resources"]) + 1)
            }

    def _count(self, resources: Mapping[str, float]) -> int:
        cores = int(resources.get("CPU", 0.0))
        return cores if self._most is None else min(cores, self._most)


class RayHost:
    """One worker in an actor.

    Args:
        hosts: Where it comes from.
        actor: The actor, which has been asked to open.
        opening: That question.
        node_id: Number of its machine in the cluster.
        clock: Seconds on a clock that never jumps.
    """

    def __init__(
        self,
        hosts: RayHosts,
        actor: Any,
        opening: Any,
        node_id: str,
        clock: Callable[[], float],
    ) -> None:
        self._hosts = hosts
        self._actor = actor
        self._node_id = node_id
        self._clock = clock
        self._assigned = AssignedCameras()
        self._asked: tuple[int, tuple[str, ...]] = (0, ())
        self._call: Any = opening  # the one that is not answered yet
        self._called_at = clock()
        self._answered_at: float | None = None
        self._heard_at: float | None = None  # when the last call came there, on the clock there
        self._status: WorkerStatus | None = None
        self._failure = ""
        self._killed = False
        self._over = False  # it is certain that it watches nothing any more

    @property
    def alive(self) -> bool:
        """Whether it may still be watching: until its process or its lease has surely ended."""
        self._follow()
        return not self._over

    @property
    def failure(self) -> str:
        """Why it ended."""
        return self._failure

    @property
    def holds(self) -> frozenset[str]:
        """The cameras that it may be watching."""
        return self._assigned.cameras

    def assign(self, cameras: Sequence[str]) -> None:
        """Asks it to watch these cameras and no others, with the next beat."""
        self._asked = (self._assigned.request(cameras), tuple(cameras))

    def status(self) -> WorkerStatus | None:
        """What it told last."""
        self._follow()
        return self._status

    def stop(self) -> None:
        """Asks it to keep where everything stands, and to end."""
        self._actor.stop.remote()

    def kill(self) -> None:
        """Ends its process, where that can be reached."""
        self._killed = True
        with suppress(RayError):
            ray.kill(self._actor, no_restart=True)
        self._follow()

    def _follow(self) -> None:
        """Takes in the answer to the last call, and makes the next one; never waits."""
        if self._over:
            return
        now = self._clock()
        if self._call is not None and ray.wait([self._call], timeout=0)[0]:
            call, self._call = self._call, None
            self._take(call, now)
        if self._call is None and now - self._called_at >= BEAT_S:
            self._called_at = now
            # Nothing is given before the first answer: a lease runs from a call that was answered.
            may = self._heard_at is not None and self._hosts.is_open
            number, cameras = self._asked if may else (0, ())
            self._call = self._actor.beat.remote(number, cameras, self._heard_at)
        if self._answered_at is None:
            if self._killed:
                self._over = True  # it was given nothing to watch
        elif now - self._answered_at >= LEASE_S:
            self._end("it has not been heard of, and its lease is over")
            self._hosts.doubt(self._node_id)

    def _take(self, call: Any, now: float) -> None:
        try:
            answer = ray.get(call)
        except RayTaskError as error:
            self._failure = f"{type(error.cause).__name__}: {error.cause}"
            self.kill()
        except ActorUnavailableError:
            return  # the network's fault; it is called again
        except RayError:
            # Of a machine that is lost to the network nobody knows what it still does.
            if self._answered_at is None or self._hosts.is_there(self._node_id):
                self._end("its process has ended")
            else:
                self._failure = self._failure or "its machine was lost"
        else:
            if answer is not None:
                number, self._status, self._heard_at = answer
                self._answered_at = now
                self._assigned.acknowledge(number, self._status)

    def _end(self, why: str) -> None:
        self._over = True
        self._failure = self._failure or why
