"""Samples of different cameras that the detector is asked about together."""

from __future__ import annotations

from typing import Generic, TypeVar

from cv_engine.video.frame import Sample

Camera = TypeVar("Camera")

# Most samples that wait, in batches.
_BATCHES = 2


class Batch(Generic[Camera]):
    """Gathers samples until there are enough, or the first has waited long enough.

    Args:
        most: Samples that are enough, and the most that are returned at once.
        wait_s: Longest wait of the first sample, seconds.
    """

    def __init__(self, most: int, wait_s: float) -> None:
        self._most = most
        self._wait_s = wait_s
        self._samples: dict[Camera, tuple[Sample, float]] = {}

    def __contains__(self, camera: object) -> bool:
        return camera in self._samples

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def is_full(self) -> bool:
        """Whether another sample would wait for long."""
        return len(self._samples) >= _BATCHES * self._most

    def add(self, camera: Camera, sample: Sample, now_s: float) -> None:
        """Adds the sample of a camera that has none waiting."""
        self._samples[camera] = (sample, now_s)

    def remove(self, camera: Camera) -> None:
        """Removes a camera's sample."""
        self._samples.pop(camera, None)

    def patience_s(self, now_s: float, longest_s: float) -> float:
        """How long to wait for another sample, seconds; at most ``longest_s``."""
        if not self._samples:
            return longest_s
        return min(longest_s, max(0.0, self._deadline_s - now_s))

    def is_due(self, now_s: float) -> bool:
        """Whether the detector is to be asked now."""
        full = len(self._samples) >= self._most
        return bool(self._samples) and (full or now_s >= self._deadline_s)

    def take(self) -> list[tuple[Camera, Sample]]:
        """Removes and returns the samples that have waited longest."""
        cameras = list(self._samples)[: self._most]
        return [(camera, self._samples.pop(camera)[0]) for camera in cameras]

    @property
    def _deadline_s(self) -> float:
        _, added_s = next(iter(self._samples.values()))
        return added_s + self._wait_s
