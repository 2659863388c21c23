"""Which cameras a worker starts with, while its assignment changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cv_engine.cases import open_queue
from cv_engine.config import Config
from cv_engine.live.worker.checkpoint_replica import CheckpointReplica
from cv_engine.live.worker.checkpoint_writer import CheckpointWriter
from cv_engine.live.worker.sampling import SamplingLoop
from cv_engine.live.worker.services import LiveServices
from cv_engine.services import Services
from models.detector import Detector
from tests.live.watched import Silent


class _Idle(Silent):
    """A detector that is never asked."""

    runtime = SimpleNamespace(batches=(2,))


class _Assignment:
    """What the dispatcher assigns: each time it is read, the next of these."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = [()]

    def __call__(self) -> tuple[str, ...]:
        return self.said.pop(0) if len(self.said) > 1 else self.said[0]


class _Replica(CheckpointReplica):
    """A store of checkpoints from which none has come yet, except of cameras named here."""

    here: set[str]
    released: list[str]

    def fetch(self, camera: str) -> bool:
        return camera in self.here

    def release(self, camera: str) -> None:
        self.released.append(camera)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[tuple[SamplingLoop, _Assignment, _Replica]]:
    """A loop whose thread is not started, its assignment, and its store of checkpoints."""
    names: list[dict[str, Any]] = [
        {"name": name, "url": "rtsp://127.0.0.1:9/none"} for name in ("a", "b")
    ]
    config = Config.model_validate({"data": tmp_path, "cameras": names})
    (tmp_path / "checkpoints").mkdir()
    shared, checkpoints = Services(config), CheckpointWriter(tmp_path / "checkpoints")
    shared.queue, shared.detector = open_queue(config.queue), cast(Detector, _Idle())
    replica = _Replica(checkpoints, None, 60.0)
    replica.here, replica.released = {"a", "b"}, []
    assignment = _Assignment()
    checkpoints.start()
    made = SamplingLoop(LiveServices(shared, checkpoints, replica), assignment)
    yield made, assignment, replica
    assignment.said = [()]
    made._follow_assignment()
    assert _watched(made) == []
    checkpoints.stop(60.0)
    shared.queue.close()


def _watched(loop: SamplingLoop) -> list[str]:
    return [status.camera for status in loop.statuses()]


def test_a_camera_that_was_just_unassigned_is_not_started(
    loop: tuple[SamplingLoop, _Assignment, _Replica],
) -> None:
    """While one camera is taken over, the dispatcher gives the other to another worker."""
    made, assignment, _ = loop
    assignment.said = [("a", "b"), ("a", "b"), ("a",)]
    made._follow_assignment()
    assert _watched(made) == ["a"]
    assignment.said = [("a", "b")]
    made._follow_assignment()
    assert _watched(made) == ["a", "b"]


def test_a_camera_whose_checkpoint_has_not_come_is_given_back(
    loop: tuple[SamplingLoop, _Assignment, _Replica],
) -> None:
    """Else this worker would send checkpoints of a camera that another one watches."""
    made, assignment, replica = loop
    replica.here = set()
    assignment.said = [("a",)]
    made._follow_assignment()
    assert (_watched(made), replica.released) == ([], [])
    assignment.said = [()]
    made._follow_assignment()
    made._follow_assignment()
    assert replica.released == ["a"]
