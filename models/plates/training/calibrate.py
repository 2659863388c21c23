"""Calibrate a reader on rendered plates that it was not trained on, and write it into its file.

``python -m models.plates.training.calibrate china FILE``: fits the line through the logit under
which the probability of the whole plate is true (:mod:`models.platt`). Needs no torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx

from models.files import write_atomically
from models.plates.reader import CALIBRATION, open_reader
from models.plates.training.pool import SCRIPTS, Script, render
from models.plates.voting import vote
from models.platt import calibration_error, fit

_SEED = 2_000_000  # of plates that neither training nor its checks see


def measured(
    script: Script, path: Path, seed: int, plates: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read rendered plates.

    Returns:
        Uncalibrated confidence, whether the whole plate is right, and the layout, for each view.
    """
    reader = open_reader(script.country, path)
    given, right, layouts = [], [], []
    for index in range(plates):
        views = render(script, seed, index)
        for reading, (_, plate) in zip(reader([view for view, _ in views]), views, strict=True):
            voted = vote([reading], script.country)
            assert voted is not None
            given.append(voted.confidence)
            right.append(voted.text == plate.text)
            layouts.append(plate.layout)
    return np.array(given), np.array(right), layouts


def main() -> None:
    """Calibrate a reader's file in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("script", choices=sorted(SCRIPTS))
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--plates", type=int, default=1500)
    options = parser.parse_args()
    given, right, layouts = measured(
        SCRIPTS[options.script], options.file, options.seed, options.plates
    )
    half = len(given) // 2
    platt = fit(given[:half], right[:half])
    true = platt(given.astype(np.float32))
    print(f"whole plates right: {right.mean():.4f} of {len(right)}")
    for layout in sorted(set(layouts)):
        here = np.array([each == layout for each in layouts])
        print(f"  {layout}: {right[here].mean():.3f} of {here.sum()}")
    print(
        f"calibration error: {calibration_error(true[half:], right[half:]):.4f} on the other half"
    )
    for least in (0.9, 0.99):
        sure = true >= least
        print(f"read with {least} and more: {sure.mean():.3f}, right {right[sure].mean():.4f}")
    platt = fit(given, right)
    print(f"scale {platt.scale:.4f}, bias {platt.bias:.4f}")
    model = onnx.load(options.file)
    facts = {prop.key: prop.value for prop in model.metadata_props}
    onnx.helper.set_model_props(model, facts | {CALIBRATION: platt.to_text()})
    write_atomically(options.file, model.SerializeToString())


if __name__ == "__main__":
    main()
