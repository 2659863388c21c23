"""Gives memory that is free back to the system.

The C library keeps what large arrays are freed into pieces between the small objects that stay, and asks for more
where no piece is long enough: over the windows of a large scene a process grows to twice of what it ever holds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def release() -> None:
    """Gives back what is free; takes a millisecond or two. Does nothing where the C library cannot."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim  # glibc's
    except (AttributeError, OSError, TypeError):
        return None
