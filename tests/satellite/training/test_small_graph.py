from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from satellite.errors import SatelliteError
from satellite.training.small_graph import build

WIDTHS = (4, 5, 6, 7)


def random_state(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Parameters of a small network, without torch."""
    rng = np.random.default_rng(seed)
    state: dict[str, NDArray[np.float32]] = {}

    def convolution(name: str, inputs: int, outputs: int) -> None:
        state[f"{name}.0.weight"] = rng.normal(0, 0.2, (outputs, inputs, 3, 3)).astype(np.float32)
        for part in ("weight", "running_var"):
            state[f"{name}.1.{part}"] = rng.uniform(0.5, 1.5, outputs).astype(np.float32)
        for part in ("bias", "running_mean"):
            state[f"{name}.1.{part}"] = rng.normal(0, 0.1, outputs).astype(np.float32)

    for number, (inputs, outputs) in enumerate(zip((3, *WIDTHS), WIDTHS, strict=False)):
        convolution(f"encoder.{number}.0", inputs, outputs)
        convolution(f"encoder.{number}.1", outputs, outputs)
    for number, level in enumerate((2, 1, 0)):
        convolution(f"decoder.{number}", WIDTHS[level + 1] + WIDTHS[level], WIDTHS[level])
    state["head.weight"] = rng.normal(0, 1, (1, WIDTHS[0], 1, 1)).astype(np.float32)
    state["head.bias"] = np.zeros(1, np.float32)
    return state


def _run(before: NDArray[np.float32], after: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(build(random_state()).SerializeToString())
    assert [output.name for output in session.get_outputs()] == ["appeared", "gone"]
    found: list[NDArray[np.float32]] = session.run(None, {"before": before, "after": after})
    return found


def test_exchanged_dates_exchange_appeared_and_gone() -> None:
    before, after = np.random.default_rng(0).random((2, 2, 3, 32, 48), np.float32)
    appeared, gone = _run(before, after)
    assert appeared.shape == gone.shape == (2, 1, 32, 48)
    assert 0 < appeared.min() < appeared.max() < 1
    again = _run(after, before)
    assert np.allclose(again[0], gone, atol=1e-6)
    assert np.allclose(again[1], appeared, atol=1e-6)
    assert not np.allclose(appeared, gone, atol=0.01)


def test_the_output_for_equal_dates_is_constant() -> None:
    one, other = np.random.default_rng(0).random((2, 1, 3, 32, 32), np.float32)
    assert np.allclose(_run(one, one)[0], _run(other, other)[0], atol=1e-6)


def test_metadata_is_in_the_file(tmp_path: Path) -> None:
    model = build(random_state(), {"resolution_m": "2"})
    found = {prop.key: prop.value for prop in model.metadata_props}
    assert found["resolution_m"] == "2"
    assert found["task"] == "change"


def test_other_weights_are_refused() -> None:
    state = random_state()
    del state["decoder.1.0.weight"]
    with pytest.raises(SatelliteError, match=r"'decoder\.1\.0\.weight' is missing"):
        build(state)
