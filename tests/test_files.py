from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cv_engine.files import atomic_file, remove_partials, write_atomically


@pytest.fixture(scope="module")
def ended() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("keep_suffix", [False, True])
def test_a_file_appears_once_it_is_whole(tmp_path: Path, sync: bool, keep_suffix: bool) -> None:
    path = tmp_path / "out.json"
    path.write_text("before")
    with atomic_file(path, sync=sync, keep_suffix=keep_suffix) as partial:
        partial.write_text("after")
        assert path.read_text() == "before"
        assert (partial.suffix == ".json") is keep_suffix
        assert set(tmp_path.glob("*.json")) == ({path, partial} if keep_suffix else {path})
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("full"), ValueError("a bug"), KeyboardInterrupt()])
def test_an_error_leaves_the_file_as_it_was(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "out.gpkg"
    path.write_text("before")
    with pytest.raises(type(error)), atomic_file(path, keep_suffix=True) as partial:
        partial.write_text("half")
        partial.with_name(f"{partial.name}-journal").write_text("beside it")
        raise error
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep_suffix", [False, True])
def test_partial_files_of_ended_processes_make_way(
    tmp_path: Path, ended: int, keep_suffix: bool
) -> None:
    middle = f"out.partial-{{}}{'.tif' if keep_suffix else ''}"
    stem = middle if keep_suffix else middle.replace("out", "out.tif")
    left, running = (tmp_path / stem.format(process) for process in (ended, os.getppid()))
    other = tmp_path / f"another.tif.partial-{ended}"
    for each in (left, running, other):
        each.write_text("half")
    with atomic_file(tmp_path / "out.tif", keep_suffix=keep_suffix) as partial:
        partial.write_text("whole")
    assert set(tmp_path.iterdir()) == {tmp_path / "out.tif", running, other}


@pytest.mark.parametrize("sync", [False, True])
def test_pieces_are_written_one_after_the_other(tmp_path: Path, sync: bool) -> None:
    write_atomically(tmp_path / "out", b"one, ", b"two", sync=sync)
    assert (tmp_path / "out").read_bytes() == b"one, two"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError, match="out"):
        write_atomically(tmp_path / "out", b"data")
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "out", b"data")
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_partial_files_of_running_processes_stay(tmp_path: Path, ended: int) -> None:
    names = {
        f"a.json.partial-{ended}": False,
        f"b.partial-{ended}.tif": False,
        f"b.partial-{ended}.tif.ovr": False,
        f"c.json.partial-{os.getpid()}": False,  # of a process before that had this id
        f"d.json.partial-{os.getppid()}": True,
        "e.json": True,
        "f.partial-plan": True,
    }
    for name in names:
        (tmp_path / name).write_text("")
    remove_partials(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name for name in names if names[name]}


def test_names_with_wildcards_stand_for_themselves(tmp_path: Path, ended: int) -> None:
    other = tmp_path / f"outa.partial-{ended}"
    other.write_text("half")
    with atomic_file(tmp_path / "out[a]") as partial:
        partial.write_text("whole")
    assert set(tmp_path.iterdir()) == {tmp_path / "out[a]", other}
