from __future__ import annotations

import socket
import urllib.request
from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cv_engine.live.control.errors import MetricsError
from cv_engine.live.control.metrics import MetricsServer
from cv_engine.live.control.status_snapshot import CameraEntry, StatusSnapshot, WorkerEntry
from cv_engine.live.control.totals import Totals
from cv_engine.live.status import CameraStatus, Latency, WorkerStatus


def _snapshot() -> StatusSnapshot:
    latency = Latency()
    for seconds in (0.3, 0.4, 60.0):
        latency = latency.plus(seconds)
    camera = CameraStatus(
        'gate "2"\n', "stalled", view="good", samples=3, asked=1, dropped=2, reconnects=4,
        received_bytes=5000, cases=8, joined=3, waiting=6, latency=latency,
    )  # fmt: skip
    worker = WorkerEntry("worker-1", "node", 42, "running", "", 2, 3.5, 2.0, 9, 1)
    return StatusSnapshot(1.0, 0.0, 7, False, (worker,), (CameraEntry("worker-1", camera),))


_Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def metrics() -> _Samples:
    return _scrape(_snapshot())


def _scrape(snapshot: StatusSnapshot | None) -> _Samples:
    with closing(MetricsServer(lambda: snapshot, "127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.port}/metrics"
        with urllib.request.urlopen(address, timeout=60) as answer:
            text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("cv_engine_cameras", {}, 1),
        ("cv_engine_camera_state", {"state": "stalled"}, 1),
        ("cv_engine_camera_state", {"state": "live"}, 0),
        ("cv_engine_camera_state", {"state": "blind"}, 0),
        ("cv_engine_cases_opened_total", {}, 8),
        ("cv_engine_findings_filed_total", {}, 11),
        ("cv_engine_view", {"view": "good"}, 1),
        ("cv_engine_view", {"view": "dark"}, 0),
        ("cv_engine_samples_total", {}, 3),
        ("cv_engine_samples_detector_total", {}, 1),
        ("cv_engine_samples_dropped_total", {}, 2),
        ("cv_engine_reconnects_total", {}, 4),
        ("cv_engine_received_bytes_total", {}, 5000),
        ("cv_engine_findings_waiting", {}, 6),
        ("cv_engine_latency_seconds_bucket", {"le": "0.2"}, 0),
        ("cv_engine_latency_seconds_bucket", {"le": "0.5"}, 2),
        ("cv_engine_latency_seconds_bucket", {"le": "+Inf"}, 3),
        ("cv_engine_latency_seconds_count", {}, 3),
        ("cv_engine_latency_seconds_sum", {}, 60.7),
    ],
)
def test_every_metric_of_a_camera_is_served(
    metrics: _Samples, name: str, labels: dict[str, str], value: float
) -> None:
    if name != "cv_engine_cameras":
        labels = {"camera": 'gate "2"\n', **labels}
    assert metrics[name, tuple(sorted(labels.items()))] == pytest.approx(value)


def test_every_metric_of_a_worker_is_served(metrics: _Samples) -> None:
    where = (("node", "node"), ("worker", "worker-1"))
    assert metrics["cv_engine_worker_up", where] == 1
    assert metrics["cv_engine_worker_memory_bytes", where] == 2 * 2**20
    assert metrics["cv_engine_worker_cpu_seconds_total", where[1:]] == 3.5


def test_before_the_first_snapshot_there_are_no_metrics() -> None:
    assert _scrape(None) == {}


def test_the_port_is_free_again_when_the_server_is_closed() -> None:
    with closing(MetricsServer(lambda: None, "127.0.0.1", 0)) as server:
        port = server.port
    with closing(MetricsServer(lambda: None, "127.0.0.1", port)) as server:
        assert server.port == port


def test_a_taken_port_is_reported_with_the_key_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(MetricsError, match=rf"live\.metrics_port: port {port} .* is taken"):
            MetricsServer(lambda: None, "127.0.0.1", port)


def _status(samples: int, worker: str = "w1", *, cameras: tuple[str, ...] = ("a",)) -> WorkerStatus:
    latency = Latency()
    for _ in range(samples):
        latency = latency.plus(0.3)
    states = tuple(CameraStatus(name, samples=samples, latency=latency) for name in cameras)
    return WorkerStatus(worker, "n", 1, 0.0, cpu_s=float(samples), cameras=states)


def test_counts_continue_over_restarts_of_a_worker() -> None:
    totals = Totals(["a"])
    seen = [0]
    for status in (
        _status(5),
        _status(9),
        None,
        _status(2),
        _status(3, cameras=()),
        _status(1),
        _status(4),
        _status(1),
    ):
        if status is None:
            totals.ended("w1")
        else:
            totals.take(status)
        seen.append(totals.camera("a").samples)
    assert seen == [0, 5, 9, 9, 11, 11, 12, 15, 16]
    assert sum(totals.camera("a").latency.counts) == 16
    assert totals.cpu_s("w1") == 9 + 1


def test_counts_continue_when_another_worker_takes_over() -> None:
    totals = Totals(["a"])
    for status in (_status(5), _status(0, cameras=()), _status(3, "w2")):
        totals.take(status)
    assert totals.camera("a").samples == 8
