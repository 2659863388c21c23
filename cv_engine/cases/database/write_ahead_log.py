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
#: Length at which SQLite itself copies it, in the transaction that commits.
FULL_PAGES = 4 * CHECKPOINT_PAGES
# The log's file (https://sqlite.org/fileformat.html#the_write_ahead_log): a header with the size of
# a page and two random numbers, the salts, which change when the log begins again; then the pages,
# each after a header with the salts of its time.
_HEADER = struct.Struct(">8xI4x8s")
_HEADER_BYTES = 32
_PAGE_HEADER = struct.Struct(">8x8s")
_PAGE_HEADER_BYTES = 24


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

    Only the log's own file is read: to close the database's file or the log's index would give back
    the locks that SQLite has on them in this process.

    Args:
        database: The database's file.
    """

    def __init__(self, database: Path) -> None:
        self._log = Path(f"{database}-wal")
        self._salts = b""
        self._due_at = CHECKPOINT_PAGES

    def is_due(self) -> bool:
        """Whether the log has become long since it began, or since the last attempt."""
        try:
            with self._log.open("rb", buffering=0) as log:
                header = log.read(_HEADER_BYTES)
                if len(header) < _HEADER_BYTES:
                    return False
                page_bytes, salts = _HEADER.unpack_from(header)
                if salts != self._salts:  # it began again
                    self._salts, self._due_at = salts, CHECKPOINT_PAGES
                whole = _PAGE_HEADER_BYTES + page_bytes
                log.seek(_HEADER_BYTES + (self._due_at - 1) * whole)
                found = log.read(_PAGE_HEADER_BYTES)
        except OSError:  # no connection is open
            return False
        # Behind its end the log has pages from before it began again.
        return len(found) == _PAGE_HEADER_BYTES and _PAGE_HEADER.unpack_from(found)[0] == salts

    def copy(self, engine: Engine) -> bool:
        """Copy back what no reader needs from the log; others write meanwhile.

        The log begins again only if all of it is copied while no one writes: call this again then.

        Returns:
            Whether another process is not at it already.
        """
        raw = engine.raw_connection()
        try:
            driver: Any = raw.driver_connection
            busy, _, _ = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            raw.close()
        return not busy

    def tried(self) -> None:
        """Wait with the next attempt: a long read may need what is in the log."""
        self._due_at += CHECKPOINT_PAGES
