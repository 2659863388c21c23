"""Connecting to a Ray cluster, and the conditions for watching with one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from cv_engine.cluster.errors import ClusterError
from cv_engine.config import Config
from cv_engine.errors import Failure

_PROBE_S = 5.0  # how long the head of a cluster may take to answer


def check(config: Config, evidence: str | Path, *, shared: bool) -> None:
    """Checks that workers on different machines share one queue and one evidence store.

    Args:
        config: Settings.
        evidence: Where evidence is kept.
        shared: Whether the user declares the data folder to be the same on all machines.

    Raises:
        ClusterError: The queue or the evidence store is not shared.
    """
    if not str(config.queue).startswith("postgresql"):
        raise ClusterError(
            "store: workers on several machines need one queue; write the address of a PostgreSQL "
            "database, such as postgresql://user@host/name"
        )
    if not shared and not str(evidence).startswith("s3://"):
        raise ClusterError(
            f"evidence is kept in {evidence}, which other machines do not see; keep it in object "
            "storage (s3://bucket/prefix), or pass --shared where the folder is the same on all"
        )


def with_passwords(config: Config) -> Config:
    """The settings with the cameras' passwords from this machine's environment.

    Where a variable is not set, its name stays, and is looked up where the camera is watched.
    """
    cameras = []
    for camera in config.cameras:
        password = os.environ.get(camera.password_env or "")
        if password is not None:
            known = {"password": SecretStr(password), "password_env": None}
            camera = camera.model_copy(update=known)
        cameras.append(camera)
    return config.model_copy(update={"cameras": tuple(cameras)})


@contextmanager
def connected(address: str, *, verbose: bool) -> Iterator[None]:
    """Joins a Ray cluster until the block ends.

    Args:
        address: Address of the head, or ``auto`` for the cluster that this machine belongs to.
        verbose: Whether the workers' log lines are also shown here.

    Raises:
        ClusterError: Ray is not installed, or there is no such cluster.
    """
    # Otherwise Ray shows only one of similar lines of different cameras.
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ClusterError(
            "a cluster needs Ray: install cv-engine with its extra `cluster` "
            "(pip install 'cv-engine[cluster]') on every machine"
        ) from error
    try:
        _probe(address)
        ray.init(address=address, log_to_driver=verbose, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"no Ray cluster at {address!r} ({str(error).splitlines()[0]}): start one with "
            "`ray start --head`, join the other machines with `ray start --address=HEAD:6379`, and "
            "give the address with --cluster",
            Failure.UNAVAILABLE,
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _probe(address: str) -> None:
    """Connects to an address: Ray itself would take minutes to find that none is listening.

    Raises:
        OSError: The address does not accept connections.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), _PROBE_S).close()
