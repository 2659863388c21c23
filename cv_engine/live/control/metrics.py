"""Metrics for Prometheus, computed from the latest status snapshot at each request."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate

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
    ("samples", "Samples processed.", lambda c: c.samples),
    ("samples_detector", "Samples at which the detector was asked.", lambda c: c.asked),
    ("samples_dropped", "Samples that were due and dropped for a later one.", lambda c: c.dropped),
    ("sample_cpu_seconds", "CPU time that samples took.", lambda c: c.work_s),
    ("reconnects", "Times that a stream was opened again.", lambda c: c.reconnects),
    ("received_bytes", "Size of the compressed frames received.", lambda c: c.received_bytes),
    ("received_packets", "Compressed frames received.", lambda c: c.packets),
    ("damaged_packets", "Packets and frames that could not be used.", lambda c: c.damaged),
    ("cases_opened", "Cases opened.", lambda c: c.cases),
    ("findings_filed", "Findings filed: cases, and what joined one.", lambda c: c.cases + c.joined),
)
_CAMERA_GAUGES: tuple[tuple[str, str, Callable[[CameraStatus], float | None]], ...] = (
    ("findings_waiting", "Findings that could not be filed yet.", lambda c: c.waiting),
    ("sample_interval_seconds", "Time between samples at the moment.", lambda c: c.interval_s),
    ("last_sample_timestamp_seconds", "Capture time of the last sample.", lambda c: c.sampled_at),
)
_WORKER_GAUGES: tuple[tuple[str, str, Callable[[WorkerEntry], float]], ...] = (
    ("worker_up", "Whether the worker runs.", lambda w: w.state == "running"),
    ("worker_memory_bytes", "Resident memory.", lambda w: w.memory_mb * _MIB),
    ("worker_threads", "Threads.", lambda w: w.threads),
    ("worker_cameras", "Cameras that the worker watches.", lambda w: w.cameras),
)
_WORKER_COUNTERS: tuple[tuple[str, str, Callable[[WorkerEntry], float]], ...] = (
    ("worker_cpu_seconds", "CPU time of the worker and its predecessors.", lambda w: w.cpu_s),
    ("worker_starts", "Times that the worker was started.", lambda w: w.starts),
)


class StatusCollector(Collector):
    """All metrics of the latest status snapshot.

    Args:
        latest: Returns the latest snapshot, ``None`` before the first; called from other threads.
    """

    def __init__(self, latest: Callable[[], StatusSnapshot | None]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        """Every metric, with ``cv_engine_`` before its name."""
        snapshot = self._latest()
        if snapshot is None:
            return
        yield _gauge(
            "cameras", "Cameras that are to be watched.", [], [([], len(snapshot.cameras))]
        )
        yield from _camera_metrics(snapshot.cameras)
        yield from _worker_metrics(snapshot.workers)


class MetricsServer:
    """Serves the metrics under ``/metrics`` until closed.

    Args:
        latest: Returns the latest snapshot.
        host: Address to listen at.
        port: Port to listen at; 0 takes a free one.

    Attributes:
        port: The port listened at.

    Raises:
        MetricsError: The address or port cannot be listened at.
    """

    def __init__(self, latest: Callable[[], StatusSnapshot | None], host: str, port: int) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(StatusCollector(latest))
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"gives {error.strerror}"
            raise MetricsError(
                f"live.metrics_port: port {port} of {host} {why}; choose another for the metrics, "
                "or null to serve none"
            ) from error
        self.port = int(self._server.server_port)

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _camera_metrics(entries: Sequence[CameraEntry]) -> Iterator[Metric]:
    cameras = [entry.status for entry in entries]
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


def _worker_metrics(entries: Sequence[WorkerEntry]) -> Iterator[Metric]:
    labels = ["worker", "node"]
    for name, text, value in _WORKER_GAUGES:
        yield _gauge(name, text, labels, [((w.worker, w.node), value(w)) for w in entries])
    # Without the machine, which is unknown while no worker runs: a counter must keep its labels.
    for name, text, value in _WORKER_COUNTERS:
        yield _counter(name, text, ["worker"], [((w.worker,), value(w)) for w in entries])


def _latency(cameras: Sequence[CameraStatus]) -> Metric:
    text = "Time from capture to the end of the sample."
    family = HistogramMetricFamily(f"{_PREFIX}latency_seconds", text, labels=["camera"])
    bounds = [*(str(bound) for bound in LATENCY_BOUNDS_S), "+Inf"]
    for camera in cameras:
        counts = accumulate(camera.latency.counts)
        family.add_metric(
            [camera.camera], list(zip(bounds, counts, strict=True)), camera.latency.sum_s
        )
    return family


def _family(
    kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    text: str,
    labels: Sequence[str],
    values: Iterable[tuple[Sequence[str], float]],
) -> Metric:
    family = kind(f"{_PREFIX}{name}", text, labels=labels)
    for keys, value in values:
        family.add_metric(keys, value)
    return family


_gauge = partial(_family, GaugeMetricFamily)
_counter = partial(_family, CounterMetricFamily)
