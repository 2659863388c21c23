"""The status of watched cameras and of their workers: immutable snapshots, and counts behind them.

Each thread counts in values of its own and publishes a snapshot by assigning one reference; other
threads read that reference.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

# Upper bounds of the latency histogram, seconds from capture to finding; the last one is open.
LATENCY_BOUNDS_S = (0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 30.0)


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Histogram of the time from capture to the end of a sample.

    Attributes:
        counts: Samples up to each of `LATENCY_BOUNDS_S`, and above the last; not cumulative.
        sum_s: Sum of all times, seconds.
    """

    counts: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS_S) + 1)
    sum_s: float = 0.0

    def plus(self, seconds: float) -> Latency:
        """The histogram with one more sample."""
        counts = list(self.counts)
        counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        return Latency(tuple(counts), self.sum_s + seconds)

    def __add__(self, other: Latency) -> Latency:
        """The histogram of the samples of both."""
        pairs = zip(self.counts, other.counts, strict=True)
        return Latency(tuple(a + b for a, b in pairs), self.sum_s + other.sum_s)

    def __sub__(self, earlier: Latency) -> Latency:
        """The histogram of the samples since an earlier one."""
        pairs = zip(self.counts, earlier.counts, strict=True)
        return Latency(tuple(a - b for a, b in pairs), self.sum_s - earlier.sum_s)

    def quantile(self, share: float) -> float | None:
        """The bound under which this share of the samples lies, seconds; ``None`` without any."""
        wanted = share * sum(self.counts)
        seen = 0
        for bound, count in zip((*LATENCY_BOUNDS_S, float("inf")), self.counts, strict=True):
            seen += count
            if seen and seen >= wanted:
                return bound
        return None


class StreamStatus(msgspec.Struct, frozen=True):
    """The state of a stream.

    Attributes:
        state: connecting, live, blind, stalled, reconnecting or stopped.
        since: When that state began, seconds since 1970.
        message: Why the stream is not live, without credentials; empty where it is.
        reconnects: Times that the stream was opened again.
    """

    state: str
    since: float
    message: str
    reconnects: int


class ReceivedCounts(msgspec.Struct, frozen=True):
    """What a stream's thread has received.

    Attributes:
        packets: Compressed frames received.
        received_bytes: Size of the compressed frames received.
        damaged: Compressed frames with missing parts.
        dropped: Samples that were due and dropped for a later one.
    """

    packets: int = 0
    received_bytes: int = 0
    damaged: int = 0
    dropped: int = 0

    def plus(self, size: int, *, damaged: bool, dropped: int) -> ReceivedCounts:
        """The counts with one more compressed frame.

        Args:
            size: Size of the frame, bytes.
            damaged: Whether parts of the frame are missing.
            dropped: Samples that were dropped with it.
        """
        return ReceivedCounts(
            self.packets + 1,
            self.received_bytes + size,
            self.damaged + damaged,
            self.dropped + dropped,
        )


class CameraStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One camera, as its worker reports it. Counts are since the worker started to watch it.

    Attributes:
        camera: Name of the camera.
        state: State of the stream: connecting, live, blind (frames come, and no samples of them),
            stalled, reconnecting or stopped.
        since: When that state began, seconds since 1970.
        message: Why the stream is not live, without credentials; empty where it is.
        view: What the camera shows: good, moved, covered, dark, frozen; empty before the first
            sample, and once a good view has not been seen for long.
        clock: What capture times are based on: "sender reports" or "arrival"; empty before.
        interval_s: Seconds between samples at the moment.
        packets: Compressed frames received.
        received_bytes: Size of the compressed frames received.
        damaged: Compressed frames and samples that could not be used.
        samples: Samples processed.
        asked: Samples at which the detector was asked.
        dropped: Samples that were due and dropped for a later one.
        reconnects: Times that the stream was opened again.
        cases: Cases opened.
        joined: Findings that joined an open case.
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
    joined: int = 0
    waiting: int = 0
    sampled_at: float | None = None
    work_s: float = 0.0
    latency: Latency = Latency()

    def with_stream(self, stream: StreamStatus, received: ReceivedCounts) -> CameraStatus:
        """The status with the state and the counts of the camera's stream."""
        return replace(
            self,
            state=stream.state,
            since=stream.since,
            message=stream.message,
            reconnects=stream.reconnects,
            packets=received.packets,
            received_bytes=received.received_bytes,
            damaged=self.damaged + received.damaged,
            dropped=received.dropped,
        )

    @property
    def gate_rate(self) -> float | None:
        """Share of the samples that needed no detector; ``None`` before the first."""
        return None if not self.samples else 1.0 - self.asked / self.samples


@dataclass(slots=True)
class SamplingCounts:
    """What came of one camera's samples so far; the thread that samples owns and changes it.

    The attributes are those of :class:`CameraStatus`, except for the published snapshot.

    Attributes:
        published: The latest snapshot, without the stream; the only one for other threads to read.
    """

    camera: str
    interval_s: float
    view: str = ""
    clock: str = ""
    damaged: int = 0
    samples: int = 0
    asked: int = 0
    cases: int = 0
    joined: int = 0
    waiting: int = 0
    sampled_at: float | None = None
    work_s: float = 0.0
    latency: Latency = field(default_factory=Latency)
    published: CameraStatus = field(init=False)

    def __post_init__(self) -> None:
        self.publish()

    def publish(self) -> None:
        """Publishes the counts as they are now."""
        self.published = CameraStatus(
            self.camera,
            view=self.view,
            clock=self.clock,
            interval_s=self.interval_s,
            damaged=self.damaged,
            samples=self.samples,
            asked=self.asked,
            cases=self.cases,
            joined=self.joined,
            waiting=self.waiting,
            sampled_at=self.sampled_at,
            work_s=self.work_s,
            latency=self.latency,
        )


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
