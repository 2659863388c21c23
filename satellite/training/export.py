"""Exports a trained network: an ONNX file with its model card."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path

import torch

from cv_engine.files import write_atomically
from models.convert import tinycd
from satellite.training import small_graph
from satellite.training.card import Origin, card, metadata
from satellite.training.fit import Network
from satellite.training.settings import Settings
from satellite.training.validation import Validation, pooled

MODEL = "model.onnx"
CARD = "MODEL_CARD.md"
WEIGHTS = "weights.pt"
FIGURES = "figures.json"


def export(
    network: Network,
    settings: Settings,
    origin: Origin,
    validation: Validation | None,
    folder: Path,
) -> Path:
    """Writes a network's ONNX file, model card, figures, and weights for further training.

    Args:
        network: The trained network.
        settings: Settings of the training.
        origin: Origin of the network.
        validation: Figures of the network; their calibration is written into the ONNX file.
        folder: Folder of the files; made if missing.

    Returns:
        Path of the ONNX file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: values.cpu().numpy() for name, values in network.state_dict().items()}
    facts = metadata(origin, settings, validation)
    build = tinycd.build if settings.network == "tinycd" else small_graph.build
    model = build(state, metadata=facts).SerializeToString()
    write_atomically(folder / MODEL, model, sync=True)
    kept = io.BytesIO()
    torch.save({name: torch.from_numpy(values) for name, values in state.items()}, kept)
    write_atomically(folder / WEIGHTS, kept.getvalue(), sync=True)
    parameters = sum(values.numel() for values in network.parameters())
    sha256 = hashlib.sha256(model).hexdigest()
    text = card(origin, settings, validation, sha256, parameters)
    write_atomically(folder / CARD, text.encode(), sync=True)
    if validation is not None:
        figures = json.dumps(summary(validation), indent=1)
        write_atomically(folder / FIGURES, figures.encode(), sync=True)
    return folder / MODEL


def summary(validation: Validation) -> dict[str, object]:
    """The figures as JSON types: of each tile, and of all pixels."""
    found: dict[str, object] = {
        "calibration": asdict(validation.calibration),
        "calibration_error": validation.error,
        "calibration_error_raw": validation.error_raw,
    }
    for name, counts in (
        ("before", validation.before),
        ("after", validation.after),
        ("calibrated", validation.calibrated),
        ("poor_before", validation.poor_before),
        ("poor_after", validation.poor_after),
    ):
        total = pooled(counts)
        found[name] = {
            "f1": total.f1,
            "precision": total.precision,
            "recall": total.recall,
            "iou": total.iou,
            "tiles": {tile: asdict(each) | {"f1": each.f1} for tile, each in counts.items()},
        }
    return found
