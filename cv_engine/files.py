"""Files written whole or not at all, and names made of digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_PARTIAL = ".partial-"  # followed by the id of the process that writes the file


def digest_of(parts: Sequence[str]) -> str:
    """One name for everything on which the result depends."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def write_atomically(path: Path, *data: bytes) -> None:
    """Writes a file in place of the one that is there, whole or not at all.

    Not waited for: after a loss of power it may be empty, and its reader must bear that.

    Raises:
        OSError: It cannot be written; nothing of it is left then.
    """
    partial = path.with_name(f"{path.name}{_PARTIAL}{os.getpid()}")
    try:
        with partial.open("wb") as file:
            for piece in data:
                file.write(piece)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def remove_partials(folder: Path) -> None:
    """Removes what processes that are gone had begun to write."""
    for path in folder.glob(f"*{_PARTIAL}*"):
        number = path.name.rpartition("-")[2]
        if number.isdigit() and (int(number) == os.getpid() or not _is_alive(int(number))):
            with suppress(OSError):
                path.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
