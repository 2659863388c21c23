"""Small synthetic labelled samples."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from satellite.training.samples import Sample

ROOF = (200, 60, 40)  # RGB; no ground has it


def place(
    side: int = 96, seed: int = 0, *, name: str = "place", pixel_m: float = 0.5, houses: int = 2
) -> Sample:
    """Noisy green land with new red houses; no house touches the edge."""
    rng = np.random.default_rng(seed)
    land = rng.normal(0, 6, (side, side, 3)) + np.array([90, 110, 80])
    before = np.clip(land, 0, 255).astype(np.uint8)
    after = before.copy()
    appeared = np.zeros((side, side), np.uint8)
    for number in range(houses):
        top, left = rng.integers(2, side // 2 - 18, 2) + np.array([number % 2, number // 2]) * (
            side // 2
        )
        after[top : top + 16, left : left + 12] = ROOF
        appeared[top : top + 16, left : left + 12] = 1
    nothing = np.zeros_like(appeared)
    return Sample(name, before, after, appeared, nothing, np.ones_like(appeared), pixel_m)


def write(samples: list[Sample], folder: Path) -> Path:
    """Writes samples in the form of LEVIR-CD."""
    for part in ("A", "B", "label"):
        (folder / part).mkdir(parents=True)
    for sample in samples:
        for part, image in (("A", sample.before), ("B", sample.after)):
            cv2.imwrite(str(folder / part / f"{sample.name}.png"), image[..., ::-1])
        cv2.imwrite(str(folder / "label" / f"{sample.name}.png"), 255 * sample.appeared)
    return folder
