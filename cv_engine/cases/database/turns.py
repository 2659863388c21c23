"""Turns: the processes that write to one SQLite file do so one after the other.

SQLite lets a waiting writer sleep for up to 0.1 s between attempts, while the file is free: eight
writers then file less than one does alone. Here a writer tries a lock on a file beside the queue,
again and again after some transactions' time. It is not woken up when the one before has ended:
who has just written and writes again finds its pages in its cache, and eight writers that do so by
turns of some filings each file a third more. SQLite's own lock remains, for other programs.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE_S = 0.002  # between attempts: some filings long


@contextmanager
def turn(
    path: Path, wait_s: float, meanwhile: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Wait for this writer's turn, and hold it while the block runs.

    Without the right to create the file, or after the longest wait, the block runs all the same:
    SQLite's own lock decides then.

    Args:
        path: The file; it is created, and stays empty.
        wait_s: The longest wait, seconds.
        meanwhile: Called once if another writer has its turn, before the wait.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        yield
        return
    try:
        if not _is_ours(file):
            meanwhile()
            _wait(file, time.monotonic() + wait_s)
        yield
    finally:
        os.close(file)  # which gives the lock back


def _wait(file: int, until: float) -> None:
    while not _is_ours(file) and time.monotonic() < until:
        time.sleep(_PAUSE_S)


def _is_ours(file: int) -> bool:
    """Whether the lock is this writer's, or the file system has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
