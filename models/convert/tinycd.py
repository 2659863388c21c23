"""The ONNX graph of TinyCD, a network that detects changed buildings, built from its weights.

Codegoni, Lombardi and Ferrari, TINYCD: A (Not So) Deep Learning Model For Change Detection, 2022,
arXiv 2207.13159; the backbone is the first part of EfficientNet-B4: Tan and Le, EfficientNet, 2019,
arXiv 1905.11946. Inputs are two images ``(batch, 3, height, width)`` RGB 0 to 1, the output is one
probability per pixel. Batch, height and width are free; the latter two in multiples of 8.

The network detects what appears, and hardly what is gone. Its output for the dates in reversed
order is therefore a second output, which costs the decoder only: both dates pass the backbone once.

The last stage takes half of the time. Unless the exact network is asked for, this stage is computed
at every second pixel and its output enlarged: the network is 1.35 times as fast and finds the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from models.convert.onnx_graph import Floats, OnnxGraph
from models.errors import ModelError
from models.runtime.graph import PAIR

TILE_PX = 256  # side of the authors' training tiles
BEFORE, AFTER = PAIR
APPEARED, GONE = "appeared", "gone"

_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's red, green and blue, 0 to 1
_DEVIATION = (0.229, 0.224, 0.225)
_NORM_EPS = 1e-5  # PyTorch's default of batch and instance normalisation, which B0 to B4 keep
# Of the backbone's stages after the first convolution: stride and number of blocks.
_STAGES = ((1, 2), (2, 4), (2, 4))
_COUNTER = "num_batches_tracked"  # a counter of PyTorch's training, no weight
# In an image enlarged twice, every second pixel is the mean of its two neighbours. Along one side,
# this matrix turns a kernel over the enlarged image into one over the image itself.
ON_THE_SOURCE = np.array([[0.5, 0, 0], [0.5, 1, 0.5], [0, 0, 0.5]], np.float32)


def state_of(checkpoint: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the weights of a checkpoint, arrays by PyTorch's names.

    Args:
        checkpoint: Result of :func:`models.convert.torch_checkpoint.read_checkpoint`: the weights
            themselves, or a mapping with the weights under ``state_dict``.

    Raises:
        ModelError: The checkpoint holds no weights.
    """
    state = checkpoint.get("state_dict", checkpoint)
    arrays = {str(name): values for name, values in state.items() if isinstance(values, np.ndarray)}
    if not arrays:
        raise ModelError("the checkpoint holds no weights by name, as TinyCD's does")
    return arrays


