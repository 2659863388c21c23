"""The ONNX graph of the project's own small network, built from its parameters without torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from models.convert.onnx_graph import Floats, OnnxGraph
from satellite.errors import SatelliteError
from satellite.training.batches import DEVIATION, MEAN

TILE_PX = 256  # side of the tiles on which the network is run
_EPSILON = 1e-5  # torch's value in batch normalisation
_STAGES = 4  # number of sizes at which the two dates are compared, each half of the previous

State = Mapping[str, NDArray[np.generic]]


def build(state: State, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """Builds an ONNX model from the parameters of :class:`satellite.training.small.Small`.

    Args:
        state: Parameters by torch's names.
        metadata: Metadata of the ONNX file.

    Returns:
        The model, with inputs and outputs as from :func:`models.convert.tinycd.build`; batch
        normalisation is folded into the convolutions.

    Raises:
        SatelliteError: A parameter is missing.
    """
    graph = OnnxGraph()
    try:
        before, after = (_encoded(graph, state, date) for date in ("before", "after"))
        _decoded(graph, state, before, after, "appeared")
        _decoded(graph, state, after, before, "gone")
    except KeyError as error:
        raise SatelliteError(f"not parameters of the small network: {error} is missing") from None
    picture = ("batch", 3, "height", "width")
    layer = ("batch", 1, "height", "width")
    defaults = {"task": "change", "family": "small", "imgsz": f"[{TILE_PX}, {TILE_PX}]"}
    return graph.model(
        "small",
        {"before": picture, "after": picture},
        {"appeared": layer, "gone": layer},
        defaults | dict(metadata or {}),
    )


def _encoded(graph: OnnxGraph, state: State, date: str) -> list[str]:
    """A date's features at full size and at each halving."""
    shape = (1, 3, 1, 1)
    mean = graph.weight("image.mean", MEAN.reshape(shape))
    gain = graph.weight("image.gain", 1 / DEVIATION.reshape(shape))
    centred = graph.node("Sub", [date, mean], f"{date}.centred")
    features, x = [], graph.node("Mul", [centred, gain], f"{date}.normal")
    for number in range(_STAGES):
        stride = 1 if number == 0 else 2
        x = _convolution(graph, state, f"encoder.{number}.0", x, date, stride)
        x = _convolution(graph, state, f"encoder.{number}.1", x, date)
        features.append(x)
    return features


def _decoded(
    graph: OnnxGraph, state: State, earlier: list[str], later: list[str], output: str
) -> None:
    differences = [
        graph.node("Sub", [b, a], f"{output}.difference.{number}")
        for number, (a, b) in enumerate(zip(earlier, later, strict=True))
    ]
    scales = graph.weight("twice", np.array([1, 1, 2, 2], np.float32))
    x = differences.pop()
    for number in range(_STAGES - 1):
        name = f"{output}.decoder.{number}"
        wide = graph.node(
            "Resize",
            [x, "", scales],
            f"{name}.wide",
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        joined = graph.node("Concat", [wide, differences.pop()], f"{name}.joined", axis=1)
        x = _convolution(graph, state, f"decoder.{number}", joined, output)
    weight, bias = (
        graph.weight(f"head.{part}", np.asarray(state[f"head.{part}"], np.float32))
        for part in ("weight", "bias")
    )
    logits = graph.node("Conv", [x, weight, bias], f"{output}.logits")
    graph.node("Sigmoid", [logits], output)


def _convolution(
    graph: OnnxGraph, state: State, name: str, source: str, prefix: str, stride: int = 1
) -> str:
    """3x3 convolution with folded batch normalisation, and ReLU; both dates share the weights."""
    weight, bias = _folded(state, name)
    plain = graph.node(
        "Conv",
        [source, graph.weight(f"{name}.weight", weight), graph.weight(f"{name}.bias", bias)],
        f"{prefix}.{name}.plain",
        pads=[1, 1, 1, 1],
        strides=[stride, stride],
    )
    return graph.node("Relu", [plain], f"{prefix}.{name}")


def _folded(state: State, name: str) -> tuple[Floats, Floats]:
    norm = {
        part: np.asarray(state[f"{name}.1.{part}"], np.float32)
        for part in ("weight", "bias", "running_mean", "running_var")
    }
    gain = norm["weight"] / np.sqrt(norm["running_var"] + np.float32(_EPSILON))
    weight = np.asarray(state[f"{name}.0.weight"], np.float32) * gain[:, None, None, None]
    return weight, norm["bias"] - norm["running_mean"] * gain
