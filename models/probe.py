"""A model's family and number of classes, found by running the model once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.detection.decoders import infer_family
from models.errors import ModelError
from models.families import DetectorFamily
from models.registry.weights import Weights
from models.runtime.runtime import Runtime


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of probing a model.

    Attributes:
        family: How the model's output is read.
        classes: Number of classes, ``None`` where the outputs do not show it.
    """

    family: DetectorFamily
    classes: int | None


def probe(weights: Weights, runtime: Runtime, side: int) -> ProbeResult:
    """Run a model once on a grey image and infer its family from the outputs.

    Args:
        weights: The model's weights and description.
        runtime: The loaded model.
        side: Side of the square input, pixels, where the model leaves it free.

    Raises:
        ModelError: The model fails, is of no known family, or of another than its weights name.
    """
    height, width = runtime.graph.fixed_size or (side, side)
    outputs = runtime.run(np.full((1, 3, height, width), 0.5, np.float32))
    shapes = {n: v.shape for n, v in zip(runtime.graph.outputs, outputs, strict=True)}
    try:
        family = infer_family(shapes, width, height)
    except ModelError as error:
        raise ModelError(f"{weights.path}: {error}") from None
    wanted = weights.spec.family
    if wanted is not None and wanted != family:
        raise ModelError(
            f"{weights.path}: its outputs are those of family '{family}', not '{wanted}'"
        )
    return ProbeResult(family, _class_count(family, shapes))


def _class_count(family: DetectorFamily, shapes: dict[str, tuple[int, ...]]) -> int | None:
    (first, *others) = shapes.values()
    match family:
        case "ultralytics":
            return first[1] - 4
        case "yolox":
            return first[2] - 5
        case "detr" if not others:
            return first[2] - 4
        case "detr":
            return next((shape[2] for name, shape in shapes.items() if "logit" in name), None)
    return None
