"""A violation that comes by again, when its evidence may be here, elsewhere or half-way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import supervision as sv

from cv_engine.cases import Filed, Queue, QueueError, open_queue
from cv_engine.config import Config
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.storage.opening import open_store
from cv_engine.evidence.storage.outbox import Outbox
from cv_engine.evidence.storage.store import Store
from cv_engine.evidence.verify import verify
from cv_engine.finding import Finding
from cv_engine.pipeline.filing import Filer
from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.rules.registry import kinds
from cv_engine.rules.stays import Violation
from cv_engine.video.clock import Clock
from cv_engine.video.frame import Sample
from cv_engine.video.source import open_video
from tests.evidence.storage.object_server import BUCKET, ObjectServer, introduce
from tests.video.recordings import HEIGHT, WIDTH, record, times
from zones.camera import Camera
from zones.zone import whole_frame

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
RATE = 10.0  # pictures per second
LENGTH_S = 10.0
PARKED = Violation(
    "motor_vehicle_parked",
    "whole frame",
    1,
    (20.0, 10.0, 150.0, 80.0),
    START.timestamp() + 2.0,
    START.timestamp() + 8.0,
    0.9,
)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path / "queue.db") as queue:
        yield queue


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    return record(folder / "a.mp4", times(round(LENGTH_S * RATE), RATE), gop=10)


@pytest.fixture
def footage(video: Path) -> Footage:
    footage = Footage()
    footage.add(Recording.of(open_video(video), Clock(START), "the start given"))
    footage.recordings[-1].seen_s = LENGTH_S - 1 / RATE
    return footage


@pytest.fixture
def asked() -> list[float]:
    """Media times of the pictures that the detector was asked about, for evidence."""
    return []


@pytest.fixture
def filer(tmp_path: Path, queue: Queue, asked: list[float]) -> Filer:
    def detect(sample: Sample) -> sv.Detections:
        asked.append(sample.media_s)
        return sv.Detections.empty()

    return Filer(
        camera=Camera("market", None, ()),
        zones=[whole_frame(WIDTH, HEIGHT, kinds())],
        detect=detect,
        cases=CaseFiler(
            queue, SigningKey.load_or_create(tmp_path / "key.pem"), tmp_path / "evidence"
        ),
        config=Config(data=tmp_path),
        model="digest",
        timezone="UTC",
        first_s=START.timestamp(),
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    with ObjectServer(tmp_path / "server") as server:
        introduce(monkeypatch, server.url)
        yield open_store(f"s3://{BUCKET}/west")


def test_what_was_sent_is_not_made_again(
    filer: Filer, footage: Footage, queue: Queue, store: Store, asked: list[float]
) -> None:
    first = filer.file(PARKED, footage).filed
    sent = Outbox(filer.cases.root, store, queue).send_waiting().sent
    assert sent == queue.evidence(first.case_id) == store.names()
    asked.clear()
    assert filer.file(PARKED, footage).filed == Filed(first.case_id, "known")
    assert asked == [] and list(filer.cases.root.iterdir()) == []
    assert store.problems(*sent) == []
    assert queue.evidence(first.case_id) == sent


class _Away(Queue):
    """A queue whose server goes away before anything is filed."""

    def file(self, finding: Finding, **options: object) -> Filed:
        raise QueueError("away")


def test_what_was_written_and_not_filed_is_used_by_the_next_run(
    filer: Filer, footage: Footage, queue: Queue, store: Store, asked: list[float]
) -> None:
    """Also where another run sends what waits in the meantime."""
    away = _Away(queue._store, queue._clock, queue._taxonomy, queue._limits)
    with pytest.raises(QueueError):
        replace(filer, cases=replace(filer.cases, queue=away)).file(PARKED, footage)
    outbox = Outbox(filer.cases.root, store, queue)
    assert outbox.send_waiting().sent == []
    (package,) = filer.cases.root.iterdir()
    written = (package / "manifest.sig").stat()
    asked.clear()
    filed = filer.file(PARKED, footage).filed
    assert asked == [] and (package / "manifest.sig").stat() == written
    assert queue.evidence(filed.case_id) == [package.name]
    assert outbox.send_waiting().sent == [package.name]


def test_what_was_filed_without_evidence_gets_it(
    filer: Filer, footage: Footage, queue: Queue
) -> None:
    filed = filer.file(PARKED, Footage()).filed
    assert queue.evidence(filed.case_id) == []
    assert filer.file(PARKED, footage).filed == Filed(filed.case_id, "known")
    (package,) = filer.cases.root.iterdir()
    assert queue.evidence(filed.case_id) == [package.name]


def test_what_waits_and_is_damaged_is_made_again(
    filer: Filer, footage: Footage, queue: Queue, store: Store
) -> None:
    filer.file(PARKED, footage)
    (package,) = filer.cases.root.iterdir()
    (package / "manifest.sig").write_bytes(b"")
    filer.file(PARKED, footage)
    assert verify(package) == []
    assert Outbox(filer.cases.root, store, queue).send_waiting().sent == [package.name]
    assert store.problems(package.name) == []
    assert [path.name for path in filer.cases.root.iterdir()] == [f"{package.name}.damaged-1"]
