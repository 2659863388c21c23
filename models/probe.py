"""Learn a model's family and number of classes by running it once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.detection.decoders import FamilyName, infer_family
from models.errors import ModelError
from models.registry.weights import Weights
from models.runtime.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Nature:
    """What a model turned out to be.

    Attributes:
        family: How its output is read.
        classes: Number of classes, ``None`` where the outputs do not tell it.
    """

    family: FamilyName
    classes: int | None


def probe(weights: Weights, runtime: Runtime, side: int) -> Nature:
    """Run a model once on grey and see what comes out.

    Args:
        weights: What is known of the model.
        runtime: The model.
        side: Side of the square input, pixels, where the model leaves it free.

    Returns:
        What it is.

    Raises:
        ModelError: The model fails, is of no known family, or of another than its weights say.
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
    return Nature(family, _class_count(family, shapes))


def _class_count(family: FamilyName, shapes: dict[str, tuple[int, ...]]) -> int | None:
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
