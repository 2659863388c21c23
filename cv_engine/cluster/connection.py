"""Connecting to a cluster, and what must be so before it can watch."""

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

_KNOCK_S = 5.0  # how long the head of a cluster may take to answer


def check(config: Config, evidence: str | Path, *, shared: bool) -> None:
    """Makes sure that what workers on different machines file comes together.

    Args:
        config: Settings.
        evidence: Where evidence is kept.
        shared: Whether the data folder is the same on all machines, as the user says.

    Raises:
        ClusterError: It would not.
    """
    if not str(config.queue).startswith("postgresql"):
        raise ClusterError(
            "store: workers on several machines need one queue; write the address of a PostgreSQL "
            "database, such as postgresql://user@host/name"
        )
    if not shared and not str(evidence).startswith("s3://"):
        raise ClusterError(
            f"evidence is kept in {evidence}, which other machines do not see; keep it in object "
            "storage (s3://bucket/prefix), or say --shared where the folder is the same on all"
        )


def with_passwords(config: Config) -> Config:
    """The settings with what this machine's environment has of the cameras' passwords.

    Where a variable is not set the name stays, and is looked up where the camera is watched.
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
    """Joins a Ray cluster for as long as the block runs.

    Args:
        address: Of its head, or ``auto`` for the one that this machine belongs to.
        verbose: Whether the workers' log lines are shown here, too.

    Raises:
        ClusterError: Ray is not installed, or there is no such cluster.
    """
    # Or of alike lines of different cameras it would show one.
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ClusterError(
            "a cluster needs Ray: install cv-engine with its extra `cluster` "
            "(pip install 'cv-engine[cluster]') on every machine"
        ) from error
    try:
        _knock(address)
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


def _knock(address: str) -> None:
    """Tries an address: Ray itself would take minutes to find that nobody is there.

    Raises:
        OSError: Nobody is.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()
