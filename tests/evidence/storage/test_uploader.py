"""Evidence is uploaded in a thread of its own, and nothing waits for a store that is away."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cv_engine.cases import Queue
from cv_engine.evidence.errors import StoreError
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.storage.opening import open_store
from cv_engine.evidence.storage.outbox import Outbox, Sending
from cv_engine.evidence.storage.store import Store
from cv_engine.evidence.storage.uploader import Uploader
from cv_engine.evidence.verify import verify
from tests.evidence.packages import CLIP, PART, filed
from tests.evidence.storage.object_server import Line

pytest.importorskip("obstore", reason="the extra s3 is not installed")

_NEVER_S = 600.0  # longer than any test: only a request starts an upload
_OFTEN_S = 0.02
_SOON_S = 0.6  # how long to watch that something does not happen
_LONGEST_S = 120.0  # a busy machine takes its time


def _until(reached: Callable[[], object]) -> None:
    end = time.monotonic() + _LONGEST_S
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def running_uploader() -> Iterator[Callable[[Uploader], Uploader]]:
    """Starts uploaders, and stops them after the test."""
    started: list[Uploader] = []

    def run(uploader: Uploader) -> Uploader:
        uploader.start()
        started.append(uploader)
        return uploader

    yield run
    for uploader in started:
        assert uploader.stop(_LONGEST_S)


Run = Callable[[Uploader], Uploader]


class _Counted(Outbox):
    """Counts its uploads."""

    def __init__(self, spool: Path, store: Store, queue: Queue) -> None:
        super().__init__(spool, store, queue)
        self.uploads = threading.Semaphore(0)

    def send_waiting(self, may_send: Callable[[], bool] = lambda: True) -> Sending:
        self.uploads.release()
        return super().send_waiting(may_send)


def test_packages_of_an_earlier_run_are_sent_at_the_start_and_others_on_request(
    store: Store, spool: Path, queue: Queue, key: SigningKey, running_uploader: Run
) -> None:
    outbox = _Counted(spool, store, queue)
    left = filed(queue, spool, key, "left")
    uploader = running_uploader(Uploader(outbox, _NEVER_S))
    _until(lambda: not left.exists())
    new = filed(queue, spool, key, "new")
    uploader.soon()
    _until(lambda: not new.exists())
    assert store.names() == sorted((left.name, new.name))
    assert outbox.uploads.acquire(timeout=_LONGEST_S) and outbox.uploads.acquire(timeout=_LONGEST_S)
    assert not outbox.uploads.acquire(timeout=_SOON_S)


def test_packages_are_sent_periodically_without_a_request(
    store: Store, spool: Path, queue: Queue, key: SigningKey, running_uploader: Run
) -> None:
    running_uploader(Uploader(Outbox(spool, store, queue), _OFTEN_S))
    folder = filed(queue, spool, key)
    _until(lambda: not folder.exists())


def test_nothing_is_sent_while_findings_wait_to_be_filed(
    store: Store, spool: Path, queue: Queue, key: SigningKey, running_uploader: Run
) -> None:
    asked = threading.Semaphore(0)
    waiting = True

    def paused() -> bool:
        asked.release()
        return waiting

    folder = filed(queue, spool, key)
    uploader = running_uploader(Uploader(Outbox(spool, store, queue), _OFTEN_S, paused))
    for _ in range(3):
        assert asked.acquire(timeout=_LONGEST_S)
    assert store.names() == [] and verify(folder) == []
    waiting = False
    uploader.soon()
    _until(lambda: not folder.exists())


def test_store_that_is_away_is_reported_once_and_retried(
    environment: pytest.MonkeyPatch,
    store: Store,
    spool: Path,
    queue: Queue,
    key: SigningKey,
    running_uploader: Run,
) -> None:
    def refuse(folder: Path) -> None:
        raise StoreError("the server does not answer")

    folders = [filed(queue, spool, key, source) for source in ("a", "b")]
    asked = threading.Semaphore(0)

    def paused() -> bool:
        asked.release()
        return False

    with capture_logs() as logs:
        with environment.context() as away:
            away.setattr(store, "put", refuse)
            running_uploader(Uploader(Outbox(spool, store, queue), _OFTEN_S, paused))
            for _ in range(4):
                assert asked.acquire(timeout=_LONGEST_S)
            (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
            assert warning["packages"] == 2 and "does not answer" in warning["reason"]
        _until(lambda: not any(folder.exists() for folder in folders))
        _until(lambda: any(entry["event"] == "evidence is being sent again" for entry in logs))


def test_after_a_failure_requests_do_not_cause_retries(
    store: Store, spool: Path, queue: Queue, key: SigningKey, running_uploader: Run
) -> None:
    asked = threading.Semaphore(0)

    def paused() -> bool:
        asked.release()
        return False

    damaged = filed(queue, spool, key)
    (damaged / CLIP).unlink()
    with capture_logs() as logs:
        uploader = running_uploader(Uploader(Outbox(spool, store, queue), _NEVER_S, paused))
        _until(lambda: logs)
    assert damaged.name in logs[0]["reason"]
    assert asked.acquire(timeout=_LONGEST_S)
    uploader.soon()
    assert not asked.acquire(timeout=_SOON_S)


def test_stop_does_not_wait_for_a_line_that_hangs(
    address: str, spool: Path, line: Line, queue: Queue, key: SigningKey
) -> None:
    folder = filed(queue, spool, key, clip=os.urandom(2 * PART))
    line.stalls_after = 1_000_000
    uploader = Uploader(Outbox(spool, open_store(address, _LONGEST_S), queue), _NEVER_S)
    uploader.start()
    assert line.stalled.wait(_LONGEST_S)
    assert uploader.stop(0.1) is False
    assert verify(folder) == []
    line.repair()
    assert uploader.stop(_LONGEST_S)


def test_upload_survives_a_queue_that_cannot_be_read(
    store: Store, spool: Path, tmp_path: Path, queue: Queue, key: SigningKey, running_uploader: Run
) -> None:
    folder = filed(queue, spool, key)
    database, away = tmp_path / "queue.db", tmp_path / "away"
    queue.close()
    database.rename(away)
    database.mkdir()
    with capture_logs() as logs:
        running_uploader(Uploader(Outbox(spool, store, queue), _OFTEN_S))
        _until(lambda: logs)
        assert folder.exists()
        database.rmdir()
        away.rename(database)
        _until(lambda: not folder.exists())
    assert "queue.db" in logs[0]["reason"]


def test_a_store_that_is_the_spool_needs_no_thread(
    tmp_path: Path, queue: Queue, key: SigningKey
) -> None:
    root = tmp_path / "evidence"
    folder = filed(queue, root, key)
    before = threading.active_count()
    uploader = Uploader(Outbox(root, open_store(root), queue), _OFTEN_S)
    uploader.start()
    uploader.soon()
    assert threading.active_count() == before
    assert uploader.stop() and verify(folder) == []
