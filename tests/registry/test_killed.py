"""Imports and changes of the key that are killed: the old table serves, and they are repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cv_engine.registry import Contact, Kind
from cv_engine.registry.tables.rotation import rotate_key
from tests.killing import ROOT
from tests.registry.made import (
    VEHICLES,
    contact_of,
    key_file,
    load,
    registry,
    tables,
    vehicles,
    write,
)

_LATEST_S = 60.0
_NEW = "new owner"


def _start(folder: Path, what: str, at: int = 0) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.registry.killed_process", str(folder), what, str(at)]
    return subprocess.Popen(command, cwd=ROOT)


def _left(folder: Path) -> list[str]:
    names = (path.name for path in (folder / "registry").iterdir())
    return sorted(name for name in names if not name.endswith(".db") and name != "lock")


def test_an_import_that_is_killed_between_two_rows_changes_nothing(tmp_path: Path) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 5))
    pipe = tmp_path / "f.csv"
    os.mkfifo(pipe)
    with _start(tmp_path, "vehicles") as process, pipe.open("w") as rows:
        rows.write(VEHICLES + "\n")
        rows.writelines(f"浙B{n:05d},,,,{_NEW},,\n" for n in range(30_000))
        rows.flush()
        until = time.monotonic() + _LATEST_S
        while not _left(tmp_path) and time.monotonic() < until:
            time.sleep(0.01)
        assert _left(tmp_path), "the import has begun"
        with registry(tmp_path) as opened:
            assert opened.vehicle("浙B00004") is not None
        process.kill()
        process.wait()
    assert contact_of(tmp_path, "浙B00004").name == "王小明"
    with registry(tmp_path) as opened:
        assert opened.vehicle("浙B00005") is None
    pipe.unlink()
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 6, _NEW))
    assert contact_of(tmp_path, "浙B00005").name == _NEW
    assert _left(tmp_path) == [], "the next import removes what the killed one left"


def test_the_first_import_that_is_killed_can_be_repeated(tmp_path: Path) -> None:
    vehicles(tmp_path, 5, name="f.csv")
    with _start(tmp_path, "vehicles", at=1) as process:
        assert process.wait(_LATEST_S) == -signal.SIGKILL
    assert tables(tmp_path).about(Kind.VEHICLES) is None
    load(tmp_path, Kind.VEHICLES, tmp_path / "f.csv")
    assert contact_of(tmp_path, "浙B00004").name == "王小明"


@pytest.mark.parametrize("at", [1, 2])
def test_a_change_of_the_key_that_is_killed_is_finished_by_the_next(
    tmp_path: Path, at: int
) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 5))
    shops = write(tmp_path / "m.csv", "id,name,phone", *(f"{n},shop,12345{n}" for n in range(5)))
    load(tmp_path, Kind.MERCHANTS, shops)
    old = key_file(tmp_path).read().newest
    with _start(tmp_path, "rotate", at) as process:
        assert process.wait(_LATEST_S) == -signal.SIGKILL
    new, kept = key_file(tmp_path).read().keys
    assert kept == old
    done = [tables(tmp_path).about(kind) for kind in (Kind.VEHICLES, Kind.MERCHANTS)]
    # The first report is of the vehicles, the second of the merchants.
    assert [each and each.key_id for each in done] == [[old.id, old.id], [new.id, old.id]][at - 1]
    _check_contacts(tmp_path)
    assert rotate_key(tmp_path / "registry", key_file(tmp_path), lambda *_: None) == new
    assert key_file(tmp_path).read().keys == (new,)
    _check_contacts(tmp_path)
    assert _left(tmp_path) == []


def _check_contacts(folder: Path) -> None:
    for n in range(5):
        owner = Contact("王小明", f"{13800000000 + n}", f"street {n}")
        assert contact_of(folder, f"浙B0000{n}") == owner
        assert contact_of(folder, str(n), Kind.MERCHANTS) == Contact(phone=f"12345{n}")


@pytest.mark.slow
def test_an_import_that_is_killed_at_any_moment_leaves_one_whole_table(tmp_path: Path) -> None:
    count = 30_000
    file = vehicles(tmp_path, count, name="f.csv")
    began = time.monotonic()
    with _start(tmp_path, "vehicles") as process:
        assert process.wait(_LATEST_S) == 0
    whole_s = time.monotonic() - began
    killed = 0
    for turn in range(25):
        owner = f"owner {turn}"
        file.write_text(vehicles(tmp_path, count, owner, "new.csv").read_text())
        before = contact_of(tmp_path, "浙B00000").name
        with _start(tmp_path, "vehicles") as process:
            try:
                process.wait(whole_s * (0.4 + turn / 40))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
        names = {contact_of(tmp_path, f"浙B{n:05d}").name for n in range(0, count, 1777)}
        assert names in ({before}, {owner})
        about = tables(tmp_path).about(Kind.VEHICLES)
        assert about is not None and about.rows == count
    assert killed > 0
