"""A process that kills itself: `python -m tests.registry.killed_process FOLDER KIND|rotate AT`.

The process imports `FOLDER/f.csv`, or changes the key, and is killed at its report AT of progress.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from cv_engine.registry import Kind
from cv_engine.registry.tables.importing import import_file
from cv_engine.registry.tables.rotation import rotate_key
from tests.registry.made import NOW, key_file


def main(folder: Path, what: str, at: int) -> None:
    """Do the work until the report."""
    reports = 0

    def progress(*_: object) -> None:
        nonlocal reports
        reports += 1
        if reports == at:
            os.kill(os.getpid(), signal.SIGKILL)

    tables, keys = folder / "registry", key_file(folder)
    if what == "rotate":
        rotate_key(tables, keys, progress)
    else:
        import_file(tables, Kind(what), folder / "f.csv", keys, NOW, progress)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
