"""Puts a finished package into its place, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cv_engine.evidence.errors import from_os_error
from cv_engine.evidence.staging import publish, set_aside, staged
from cv_engine.evidence.verify import verify


def publish_package(root: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """Writes a package whole or not at all.

    A package of that name that verifies is returned untouched, and ``fill`` is not called. A
    damaged one is set aside as ``<name>.damaged-N``. Of several processes that write the same
    package, one succeeds and the others return its package.

    Args:
        root: The folder of all packages; made if missing.
        name: The package's name.
        fill: Writes the package's files into an empty folder.

    Returns:
        ``root / name``.

    Raises:
        EvidenceError: The disk cannot be written or is full, or ``fill`` raises.
    """
    target = root / name
    try:
        if target.is_dir() and not verify(target):
            return target
        with staged(root, name) as folder:
            fill(folder)
            while not publish(folder, target):
                if not verify(target):
                    return target  # another process was quicker
                set_aside(target)
    except OSError as error:
        raise from_os_error(error, root) from error
    return target
