"""The ONNX graph of a YOLOv8 detector, built from the modules of a checkpoint.

The graph equals an Ultralytics export (Jocher et al., Ultralytics YOLOv8, 2023): the input is
``(batch, 3, height, width)`` RGB 0 to 1, the output ``(batch, 4 + classes, anchors)``, boxes as
centre and size in input pixels, class probabilities after the sigmoid. Batch, height and width are
free; the latter two in multiples of 32. Batch normalisation is folded into the convolutions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.convert.onnx_graph import Floats, OnnxGraph
from models.convert.torch_checkpoint import Record
from models.errors import ModelError

# Bins of the box distribution (Li et al., Generalized Focal Loss, 2020), fixed in YOLOv8.
_REG_MAX = 16


def build(checkpoint: dict[str, Any]) -> onnx.ModelProto:
    """Convert a YOLOv8 detection checkpoint to an ONNX model.

    Args:
        checkpoint: Result of :func:`models.convert.torch_checkpoint.read_checkpoint`.

    Returns:
        The model, checked, with input ``images`` and output ``output0``; class names and stride are
        in the metadata, as in an Ultralytics export.

    Raises:
        ModelError: The checkpoint holds another network than YOLOv8 detection.
    """
    model = checkpoint.get("ema") or checkpoint.get("model")
    if not isinstance(model, Record) or model.short_type != "DetectionModel":
        raise ModelError("the checkpoint holds no YOLOv8 detection model")
    graph = OnnxGraph()
    outputs: list[str] = []
    for index, module in enumerate(model["model"].children):
        sources = module["f"] if isinstance(module["f"], list) else [module["f"]]
        inputs = [outputs[s] if outputs or s != -1 else "images" for s in sources]
        outputs.append(_layer(graph, module, inputs, f"m{index}"))
    graph.node("Identity", [outputs[-1]], "output0", name="output0")
    names = {int(k): str(v) for k, v in model["names"].items()}
    return graph.model(
        "yolov8",
        inputs={"images": ["batch", 3, "height", "width"]},
        outputs={"output0": ["batch", 4 + len(names), "anchors"]},
        metadata={"names": repr(names), "stride": "32", "task": "detect"},
    )


def _layer(graph: OnnxGraph, module: Record, inputs: list[str], name: str) -> str:
    match module.short_type:
        case "Conv":
            return _conv(graph, module, inputs[0], name)
        case "C2f":
            return _c2f(graph, module, inputs[0], name)
        case "SPPF":
            return _sppf(graph, module, inputs[0], name)
        case "Upsample":
            return _upsample(graph, module, inputs[0], name)
        case "Concat":
            return graph.node("Concat", inputs, name, axis=int(module["d"]))
        case "Detect":
            return _detect(graph, module, inputs, name)
    raise ModelError(f"the checkpoint has a layer '{module.short_type}', which is not YOLOv8's")


def _conv(graph: OnnxGraph, module: Record, source: str, name: str) -> str:
    """Append a convolution with folded batch normalisation, and SiLU."""
    conv, norm = module["conv"], module["bn"]
    if module["act"].short_type != "SiLU":
        raise ModelError(f"the activation '{module['act'].short_type}' is not YOLOv8's")
    gain = _floats(norm["weight"]) / np.sqrt(_floats(norm["running_var"]) + float(norm["eps"]))
    weight = _floats(conv["weight"]) * gain[:, None, None, None]
    bias = _floats(norm["bias"]) - _floats(norm["running_mean"]) * gain
    plain = _conv2d(graph, conv, weight, bias, source, f"{name}.conv")
    gate = graph.node("Sigmoid", [plain], f"{name}.sigmoid")
    return graph.node("Mul", [plain, gate], name)


def _conv2d(
    graph: OnnxGraph, conv: Record, weight: Floats, bias: Floats, source: str, name: str
) -> str:
    top, left = conv["padding"]
    return graph.node(
        "Conv",
        [source, graph.weight(f"{name}.weight", weight), graph.weight(f"{name}.bias", bias)],
        name,
        kernel_shape=list(weight.shape[2:]),
        strides=list(conv["stride"]),
        dilations=list(conv["dilation"]),
        group=int(conv["groups"]),
        pads=[top, left, top, left],
    )


def _c2f(graph: OnnxGraph, module: Record, source: str, name: str) -> str:
    """Append a cross-stage partial block: half of the channels pass a chain of bottlenecks."""
    whole = _conv(graph, module["cv1"], source, f"{name}.cv1")
    half = int(module["c"])
    parts = graph.split(whole, [half, half], 1, f"{name}.split")
    for index, block in enumerate(module["m"].children):
        inner = f"{name}.m{index}"
        first = _conv(graph, block["cv1"], parts[-1], f"{inner}.cv1")
        out = _conv(graph, block["cv2"], first, f"{inner}.cv2")
        parts.append(graph.node("Add", [parts[-1], out], f"{inner}.add") if block["add"] else out)
    joined = graph.node("Concat", parts, f"{name}.concat", axis=1)
    return _conv(graph, module["cv2"], joined, f"{name}.cv2")


def _sppf(graph: OnnxGraph, module: Record, source: str, name: str) -> str:
    """Append spatial pyramid pooling as three poolings in a row."""
    parts = [_conv(graph, module["cv1"], source, f"{name}.cv1")]
    size, pad = int(module["m"]["kernel_size"]), int(module["m"]["padding"])
    for index in range(3):
        parts.append(
            graph.node(
                "MaxPool",
                [parts[-1]],
                f"{name}.pool{index}",
                kernel_shape=[size, size],
                strides=[1, 1],
                pads=[pad] * 4,
            )
        )
    joined = graph.node("Concat", parts, f"{name}.concat", axis=1)
    return _conv(graph, module["cv2"], joined, f"{name}.cv2")


def _upsample(graph: OnnxGraph, module: Record, source: str, name: str) -> str:
    if module["mode"] != "nearest":
        raise ModelError(f"the up-sampling '{module['mode']}' is not YOLOv8's")
    factor = float(module["scale_factor"])
    scales = graph.weight(f"{name}.scales", np.array([1, 1, factor, factor], np.float32))
    return graph.node(
        "Resize",
        [source, "", scales],
        name,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


def _detect(graph: OnnxGraph, module: Record, inputs: list[str], name: str) -> str:
    """Append the head: box and class branches per level, then boxes from anchor distances."""
    if int(module["reg_max"]) != _REG_MAX:
        raise ModelError("the checkpoint's box distribution is not YOLOv8's")
    strides = [float(s) for s in _floats(module["stride"])]
    boxes, scores, anchors, scales = [], [], [], []
    for level, (source, stride) in enumerate(zip(inputs, strides, strict=True)):
        at = f"{name}.level{level}"
        box = _branch(graph, module["cv2"].children[level], source, f"{at}.box")
        score = _branch(graph, module["cv3"].children[level], source, f"{at}.score")
        boxes.append(_flat(graph, box, 4 * _REG_MAX, f"{at}.boxes"))
        scores.append(_flat(graph, score, int(module["nc"]), f"{at}.scores"))
        grid, scale = _anchors(graph, source, stride, f"{at}.anchors")
        anchors.append(grid)
        scales.append(scale)
    box = graph.node("Concat", boxes, f"{name}.boxes", axis=2)
    score = graph.node("Concat", scores, f"{name}.scores", axis=2)
    grid = graph.node("Concat", anchors, f"{name}.anchors", axis=2)
    scale = graph.node("Concat", scales, f"{name}.strides", axis=2)
    xywh = _decode(graph, box, grid, scale, name)
    probabilities = graph.node("Sigmoid", [score], f"{name}.probabilities")
    return graph.node("Concat", [xywh, probabilities], name, axis=1)


def _branch(graph: OnnxGraph, module: Record, source: str, name: str) -> str:
    *convs, last = module.children
    for index, conv in enumerate(convs):
        source = _conv(graph, conv, source, f"{name}{index}")
    return _conv2d(graph, last, _floats(last["weight"]), _floats(last["bias"]), source, name)


def _flat(graph: OnnxGraph, source: str, channels: int, name: str) -> str:
    return graph.node("Reshape", [source, graph.ints(f"{name}.shape", [0, channels, -1])], name)


def _anchors(graph: OnnxGraph, source: str, stride: float, name: str) -> tuple[str, str]:
    """Append the cell centres of a feature map, ``(1, 2, cells)`` x then y in cells, and strides.

    Running sums over ones avoid shape arithmetic that a runtime could get wrong when sizes are
    fixed later; all of it is folded to constants then.
    """
    shape = graph.node("Shape", [source], f"{name}.shape", start=2, end=4)
    flat = graph.ints(f"{name}.flat", [1, 1, -1])
    half = graph.weight(f"{name}.half", np.array(0.5, np.float32))
    ones = graph.node("ConstantOfShape", [shape], f"{name}.ones", value=_filled(1.0))
    rows = []
    for label, axis in (("x", 1), ("y", 0)):
        at = f"{name}.{label}"
        count = graph.node("CumSum", [ones, graph.ints(f"{at}.axis", axis)], f"{at}.count")
        centre = graph.node("Sub", [count, half], f"{at}.centre")
        rows.append(graph.node("Reshape", [centre, flat], at))
    strides = graph.node("ConstantOfShape", [shape], f"{name}.stride", value=_filled(stride))
    return (
        graph.node("Concat", rows, name, axis=1),
        graph.node("Reshape", [strides, flat], f"{name}.strides"),
    )


def _filled(value: float) -> onnx.TensorProto:
    return helper.make_tensor("value", TensorProto.FLOAT, [1], [value])


def _decode(graph: OnnxGraph, box: str, grid: str, scale: str, name: str) -> str:
    """Append the conversion of side distances, means over bins, to centre and size."""
    bins = graph.node(
        "Reshape", [box, graph.ints(f"{name}.bins.shape", [0, 4, _REG_MAX, -1])], f"{name}.bins"
    )
    swapped = graph.node("Transpose", [bins], f"{name}.swapped", perm=[0, 2, 1, 3])
    shares = graph.node("Softmax", [swapped], f"{name}.softmax", axis=1)
    values = np.arange(_REG_MAX, dtype=np.float32).reshape(1, _REG_MAX, 1, 1)
    # The mean is a product and a sum, not a convolution as in Ultralytics' own graph: under bf16,
    # whose 8 bits would round the boxes, OpenVINO computes layers after the last convolution in
    # fp32.
    share = graph.node("Mul", [shares, graph.weight(f"{name}.values", values)], f"{name}.share")
    sides = [share, graph.ints(f"{name}.sides.axis", [1])]
    flat = graph.node("ReduceSum", sides, f"{name}.sides", keepdims=0)
    near, far = graph.split(flat, [2, 2], 1, f"{name}.side")
    low = graph.node("Sub", [grid, near], f"{name}.low")
    high = graph.node("Add", [grid, far], f"{name}.high")
    total = graph.node("Add", [low, high], f"{name}.total")
    two = graph.weight(f"{name}.two", np.array(2.0, np.float32))
    centre = graph.node("Div", [total, two], f"{name}.centre")
    size = graph.node("Sub", [high, low], f"{name}.size")
    xywh = graph.node("Concat", [centre, size], f"{name}.cells", axis=1)
    return graph.node("Mul", [xywh, scale], f"{name}.xywh")


def _floats(values: NDArray[Any]) -> Floats:
    return np.asarray(values, np.float32)
