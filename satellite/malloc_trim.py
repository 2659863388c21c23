"""Returns free memory to the system.

The C library keeps the memory of freed large arrays, in pieces between small objects that stay, and
asks for more where no piece is long enough: over the windows of a large scene a process grows to
twice the memory that it ever uses at a time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def release() -> None:
    """Returns free memory to the system, in a millisecond or two; does nothing without glibc."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim  # glibc's
    except (AttributeError, OSError, TypeError):
        return None
