"""Every package gets its timestamp, however long the authority is away; no case waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cv_engine.cases import Queue
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.media.still import Still
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.package import write
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.stamping import Stamper
from cv_engine.evidence.storage.outbox import Outbox
from cv_engine.evidence.storage.store import LocalStore, Store
from cv_engine.evidence.timestamp.authority import Authority
from cv_engine.evidence.timestamp.token import FOLDER, TOKEN
from cv_engine.evidence.timestamp.waiting import Waiting
from cv_engine.evidence.verify import examine, verify
from tests.evidence.media.scenes import parked
from tests.evidence.packages import package
from tests.evidence.timestamp.conftest import authority, keys_of_authority, tsa
from tests.evidence.timestamp.tsa import TimestampServer

__all__ = ["authority", "keys_of_authority", "tsa"]

SOURCES = ("north", "south", "west")


@pytest.fixture
def waiting(tmp_path: Path, tsa: TimestampServer) -> Waiting:
    return Waiting(tmp_path / "unstamped", tsa.url)


@pytest.fixture
def filer(queue: Queue, key: SigningKey, spool: Path, waiting: Waiting) -> CaseFiler:
    return CaseFiler(queue, key, spool, waiting)


def _file(filer: CaseFiler, source: str) -> Path:
    finding = parked(source)
    filer.file(finding, lambda: package(filer.root, filer.key, source))
    return filer.root / package_name(finding)


def _stamper(authority: Authority | None, waiting: Waiting, store: Store, spool: Path) -> Stamper:
    return Stamper(authority, waiting, spool, lambda: store)


@pytest.fixture
def stamper(authority: Authority, waiting: Waiting, spool: Path) -> Stamper:
    return _stamper(authority, waiting, LocalStore(spool), spool)


def test_a_filed_package_gets_its_timestamp(
    filer: CaseFiler, stamper: Stamper, waiting: Waiting, tsa: TimestampServer
) -> None:
    folder = _file(filer, "west")
    assert waiting.names() == [folder.name]
    assert examine(folder).timestamp is None and verify(folder) == []
    assert stamper.stamp_waiting().stamped == [folder.name]
    shown = examine(folder)
    assert shown.problems == [] and shown.timestamp is not None
    assert waiting.names() == [] and stamper.stamp_waiting().stamped == []
    assert tsa.asked == 1
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "nothing half-made"


def test_an_authority_that_is_down_delays_and_loses_no_case(
    filer: CaseFiler, stamper: Stamper, tsa: TimestampServer, queue: Queue
) -> None:
    tsa.status = 500
    folders = [_file(filer, source) for source in SOURCES]
    assert all(queue.evidence_of(folder.name[-16:]) == folder.name for folder in folders)
    done = stamper.stamp_waiting()
    assert set(done.unstamped) == {folder.name for folder in folders}
    assert tsa.asked == 1, "one that does not answer is asked once in a round"
    assert all(verify(folder) == [] for folder in folders)
    tsa.status = 200
    assert sorted(stamper.stamp_waiting().stamped) == sorted(folder.name for folder in folders)
    assert all(examine(folder).timestamp for folder in folders)


def test_the_thread_stamps_once_the_authority_is_back(
    filer: CaseFiler, authority: Authority, waiting: Waiting, tsa: TimestampServer
) -> None:
    tsa.status = 500
    folder = _file(filer, "west")
    stamper = Stamper(authority, waiting, filer.root, lambda: LocalStore(filer.root), 0.01)
    stamper.start()
    try:
        while tsa.asked < 2:
            stamper.soon()
        tsa.status = 200
        while not (folder / TOKEN).exists():
            stamper.soon()
    finally:
        stamper.stop()
    assert verify(folder) == []


def test_without_an_authority_nothing_waits(
    queue: Queue, key: SigningKey, spool: Path, tmp_path: Path
) -> None:
    filer = CaseFiler(queue, key, spool)
    folder = _file(filer, "west")
    stamper = Stamper(None, None, spool, lambda: LocalStore(spool))
    stamper.start()
    assert stamper.stamp_waiting().stamped == []
    stamper.stop()
    assert not (folder / FOLDER).exists() and filer.seal().sealed.authority is None


def test_a_package_that_is_gone_waits_no_more(
    waiting: Waiting, stamper: Stamper, tsa: TimestampServer
) -> None:
    waiting.add("motor_vehicle_parked-west-20260501T000007Z-0123456789abcdef", "0" * 64)
    assert stamper.stamp_waiting().unstamped == {}
    assert (waiting.names(), tsa.asked) == ([], 0)


def test_a_changed_manifest_is_not_stamped(
    filer: CaseFiler, stamper: Stamper, waiting: Waiting, tsa: TimestampServer
) -> None:
    folder = _file(filer, "west")
    (folder / "manifest.json").write_bytes(b"{}")
    assert "is not the one that was sealed" in stamper.stamp_waiting().unstamped[folder.name]
    assert (waiting.names(), tsa.asked) == ([folder.name], 0)


def test_filing_again_asks_for_no_second_timestamp(
    filer: CaseFiler, stamper: Stamper, tsa: TimestampServer
) -> None:
    _file(filer, "west")
    stamper.stamp_waiting()
    _file(filer, "west")
    stamper.stamp_waiting()
    assert tsa.asked == 1


def test_a_package_that_was_sent_gets_its_timestamp_in_the_store(
    filer: CaseFiler,
    authority: Authority,
    waiting: Waiting,
    queue: Queue,
    store: Store,
    tsa: TimestampServer,
) -> None:
    tsa.status = 500
    late, soon = _file(filer, "north"), _file(filer, "south")
    outbox, stamper = (
        Outbox(filer.root, store, queue),
        _stamper(authority, waiting, store, filer.root),
    )
    stamper.stamp_waiting()
    assert outbox.send_waiting().sent == sorted([late.name, soon.name])
    assert not late.exists() and store.problems(late.name) == []
    tsa.status = 200
    assert sorted(stamper.stamp_waiting().stamped) == sorted([late.name, soon.name])
    for name in (late.name, soon.name):
        assert store.has(name) and store.problems(name) == []
        with store.opened(name) as (folder, _):
            assert examine(folder, name=name).timestamp is not None


def test_a_stamped_package_is_sent_with_its_timestamp(
    filer: CaseFiler, authority: Authority, waiting: Waiting, queue: Queue, store: Store
) -> None:
    folder = _file(filer, "west")
    _stamper(authority, waiting, store, filer.root).stamp_waiting()
    assert Outbox(filer.root, store, queue).send_waiting().sent == [folder.name]
    with store.opened(folder.name) as (fetched, _):
        assert examine(fetched, name=folder.name).timestamp is not None


_KILLED = """
import os, signal, sys
from pathlib import Path
from cv_engine.evidence import stamping
from cv_engine.evidence.storage.store import LocalStore
from cv_engine.evidence.timestamp.authority import Authority
from cv_engine.evidence.timestamp.waiting import Waiting
url, certificate, spool, folder, step = sys.argv[1:]
count = 0
def trace(frame, event, argument):
    global count
    if frame.f_globals.get("__name__") == stamping.__name__:
        count += 1
        if count == int(step):
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
waiting = Waiting(Path(folder), url)
spool = Path(spool)
stamper = stamping.Stamper(
    Authority.of(url, Path(certificate)), waiting, spool, lambda: LocalStore(spool)
)
sys.settrace(trace)
stamper.stamp_waiting()
"""


@pytest.mark.parametrize("step", (8, 24, 40, 56, 72))
def test_a_run_that_is_killed_leaves_a_package_that_waits_or_is_stamped(
    filer: CaseFiler, stamper: Stamper, waiting: Waiting, tsa: TimestampServer, step: int
) -> None:
    folder = _file(filer, "west")
    words = (tsa.url, tsa.certificate, filer.root, waiting.folder, step)
    run = subprocess.run(
        [sys.executable, "-c", _KILLED, *map(str, words)],
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.returncode in (0, -signal.SIGKILL)
    assert verify(folder) == [], "whole, with its timestamp or without"
    assert waiting.names() or examine(folder).timestamp
    stamper.stamp_waiting()
    assert examine(folder).timestamp is not None and waiting.names() == []


def test_the_manifest_says_which_authority_is_to_confirm_it(
    tmp_path: Path, stills: list[Still], key: SigningKey, filer: CaseFiler, tsa: TimestampServer
) -> None:
    seal = filer.seal()
    folder = write(tmp_path / "evidence", parked(), stills, key=key, sealed=seal.sealed)
    shown = examine(folder)
    assert shown.problems == [] and shown.manifest is not None
    assert shown.manifest.sealed == seal.sealed
    assert seal.sealed.authority == tsa.url
