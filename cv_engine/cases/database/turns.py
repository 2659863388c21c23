"""Turns: the processes that write to one SQLite file do so one after the other, without polling.

SQLite lets a waiting writer sleep for up to 0.1 s between attempts, while the file is free and
others that came later take it: eight writers then file less than one does alone. A lock on a file
beside the queue wakes the next writer when the one before has committed. SQLite's own lock remains,
for other programs.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread


@contextmanager
def turn(path: Path, wait_s: float) -> Iterator[None]:
    """Wait for this writer's turn, and hold it while the block runs.

    Without the right to create the file, or after the longest wait, the block runs all the same:
    SQLite's own lock decides then.

    Args:
        path: The file; it is created, and stays empty.
        wait_s: The longest wait, seconds.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        yield
        return
    waiting = _Waiting(file)
    try:
        waiting.wait(wait_s)
        yield
    finally:
        waiting.close()


class _Waiting:
    """An open file that is to be locked; closing it gives the lock back."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._thread: Thread | None = None

    def wait(self, longest_s: float) -> None:
        """Wait for the lock."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A thread, since the call itself has no time limit.
            self._thread = Thread(target=fcntl.flock, args=(self._file, fcntl.LOCK_EX), daemon=True)
            self._thread.start()
            self._thread.join(longest_s)
        except OSError:  # the file system has no such locks
            return

    def close(self) -> None:
        """Give the lock back; if it never came, as soon as it comes."""
        if self._thread is not None and self._thread.is_alive():
            Thread(target=self._close_later, args=(self._thread,), daemon=True).start()
            return
        os.close(self._file)

    def _close_later(self, thread: Thread) -> None:
        thread.join()
        os.close(self._file)
