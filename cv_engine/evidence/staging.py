"""Folders that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cv_engine.files import sync_folder

STAGING = ".partial"  # beside the packages, so that a rename moves a package into place


@contextmanager
def staged(root: Path, name: str) -> Iterator[Path]:
    """Yields an empty folder to fill, on the same disk as ``root`` and hidden from readers.

    Folders of runs that have died are removed first. A living run holds a lock on its folder,
    which the kernel releases when the process ends in any way. Process numbers do not serve: they
    are reused, and in a container each start has the same.

    The folder is removed at the end, unless `publish` moved it into place.

    Raises:
        OSError: ``root`` cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    folder, lock = _locked_folder(root / STAGING, name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        with suppress(OSError):  # another run still uses the folder
            (root / STAGING).rmdir()


def write_file(path: Path, data: bytes) -> None:
    """Writes a new file and waits until the disk holds it."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def publish(folder: Path, target: Path) -> bool:
    """Moves a finished folder into place in one step.

    Returns:
        Whether the folder was moved; ``False`` if something is already at ``target``.
    """
    for inside, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(inside))
    if target.exists() or target.is_symlink():
        return False
    try:
        folder.rename(target)
    except (FileExistsError, NotADirectoryError):
        return False
    except OSError:
        if target.exists():  # another process has just put a folder there
            return False
        raise
    sync_folder(target.parent)
    return True


def set_aside(target: Path) -> Path:
    """Renames ``target`` to ``<name>.damaged-N``: evidence is never destroyed."""
    number = 1
    while True:
        aside = target.with_name(f"{target.name}.damaged-{number}")
        if not (aside.exists() or aside.is_symlink()):
            target.rename(aside)
            return aside
        number += 1


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Locks a package, so that only one process at a time sends and removes it.

    The lock is released when the process ends in any way.

    Yields:
        Whether this process has the lock and the package is still in its place.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    try:
        yield _lock(handle) and _is_at(handle, folder)
    finally:
        os.close(handle)


def _is_at(handle: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), folder.lstat())
    except FileNotFoundError:
        return False


def _locked_folder(staging: Path, name: str) -> tuple[Path, int]:
    """Makes and locks a folder; retries if another run's clean-up removes it first."""
    while True:
        folder = staging / f"{name}.{uuid.uuid4().hex[:8]}"
        try:
            # Not Path.mkdir(exist_ok=True), which fails where the folder is removed meanwhile.
            with suppress(FileExistsError):
                staging.mkdir()
            folder.mkdir()
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        if _lock(lock) and folder.is_dir():
            return folder, lock
        os.close(lock)


def sweep(root: Path) -> None:
    """Removes the unfinished folders of runs that have died."""
    staging = root / STAGING
    try:
        found = list(staging.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for folder in found:
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if _lock(lock):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
    with suppress(OSError):  # another run uses the folder
        staging.rmdir()


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
