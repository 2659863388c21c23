from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from models.runtime.silu import approximate_silu

if TYPE_CHECKING:
    import openvino
else:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")


def silu_of(shape: list[int]) -> openvino.Model:
    """A graph of one SiLU."""
    ops = openvino.opset13
    x = ops.parameter(shape, np.float32, name="x")
    return openvino.Model([ops.result(ops.multiply(x, ops.sigmoid(x)))], [x], "silu")


def said(model: openvino.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled([x])[0], np.float32)


def exact(x: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = x.astype(np.float64)
    return np.asarray(wide / (1 + np.exp(-wide)), np.float64)


def test_the_error_is_below_the_rounding_of_bf16() -> None:
    x = np.concatenate([np.linspace(-12, 12, 64 * 512 - 6), [-700, -88, -20, 20, 88, 700]])
    x = x.astype(np.float32).reshape(1, 1, 64, 512)
    model = silu_of([1, 1, 64, 512])
    assert approximate_silu(model) == 1
    off = np.abs(said(model, x) - exact(x))
    assert off.max() < 0.0012
    near = np.abs(x) < 1
    # Of two neighbours in bfloat16 the greater is 0.4 to 0.8 % more than the other.
    assert (off[near] <= 0.004 * np.abs(exact(x[near])) + 1e-6).all()


def test_other_operations_are_unchanged() -> None:
    ops = openvino.opset13
    x = ops.parameter([1, 2, 8, 8], np.float32, name="x")
    y = ops.parameter([1, 2, 8, 8], np.float32, name="y")
    gated = openvino.Model([ops.result(ops.multiply(y, ops.sigmoid(x)))], [x, y], "gated")
    for model in (gated, silu_of([1, 2, 1, 1]), silu_of([1, 2, -1, -1]), silu_of([4, 4])):
        before = [node.get_type_name() for node in model.get_ordered_ops()]
        assert approximate_silu(model) == 0
        assert [node.get_type_name() for node in model.get_ordered_ops()] == before


def test_either_order_of_the_product_is_replaced_for_all_consumers() -> None:
    ops = openvino.opset13
    x = ops.parameter([1, 2, 8, 8], np.float32, name="x")
    product = ops.multiply(ops.sigmoid(x), x)
    model = openvino.Model([ops.result(product), ops.result(ops.abs(product))], [x], "two")
    assert approximate_silu(model) == 1
    image = np.linspace(-5, 5, 128, dtype=np.float32).reshape(1, 2, 8, 8)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    plain, absolute = (np.asarray(value) for value in compiled([image]).values())
    np.testing.assert_allclose(plain, exact(image), atol=0.0012)
    np.testing.assert_allclose(absolute, np.abs(plain), atol=1e-6)
