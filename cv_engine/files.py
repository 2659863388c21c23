"""Files written whole or not at all, and names made of digests."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_PARTIAL = ".partial-"  # followed by the id of the process that writes the file
_WRITER = re.compile(rf"{re.escape(_PARTIAL)}(\d+)")


def digest_of(parts: Sequence[str]) -> str:
    """Return one name for everything on which a result depends."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@contextmanager
def atomic_file(path: Path, *, sync: bool = False, keep_suffix: bool = False) -> Iterator[Path]:
    """Give a path to write to; its file replaces the one at ``path`` when the block ends.

    Where the block raises, the file at ``path`` stays as it was and the partial file is removed,
    along with files beside it whose names begin with its name (journals, overviews). So are the
    partial files for ``path`` of processes that have ended.

    Args:
        path: The file; its folder exists.
        sync: Whether the file also survives a power cut. Without it the file may then be empty,
            which its reader must bear.
        keep_suffix: Whether the partial file has the suffix of ``path``, for libraries that choose
            a format by it. Otherwise no pattern such as ``*.tif`` matches a partial file.

    Yields:
        The path of the partial file, in the same folder; nothing is there yet.

    Raises:
        OSError: The file cannot be moved into place.
    """
    partial = _partial(path, keep_suffix=keep_suffix)
    remove_partials(path.parent, path.stem if keep_suffix else path.name)
    try:
        with _moved_into_place(partial, path, sync=sync):
            yield partial
    finally:
        for left in path.parent.glob(f"{glob.escape(partial.name)}*"):
            with suppress(OSError):
                left.unlink()


def write_atomically(path: Path, *data: bytes, sync: bool = False) -> None:
    """Write a file in place of the one that is there, whole or not at all.

    Args:
        path: The file; its folder exists.
        data: Content of the file, written one after the other.
        sync: Whether the file also survives a power cut; see :func:`atomic_file`.

    Raises:
        OSError: The file cannot be written; nothing of it is left then.
    """
    partial = _partial(path)
    with _moved_into_place(partial, path, sync=sync), partial.open("wb") as file:
        file.writelines(data)


def remove_partials(folder: Path, name: str = "") -> None:
    """Remove the partial files that processes which have ended left in a folder.

    Those of this process count among them: call it before anything is written.

    Args:
        folder: The folder.
        name: Only partial files of this file; of all files if left out.
    """
    pattern = f"{glob.escape(name) or '*'}{_PARTIAL}*"
    for path in folder.glob(pattern):
        found = _WRITER.search(path.name, len(name))
        if found and (int(found[1]) == os.getpid() or not _is_alive(int(found[1]))):
            with suppress(OSError):
                path.unlink()


def sync_folder(folder: Path) -> None:
    """Make a folder's entries survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _partial(path: Path, *, keep_suffix: bool = False) -> Path:
    if keep_suffix:
        return path.with_name(f"{path.stem}{_PARTIAL}{os.getpid()}{path.suffix}")
    return path.with_name(f"{path.name}{_PARTIAL}{os.getpid()}")


@contextmanager
def _moved_into_place(partial: Path, path: Path, *, sync: bool) -> Iterator[None]:
    try:
        yield
        if sync:
            _sync_file(partial)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    if sync:
        sync_folder(path.parent)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
