"""What is reported of a watched camera, and of the worker that watches it: plain values."""

from __future__ import annotations

from bisect import bisect_left

import msgspec

# Upper bounds of the latency histogram, seconds from capture to finding; the last one is open.
LATENCY_BOUNDS_S = (0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 30.0)
_BUCKETS = len(LATENCY_BOUNDS_S) + 1


class Latency(msgspec.Struct, forbid_unknown_fields=True):
    """Histogram of the time from capture to the end of a sample.

    Attributes:
        counts: Samples up to each of `LATENCY_BOUNDS_S`, and above the last; not cumulative.
        sum_s: Sum of all times, seconds.
    """

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * _BUCKETS)
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Adds one sample."""
        self.counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def __add__(self, other: Latency) -> Latency:
        """The histogram of both."""
        pairs = zip(self.counts, other.counts, strict=True)
        return Latency([a + b for a, b in pairs], self.sum_s + other.sum_s)

    def quantile(self, share: float) -> float | None:
        """The bound under which this share of the samples lies, seconds; ``None`` without any."""
        wanted = share * sum(self.counts)
        seen = 0
        for bound, count in zip((*LATENCY_BOUNDS_S, float("inf")), self.counts, strict=True):
            seen += count
            if seen and seen >= wanted:
                return bound
        return None


class CameraStatus(msgspec.Struct, forbid_unknown_fields=True):
    """One camera, as its worker reports it. Counts are since the worker started to watch it.

    Attributes:
        camera: Name of the camera.
        state: State of the stream: connecting, live, stalled, reconnecting or stopped.
        since: When that state began, seconds since 1970.
        message: Why the stream is not live, without credentials; empty where it is.
        view: What the camera shows: good, moved, covered, dark, frozen; empty before the first
            sample.
        clock: What capture times are based on: "sender reports" or "arrival"; empty before.
        interval_s: Seconds between samples at the moment.
        packets: Compressed frames received.
        received_bytes: Size of the compressed frames received.
        damaged: Packets and frames that could not be used.
        samples: Samples processed.
        asked: Samples at which the detector was asked.
        dropped: Samples that were due and dropped for a later one.
        reconnects: Times that the stream was opened again.
        cases: Findings filed.
        waiting: Findings that could not be filed yet.
        sampled_at: Capture time of the last sample, seconds since 1970.
        work_s: CPU seconds that the samples took.
        latency: From capture to the end of the sample.
    """

    camera: str
    state: str = "connecting"
    since: float = 0.0
    message: str = ""
    view: str = ""
    clock: str = ""
    interval_s: float = 0.0
    packets: int = 0
    received_bytes: int = 0
    damaged: int = 0
    samples: int = 0
    asked: int = 0
    dropped: int = 0
    reconnects: int = 0
    cases: int = 0
    waiting: int = 0
    sampled_at: float | None = None
    work_s: float = 0.0
    latency: Latency = msgspec.field(default_factory=Latency)

    @property
    def gate_rate(self) -> float | None:
        """Share of the samples that needed no detector; ``None`` before the first."""
        return None if not self.samples else 1.0 - self.asked / self.samples


class WorkerStatus(msgspec.Struct, frozen=True):
    """One worker process.

    Attributes:
        worker: Name of the worker.
        node: Name of the machine that the worker runs on.
        pid: Process number of the worker on that machine.
        at: When this was reported, seconds since 1970.
        cpu_s: CPU seconds that the worker has taken so far.
        memory_mb: Resident memory, MiB.
        threads: Threads.
        cameras: The worker's cameras.
    """

    worker: str
    node: str
    pid: int
    at: float
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    threads: int = 0
    cameras: tuple[CameraStatus, ...] = ()
