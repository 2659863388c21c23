"""StatusCollector for Prometheus, told from the latest board whenever they are asked for."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from types import TracebackType

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from cv_engine.live.control.errors import MetricsError
from cv_engine.live.control.status_snapshot import CameraEntry, StatusSnapshot, WorkerEntry
from cv_engine.live.status import LATENCY_BOUNDS_S, CameraStatus
from cv_engine.live.stream.stream_state import StreamState
from cv_engine.scene.view_health import ViewState

_MIB = 2**20
_PREFIX = "cv_engine_"
_COUNTERS: tuple[tuple[str, str, Callable[[CameraStatus], float]], ...] = (
    ("samples", "Looks taken.", lambda c: c.samples),
    ("samples_detector", "Looks at which the detector was asked.", lambda c: c.asked),
    ("samples_dropped", "Looks that were due and given up for a later one.", lambda c: c.dropped),
    ("sample_cpu_seconds", "CPU time that looks took.", lambda c: c.work_s),
    ("reconnects", "Times that a stream was opened again.", lambda c: c.reconnects),
    ("received_bytes", "Compressed pictures received, their size.", lambda c: c.received_bytes),
    ("received_packets", "Compressed pictures received.", lambda c: c.packets),
    ("damaged_packets", "Packets and pictures that could not be used.", lambda c: c.damaged),
    ("findings_filed", "Findings filed.", lambda c: c.cases),
)
_CAMERA_GAUGES: tuple[tuple[str, str, Callable[[CameraStatus], float | None]], ...] = (
    ("findings_waiting", "Findings that could not be filed yet.", lambda c: c.waiting),
    ("sample_interval_seconds", "Time between looks at the moment.", lambda c: c.interval_s),
    ("last_sample_timestamp_seconds", "Capture time of the last look.", lambda c: c.sampled_at),
)
_WORKER_GAUGES: tuple[tuple[str, str, Callable[[WorkerEntry], float]], ...] = (
    ("worker_up", "Whether the worker runs.", lambda w: w.state == "running"),
    ("worker_memory_bytes", "Resident memory.", lambda w: w.memory_mb * _MIB),
    ("worker_threads", "Threads.", lambda w: w.threads),
    ("worker_cameras", "Cameras that the worker has.", lambda w: w.cameras),
)
_WORKER_COUNTERS: tuple[tuple[str, str, Callable[[WorkerEntry], float]], ...] = (
    ("worker_cpu_seconds", "CPU time of the worker and those before it.", lambda w: w.cpu_s),
    ("worker_starts", "Times that the worker was started.", lambda w: w.starts),
)


class StatusCollector(Collector):
    """All figures of a board.

    Args:
        latest: Gives the latest board, ``None`` before the first; called from other threads.
    """

    def __init__(self, latest: Callable[[], StatusSnapshot | None]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        """Every figure, with ``cv_engine_`` before its name."""
        board = self._latest()
        if board is None:
            return
        yield _gauge("cameras", "Cameras that are to be watched.", [], [([], len(board.cameras))])
        yield from _of_cameras(board.cameras)
        yield from _of_workers(board.workers)


class MetricsServer:
    """Serves figures under ``/metrics`` until it is closed.

    Args:
        latest: Gives the latest board.
        host: Address to listen at.
        port: Port to listen at; 0 takes a free one.

    Attributes:
        port: The port listened at.

    Raises:
        MetricsError: It cannot listen there.
    """

    def __init__(self, latest: Callable[[], StatusSnapshot | None], host: str, port: int) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(StatusCollector(latest))
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"gives {error.strerror}"
            raise MetricsError(
                f"live.metrics_port: port {port} of {host} {why}; choose another for the figures, "
                "or null to serve none"
            ) from error
        self.port = int(self._server.server_port)

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _of_cameras(lines: Sequence[CameraEntry]) -> Iterator[Metric]:
    cameras = [line.status for line in lines]
    yield _gauge(
        "camera_state",
        "Whether the camera's stream is in this state.",
        ["camera", "state"],
        [((c.camera, state), c.state == state) for c in cameras for state in StreamState],
    )
    yield _gauge(
        "view",
        "Whether this is what the camera shows.",
        ["camera", "view"],
        [((c.camera, view), c.view == view) for c in cameras for view in ViewState],
    )
    for name, text, count in _COUNTERS:
        yield _counter(name, text, ["camera"], [((c.camera,), count(c)) for c in cameras])
    for name, text, value in _CAMERA_GAUGES:
        values = [((c.camera,), value(c)) for c in cameras]
        yield _gauge(name, text, ["camera"], [(k, v) for k, v in values if v is not None])
    yield _latency(cameras)


def _of_workers(lines: Sequence[WorkerEntry]) -> Iterator[Metric]:
    labels = ["worker", "node"]
    for name, text, value in _WORKER_GAUGES:
        yield _gauge(name, text, labels, [((w.worker, w.node), value(w)) for w in lines])
    # Without the machine, which is not known while none runs: a counter must keep its labels.
    for name, text, value in _WORKER_COUNTERS:
        yield _counter(name, text, ["worker"], [((w.worker,), value(w)) for w in lines])


def _latency(cameras: Sequence[CameraStatus]) -> Metric:
    text = "Time from capture to the end of the look."
    family = HistogramMetricFamily(f"{_PREFIX}latency_seconds", text, labels=["camera"])
    bounds = [*(str(bound) for bound in LATENCY_BOUNDS_S), "+Inf"]
    for camera in cameras:
        counts = accumulate(camera.latency.counts)
        family.add_metric(
            [camera.camera], list(zip(bounds, counts, strict=True)), camera.latency.sum_s
        )
    return family


def _gauge(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=labels)
    for keys, value in values:
        family.add_metric(keys, value)
    return family


def _counter(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}{name}", text, labels=labels)
    for keys, value in values:
        family.add_metric(keys, value)
    return family
