from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import queue as queue_benchmark
from benchmarks.queue import run
from cv_engine.cases import Filter, State, open_queue


def test_every_case_is_filed_and_each_list_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_benchmark, "_ASKED", 6)
    with open_queue(tmp_path / "queue.db") as queue:
        result = run(queue, 60)
        # Cases filed between the queries are in the queue as well.
        assert queue.count() > 60
        assert 0 < queue.count(Filter(state=State.CONFIRMED)) < queue.count()
    assert (result["cases"], result["filed_per_s"] > 0) == (60, True)
    times = {name: value for name, value in result.items() if name.startswith("p95_ms.")}
    assert set(times) == {f"p95_ms.{n}" for n in ("newest", "camera_day", "box", "case", "count")}
    assert all(value > 0 for value in times.values())
