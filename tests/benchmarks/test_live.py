from __future__ import annotations

import os
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.cameras.fleet import available
from benchmarks.live import elsewhere, footage
from tests.video.recordings import number_of, record, times


def test_a_clip_is_shown_forward_and_backward(tmp_path: Path) -> None:
    """The cache folder is made where it does not exist."""
    clip = record(tmp_path / "clip.mp4", times(50, 25))
    (shown,) = footage([clip], tmp_path / "new" / "cache")
    with av.open(str(shown.path), format="h264") as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    numbers = [number_of(np.asarray(picture, np.uint8)) for picture in pictures]
    assert numbers == [*range(50), *reversed(range(50))]


def test_the_server_runs_on_the_other_cores_and_ends(tmp_path: Path) -> None:
    missing = available()
    if missing is not None:
        pytest.skip(missing)
    cores, threads = os.sched_getaffinity(0), threading.active_count()
    with elsewhere(tmp_path):
        assert threading.active_count() > threads, "a thread reads the server's output"
        assert os.sched_getaffinity(0) == cores
    assert threading.active_count() == threads
