"""Samples that are due and wait to be decoded: at most one per camera, so none starves another."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container
from threading import Condition
from typing import Generic, TypeVar

from cv_engine.live.buffer.sampler import DueSample

Camera = TypeVar("Camera")

# Encoded frames that may wait for one camera, bytes. More gather only where frames between key
# frames have to be decoded and the machine does not keep up.
_MOST_BYTES = 16 << 20


class LatestFrameQueue(Generic[Camera]):
    """The waiting samples of one worker, oldest first.

    A later sample of a camera replaces one that still waits, and keeps its position: the older one
    is dropped and counted, and no camera waits longer because of another.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[Camera, DueSample] = OrderedDict()
        self._changed = Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, camera: Camera, due: DueSample) -> tuple[int, bool]:
        """Adds a sample.

        Returns:
            How many samples were dropped for it, and whether this camera's decoding has to restart
            at the next key frame.
        """
        with self._changed:
            before = self._waiting.get(camera)
            if before is not None and not due.begins:
                # Its frames refer to those of the sample that waits.
                due = DueSample(due.steady_s, before.encoded + due.encoded, before.begins)
                if due.bytes > _MOST_BYTES:
                    del self._waiting[camera]
                    return 2, True
            self._waiting[camera] = due
            self._changed.notify()
        return int(before is not None), False

    def take(
        self, timeout_s: float, but: Container[Camera] = ()
    ) -> tuple[Camera, DueSample] | None:
        """The sample that has waited longest, ``None`` where none comes in time.

        Args:
            timeout_s: How long to wait for a sample, seconds.
            but: Cameras that are not ready for another sample.
        """
        with self._changed:
            taken = self._first(but)
            if taken is None and timeout_s > 0:
                self._changed.wait(timeout_s)
                taken = self._first(but)
        return taken

    def clear(self, camera: Camera) -> None:
        """Discards the sample of a camera."""
        with self._changed:
            self._waiting.pop(camera, None)

    def _first(self, but: Container[Camera]) -> tuple[Camera, DueSample] | None:
        camera = next((camera for camera in self._waiting if camera not in but), None)
        return None if camera is None else (camera, self._waiting.pop(camera))
