from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from satellite.malloc_trim import release


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc gives memory back when asked to")
def test_what_is_free_between_what_stays_is_given_back() -> None:
    pieces = [np.ones(96 << 10, np.uint8) for _ in range(3000)]
    kept = pieces[::10]
    held = resident_mib()
    del pieces
    release()
    assert resident_mib() < held - 150
    assert all(piece.all() for piece in kept)
