"""What models are for, and the families whose outputs can be read."""

from __future__ import annotations

from typing import Literal

Task = Literal["detect", "change", "faces", "plates"]
"""Detecting objects, faces or number plates in an image, or changes between two images."""

DetectorFamily = Literal["ultralytics", "ultralytics-nms", "yolox", "detr"]
"""How a detector's output is read, see :mod:`models.detection.decoders`."""

FaceFamily = Literal["centerface"]
"""How the output of a face model is read, see :mod:`models.faces`."""

ChangeFamily = Literal["tinycd"]
"""The architecture of a change network, see :mod:`models.convert.tinycd`."""

PlateFamily = Literal["retinaface"]
"""How a plate detector's output is read, see :mod:`models.plates.detector`."""
