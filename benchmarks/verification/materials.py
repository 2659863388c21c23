"""What sequences are composed from: empty views and things, in folds that share nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.composed.backgrounds import load_backgrounds
from benchmarks.composed.cutouts import held_back, load_cutouts
from benchmarks.verification.composing import View
from benchmarks.verification.drawn import drawn
from benchmarks.verification.things import Cutout

# Besides the empty views, photographs of all sorts: the change is composed, so what else they
# show matters little, and there are many more of them.
_PHOTOGRAPHS = ("images/kinds/*/*.jpg", "detector/coco128/images/*.jpg")
_DRAWN = 36  # things besides the cut-outs
_LEAST_PX = 160
_LONG_PX = 960


@dataclass(frozen=True, slots=True)
class Materials:
    """Views and things of one fold, or of several.

    Attributes:
        views: Empty views of fixed cameras, and of streets.
        photographs: Other pictures.
        cutouts: Things.
    """

    views: Sequence[View]
    photographs: Sequence[View]
    cutouts: Sequence[Cutout]


def load(data: Path, *, kept: bool) -> Materials:
    """All materials that were kept back, or all others.

    Args:
        data: The folder of shared data.
        kept: Whether to load what was kept back, which nothing is developed on.

    Raises:
        FileNotFoundError: The data is not there.
    """
    views = [
        View(view.name, _grey(view.image))
        for view in load_backgrounds(data)
        if view.held_back == kept
    ]
    cutouts = [
        Cutout(cutout.word, _grey(cutout.image), _at_most(cutout.alpha))
        for cutout in load_cutouts(data)
        if cutout.held_back == kept
    ]
    cutouts += drawn(_DRAWN, seed=2 if kept else 1)
    return Materials(views, list(_photographs(data, kept)), cutouts)


def fold(materials: Materials, index: int, of: int) -> Materials:
    """One fold: whole recordings, and whole classes of things, each in one fold only."""

    def mine(name: str) -> bool:
        return fold_of(name, of) == index

    return Materials(
        [view for view in materials.views if mine(view.clip)],
        [view for view in materials.photographs if mine(view.clip)],
        [cutout for cutout in materials.cutouts if mine(cutout.kind)],
    )


def fold_of(name: str, of: int) -> int:
    """The fold of a recording or of a class, by its name."""
    return int(hashlib.sha256(f"fold {name}".encode()).hexdigest()[:8], 16) % of


def _photographs(data: Path, kept: bool) -> Iterator[View]:
    paths = sorted(path for pattern in _PHOTOGRAPHS for path in data.glob(pattern))
    for path in paths:
        name = str(path.relative_to(data))
        if held_back(name) != kept:
            continue
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is not None and min(image.shape[:2]) >= _LEAST_PX:
            yield View(name, _at_most(np.asarray(image, np.float32)))


def _grey(
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return _at_most(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.float32))


def _at_most(
    grey: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    scale = _LONG_PX / max(grey.shape)
    if scale >= 1:
        return grey
    size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)
