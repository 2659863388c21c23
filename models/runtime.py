"""Run an ONNX file on this machine's CPU: OpenVINO and onnxruntime behind one interface."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from models.error import ModelError
from models.graph import Graph, inspect

if TYPE_CHECKING:
    import openvino

Backend = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
Floats = NDArray[np.float32]

_COMPILED_LIMIT = (
    6  # input shapes that are compiled each on its own: cameras have few aspect ratios
)


class Runtime(Protocol):
    """A model made ready to run.

    Attributes:
        graph: What the model takes and gives.
        backend: The library that runs it.
        precision: The numbers it computes in.
        threads: CPU threads it uses.
    """

    graph: Graph
    backend: Backend
    precision: Precision
    threads: int

    def run(self, batch: Floats) -> list[NDArray[Any]]:
        """Run the model.

        Args:
            batch: ``(n, 3, height, width)`` float32, C-contiguous, any n from 1.

        Returns:
            The outputs in the model's order, each with a batch axis of n.

        Raises:
            ModelError: The model fails on this input.
        """
        ...


class OnnxRuntime:
    """A model in onnxruntime."""

    def __init__(self, graph: Graph, precision: Precision, threads: int) -> None:
        import onnxruntime

        self.graph = graph
        self.backend: Backend = "onnxruntime"
        self.precision = precision
        self.threads = threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: they are raised as well
        try:
            self._session = onnxruntime.InferenceSession(
                str(graph.path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise _refused(graph.path, "onnxruntime", error) from error

    def run(self, batch: Floats) -> list[NDArray[Any]]:
        """See :meth:`Runtime.run`."""
        # One image at a time: on a CPU a batch is no faster, and memory stays that of one image.
        try:
            parts = [
                self._session.run(list(self.graph.outputs), _feeds(self.graph, batch[i : i + 1]))
                for i in range(len(batch))
            ]
        except Exception as error:
            raise _failed(self.graph.path, "onnxruntime", batch, error) from error
        return [np.concatenate(values) for values in zip(*parts, strict=True)]


class OpenVinoRuntime:
    """A model in OpenVINO, compiled anew for each input shape: faster than with free shapes."""

    def __init__(self, graph: Graph, precision: Precision, threads: int) -> None:
        import openvino

        self.graph = graph
        self.backend: Backend = "openvino"
        self.precision = precision
        self.threads = threads
        self._core = openvino.Core()
        self._requests: dict[tuple[int, int] | None, openvino.InferRequest] = {}
        try:
            self._model = self._core.read_model(str(graph.path))
        except Exception as error:  # OpenVINO raises RuntimeError and its own types
            raise _refused(graph.path, "OpenVINO", error) from error

    def run(self, batch: Floats) -> list[NDArray[Any]]:
        """See :meth:`Runtime.run`."""
        try:
            request = self._request(batch.shape[2], batch.shape[3])
            parts = [self._infer(request, batch[i : i + 1]) for i in range(len(batch))]
        except Exception as error:
            raise _failed(self.graph.path, "OpenVINO", batch, error) from error
        return [np.concatenate(values) for values in zip(*parts, strict=True)]

    def _infer(self, request: openvino.InferRequest, image: Floats) -> list[NDArray[Any]]:
        request.infer(_feeds(self.graph, image))
        return [request.get_tensor(name).data.copy() for name in self.graph.outputs]

    def _request(self, height: int, width: int) -> openvino.InferRequest:
        """What is compiled for a shape; for free shapes, a little slower, once there are too many."""
        shape: tuple[int, int] | None = (height, width)
        if shape not in self._requests and len(self._requests) >= _COMPILED_LIMIT:
            shape = None
        if shape not in self._requests:
            self._requests[shape] = self._compile(shape)
        return self._requests[shape]

    def _compile(self, shape: tuple[int, int] | None) -> openvino.InferRequest:
        model = self._model.clone()
        shapes: dict[str, list[int]] = {self.graph.image: [1, 3, *(shape or (-1, -1))]}
        if self.graph.target_sizes:
            shapes[self.graph.target_sizes] = [1, 2]
        model.reshape(shapes)
        settings = {
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": self._hint(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        return self._core.compile_model(model, "CPU", settings).create_infer_request()

    def _hint(self) -> str:
        """What the layers that are not 8-bit compute in."""
        reduced = self.precision == "bf16" or (self.precision == "int8" and has_bf16())
        return "bf16" if reduced else "f32"


def has_openvino() -> bool:
    """Whether OpenVINO is installed and sees this CPU."""
    try:
        import openvino

        return "CPU" in openvino.Core().available_devices
    except (ImportError, RuntimeError):
        return False


def has_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this CPU."""
    if not has_openvino():
        return False
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def load(graph: Graph, backend: Backend, precision: Precision, threads: int) -> Runtime:
    """Load a model into a given backend.

    Raises:
        ModelError: The backend or the precision is not to be had here, or the model is refused.
    """
    if threads < 1:
        raise ModelError(f"threads is {threads}; it must be 1 or more")
    if (precision == "int8") != graph.quantised:
        kind = "a quantised (int8)" if graph.quantised else "not a quantised"
        raise ModelError(f"{graph.path}: is {kind} model; precision '{precision}' does not fit it")
    if backend == "onnxruntime":
        if precision == "bf16":
            raise ModelError("onnxruntime has no bf16 on CPUs: use OpenVINO, or precision 'fp32'")
        return OnnxRuntime(graph, precision, threads)
    if not has_openvino():
        raise ModelError("OpenVINO is not installed: use backend 'onnxruntime' or install openvino")
    if precision == "bf16" and not has_bf16():
        raise ModelError("this CPU has no bf16: use precision 'fp32' or 'auto'")
    return OpenVinoRuntime(graph, precision, threads)


def open_runtime(
    path: Path,
    *,
    backend: Backend | Literal["auto"] = "auto",
    precision: Precision | Literal["auto"] = "auto",
    threads: int = 1,
    cache: Path | None = None,
) -> Runtime:
    """Make a model ready to run.

    Args:
        path: An ONNX file.
        backend: The library; ``"auto"`` takes what a short trial finds fastest on this machine.
        precision: Numbers to compute in; ``"auto"`` lets the same trial choose between fp32 and bf16.
            ``"int8"`` wants a quantised file.
        threads: CPU threads.
        cache: Folder where the trial's outcome is remembered, if not the user's own cache.

    Returns:
        The runtime.

    Raises:
        ModelError: The file is damaged, or what was asked for is not to be had here.
    """
    from models.trial import choose

    graph = inspect(Path(path))
    chosen = choose(graph, backend, precision, threads, cache)
    return load(graph, chosen.backend, chosen.precision, threads)


def _feeds(graph: Graph, image: Floats) -> dict[str, NDArray[Any]]:
    feeds: dict[str, NDArray[Any]] = {graph.image: image}
    if graph.target_sizes:
        # The input's own size: boxes then come in pixels of the input, as from the other families.
        feeds[graph.target_sizes] = np.array([[image.shape[3], image.shape[2]]], np.int64)
    return feeds


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _refused(path: Path, library: str, error: Exception) -> ModelError:
    return ModelError(f"{path}: {library} cannot load it: {_reason(error)}")


def _failed(path: Path, library: str, batch: Floats, error: Exception) -> ModelError:
    shape = "x".join(map(str, batch.shape))
    return ModelError(f"{path}: {library} cannot run it on input {shape}: {_reason(error)}")
