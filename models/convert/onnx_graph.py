"""Construction of an ONNX graph, node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.errors import ModelError

_OPSET = 17
_IR_VERSION = 8  # the version of opset 17; older runtimes refuse newer ones

Floats = NDArray[np.float32]
Dims = Sequence[int | str]


class OnnxGraph:
    """Nodes and weights of a graph under construction."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}

    def node(
        self, kind: str, inputs: Sequence[str], output: str, *, name: str = "", **attributes: Any
    ) -> str:
        """Append a node of one output and return that output's name."""
        self._nodes.append(
            helper.make_node(kind, list(inputs), [output], name=name or output, **attributes)
        )
        return output

    def split(self, source: str, sizes: Sequence[int], axis: int, prefix: str) -> list[str]:
        """Split a tensor into parts of the given sizes."""
        outputs = [f"{prefix}.{i}" for i in range(len(sizes))]
        inputs = [source, self.ints(f"{prefix}.sizes", sizes)]
        self._nodes.append(helper.make_node("Split", inputs, outputs, name=prefix, axis=axis))
        return outputs

    def weight(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant tensor and return its name."""
        self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def ints(self, name: str, values: Sequence[int] | int) -> str:
        """Add a constant of whole numbers and return its name."""
        return self.weight(name, np.asarray(values, np.int64))

    def model(
        self,
        name: str,
        inputs: Mapping[str, Dims],
        outputs: Mapping[str, Dims],
        metadata: Mapping[str, str],
    ) -> onnx.ModelProto:
        """Finish and check the model.

        Args:
            name: Name of the graph.
            inputs: Dimensions of each input, numbers or the names of free dimensions.
            outputs: Dimensions of each output, in the same form.
            metadata: Metadata of the file.

        Returns:
            The model; inputs and outputs are float32.

        Raises:
            ModelError: The shapes of the weights do not match.
        """
        graph = helper.make_graph(
            self._nodes, name, _values(inputs), _values(outputs), list(self._weights.values())
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="cv-engine",
        )
        helper.set_model_props(model, dict(metadata))
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"the weights do not fit together: {reason}") from None
        return model


def _values(tensors: Mapping[str, Dims]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims))
        for name, dims in tensors.items()
    ]
