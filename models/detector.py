"""Object detection in images."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from threading import Lock
from typing import Literal

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from models.detection.decoders import FAMILIES, Outputs, Query
from models.detection.letterbox import STRIDE_PX, Letterbox, fit, smallest_input
from models.detection.nms import suppress
from models.errors import ModelError
from models.families import DetectorFamily
from models.probe import probe
from models.registry.manifest import class_list
from models.registry.weights import Weights, fetch
from models.runtime.batches import batches
from models.runtime.graph import inspect
from models.runtime.runtime import Backend, Precision, Runtime, load
from models.tuning.autotune import choose

Image = NDArray[np.uint8]

_LIMIT = 300  # detections per image, as in the authors' evaluations
_CANDIDATES = 30_000  # boxes per image that enter suppression, the most confident first


class Detector:
    """A loaded detector; calls from several threads run one after the other.

    Example:
        >>> detector = open_detector("yolov8n")  # doctest: +SKIP
        >>> (found,) = detector([cv2.imread("street.jpg")])  # doctest: +SKIP
        >>> found.data["class_name"]  # doctest: +SKIP
        array(['car', 'person'], dtype='<U14')

    Attributes:
        weights: The model's weights and description.
        runtime: The loaded model.
        family: How the output is read.
        confidence: Detections below this are left out.
        iou: Overlap above which duplicates of one class are suppressed; ``None`` where the network
            leaves no duplicates.
        input_size: Side of the square that images are fitted into, pixels.
        square: Whether the input is that whole square; otherwise the smallest rectangle that holds
            the image, where the model allows it.
        multi_label: Whether one box may be reported as several classes.
    """

    def __init__(
        self,
        weights: Weights,
        runtime: Runtime,
        *,
        confidence: float = 0.25,
        input_size: int | None = None,
        iou: float | None = None,
        square: bool = False,
        multi_label: bool = False,
    ) -> None:
        if not 0.0 <= confidence <= 1.0:
            raise ModelError(f"confidence is {confidence}; it must lie between 0 and 1")
        self.weights = weights
        self.runtime = runtime
        self.confidence = confidence
        self.square = square
        self.multi_label = multi_label
        self.input_size = _side(runtime, input_size or weights.spec.input_size, input_size)
        probed = probe(weights, runtime, self.input_size)
        self.family = probed.family
        self._family = FAMILIES[self.family]
        self.iou = iou if iou is not None else self._family.nms_iou
        self.class_names = _class_names(weights, probed.classes)
        self._name_of = np.array(self.class_names)
        self._lock = Lock()

    def at(self, confidence: float) -> Detector:
        """The same loaded detector with detections down to another confidence.

        Args:
            confidence: Detections below this are left out, 0 to 1.
        """
        other = copy(self)
        other.confidence = confidence
        return other

    @property
    def digest(self) -> str:
        """The weights' SHA-256 and the precision, as ``"<hex>+bf16"``."""
        return f"{self.weights.sha256}+{self.runtime.precision}"

    def __call__(self, images: Sequence[Image]) -> list[sv.Detections]:
        """Detect objects.

        Args:
            images: BGR images ``(height, width, 3)`` uint8, any number, of any sizes. Images with
                inputs of the same shape run in batches where the model allows it.

        Returns:
            Detections for each image, in the images' order, most confident first: ``xyxy`` in
            pixels of that image, ``confidence``, ``class_id`` and ``data["class_name"]``.

        Raises:
            ModelError: An image is of another shape or type, or the model fails.
        """
        boxes = [self._letterbox(index, image) for index, image in enumerate(images)]
        shapes = [(box.height, box.width) for box in boxes]
        found = [sv.Detections.empty()] * len(images)
        for part in batches(shapes, self.runtime.batches):
            placed = [boxes[index].place(images[index]) for index in part]
            with self._lock:
                outputs = self._run(placed)
            for row, index in enumerate(part):
                single = {name: values[row] for name, values in outputs.items()}
                found[index] = self._finish(self._decode(single, boxes[index]), boxes[index])
        return found

    def _run(self, placed: Sequence[Image]) -> Outputs:
        """Return the outputs by name for images of one shape, with a batch axis."""
        blob = cv2.dnn.blobFromImages(
            placed, self._family.scale, swapRB=self._family.rgb, crop=False
        )
        outputs = self.runtime.run(np.asarray(blob, np.float32))
        return dict(zip(self.runtime.graph.outputs, outputs, strict=True))

    def _decode(self, outputs: Outputs, box: Letterbox) -> sv.Detections:
        query = Query(box.width, box.height, self.confidence, self.multi_label)
        try:
            return self._family.decode(outputs, query)
        except (ValueError, IndexError, KeyError) as error:
            raise ModelError(
                f"{self.weights.path}: the output is not of family '{self.family}': {error}"
            ) from None

    def _finish(self, found: sv.Detections, box: Letterbox) -> sv.Detections:
        """Suppress duplicates, move the boxes to the image, name the classes."""
        assert found.confidence is not None and found.class_id is not None
        order = np.argsort(-found.confidence, kind="stable")[:_CANDIDATES]
        boxes = found.xyxy[order].astype(np.float32)
        confidence = found.confidence[order].astype(np.float32)
        class_id = found.class_id[order].astype(np.int64)
        if self.iou is not None:
            kept = suppress(boxes, confidence, class_id, self.iou, _LIMIT)
        else:
            kept = np.arange(min(len(order), _LIMIT))
        if len(kept) and not 0 <= class_id[kept].min() <= class_id[kept].max() < len(self._name_of):
            raise ModelError(
                f"{self.weights.path}: the model gives class {class_id[kept].max()}, but only "
                f"{len(self._name_of)} classes are named: name all of them"
            )
        return sv.Detections(
            xyxy=box.to_image(boxes[kept]),
            confidence=confidence[kept],
            class_id=class_id[kept],
            data={"class_name": self._name_of[class_id[kept]]},
        )

    def _letterbox(self, index: int, image: Image) -> Letterbox:
        _check(index, image)
        image_height, image_width = image.shape[:2]
        fixed = self.runtime.graph.fixed_size
        how = self._family.fit
        if fixed:
            height, width = fixed
        elif self.square or how == "stretch":
            height = width = self.input_size
        else:
            width, height = smallest_input(image_width, image_height, self.input_size)
        return fit(image_width, image_height, width, height, how)


