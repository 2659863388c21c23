from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models import ModelError
from models.runtime.graph import inspect
from models.runtime.runtime import Backend, Runtime, has_openvino
from models.tuning.autotune import Choice, candidates, choose, cpu_name, time_runs
from models.tuning.bench import bench


def test_the_choice_is_cached(tmp_path: Path, yolox_nano: Path) -> None:
    graph = inspect(yolox_nano)
    chosen = choose(graph, "auto", "auto", 1, tmp_path)
    assert chosen in candidates(graph)
    if len(candidates(graph)) == 1:
        pytest.skip("only one backend and precision here: there is no trial")
    (note,) = tmp_path.glob("trial-*.json")
    content = json.loads(note.read_text())
    assert len(content["ms"]) == len(candidates(graph))
    other = next(c for c in candidates(graph) if c != chosen)
    content["chosen"] = {"backend": other.backend, "precision": other.precision}
    note.write_text(json.dumps(content))
    assert choose(graph, "auto", "auto", 1, tmp_path) == other


def test_a_damaged_note_means_a_new_trial(
    tmp_path: Path, yolox_nano: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = inspect(yolox_nano)
    if len(candidates(graph)) == 1:
        pytest.skip("only one backend and precision here: there is no trial")
    trials: list[int] = []

    def given(runtimes: Sequence[Runtime]) -> list[float]:
        trials.append(len(runtimes))
        return [float(1 + number) for number in range(len(runtimes))]

    monkeypatch.setattr("models.tuning.autotune.time_runs", given)
    chosen = choose(graph, "auto", "fp32", 1, tmp_path)
    (note,) = tmp_path.glob("trial-*.json")
    for text in ("", "{", "{}", '{"chosen": {"backend": "abacus", "precision": 1}}'):
        note.write_text(text)
        trials.clear()
        assert choose(graph, "auto", "fp32", 1, tmp_path) == chosen
        assert trials


def test_other_load_does_not_decide(yolox_nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, runs = 0.0, 0

    class Timed(Runtime):
        """Takes so many milliseconds, ten times as many while the machine is busy."""

        def __init__(self, ms: float) -> None:
            super().__init__(inspect(yolox_nano), "fp32", 1)
            self.ms = ms

        def _infer(self, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
            nonlocal now_s, runs
            runs += 1
            now_s += self.ms / 1e3 * (10 if runs <= 6 else 1)
            return [np.zeros((1, 1), np.float32)]

    monkeypatch.setattr("models.tuning.autotune.time.perf_counter", lambda: now_s)
    assert time_runs([Timed(60), Timed(80)]) == pytest.approx([60, 80])


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_given_choice_needs_no_trial(tmp_path: Path, yolox_nano: Path, backend: Backend) -> None:
    assert choose(inspect(yolox_nano), backend, "fp32", 1, tmp_path) == Choice(backend, "fp32")
    assert not list(tmp_path.iterdir())


def test_an_impossible_choice_is_refused(tmp_path: Path, yolox_nano: Path) -> None:
    with pytest.raises(ModelError, match="nothing here runs this model"):
        choose(inspect(yolox_nano), "auto", "int8", 1, tmp_path)


def test_bench_times_every_candidate(tmp_path: Path, yolox_nano: Path) -> None:
    rows = bench(yolox_nano, cache=tmp_path)
    assert len(rows) == len(candidates(inspect(yolox_nano))) >= 1 + 1 * has_openvino()
    assert [row.ms_per_image for row in rows] == sorted(row.ms_per_image for row in rows)
    assert all((row.width, row.height) == (416, 416) for row in rows)


def test_the_cpu_has_a_name() -> None:
    assert cpu_name().strip()
