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

# How often a worker gets a heartbeat, seconds: many times within its lease.
HEARTBEAT_S = 1.0
# How often the list of machines is refreshed, seconds.
_NODES_S = 1.0
# How long no worker is started on a machine whose worker has fallen silent, seconds. Ray needs some
# fifteen to notice that a machine is gone, and would wait for the machine until then.
_QUARANTINE_S = 30.0
_NAME_DIGITS = 6  # of a machine's node number: several machines may have the same name


@dataclass(frozen=True, slots=True)
class _Core:
    node_id: str
    node: str


class RayHosts:
    """Workers on all machines of the cluster that this process is connected to.

    Args:
        config: Settings, given to each worker.
        worker: Class of the worker on each core.
        most: Workers on one machine at most; one for each core where ``None``.
        clock: Seconds on a clock that never jumps.

    Cameras are assigned only after the length of a lease: workers of an earlier program that was
    killed have ended themselves by then.
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
        self._cores: dict[str, _Core] = {}
        self._refreshed_at: float | None = None
        self._node_ids: frozenset[str] = frozenset()
        self._quarantined_until: dict[str, float] = {}

    def slots(self) -> Mapping[str, float]:
        """One slot for each core of the machines in the cluster."""
        now = self._clock()
        if self._refreshed_at is None or now - self._refreshed_at >= _NODES_S:
            self._refreshed_at = now
            self._refresh_nodes()
        return {
            name: 1.0
            for name, core in self._cores.items()
            if now >= self._quarantined_until.get(core.node_id, 0.0)
        }

    def start(self, slot: str) -> RayHost:
        """Starts an actor.

        Raises:
            HostError: The machine is gone.
        """
        core = self._cores.get(slot)
        if core is None:
            raise HostError("its machine is gone")
        scheduling = NodeAffinitySchedulingStrategy(core.node_id, soft=False)
        # The dispatcher restarts workers, not Ray; and the actor is not detached, so that it ends
        # with this process.
        made = ray.remote(LeasedWorker).options(
            num_cpus=1, max_restarts=0, scheduling_strategy=scheduling
        )
        actor: Any = made.remote(self._worker, slot, core.node, LEASE_S)
        return RayHost(self, actor, actor.open.remote(self._config), core.node_id, self._clock)

    def has_node(self, node_id: str) -> bool:
        """Whether a machine is in the cluster at this moment."""
        self._refresh_nodes()
        return node_id in self._node_ids

    def quarantine(self, node_id: str) -> None:
        """Starts no worker on a machine for a while."""
        self._quarantined_until[node_id] = self._clock() + _QUARANTINE_S

    @property
    def is_open(self) -> bool:
        """Whether cameras may be assigned yet."""
        return self._clock() >= self._open_at

    def _refresh_nodes(self) -> None:
        # Where the head does not answer, the last list is kept.
        with suppress(RayError, ConnectionError, RuntimeError):
            known: Callable[[], list[dict[str, Any]]] = ray.nodes
            nodes = [node for node in known() if node["Alive"]]
            self._node_ids = frozenset(node["NodeID"] for node in nodes)
            self._cores = {
                f"{node['NodeManagerHostname']}-{node['NodeID'][:_NAME_DIGITS]}-{number}": _Core(
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
        hosts: The hosts that started the actor.
        actor: The actor, which has been asked to open.
        opening: Pending result of that call.
        node_id: Number of the actor's machine in the cluster.
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
        self._request: tuple[int, tuple[str, ...]] = (0, ())
        self._call: Any = opening  # the call that is not answered yet
        self._called_at = clock()
        self._answered_at: float | None = None
        self._heard_at: float | None = None  # arrival of the last call, on the clock there
        self._status: WorkerStatus | None = None
        self._failure = ""
        self._killed = False
        self._over = False  # whether it is certain that the actor watches nothing any more

    @property
    def alive(self) -> bool:
        """Whether the worker may still be watching: until its process or lease has surely ended."""
        self._follow()
        return not self._over

    @property
    def failure(self) -> str:
        """Why the worker ended."""
        return self._failure

    @property
    def holds(self) -> frozenset[str]:
        """The cameras that the worker may be watching."""
        return self._assigned.cameras

    def assign(self, cameras: Sequence[str]) -> None:
        """Asks the worker to watch these cameras and no others, with the next heartbeat."""
        self._request = (self._assigned.request(cameras), tuple(cameras))

    def status(self) -> WorkerStatus | None:
        """What the worker reported last."""
        self._follow()
        return self._status

    def stop(self) -> None:
        """Asks the worker to write all checkpoints and to end."""
        self._actor.stop.remote()

    def kill(self) -> None:
        """Ends the worker's process, where it can be reached."""
        self._killed = True
        with suppress(RayError):
            ray.kill(self._actor, no_restart=True)
        self._follow()

    def _follow(self) -> None:
        """Takes in the answer to the last call, and makes the next call; never waits."""
        if self._over:
            return
        now = self._clock()
        if self._call is not None and ray.wait([self._call], timeout=0)[0]:
            call, self._call = self._call, None
            self._take(call, now)
        if self._call is None and now - self._called_at >= HEARTBEAT_S:
            self._called_at = now
            # No camera is assigned before the first answer: a lease runs from an answered call.
            assignable = self._heard_at is not None and self._hosts.is_open
            number, cameras = self._request if assignable else (0, ())
            self._call = self._actor.heartbeat.remote(number, cameras, self._heard_at)
        if self._answered_at is None:
            if self._killed:
                self._over = True  # no camera was assigned to it
        elif now - self._answered_at >= LEASE_S:
            self._end("it has not answered, and its lease is over")
            self._hosts.quarantine(self._node_id)

    def _take(self, call: Any, now: float) -> None:
        try:
            answer = ray.get(call)
        except RayTaskError as error:
            self._failure = f"{type(error.cause).__name__}: {error.cause}"
            self.kill()
        except ActorUnavailableError:
            return  # a network failure; the next call retries
        except RayError:
            # A machine that is cut off from the network may still be watching.
            if self._answered_at is None or self._hosts.has_node(self._node_id):
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
