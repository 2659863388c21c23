"""Inputs, outputs and metadata of an ONNX file, read before any runtime loads the file."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from models.errors import ModelError
from models.families import Task

PAIR = ("before", "after")  # inputs of a change network, in this order
# Input side where the size is free and the metadata has none.
_SIDE_PX: dict[Task, int] = {"detect": 640, "change": 256, "faces": 640, "plates": 640}
_TARGET_SIZES = "orig_target_sizes"  # second input of RT-DETR's and D-FINE's own exports


@dataclass(frozen=True, slots=True)
class Graph:
    """Inputs, outputs and metadata of an ONNX detector or change network.

    Attributes:
        path: The file.
        images: Names of the image inputs, float32 NCHW: one for a detector, ``before`` and
            ``after`` for a change network.
        target_sizes: Name of the input that takes image sizes ``(batch, 2)``, if there is one.
        outputs: Names of the outputs, in order.
        fixed_size: Height and width of an image in pixels; ``None`` where both are free.
        fixed_batch: Whether the input takes one image only.
        quantised: Whether the file holds 8-bit (QDQ) quantisation.
        class_names: Class names in the metadata of an Ultralytics export, if there are any.
        metadata_size: Input size in that metadata, pixels.
        metadata: All metadata of the file.
    """

    path: Path
    images: tuple[str, ...]
    target_sizes: str | None
    outputs: tuple[str, ...]
    fixed_size: tuple[int, int] | None
    fixed_batch: bool
    quantised: bool
    class_names: tuple[str, ...] | None
    metadata_size: int | None
    metadata: Mapping[str, str]

    @property
    def image(self) -> str:
        """The first image input."""
        return self.images[0]

    @property
    def task(self) -> Task:
        """The model's task, which its inputs show."""
        return "change" if self.images == PAIR else "detect"

    @property
    def side_px(self) -> int:
        """Side of the square that images are fitted into, or of tiles."""
        if self.fixed_size:
            return max(self.fixed_size)
        return self.metadata_size or _SIDE_PX[self.task]


def inspect(path: Path) -> Graph:
    """Read and check an ONNX file.

    Args:
        path: The file.

    Returns:
        The file's inputs, outputs and metadata.

    Raises:
        ModelError: The file cannot be read, is damaged, is no ONNX model, or takes no image.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception:  # whatever protobuf raises for bytes that are no message of its kind
        raise ModelError(f"{path}: not an ONNX file, or cut short or damaged") from None
    try:
        # By its path, since only then does the checker find weights in files beside the model.
        onnx.checker.check_model(str(path))
    except Exception as error:  # the checker has several exception types without a common base
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path}: not a valid ONNX model: {reason}") from None
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    images = _image_inputs(path, inputs)
    batch, _, height, width = _dims(images[0])
    extra = [value.name for value in inputs if value not in images]
    if any(name != _TARGET_SIZES for name in extra):
        raise ModelError(f"{path}: has inputs of an unknown kind: {', '.join(extra)}")
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    return Graph(
        path=path,
        images=tuple(value.name for value in images),
        target_sizes=extra[0] if extra else None,
        outputs=tuple(value.name for value in model.graph.output),
        fixed_size=(height, width) if height and width else None,
        fixed_batch=batch is not None,
        quantised=any(node.op_type == "QuantizeLinear" for node in model.graph.node),
        class_names=_class_names(metadata),
        metadata_size=_metadata_size(metadata),
        metadata=metadata,
    )


def _image_inputs(path: Path, inputs: list[onnx.ValueInfoProto]) -> list[onnx.ValueInfoProto]:
    """Return the image input of a detector, or both of a change network in order."""
    found = {v.name: v for v in inputs if len(_dims(v)) == 4 and _dims(v)[1] == 3}
    if len(found) != 1 and set(found) != set(PAIR):
        listed = ", ".join(f"{value.name} {_dims(value)}" for value in inputs) or "none"
        raise ModelError(
            f"{path}: takes no image (batch, 3, height, width), nor two named "
            f"{' and '.join(PAIR)}; its inputs: {listed}"
        )
    images = [found[name] for name in PAIR] if len(found) == len(PAIR) else list(found.values())
    for image in images:
        _check_image(path, image)
    if any(_dims(image) != _dims(images[0]) for image in images):
        raise ModelError(f"{path}: its two images differ in size: export it with equal inputs")
    return images


def _check_image(path: Path, image: onnx.ValueInfoProto) -> None:
    if image.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise ModelError(f"{path}: its image input is not float32: export it with float32 inputs")
    batch, _, height, width = _dims(image)
    if batch not in (None, 1):
        raise ModelError(f"{path}: takes {batch} images at a time: export it for 1 or any number")
    if (height is None) != (width is None):
        raise ModelError(f"{path}: fixes only one of height and width: export it with both or none")


def _dims(value: onnx.ValueInfoProto) -> list[int | None]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.dim_value > 0 else None for dim in dims]


def _class_names(metadata: dict[str, str]) -> tuple[str, ...] | None:
    try:
        names = ast.literal_eval(metadata.get("names", ""))
        return tuple(str(names[i]) for i in range(len(names))) or None
    except (ValueError, SyntaxError, KeyError, IndexError, TypeError):
        return None


def _metadata_size(metadata: dict[str, str]) -> int | None:
    try:
        return max(int(side) for side in ast.literal_eval(metadata.get("imgsz", "")))
    except (ValueError, SyntaxError, TypeError):
        return None
