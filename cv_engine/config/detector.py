"""The ``detector`` section of the configuration."""

from __future__ import annotations

from typing import Literal

from cv_engine.section import Count, Fraction, Section, Text


class DetectorConfig(Section):
    """The object detector."""

    model: Text = "yolov8n"
    backend: Literal["auto", "onnxruntime", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    threads: Count = 1
    confidence: Fraction = 0.25
    input_size: Count | None = None
