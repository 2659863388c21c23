"""A package leaves the spool only once the store holds it whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cv_engine.cases import Actor, Case, Queue, open_queue
from cv_engine.cases.dispatch.attachment import Attachment
from cv_engine.evidence.attaching import Attacher
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.manifest import SIGNATURE
from cv_engine.evidence.media.photo import read_photo
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.staging import STAGING
from cv_engine.evidence.storage.opening import open_store
from cv_engine.evidence.storage.outbox import Outbox, Sending
from cv_engine.evidence.storage.store import Store
from cv_engine.evidence.verify import verify
from tests.evidence.media.photos import photo
from tests.evidence.packages import CLIP, PART, content, filed, package, written
from tests.evidence.storage.object_server import BUCKET, Line, ObjectServer

pytest.importorskip("obstore", reason="the extra s3 is not installed")

_SOON_S = 0.6  # patience where no answer is going to come
_LONGEST_S = 120.0  # a busy machine takes its time


def test_waiting_packages_are_sent_and_removed(
    store: Store, spool: Path, queue: Queue, key: SigningKey
) -> None:
    names = sorted(filed(queue, spool, key, source).name for source in ("one", "two", "three"))
    aside = filed(queue, spool, key, "four").rename(spool / "four.damaged-1")
    outbox = Outbox(spool, store, queue)
    assert outbox.waiting() == names
    assert outbox.send_waiting() == Sending(names, {})
    assert outbox.waiting() == []
    assert list(spool.iterdir()) == [aside]
    assert store.names() == names
    assert outbox.send_waiting() == Sending()


def test_package_that_no_case_names_stays(
    store: Store, spool: Path, queue: Queue, key: SigningKey
) -> None:
    """A run that was killed before filing the case needs the package when it resumes."""
    folder = package(spool, key)
    outbox = Outbox(spool, store, queue)
    assert outbox.send_waiting() == Sending()
    assert outbox.waiting() == [folder.name] and store.names() == []
    filed(queue, spool, key)
    assert outbox.send_waiting().sent == [folder.name]


def test_sending_ends_on_request(store: Store, spool: Path, queue: Queue, key: SigningKey) -> None:
    names = sorted(filed(queue, spool, key, source).name for source in ("a", "b", "c"))
    answers = iter((True, True, False))
    outbox = Outbox(spool, store, queue)
    assert outbox.send_waiting(lambda: next(answers)) == Sending(names[:2], {})
    assert outbox.waiting() == names[2:]


def test_damaged_package_stays_and_delays_no_other(
    store: Store, spool: Path, queue: Queue, key: SigningKey
) -> None:
    damaged, sound = (filed(queue, spool, key, source) for source in ("a", "b"))
    (damaged / CLIP).write_bytes(b"CLIP")
    sending = Outbox(spool, store, queue).send_waiting()
    assert sending.sent == [sound.name]
    assert list(sending.unsent) == [damaged.name]
    assert "the package is damaged and was not sent" in sending.unsent[damaged.name]
    assert list(spool.iterdir()) == [damaged]
    assert store.names() == [sound.name]


def test_another_signed_package_is_not_overwritten(
    store: Store, spool: Path, held: Path, tmp_path: Path, queue: Queue, key: SigningKey
) -> None:
    store.put(package(tmp_path / "first", key, clip=b"first"))
    before = content(held)
    second = filed(queue, spool, key, clip=b"second")
    sending = Outbox(spool, store, queue).send_waiting()
    assert "holds another signed package" in sending.unsent[second.name]
    assert content(held) == before and verify(second) == []


def test_server_down_then_back(
    environment: pytest.MonkeyPatch, tmp_path: Path, spool: Path, queue: Queue, key: SigningKey
) -> None:
    names = sorted(filed(queue, spool, key, source).name for source in ("a", "b"))
    with ObjectServer(tmp_path / "server") as server:
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        place = f"s3://{BUCKET}/west"
        server.stop()
        sending = Outbox(spool, open_store(place, _SOON_S), queue).send_waiting()
        assert sending.sent == [] and list(sending.unsent) == names
        assert all("does not answer" in reason for reason in sending.unsent.values())
        assert [verify(spool / name) for name in names] == [[], []]
        server.start()
        store = open_store(place)
        assert Outbox(spool, store, queue).send_waiting() == Sending(names, {})
        assert list(spool.iterdir()) == []
        assert [store.problems(name) for name in store.names()] == [[], []]


_SEND = """
import os, signal, sys
from pathlib import Path
from cv_engine.cases import open_queue
from cv_engine.evidence import staging
from cv_engine.evidence.storage.outbox import Outbox
from cv_engine.evidence.storage.opening import open_store
spool, queue, address, killed = sys.argv[1:]
if killed == "removing":
    staging.shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