def open_detector(
    model: str | Path = "yolov8n",
    *,
    backend: Backend | Literal["auto"] = "auto",
    precision: Precision | Literal["auto"] = "auto",
    threads: int = 1,
    confidence: float = 0.25,
    input_size: int | None = None,
    cache: Path | None = None,
    family: DetectorFamily | None = None,
    classes: Sequence[str] | None = None,
    iou: float | None = None,
    square: bool = False,
    multi_label: bool = False,
) -> Detector:
    """Open a detector.

    Args:
        model: A name of the manifest (fetched on first use) or the path of an ONNX file.
        backend: ``"openvino"``, ``"onnxruntime"`` or ``"auto"``, the faster of both here.
        precision: ``"fp32"``, ``"bf16"``, ``"int8"`` (once quantised, see
            :mod:`models.quantise.qdq`) or ``"auto"``.
        threads: CPU threads.
        confidence: Detections below this are left out, 0 to 1.
        input_size: Side of the square that images are fitted into, pixels, a multiple of 32; the
            model's own if left out.
        cache: Folder of the models' cache; the user's own if left out.
        family: Family of a user's file, if it cannot be inferred.
        classes: Class names of a user's file; from its metadata, or COCO's for 80 classes, if left
            out.
        iou: Overlap above which duplicates are suppressed; the family's own if left out.
        square: Run on the whole square even where a smaller rectangle holds the image.
        multi_label: Report a box once per class that reaches the confidence.

    Returns:
        The detector.

    Raises:
        ModelError: The weights are unknown, damaged or unsuitable, or the settings do not fit them.
    """
    weights = fetch(model, cache=cache, family=family, classes=classes, task="detect")
    if precision == "int8":
        from models.quantise.qdq import quantised

        weights = quantised(weights, cache=cache)
    graph = inspect(weights.path)
    runtime = load(graph, *choose(graph, backend, precision, threads, cache), threads)
    return Detector(
        weights,
        runtime,
        confidence=confidence,
        input_size=input_size,
        iou=iou,
        square=square,
        multi_label=multi_label,
    )


def _check(index: int, image: Image) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ModelError(
            f"image {index} is {image.dtype} of shape {image.shape}; give 8-bit BGR images "
            "(height, width, 3)"
        )


def _side(runtime: Runtime, side: int, asked: int | None) -> int:
    """Return the input's side, which a model of fixed size dictates."""
    fixed = runtime.graph.fixed_size
    if fixed:
        if asked is not None and asked != max(fixed):
            raise ModelError(
                f"{runtime.graph.path}: the model takes {fixed[1]}x{fixed[0]} only, not "
                f"input_size {asked}; leave it out"
            )
        return max(fixed)
    if side < STRIDE_PX or side % STRIDE_PX:
        raise ModelError(f"input_size is {side}; it must be a multiple of {STRIDE_PX}")
    return side


def _class_names(weights: Weights, count: int | None) -> tuple[str, ...]:
    names = weights.spec.classes
    if not names:
        names = class_list("coco")
        if count not in (None, len(names)):
            raise ModelError(f"{weights.path}: the {count} classes have no names: name them")
    if count is not None and count != len(names):
        raise ModelError(
            f"{weights.path}: the model has {count} classes, but {len(names)} are named"
        )
    return names
