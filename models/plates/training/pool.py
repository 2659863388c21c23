"""A pool of rendered plates in one memory-mapped file, filled while the training already reads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.plates.countries.china import CHINA
from models.plates.countries.europe import EUROPE
from models.plates.rectify import INPUT_HEIGHT_PX, INPUT_WIDTH_PX
from models.plates.syntax import Country
from models.plates.training import china, europe
from models.plates.training.camera import photograph
from models.plates.training.drawing import Plate, draw_plate
from models.plates.training.glyphs import typeface

VIEWS = 3  # pictures taken of each drawn plate: drawing takes as long as photographing


@dataclass(frozen=True, slots=True)
class Script:
    """What a reader is trained on.

    Attributes:
        plate: Draws a plate at random.
        places: The most characters that a plate has.
        country: Characters and layouts by class.
        own_glyphs: Share of plates with glyphs of own strokes.
    """

    plate: Callable[[np.random.Generator], Plate]
    places: int
    country: Country
    own_glyphs: float


SCRIPTS: dict[str, Script] = {
    "china": Script(china.plate, china.PLACES, CHINA, 0.85),
    "europe": Script(europe.plate, europe.PLACES, EUROPE, 0.15),
}


def record_type(script: Script) -> np.dtype[Any]:
    """Return the type of one sample of the pool."""
    return np.dtype(
        [
            ("picture", np.uint8, (INPUT_HEIGHT_PX, INPUT_WIDTH_PX, 3)),
            ("places", np.int16, (script.places,)),
            ("layout", np.int16),
            ("ready", np.bool_),
        ]
    )


def render(script: Script, seed: int, index: int) -> list[tuple[npt.NDArray[np.uint8], Plate]]:
    """Render the views of plate ``index`` of ``seed``; the same every time."""
    random = np.random.default_rng([seed, index])
    plate = script.plate(random)
    drawing = draw_plate(plate, typeface(random, script.own_glyphs), random)
    two_lines = plate.layout in script.country.two_lines
    return [(photograph(drawing, random, two_lines), plate) for _ in range(VIEWS)]


def fill(path: Path, name: str, seed: int, count: int, offset: int, stride: int) -> None:
    """Fill every ``stride``-th plate's samples from ``offset`` on."""
    cv2.setNumThreads(1)
    script = SCRIPTS[name]
    pool = np.memmap(path, record_type(script), "r+", shape=(count,))
    classes = script.country.classes
    for index in range(offset, count // VIEWS, stride):
        for view, (picture, plate) in enumerate(render(script, seed, index)):
            sample = pool[index * VIEWS + view]
            if sample["ready"]:
                continue
            sample["picture"] = picture
            places = [classes[character] for character in plate.text]
            sample["places"] = places + [0] * (script.places - len(places))
            sample["layout"] = script.country.layouts.index(plate.layout)
            sample["ready"] = True


def start(path: Path, name: str, seed: int, count: int, processes: int) -> npt.NDArray[Any]:
    """Begin to fill a pool in other processes, and return it.

    Args:
        path: File of the pool; an unfinished one of the same seed is completed.
        name: Key of :data:`SCRIPTS`.
        seed: Seed of the plates.
        count: Samples of the pool.
        processes: Processes that render.
    """
    kind = record_type(SCRIPTS[name])
    if not path.exists() or path.stat().st_size != count * kind.itemsize:
        np.memmap(path, kind, "w+", shape=(count,)).flush()
    context = multiprocessing.get_context("spawn")
    for offset in range(processes):
        context.Process(
            target=fill, args=(path, name, seed, count, offset, processes), daemon=True
        ).start()
    return np.memmap(path, kind, "r", shape=(count,))
