"""What can be told of a watched camera, and of the worker that watches it: plain values."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

# Upper bounds of the latency histogram, seconds from capture to finding; the last one is open.
LATENCY_BOUNDS_S = (0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 30.0)


@dataclass(slots=True)
class Latency:
    """Histogram of the time from capture to the end of a look.

    Attributes:
        counts: Looks up to each of `LATENCY_BOUNDS_S`, and above the last; not cumulative.
        sum_s: All of them added up, seconds.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Takes in one look."""
        self.counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def quantile(self, share: float) -> float | None:
        """The bound under which this share of the looks lies, seconds; ``None`` without any."""
        wanted = share * sum(self.counts)
        seen = 0
        for bound, count in zip((*LATENCY_BOUNDS_S, float("inf")), self.counts, strict=True):
            seen += count
            if seen and seen >= wanted:
                return bound
        return None


@dataclass(slots=True)
class CameraStatus:
    """One camera, as its worker knows it. Counts are since the worker took it over.

    Attributes:
        camera: Its name.
        state: Of its stream: connecting, live, stalled, reconnecting or stopped.
        since: When that state began, seconds since 1970.
        message: Why it is not live, without credentials; empty where it is.
        view: What it shows: good, moved, covered, dark, frozen; empty before the first look.
        clock: What capture times are based on: "sender reports" or "arrival"; empty before.
        interval_s: Seconds between looks at the moment.
        packets: Compressed pictures received.
        received_bytes: Their size.
        damaged: Packets and pictures that could not be used.
        looks: Looks taken.
        asked: Looks at which the detector was asked.
        dropped: Looks that were due and given up for a later one.
        reconnects: Times that the stream was opened again.
        cases: Findings filed.
        waiting: Findings that could not be filed yet.
        looked_at: Capture time of the last look, seconds since 1970.
        work_s: CPU seconds that its looks took.
        latency: From capture to the end of the look.
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
    latency: Latency = field(default_factory=Latency)

    @property
    def gate_rate(self) -> float | None:
        """Share of the looks that needed no detector; ``None`` before the first."""
        return None if not self.samples else 1.0 - self.asked / self.samples


@dataclass(slots=True)
class WorkerStatus:
    """One worker process.

    Attributes:
        worker: Its name.
        node: Name of the machine that it runs on.
        pid: Its process number there.
        at: When this was told, seconds since 1970.
        cpu_s: CPU seconds that it has taken so far.
        memory_mb: Resident memory, MiB.
        threads: Threads.
        cameras: Its cameras.
    """

    worker: str
    node: str
    pid: int
    at: float
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    threads: int = 0
    cameras: Sequence[CameraStatus] = ()
