"""SQLite's write-ahead log: made durable, and copied back into the database, beside the writers.

SQLite does both in the transaction that happens to commit, while all other writers wait: some
milliseconds for the disk at every commit, and half a second whenever the log is full. Here both are
done after the writer's turn, while others write.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Engine

#: Length of the log, in pages, at which it is copied back: 64 MB, some hundreds of filings. Longer
#: saves writing, since a page that changed often is copied once, and makes reading slower.
CHECKPOINT_PAGES = 16_384
#: Length at which SQLite copies it in a commit: of other programs, or where the index is not read.
FULL_PAGES = 4 * CHECKPOINT_PAGES
#: In the log's index (https://sqlite.org/walformat.html, 2.1): the number of valid pages.
_PAGES = struct.Struct("=I")
_PAGES_AT = 16


def sync(database: Path) -> None:
    """Wait until the log is on the disk; any descriptor of the file does for all.

    Args:
        database: The database's file.

    Raises:
        OSError: The disk fails.
    """
    try:
        file = os.open(f"{database}-wal", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # the last connection has closed, and has synced the database itself
        return
    try:
        os.fdatasync(file)
    finally:
        os.close(file)


class Checkpoints:
    """Copies the log back into the database whenever it has become long.

    Args:
        database: The database's file.
    """

    def __init__(self, database: Path) -> None:
        self._index = Path(f"{database}-shm")
        self._tried = 0  # length at the last attempt, which a long read may have stopped

    def is_due(self) -> bool:
        """Whether the log has become long since it began, or since the last attempt."""
        pages = self._pages()
        if pages < self._tried:  # it began again
            self._tried = 0
        return pages - self._tried >= CHECKPOINT_PAGES

    def copy(self, engine: Engine) -> bool:
        """Copy back what no reader needs from the log; others write meanwhile.

        The log begins again only if all of it is copied while no one writes: call this again then.

        Returns:
            Whether another process is not at it already.
        """
        self._tried = self._pages()
        raw = engine.raw_connection()
        try:
            driver: Any = raw.driver_connection
            busy, _, _ = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            raw.close()
        return not busy

    def _pages(self) -> int:
        try:
            with self._index.open("rb", buffering=0) as index:
                index.seek(_PAGES_AT)
                found = index.read(_PAGES.size)
        except OSError:  # no connection is open, or the file system hides the index
            return 0
        return int(_PAGES.unpack(found)[0]) if len(found) == _PAGES.size else 0
