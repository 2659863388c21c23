"""Tiles are judged by several processes or machines, and none is judged twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cluster.connection import connected
from satellite.compare import comparison as module
from satellite.compare.comparison import compare
from satellite.compare.comparison_request import ComparisonRequest, Source
from satellite.compare.tile_executor import (
    TileWork,
    cluster_executor,
    process_executor,
    serial_executor,
)
from satellite.errors import SatelliteError
from tests.satellite.levir import Tiles, image

_ROOT = Path(__file__).resolve().parents[3]
_NAME = "test_121_0768_0256"
_SIDE = 64
_KILLED = """
import os
import signal
import sys
from pathlib import Path
from satellite.compare import comparison
from satellite.compare.tile_executor import process_executor
from satellite.compare.comparison_request import ComparisonRequest, Source
comparison.TILE_PX = 64
before, after, weights, out = sys.argv[1:]
def killed(work, names):
    for number, name in enumerate(process_executor(2)(work, names), 1):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield name
if __name__ == "__main__":
    request = ComparisonRequest(
        Source(before), Source(after), model=weights, detector="network", align=False
    )
    comparison.compare(request, Path(out), executor=killed)
"""
_STORE_BYTES = 80 * 2**20  # the least that Ray accepts


@pytest.fixture
def comparison_request(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ComparisonRequest:
    """A site, to be judged in 16 tiles."""
    monkeypatch.setattr(module, "TILE_PX", _SIDE)
    tiles = Tiles(shared_data)
    dates = {"20260101": tiles.before(_NAME), "20260301": tiles.after(_NAME)}
    first, second = (Source(str(image(tmp_path, day, dates[day]))) for day in dates)
    return ComparisonRequest(first, second, model=tiles.weights, detector="network", align=False)


class Counting:
    """A serial executor that notes the tiles it judges."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def __call__(self, work: TileWork, names: Sequence[str]) -> Iterator[str]:
        self.given += names
        return serial_executor(work, names)


def _killed(comparison_request: ComparisonRequest, out: Path) -> None:
    """Runs a comparison with two processes that is killed with SIGKILL after three tiles."""
    arguments = [
        comparison_request.before.path,
        comparison_request.after.path,
        comparison_request.model,
        str(out),
    ]
    script = out.parent / "compare.py"
    script.write_text(_KILLED)
    with subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
    ) as process:
        process.communicate()  # to the end of the output, which the processes of the pool share
    assert process.returncode == -signal.SIGKILL


def test_killed_in_the_middle_no_tile_is_judged_twice(
    comparison_request: ComparisonRequest, tmp_path: Path
) -> None:
    out, counting = tmp_path / "out", Counting()
    _killed(comparison_request, out)
    done = {path.stem for path in out.glob("tiles/*.tif")}
    assert 3 <= len(done) < 16
    whole = compare(comparison_request, out, executor=counting)
    assert not done & set(counting.given)
    assert len(done) + len(counting.given) == 16
    assert whole.sites == compare(comparison_request, tmp_path / "at once").sites
    assert whole.sites


def test_a_process_ended_from_outside_is_reported(
    comparison_request: ComparisonRequest, tmp_path: Path
) -> None:
    def progress(stage: str, share: float) -> None:
        if stage == "tiles":
            for child in multiprocessing.active_children():
                child.kill()

    with pytest.raises(SatelliteError, match=r"ended from outside.*fewer processes"):
        compare(
            comparison_request, tmp_path / "out", executor=process_executor(2), progress=progress
        )


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two machines in a real Ray cluster."""
    pytest.importorskip("ray", reason="ray is not installed")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    machine = {"num_cpus": 1, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    made: Any = Cluster(initialize_head=True, head_node_args=machine)
    made.add_node(num_cpus=1, object_store_memory=_STORE_BYTES)
    try:
        yield made
    finally:
        made.shutdown()


@pytest.mark.slow
@pytest.mark.real_time
def test_a_cluster_finds_the_same(
    comparison_request: ComparisonRequest, tmp_path: Path, machines: Any
) -> None:
    shares: list[float] = []
    with connected(machines.address, verbose=False):
        found = compare(
            comparison_request,
            tmp_path / "cluster",
            executor=cluster_executor(),
            progress=lambda stage, share: shares.append(share) if stage == "tiles" else None,
        )
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert found.sites == compare(comparison_request, tmp_path / "alone").sites
    assert found.sites
