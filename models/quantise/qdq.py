"""Static 8-bit quantisation in QDQ form, calibrated with real frames."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnx.version_converter
from numpy.typing import NDArray

from models.detection.decoders import FAMILIES, Family
from models.detection.letterbox import fit, smallest_input
from models.errors import ModelError
from models.files import sha256_of
from models.probe import probe
from models.quantise.calibration_data import Pair, frames, pairs
from models.registry.weights import Weights, cache_folder, is_intact, locked, store
from models.runtime.graph import PAIR, Graph, inspect
from models.runtime.runtime import load

Feeds = dict[str, NDArray[Any]]

_VERSION = 2  # counts changes to the method; each version is another file of the cache
_OPSET = 13  # the first in which QuantizeLinear takes an axis
_FRAMES = 64  # calibration frames; more change AP by less than its noise


def quantised(weights: Weights, *, cache: Path | None = None) -> Weights:
    """Return the 8-bit version that :func:`quantise` made of a model.

    Raises:
        ModelError: The version is missing or damaged.
    """
    target = _target(weights, cache)
    if not is_intact(target):
        raise ModelError(
            f"'{weights.spec.name}' has not been quantised to int8 on this machine: quantise it "
            "with images of your own cameras (cv-engine models quantise), or use precision 'auto'"
        )
    return replace(weights, path=target, sha256=sha256_of(target))


def quantise(
    weights: Weights, source: Path, *, cache: Path | None = None, count: int = _FRAMES
) -> Weights:
    """Quantise a model's convolutions to 8 bits and store the result in the cache.

    Weights are quantised per output channel, activations per tensor to the range seen on the
    calibration frames. Two kinds of convolutions are not quantised: those that end the network,
    whose outputs are boxes and confidences, and depthwise ones, whose channels differ too much in
    range for one scale and cost little (YOLOX-Nano: AP 33.5 instead of 15.0 of 34.0 on COCO128).
    Method: Jacob et al., Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference, arXiv 1712.05877.

    Args:
        weights: The model.
        source: Calibration frames: a folder of images or videos, an image or a video, best from the
            cameras that the model will run on. For a change network, a folder of image pairs, see
            :func:`models.quantise.calibration_data.pairs`.
        cache: Folder of the models' cache; the user's own if left out.
        count: Number of frames to use.

    Returns:
        The quantised model.

    Raises:
        ModelError: No frames, or a model that cannot be quantised.
    """
    graph = inspect(weights.path)
    if graph.quantised:
        raise ModelError(f"{weights.path}: the model is quantised already")
    side = weights.spec.input_size
    if graph.task == "change":
        reader = _CalibrationReader(_pair_feeds(pairs(source, count, side)))
    else:
        probed = probe(weights, load(graph, "onnxruntime", "fp32", threads=1), side)
        family = FAMILIES[probed.family]
        reader = _CalibrationReader(_frame_feeds(frames(source, count), graph, family, side))
    target = _target(weights, cache)
    with locked(target), tempfile.TemporaryDirectory(prefix="cv-engine-") as folder:
        result = Path(folder, "int8.onnx")
        try:
            _quantise(_prepared(weights.path, Path(folder)), result, reader)
        except ModelError:
            raise
        except Exception as error:  # the quantiser raises errors of its steps unchanged
            if not reader.count:
                raise ModelError(f"{source}: holds no image or video that can be read") from None
            raise ModelError(f"{weights.path}: cannot be quantised: {error}") from error
        store(result.read_bytes(), target, frames=reader.count, weights=weights.sha256)
    return quantised(weights, cache=cache)


def _target(weights: Weights, cache: Path | None) -> Path:
    return cache_folder(cache) / f"{weights.spec.name}-{weights.sha256[:12]}-int8-{_VERSION}.onnx"


class _CalibrationReader:
    """Calibration inputs in the form of onnxruntime's quantiser."""

    def __init__(self, feeds: Iterator[Feeds]) -> None:
        self._feeds = feeds
        self.count = 0

    def get_next(self) -> Feeds | None:
        """Return the next inputs by name, ``None`` after the last."""
        found = next(self._feeds, None)
        self.count += found is not None
        return found

    def __iter__(self) -> Iterator[Feeds]:
        """Iterate over the remaining inputs."""
        return iter(self.get_next, None)


def _frame_feeds(
    images: Iterator[NDArray[np.uint8]], graph: Graph, family: Family, side: int
) -> Iterator[Feeds]:
    """Yield frames prepared as the detector prepares them."""
    for image in images:
        height, width = image.shape[:2]
        if graph.fixed_size:
            input_height, input_width = graph.fixed_size
        elif family.fit == "stretch":
            input_height = input_width = side
        else:
            input_width, input_height = smallest_input(width, height, side)
        placed = fit(width, height, input_width, input_height, family.fit).place(image)
        feeds: Feeds = {graph.image: cv2.dnn.blobFromImage(placed, family.scale, swapRB=family.rgb)}
        if graph.target_sizes:
            feeds[graph.target_sizes] = np.array([[input_width, input_height]], np.int64)
        yield feeds


def _pair_feeds(images: Iterator[Pair]) -> Iterator[Feeds]:
    """Yield pairs of tiles prepared as the change network prepares them."""
    for pair in images:
        yield {
            name: cv2.dnn.blobFromImage(image, 1 / 255, swapRB=True)
            for name, image in zip(PAIR, pair, strict=True)
        }


def _prepared(path: Path, folder: Path) -> Path:
    """Write a copy with inferred shapes, in an opset that quantises weights per channel."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = onnx.load(str(path))
    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    target = folder / "prepared.onnx"
    try:
        if opset < _OPSET:
            model = onnx.version_converter.convert_version(model, _OPSET)
        quant_pre_process(model, str(target), skip_optimization=True, skip_symbolic_shape=True)
    except Exception as error:  # both raise RuntimeError and types of their own
        raise ModelError(f"{path}: cannot be prepared for quantisation: {error}") from error
    return target


def _quantise(path: Path, result: Path, reader: _CalibrationReader) -> None:
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    quantize_static(
        str(path),
        str(result),
        reader,
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=sensitive(onnx.load(str(path))),
        calibrate_method=CalibrationMethod.MinMax,
        # No rounding between a convolution and its activation: OpenVINO fuses both.
        extra_options={"OpTypesToExcludeOutputQuantization": ["Conv"]},
    )


def sensitive(model: onnx.ModelProto) -> list[str]:
    """Return the names of convolutions not to quantise: the last of each path, and depthwise."""
    grouped = [
        node.name for node in model.graph.node if node.op_type == "Conv" and _groups(node) > 1
    ]
    return [*last_convolutions(model), *grouped]


def _groups(node: onnx.NodeProto) -> int:
    return next((int(item.i) for item in node.attribute if item.name == "group"), 1)


def last_convolutions(model: onnx.ModelProto) -> list[str]:
    """Return the names of the convolutions that no other follows on any path."""
    followed: set[str] = set()  # tensors from which a convolution can still be reached
    last: list[str] = []
    for node in reversed(model.graph.node):
        leads_on = any(output in followed for output in node.output)
        if node.op_type == "Conv" and not leads_on:
            last.append(node.name)
        if leads_on or node.op_type == "Conv":
            followed.update(node.input)
    return last
