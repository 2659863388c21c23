"""What all cameras of a worker share."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cv_engine.live.worker.checkpoint_replica import CheckpointReplica
from cv_engine.live.worker.checkpoint_writer import CheckpointWriter
from cv_engine.services import Services


@dataclass(frozen=True, slots=True)
class LiveServices:
    """What all cameras of a worker share.

    Attributes:
        shared: Queue, evidence and detector.
        checkpoints: Writes the state of each camera to disk.
        replica: Copies the checkpoints to object storage.
    """

    shared: Services
    checkpoints: CheckpointWriter
    replica: CheckpointReplica

    @classmethod
    def open(cls, services: Services) -> LiveServices:
        """Opens everything that a worker needs.

        Raises:
            EvidenceError, ModelError, QueueError: Settings are wrong.
            OSError: The data folder cannot be written.
        """
        config = services.config
        folder = config.data / "live" / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        services.open(detector=True)
        checkpoints = CheckpointWriter(folder)
        replica = CheckpointReplica(checkpoints, config.evidence.store, config.live.checkpoint_s)
        return cls(services, checkpoints, replica)

    def start(self) -> None:
        """Starts the threads that write checkpoints, copy them, stamp and send evidence."""
        self.checkpoints.start()
        self.replica.start()
        self.shared.uploader.start()
        self.shared.stamper.start()

    def close(self, timeout_s: float) -> None:
        """Writes and copies the last checkpoints, and closes everything.

        Args:
            timeout_s: Longest wait for all of it, seconds.
        """
        until = time.monotonic() + timeout_s
        self.checkpoints.stop(max(0.0, until - time.monotonic()))
        self.replica.stop(max(0.0, until - time.monotonic()))
        self.shared.close(max(0.0, until - time.monotonic()))