def build(
    state: Mapping[str, NDArray[Any]],
    *,
    both: bool = True,
    exact: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Convert TinyCD's weights, the authors' or fine-tuned ones, to an ONNX model.

    Args:
        state: Arrays by PyTorch's names, as in a ``state_dict``; widths may differ from the
            authors'.
        both: Whether to add the output of what is gone, which costs a second decoder.
        exact: Whether to compute the last stage at every pixel, as published.
        metadata: Metadata of the file, see :class:`models.change.ChangeNetwork`.

    Returns:
        The model, checked: inputs ``before`` and ``after``, outputs ``appeared`` and, if asked for,
        ``gone``, each ``(batch, 1, height, width)``.

    Raises:
        ModelError: The weights are not TinyCD's.
    """
    network = _Network(state, exact)
    before, after = (network.features(date) for date in (BEFORE, AFTER))
    network.decode(before, after, APPEARED)
    if both:
        network.decode(after, before, GONE)
    unused = network.unused
    if unused:
        raise ModelError(f"the weights are not TinyCD's: it has no '{unused[0]}'")
    size = ["height", "width"]
    known = {"task": "change", "family": "tinycd", "imgsz": f"[{TILE_PX}, {TILE_PX}]"}
    model = network.graph.model(
        "tinycd",
        inputs={date: ["batch", 3, *size] for date in (BEFORE, AFTER)},
        outputs={name: ["batch", 1, *size] for name in (APPEARED, GONE)[: 1 + both]},
        metadata=known | dict(metadata or {}),
    )
    _check_widths(model)
    return model


def _check_widths(model: onnx.ModelProto) -> None:
    """Refuse convolutions whose weights and inputs differ in channels, as runtimes would."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    widths = {v.name: v.type.tensor_type.shape.dim[1].dim_value for v in graph.value_info}
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        groups = next(item.i for item in node.attribute if item.name == "group")
        wanted, given = weights[node.input[1]][1] * groups, widths[node.input[0]]
        if given != wanted:
            raise ModelError(
                f"the weights are not TinyCD's: {node.name} takes {wanted} channels, not {given}"
            )


class _Network:
    """Parts of the network, each appended to the graph by a method.

    In all methods, ``key`` is the prefix of the weights' names and ``at`` that of nodes and
    tensors.
    """

    def __init__(self, state: Mapping[str, NDArray[Any]], exact: bool) -> None:
        self.graph = OnnxGraph()
        self._state = state
        self._exact = exact
        self._unused = [name for name in state if not name.endswith(_COUNTER)]

    @property
    def unused(self) -> list[str]:
        """Names of the weights that no part has used."""
        return self._unused

    def features(self, image: str) -> list[str]:
        """Append one date: the normalised image, then the backbone's stages 1 to 3."""
        shape = (1, 3, 1, 1)
        gain = self.graph.weight("image.gain", 1 / np.array(_DEVIATION, np.float32).reshape(shape))
        mean = self.graph.weight("image.mean", np.array(_MEAN, np.float32).reshape(shape))
        centred = self.graph.node("Sub", [image, mean], f"{image}.centred")
        found = [self.graph.node("Mul", [centred, gain], f"{image}.normal")]
        source = self._conv("_backbone.0.0", found[0], f"{image}.stage0", "_backbone.0.1", 2)
        source = self._silu(source)
        for stage, (stride, blocks) in enumerate(_STAGES, 1):
            for block in range(blocks):
                name = f"{stage}.{block}"
                at = f"{image}.stage{name}"
                step = 1 if block else stride
                source = self._bottleneck(f"_backbone.{name}.block", source, at, step, block > 0)
            found.append(source)
        return found

    def decode(self, first: Sequence[str], second: Sequence[str], output: str) -> str:
        """Append the probability that something on the second date is not on the first."""
        keys = ("_first_mix", "_mixing_mask.0", "_mixing_mask.1")
        masks = [
            self._mask(key, a, b, f"{output}.mask{level}", level == 0 and not self._exact)
            for level, (key, a, b) in enumerate(zip(keys, first[:-1], second[:-1], strict=True))
        ]
        found = self._mix("_mixing_mask.2._convmix", first[-1], second[-1], f"{output}.mix")
        for level, mask in enumerate(reversed(masks)):
            step = self._up if level < 2 or self._exact else self._up_halved
            found = step(f"_up.{level}._convolution", found, mask, f"{output}.up{level}")
        for layer in range(2):
            found = self._pixelwise(f"_classify._linears.{layer}", found, f"{output}.head{layer}")
        logit = self._conv("_classify._linears.2.0", found, f"{output}.logit")
        if self._exact:
            return self.graph.node("Sigmoid", [logit], output)
        return self._twice(self.graph.node("Sigmoid", [logit], f"{output}.halved"), output)

    def _bottleneck(self, key: str, source: str, at: str, stride: int, residual: bool) -> str:
        """Append an inverted residual block with squeeze and excitation.

        The blocks of the first stage do not expand.
        """
        wide, part = source, 0
        if f"{key}.3.0.weight" in self._state:
            wide = self._conv(f"{key}.0.0", source, f"{at}.expand", f"{key}.0.1")
            wide, part = self._silu(wide), 1
        deep = self._conv(f"{key}.{part}.0", wide, f"{at}.depth", f"{key}.{part}.1", stride)
        excited = self._excite(f"{key}.{part + 1}", self._silu(deep), f"{at}.excite")
        last = f"{key}.{part + 2}"
        narrow = self._conv(f"{last}.0", excited, f"{at}.project", f"{last}.1")
        return self.graph.node("Add", [narrow, source], f"{at}.sum") if residual else narrow

    def _excite(self, key: str, source: str, at: str) -> str:
        """Append squeeze and excitation: each channel is scaled by a function of all means."""
        mean = self.graph.node("GlobalAveragePool", [source], f"{at}.mean")
        inner = self._silu(self._conv(f"{key}.fc1", mean, f"{at}.squeeze"))
        outer = self._conv(f"{key}.fc2", inner, f"{at}.gate")
        gate = self.graph.node("Sigmoid", [outer], f"{at}.share")
        return self.graph.node("Mul", [source, gate], at)

    def _mask(self, key: str, first: str, second: str, at: str, halved: bool) -> str:
        """Append the mask of where two dates differ, one channel, at half the size if halved."""
        found = self._mix(f"{key}._mixing._convmix", first, second, f"{at}.mix")
        if halved:
            found = self.graph.node(
                "AveragePool", [found], f"{at}.halved", kernel_shape=[2, 2], strides=[2, 2]
            )
        for layer in range(3):
            found = self._pixelwise(f"{key}._linear._linears.{layer}", found, f"{at}.{layer}")
        return found

    def _mix(self, key: str, first: str, second: str, at: str) -> str:
        """Append a convolution of each channel pair of the two dates to one channel.

        The interleaved, grouped convolution of the paper is the sum of a depthwise one per date:
        the same numbers without moving the channels, by code that is fast in all runtimes.
        """
        weight, bias = self._take(f"{key}.0.weight"), self._take(f"{key}.0.bias")
        if weight.ndim != 4 or weight.shape[1] != 2:
            raise ModelError(f"the weights are not TinyCD's: '{key}.0.weight' mixes no two dates")
        halves = [
            self._convolve(weight[:, [date]], bias * (date == 0), source, f"{at}.{date}")
            for date, source in enumerate((first, second))
        ]
        mixed = self.graph.node("Add", halves, f"{at}.sum")
        return self._normal(self._prelu(f"{key}.1", mixed), weight.shape[0])

    def _up(self, key: str, source: str, mask: str, at: str) -> str:
        """Append an enlargement to twice the size, masked, and a separable convolution."""
        bigger = self._twice(source, f"{at}.twice")
        return self._separable(key, self._kernel(f"{key}.0"), bigger, mask, at)

    def _up_halved(self, key: str, source: str, mask: str, at: str) -> str:
        """Append the same as :meth:`_up` for a mask of half the size, at every second pixel.

        Only the mask differs from that of :meth:`_up`, since each of its pixels stands for four.
        """
        along = ON_THE_SOURCE
        kernel = np.einsum("ai,bj,ocij->ocab", along, along, self._kernel(f"{key}.0"))
        return self._separable(key, kernel, source, mask, at)

    def _twice(self, source: str, at: str) -> str:
        scales = self.graph.weight("twice", np.array([1, 1, 2, 2], np.float32))
        return self.graph.node(
            "Resize",
            [source, "", scales],
            at,
            mode="linear",
            coordinate_transformation_mode="align_corners",
        )

    def _separable(self, key: str, kernel: Floats, source: str, mask: str, at: str) -> str:
        """Append a masked depthwise convolution, then a pointwise one."""
        masked = self.graph.node("Mul", [source, mask], f"{at}.masked")
        deep = self._convolve(kernel, self._take(f"{key}.0.bias"), masked, f"{at}.depth")
        deep = self._normal(self._prelu(f"{key}.1", deep), len(kernel))
        mixed = self._conv(f"{key}.3", deep, f"{at}.mix")
        return self._normal(self._prelu(f"{key}.4", mixed), len(self._take(f"{key}.3.bias")))

    def _pixelwise(self, key: str, source: str, at: str) -> str:
        return self._prelu(f"{key}.1", self._conv(f"{key}.0", source, at))

    def _conv(self, key: str, source: str, at: str, norm: str = "", stride: int = 1) -> str:
        """Append a convolution, with the batch normalisation ``norm`` folded in if given."""
        weight = self._kernel(key)
        if norm:
            gain = self._take(f"{norm}.weight") / np.sqrt(
                self._take(f"{norm}.running_var") + np.float32(_NORM_EPS)
            )
            weight = weight * gain.reshape(-1, 1, 1, 1)
            bias = self._take(f"{norm}.bias") - self._take(f"{norm}.running_mean") * gain
        else:
            bias = self._take(f"{key}.bias")
        return self._convolve(weight, bias, source, at, stride)

    def _kernel(self, key: str) -> Floats:
        weight = self._take(f"{key}.weight")
        if weight.ndim != 4:
            raise ModelError(f"the weights are not TinyCD's: '{key}' is no convolution")
        return weight

    def _convolve(self, weight: Floats, bias: Floats, source: str, at: str, stride: int = 1) -> str:
        """Append a convolution, a depthwise one where the weights have one input channel.

        Each convolution has its own copy of the weights, although both dates use the same: OpenVINO
        does not fuse a convolution of shared weights with the activation, which costs a sixth of
        the time.
        """
        outputs, inputs, height, width = weight.shape
        names = [
            self.graph.weight(f"{at}.weight", weight),
            self.graph.weight(f"{at}.bias", bias),
        ]
        return self.graph.node(
            "Conv",
            [source, *names],
            at,
            kernel_shape=[height, width],
            strides=[stride, stride],
            group=outputs if inputs == 1 else 1,
            pads=[height // 2, width // 2] * 2,
        )

    def _silu(self, source: str) -> str:
        gate = self.graph.node("Sigmoid", [source], f"{source}.sigmoid")
        return self.graph.node("Mul", [source, gate], f"{source}.silu")

    def _prelu(self, key: str, source: str) -> str:
        """Append a PReLU of one slope: a leaky ReLU, which runtimes fuse with convolutions."""
        slope = self._take(f"{key}.weight")
        if slope.size != 1:
            raise ModelError(f"the weights are not TinyCD's: '{key}' has {slope.size} slopes")
        return self.graph.node("LeakyRelu", [source], f"{source}.prelu", alpha=float(slope.item()))

    def _normal(self, source: str, channels: int) -> str:
        """Append an instance normalisation without parameters."""
        scale = self.graph.weight(f"ones{channels}", np.ones(channels, np.float32))
        shift = self.graph.weight(f"zeros{channels}", np.zeros(channels, np.float32))
        inputs = [source, scale, shift]
        return self.graph.node(
            "InstanceNormalization", inputs, f"{source}.normal", epsilon=_NORM_EPS
        )

    def _take(self, name: str) -> Floats:
        if name not in self._state:
            raise ModelError(f"the weights are not TinyCD's: '{name}' is missing")
        if name in self._unused:
            self._unused.remove(name)
        return np.asarray(self._state[name], np.float32)
