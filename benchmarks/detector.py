"""Average precision of the detectors on COCO128, per precision, beside a published evaluator.

COCO128 is 128 images of COCO train2017, so figures lie above those on val2017 that authors publish:
use them to compare, not to quote.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness.average_precision import (
    Boxes,
    Score,
    evaluate,
    from_detections,
    load_truth,
    published,
)
from models.detector import Detector, open_detector
from models.quantise.qdq import quantise
from models.registry.weights import fetch
from models.runtime.runtime import has_bf16

_SHARED = Path("../shared/data")
_CONFIDENCE = 0.001  # as Ultralytics and YOLOX evaluate: the curve needs its low end
_AGREEMENT = 1e-6  # largest difference from the published evaluator
_INT8_LOSS = 0.015  # largest loss of AP by 8 bits: 1.5 points


@dataclass(frozen=True, slots=True)
class Row:
    """One model at one precision."""

    model: str
    precision: str
    backend: str
    score: Score
    difference: float
    ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--data", type=Path, default=_SHARED / "detector" / "coco128")
    parser.add_argument("--models", default="yolov8n,yolox_nano", help="names or paths, by comma")
    parser.add_argument(
        "--weights-dir",
        type=Path,
        default=_SHARED / "weights",
        help="a NAME.onnx in this folder is used for the model NAME",
    )
    parser.add_argument(
        "--precisions", default="fp32,bf16,int8", help="bf16 only where the CPU has it"
    )
    parser.add_argument(
        "--calibration", type=Path, default=_SHARED / "video", help="frames to quantise with"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, help="only the first N images")


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; the last line of stdout is one JSON object.

    Returns:
        0; 1 where the evaluators differ or 8 bits cost too much; 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog="benchmarks detector", description=__doc__)
    add_arguments(parser)
    try:
        return _run(parser.parse_args(argv))
    except (ImportError, ValueError) as error:  # ModelError is a ValueError
        print(f"detector: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    truth = dict(list(load_truth(options.data).items())[: options.limit])
    rows: list[Row] = []
    reference = ""
    with tempfile.TemporaryDirectory(prefix="cv-engine-bench-") as folder:
        for name in options.models.split(","):
            for precision, detector in _detectors(name, options, Path(folder)):
                found, ms = _detect(detector, list(truth))
                score = evaluate(list(truth.values()), found)
                theirs, reference = published(list(truth.values()), found, detector.class_names)
                difference = max(abs(score.ap - theirs.ap), abs(score.ap50 - theirs.ap50))
                backend = detector.runtime.backend
                rows.append(Row(Path(name).stem, precision, backend, score, difference, ms))
    _print(rows, reference, len(truth))
    result = summary(rows, reference)
    print(json.dumps(result))
    return int(bool(_failures(rows)))


def _detectors(
    name: str, options: argparse.Namespace, folder: Path
) -> Iterator[tuple[str, Detector]]:
    """The model at each precision of this machine; int8 is quantised now, into ``folder``."""
    local = options.weights_dir / f"{name}.onnx"
    model = local if local.is_file() else name
    for precision in options.precisions.split(","):
        if precision == "bf16" and not has_bf16():
            continue
        if precision == "int8":
            quantise(fetch(model), options.calibration, cache=folder)
        detector = open_detector(
            model,
            precision=precision,
            threads=options.threads,
            confidence=_CONFIDENCE,
            square=True,
            multi_label=True,
            cache=folder if precision == "int8" else None,
        )
        yield precision, detector


def _detect(detector: Detector, images: Sequence[Path]) -> tuple[list[Boxes], float]:
    """Detections per image, and the median CPU milliseconds from an image's pixels to its boxes."""
    found = []
    times = []
    for path in images:
        image = cv2.imread(str(path))
        assert image is not None  # load_truth has read it
        begin = time.process_time()  # CPU time, so that other work on the machine does not count
        (detections,) = detector([np.asarray(image, np.uint8)])
        times.append(time.process_time() - begin)
        found.append(from_detections(detections))
    return found, statistics.median(times) * 1e3


def summary(rows: Sequence[Row], reference: str) -> dict[str, Any]:
    """The figures by key; a model's own are those of its first precision."""
    models: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = models.setdefault(
            row.model, {"ap": row.score.ap, "ap50": row.score.ap50, "difference": 0.0}
        )
        entry["difference"] = max(entry["difference"], row.difference)
        entry[f"{row.precision}.ap"] = row.score.ap
        entry[f"{row.precision}.ap_loss"] = entry["ap"] - row.score.ap
        entry[f"{row.precision}.ms"] = row.ms
    first = rows[0].score
    flat = {
        f"models.{m}.{key}": value for m, entry in models.items() for key, value in entry.items()
    }
    head = {"ap": first.ap, "ap50": first.ap50, "evaluator": reference}
    return {**head, "difference": max(row.difference for row in rows), "models": models, **flat}


def _failures(rows: Sequence[Row]) -> list[str]:
    failures = [
        f"{row.model} {row.precision}: differs from the published evaluator by {row.difference:.1e}"
        for row in rows
        if not row.difference <= _AGREEMENT
    ]
    plain = {row.model: row.score.ap for row in rows if row.precision == "fp32"}
    failures += [
        f"{row.model}: int8 loses {(plain[row.model] - row.score.ap) * 100:.1f} points of AP"
        for row in rows
        if row.precision == "int8" and plain.get(row.model, 0.0) - row.score.ap > _INT8_LOSS
    ]
    return failures


def _print(rows: Sequence[Row], reference: str, images: int) -> None:
    table = Table(title=f"AP on {images} images, confidence {_CONFIDENCE}, square input")
    for column in ("model", "precision", "backend", "AP", "AP50", "AP loss", "CPU ms/image"):
        table.add_column(column, justify="left" if column in ("model", "precision") else "right")
    table.add_column(f"difference from {reference}", justify="right")
    base: dict[str, float] = {}
    for row in rows:
        loss = base.setdefault(row.model, row.score.ap) - row.score.ap
        figures = (f"{100 * row.score.ap:.2f}", f"{100 * row.score.ap50:.2f}", f"{100 * loss:+.2f}")
        rest = (f"{row.ms:.1f}", f"{row.difference:.1e}")
        table.add_row(row.model, row.precision, row.backend, *figures, *rest)
    console = Console(width=120)
    console.print(table)
    for failure in _failures(rows):
        console.print(f"FAILED: {failure}")
