"""OpenVINO and onnxruntime behind one interface that runs an ONNX file on this machine's CPU."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.runtime.graph import Graph
from models.runtime.silu import approximate_silu

if TYPE_CHECKING:
    import openvino

Backend = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
Floats = NDArray[np.float32]

# Input sizes for which a model of its own is compiled: cameras have few aspect ratios, tiles of
# scenes nine shapes. For TinyCD each takes a second and some 50 MB; in free shapes a run takes half
# as long again.
_COMPILED_LIMIT = 9
# Runs in free shapes before any is compiled: they complete a small scene, and larger ones all take
# the same memory.
_FREE_RUNS = {"detect": 0, "change": 64, "plates": 0}
# On a CPU a batch saves little: for YOLOv8n on one thread a pair takes up to 4 % less in bf16 and
# int8 and no less in fp32; four and more save no more and take 100 MB. More threads need more
# images.
_IMAGES_PER_THREAD = 2
_BATCH_LIMIT = 16  # larger batches only take more memory


class Runtime(ABC):
    """A loaded model, for use by one thread at a time.

    Attributes:
        graph: Inputs and outputs of the model.
        backend: The library that runs the model.
        precision: The numbers that the model is computed in.
        threads: Number of CPU threads.
        batches: Batch sizes, powers of two, largest first; only 1 where the model takes no more.
    """

    backend: Backend
    _library: str  # its name in messages

    def __init__(self, graph: Graph, precision: Precision, threads: int) -> None:
        self.graph = graph
        self.precision = precision
        self.threads = threads
        limit = 1 if graph.fixed_batch else min(_BATCH_LIMIT, _IMAGES_PER_THREAD * threads)
        self.batches = tuple(2**power for power in reversed(range(limit.bit_length())))

    def run(self, *images: Floats) -> list[NDArray[Any]]:
        """Run the model.

        Args:
            images: For each image input of the graph, in order, ``(n, 3, height, width)`` float32,
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
        self.batches = (1,)  # some exports name the batch free and fix it within
        return self.run(*images)

    def _outputs(self, images: Sequence[Floats]) -> list[NDArray[Any]]:
        if len(images) != len(self.graph.images):
            wanted = " and ".join(self.graph.images)
            raise ModelError(
                f"{self.graph.path}: the model takes {wanted}, not {len(images)} images"
            )
        feeds: dict[str, NDArray[Any]] = dict(zip(self.graph.images, images, strict=True))
        count, _, height, width = images[0].shape
        if self.graph.target_sizes:
            # The size of the input itself: boxes then are in its pixels, as with other families.
            feeds[self.graph.target_sizes] = np.array([[width, height]] * count, np.int64)
        try:
            return self._infer(feeds)
        except Exception as error:  # the libraries raise a dozen unrelated types
            shape = "x".join(map(str, images[0].shape))
            raise self._error(f"run it on input {shape}", error) from error

    @abstractmethod
    def _infer(self, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the library on inputs by name; errors of the library pass unchanged."""

    def _error(self, what: str, error: Exception) -> ModelError:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else type(error).__name__
        return ModelError(f"{self.graph.path}: {self._library} cannot {what}: {reason}")


class OnnxRuntime(Runtime):
    """A model loaded into onnxruntime."""

    backend = "onnxruntime"
    _library = "onnxruntime"

    def __init__(self, graph: Graph, precision: Precision, threads: int) -> None:
        import onnxruntime

        super().__init__(graph, precision, threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only, which are raised as well
        try:
            self._session = onnxruntime.InferenceSession(
                str(graph.path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # unrelated types, too
            raise self._error("load it", error) from error

    def _infer(self, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        outputs: list[NDArray[Any]] = self._session.run(list(self.graph.outputs), feeds)
        return outputs


class OpenVinoRuntime(Runtime):
    """A model loaded into OpenVINO, compiled for each of a few input shapes.

    A fixed shape runs faster than free shapes. A change network starts with free shapes, since
    compiling takes as long as hundreds of runs save.
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
        except Exception as error:  # unrelated types, too
            raise self._error("load it", error) from error

    def _infer(self, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        count, _, height, width = feeds[self.graph.image].shape
        request = self._request(count, height, width)
        request.infer(feeds)
        return [request.get_tensor(name).data.copy() for name in self.graph.outputs]

    def _request(self, count: int, height: int, width: int) -> openvino.InferRequest:
        """Return the request for a shape; for free shapes at first and beyond the limit."""
        shape: tuple[int, int, int] | None = (count, height, width)
        sizes = {known[1:] for known in self._requests if known}
        limit = 1 if self.graph.fixed_size else _COMPILED_LIMIT
        if self._free_runs:
            self._free_runs -= 1
            shape = None
        elif (height, width) not in sizes and len(sizes) >= limit:
            shape = None
        elif not sizes:
            self._requests.clear()  # frees the memory of the free shapes
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
        # Not for detectors: they take a tenth of the time, and on one clip of the benchmark a case
        # depended on a smaller difference.
        if shape and self.precision == "bf16" and self.graph.task == "change":
            approximate_silu(model)
        settings = {
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": self._hint(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        return self._core.compile_model(model, "CPU", settings).create_infer_request()

    def _hint(self) -> str:
        """Return the number type for the layers that are not 8-bit."""
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
        ModelError: The backend or the precision is not available here, or the model is refused.
    """
    if threads < 1:
        raise ModelError(f"threads is {threads}; it must be 1 or more")
    if (precision == "int8") != graph.quantised:
        kind = "a quantised (int8)" if graph.quantised else "no quantised (int8)"
        raise ModelError(f"{graph.path}: {kind} model, which precision '{precision}' does not fit")
    if backend == "onnxruntime":
        if precision == "bf16":
            raise ModelError("onnxruntime has no bf16 on CPUs: use OpenVINO, or precision 'fp32'")
        return OnnxRuntime(graph, precision, threads)
    if not has_openvino():
        raise ModelError("OpenVINO is not installed: use backend 'onnxruntime' or install openvino")
    if precision == "bf16" and not has_bf16():
        raise ModelError("this CPU has no bf16: use precision 'fp32' or 'auto'")
    return OpenVinoRuntime(graph, precision, threads)
