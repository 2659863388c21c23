"""Run an ONNX file on this machine's CPU: OpenVINO and onnxruntime behind one interface."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.runtime.graph import Graph
from models.runtime.silu import approximate

if TYPE_CHECKING:
    import openvino

Backend = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
Floats = NDArray[np.float32]

# Input sizes that are compiled each on its own: cameras have few aspect ratios, tiles of scenes nine shapes. For
# TinyCD each takes a second and some 50 MB; in free shapes it takes half as long again.
_COMPILED_LIMIT = 9
# Runs in free shapes before that: a small scene is done by then, and all larger ones take the same memory.
_FREE_RUNS = {"detect": 0, "change": 64}
# On a CPU a batch saves little: for YOLOv8n on one thread a pair takes up to 4 % less in bf16 and int8
# and no less in fp32; four and more save no more and take 100 MB. More threads want more to share out.
_IMAGES_PER_THREAD = 2
_BATCH_LIMIT = 16  # beyond it only memory grows


class Runtime(ABC):
    """A model made ready to run; not to be shared between threads.

    Attributes:
        graph: What the model takes and gives.
        backend: The library that runs it.
        precision: The numbers it computes in.
        threads: CPU threads it uses.
        batches: Numbers of images to run at once, powers of two, largest first; 1 only where the model
            takes no more.
    """

    backend: Backend
    _library: str  # as its makers write its name

    def __init__(self, graph: Graph, precision: Precision, threads: int) -> None:
        self.graph = graph
        self.precision = precision
        self.threads = threads
        limit = 1 if graph.fixed_batch else min(_BATCH_LIMIT, _IMAGES_PER_THREAD * threads)
        self.batches = tuple(2**power for power in reversed(range(limit.bit_length())))

    def run(self, *images: Floats) -> list[NDArray[Any]]:
        """Run the model.

        Args:
            images: For each image input of the graph, in its order, ``(n, 3, height, width)`` float32,
                C-contiguous, n from 1, best one of ``batches``; all of one shape.

        Returns:
            The outputs in the model's order, each with a batch axis of n.

        Raises:
            ModelError: The model fails on this input.
        """
        count = len(images[0])
        if count == 1 or self.batches == (1,):
            parts = [self._outputs([x[i : i + 1] for x in images]) for i in range(count)]
            return [np.concatenate(values) for values in zip(*parts, strict=True)]
        with contextlib.suppress(ModelError):
            outputs = self._outputs(images)
            if all(output.shape[:1] == images[0].shape[:1] for output in outputs):
                return outputs
        self.batches = (1,)  # some exports leave the batch free in name and fix it within
        return self.run(*images)

    def _outputs(self, images: Sequence[Floats]) -> list[NDArray[Any]]:
        if len(images) != len(self.graph.images):
            wanted = " and ".join(self.graph.images)
            raise ModelError(f"{self.graph.path}: takes {wanted}, not {len(images)} images")
        feeds: dict[str, NDArray[Any]] = dict(zip(self.graph.images, images, strict=True))
        count, _, height, width = images[0].shape
        if self.graph.target_sizes:
            # The input's own size: boxes then come in pixels of the input, as from other families.
            feeds[self.graph.target_sizes] = np.array([[width, height]] * count, np.int64)
        try:
            return self._infer(feeds)
        except Exception as error:  # the libraries raise a dozen unrelated types
            shape = "x".join(map(str, images[0].shape))
            raise self._error(f"run it on input {shape}", error) from error

    @abstractmethod
    def _infer(self, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the library on inputs by name; raises whatever it raises."""

    def _error(self, what: str, error: Exception) -> ModelError:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else type(error).__name__
        return ModelError(f"{self.graph.path}: {self._library} cannot {what}: {reason}")


class OnnxRuntime(Runtime):
    """A model in onnxruntime."""

    backend = "onnxruntime"
    _library = "onnxruntime"

    def __init__(self, graph: Graph, precision: Precision, threads: int) -> None:
        import onnxruntime

        super().__init__(graph, precision, threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: they are raised as well
        try:
            self._session = onnxruntime.InferenceSession(
                str(graph.path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # likewise unrelated types
            raise self._error("load it", error) from error

    def _infer(self, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        outputs: list[NDArray[Any]] = self._session.run(list(self.graph.outputs), feeds)
        return outputs


class OpenVinoRuntime(Runtime):
    """A model in OpenVINO, compiled anew for each of a few input shapes: faster than with free shapes.

    A change network begins in free shapes, since compiling takes as long as hundreds of runs save.
    """

    backend = "openvino"
    _library = "OpenVINO"

    def __init__(self, graph: Graph, precision: Precision, threads: int) -> None:
        import openvino

        super().__init__(graph, precision, threads)
        self._core = openvino.Core()
        self._requests: dict[tuple[int, int, int] | None, openvino.InferRequest] = {}
        self._free_runs = 0 if graph.fixed_size else _FREE_RUNS[graph.task]
        try:
            self._model = self._core.read_model(str(graph.path))
        except Exception as error:  # likewise unrelated types
            raise self._error("load it", error) from error

    def _infer(self, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        count, _, height, width = feeds[self.graph.image].shape
        request = self._request(count, height, width)
        request.infer(feeds)
        return [request.get_tensor(name).data.copy() for name in self.graph.outputs]

    def _request(self, count: int, height: int, width: int) -> openvino.InferRequest:
        """What is compiled for a shape, or for free shapes, at first and beyond the limit."""
        shape: tuple[int, int, int] | None = (count, height, width)
        sizes = {known[1:] for known in self._requests if known}
        limit = 1 if self.graph.fixed_size else _COMPILED_LIMIT
        if self._free_runs:
            self._free_runs -= 1
            shape = None
        elif (height, width) not in sizes and len(sizes) >= limit:
            shape = None
        elif not sizes:
            self._requests.clear()  # what ran at first, and its memory
        if shape not in self._requests:
            self._requests[shape] = self._compile(shape)
        return self._requests[shape]

    def _compile(self, shape: tuple[int, int, int] | None) -> openvino.InferRequest:
        model = self._model.clone()
        count, height, width = shape or (1 if self.graph.fixed_batch else -1, -1, -1)
        shapes = {name: [count, 3, height, width] for name in self.graph.images}
        if self.graph.target_sizes:
            shapes[self.graph.target_sizes] = [count, 2]
        model.reshape(shapes)
        # Not for cameras: their detector is a tenth of the time, and on one of the test's clips a case hung on
        # less than that.
        if shape and self.precision == "bf16" and self.graph.task == "change":
            approximate(model)
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
