"""Export a checkpoint as the reader's ONNX file: half-precision weights, not calibrated.

``python -m models.plates.training.export china CHECKPOINT FILE``
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from models.files import write_atomically
from models.plates.reader import CALIBRATION
from models.plates.rectify import INPUT_HEIGHT_PX, INPUT_WIDTH_PX
from models.plates.training.network import PlateNetwork
from models.plates.training.pool import SCRIPTS
from models.platt import Platt

_OPSET = 17


def main() -> None:
    """Export a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("script", choices=sorted(SCRIPTS))
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--width", type=int, default=24)
    options = parser.parse_args()
    script = SCRIPTS[options.script]
    country = script.country
    network = PlateNetwork(
        script.places, len(country.characters), len(country.layouts), options.width
    )
    network.load_state_dict(torch.load(options.checkpoint, weights_only=True))
    network.eval()
    example = torch.zeros(2, 3, INPUT_HEIGHT_PX, INPUT_WIDTH_PX)
    torch.onnx.export(
        network,
        (example,),
        options.file,
        opset_version=_OPSET,
        input_names=["image"],
        output_names=["characters", "layouts"],
        dynamic_axes={"image": {0: "n"}, "characters": {0: "n"}, "layouts": {0: "n"}},
        dynamo=False,
    )
    model = onnx.load(options.file)
    halved(model)
    facts: dict[str, Any] = {
        "licence": "Apache-2.0",
        "characters": "".join(country.characters),
        "layouts": " ".join(country.layouts),
        CALIBRATION: Platt().to_text(),
    }
    onnx.helper.set_model_props(model, facts)
    write_atomically(options.file, model.SerializeToString())
    print(f"{options.file}: {options.file.stat().st_size / 1e6:.2f} MB")


def halved(model: onnx.ModelProto) -> None:
    """Store large weights in half precision, cast back as the graph is loaded.

    The runtimes fold the casts, so that it costs no time and the arithmetic stays in single
    precision.
    """
    casts = []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 256:
            continue
        name = f"{tensor.name}.half"
        model.graph.initializer.remove(tensor)
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), name))
        casts.append(
            onnx.helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT)
        )
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)


if __name__ == "__main__":
    main()