Outbox(Path(spool), open_store(address), open_queue(queue)).send_waiting()
"""


def _sending(spool: Path, address: str, killed: str) -> subprocess.Popen[bytes]:
    queue = spool.parent / "queue.db"
    return subprocess.Popen([sys.executable, "-c", _SEND, spool, queue, address, killed])


@pytest.mark.parametrize("after", [10_000, 3_000_000, 2 * PART + 12_000])
def test_killed_while_sending(
    address: str,
    spool: Path,
    held: Path,
    line: Line,
    queue: Queue,
    key: SigningKey,
    after: int,
) -> None:
    folder = filed(queue, spool, key, clip=os.urandom(2 * PART))
    line.stalls_after = after
    with _sending(spool, address, "sending") as run:
        assert line.stalled.wait(_LONGEST_S)
        run.kill()
    line.repair()
    assert not (held / folder.name / SIGNATURE).exists()
    assert verify(folder) == []
    store = open_store(address)
    assert store.names() == []
    assert Outbox(spool, store, queue).send_waiting().sent == [folder.name]
    assert store.problems(folder.name) == []
    assert list(spool.iterdir()) == []


def test_killed_between_sending_and_removing(
    store: Store, spool: Path, held: Path, queue: Queue, key: SigningKey
) -> None:
    folder = filed(queue, spool, key)
    store.put(folder)
    before = written(held)
    assert Outbox(spool, store, queue).send_waiting().sent == [folder.name]
    assert written(held) == before
    assert list(spool.iterdir()) == []


def test_killed_while_removing(
    address: str, store: Store, spool: Path, queue: Queue, key: SigningKey
) -> None:
    folder = filed(queue, spool, key)
    with _sending(spool, address, "removing") as run:
        assert run.wait() == -signal.SIGKILL
    assert [path.name for path in spool.iterdir()] == [STAGING]
    assert store.problems(folder.name) == []
    outbox = Outbox(spool, store, queue)
    assert outbox.waiting() == [] and outbox.send_waiting() == Sending()
    assert list(spool.iterdir()) == []


def test_runs_that_share_a_spool(address: str, spool: Path, queue: Queue, key: SigningKey) -> None:
    names = sorted(filed(queue, spool, key, f"camera {number}").name for number in range(12))
    together = threading.Barrier(4)

    def run() -> list[str]:
        with open_queue(spool.parent / "queue.db") as queue:
            outbox = Outbox(spool, open_store(address), queue)
            together.wait()
            return outbox.send_waiting().sent

    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(run) for _ in range(4)]
    assert sorted(name for names in sent for name in names.result()) == names
    store = open_store(address)
    assert store.names() == names
    assert all(store.problems(name) == [] for name in names)
    assert list(spool.iterdir()) == []


def test_nothing_waits_for_a_store_that_is_the_spool(
    tmp_path: Path, queue: Queue, key: SigningKey
) -> None:
    root = tmp_path / "evidence"
    folder = filed(queue, root, key)
    outbox = Outbox(root, open_store(root), queue)
    assert outbox.in_place
    assert outbox.waiting() == [] and outbox.send_waiting() == Sending()
    assert verify(folder) == []


def test_spool_that_does_not_exist_or_is_a_file(store: Store, spool: Path, queue: Queue) -> None:
    outbox = Outbox(spool, store, queue)
    assert outbox.send_waiting() == Sending()
    spool.write_text("in the way")
    with pytest.raises(EvidenceError, match="cannot be read"):
        outbox.send_waiting()


def test_photos_of_people_are_sent_once_a_case_names_them(
    store: Store, spool: Path, queue: Queue, key: SigningKey, tmp_path: Path
) -> None:
    camera = filed(queue, spool, key)
    (tmp_path / "after.jpg").write_bytes(photo())
    photos = [read_photo(tmp_path / "after.jpg")]
    outbox = Outbox(spool, store, queue)

    def record(package: Attachment) -> Case:
        assert package.name not in outbox.send_waiting().sent
        return queue.note(1, "Li", evidence=package)

    now = datetime(2026, 5, 1, tzinfo=UTC)
    Attacher(queue, key, spool).attach(1, "noted", Actor("Li"), "", photos, now, record)
    (name,) = outbox.send_waiting().sent
    assert name.startswith("case-1-noted-1-")
    assert store.names() == sorted([camera.name, name])
    recorded = queue.attachment(name)
    assert recorded is not None
    assert store.problems(name, key.fingerprint, recorded.sha256) == []
