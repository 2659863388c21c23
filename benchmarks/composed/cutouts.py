"""Real objects with soft masks, cut from labelled photographs by GrabCut.

The boxes are in ``cutouts.csv``: labels of COCO128, and boxes drawn by hand or found by the
detector in the photographs of streets and in a frame of MOT17. A mask that leaks or misses parts is
rejected.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import platformdirs
from numpy.typing import NDArray

#: Folder of the shared data, from the repository's root.
SHARED = Path("../shared/data")
CACHE = Path(platformdirs.user_cache_dir("cv-engine")) / "benchmarks"
GROUPS = ("person", "vehicle", "goods")
#: Every n-th source is kept for the seeds whose figures are published.
_HELD_BACK_OF = 3

_TABLE = Path(__file__).with_name("cutouts.csv")
_VERSION = 1  # a new number replaces cached cutouts
_LONGEST = 240  # side of the picture in which a mask is sought, pixels
_MARGIN = 0.15  # around the box, share of each side
# Surely the object: xyxy, shares of the box. The second, larger one is for masks that miss parts.
_CORES = {
    "person": ((0.40, 0.10, 0.60, 0.50), (0.36, 0.06, 0.64, 0.80)),
    "vehicle": ((0.20, 0.30, 0.80, 0.80), (0.10, 0.20, 0.90, 0.88)),
    "goods": ((0.42, 0.42, 0.58, 0.70), (0.25, 0.20, 0.75, 0.85)),
}
_STEPS = 5  # of GrabCut
_SHARE = {"person": (0.22, 0.85), "vehicle": (0.35, 0.96), "goods": (0.30, 0.98)}  # of the box
# Of the box that the mask spans, across and down: a person's arm may be lost, not head or feet.
_LEAST_REACH = {"person": (0.72, 0.88), "vehicle": (0.85, 0.85), "goods": (0.85, 0.85)}
_MOST_HOLES = 0.12  # area, of the mask
_LEAST_WHOLE = 0.85  # area of the largest part, of all parts
_LEAST_SIDE = 24  # pixels
_EDGE_PX = 0.8  # width of the soft edge: that of a lens


@dataclass(frozen=True, slots=True)
class Cutout:
    """One object.

    Attributes:
        name: Source and number, unique.
        word: Class, such as ``suitcase``.
        group: ``person``, ``vehicle`` or ``goods``.
        image: Pixels, uint8 ``(height, width, 3)``, BGR; those outside the mask continue the
            object's colours, so that a soft edge shows nothing of the photograph's background.
        alpha: Share of each pixel that the object covers, float32 ``(height, width)``.
        held_back: Whether the object is only for seeds that nothing was developed on.
    """

    name: str
    word: str
    group: str
    image: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    held_back: bool


def load_cutouts(data: Path = SHARED, cache: Path = CACHE) -> list[Cutout]:
    """The objects whose masks are good, in order of name; cut once, then read from the cache.

    Args:
        data: Folder with ``detector/coco128``, ``images/kinds`` and ``mot``.
        cache: Folder of the cached file.

    Raises:
        FileNotFoundError: None of the photographs is in ``data``.
    """
    table = hashlib.sha256(_TABLE.read_bytes()).hexdigest()[:8]
    path = cache / f"cutouts-v{_VERSION}-{table}.npz"
    if not path.is_file():
        cutouts = list(_cut_all(data))
        if not cutouts:
            raise FileNotFoundError(f"{data}: none of the photographs of {_TABLE.name} is there")
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        _save(cutouts, part)
        part.replace(path)
    return _load(path)


def held_back(source: str) -> bool:
    """Whether a source of pictures is only for seeds that nothing was developed on."""
    return int(hashlib.sha256(source.encode()).hexdigest()[:8], 16) % _HELD_BACK_OF == 0


def cut(image: NDArray[np.uint8], box: tuple[int, int, int, int], group: str) -> Cutout | None:
    """Cuts one object out of a photograph.

    Args:
        image: The photograph, BGR.
        box: The object's box, xyxy in pixels.
        group: ``person``, ``vehicle`` or ``goods``; decides what share of the box is plausible.

    Returns:
        The object without a name, cropped to its mask; ``None`` where the mask is not good.
    """
    crop, inner = _crop(image, box)
    scale = _LONGEST / max(crop.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(crop, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    size = (crop.shape[1], crop.shape[0])
    for core in _CORES[group]:
        mask = _grab(small, [round(side * scale) for side in inner], core)
        whole = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
        if _is_good(whole, inner, group):
            return _cropped(crop, _soft(whole), group)
    return None


def _cropped(crop: NDArray[np.uint8], alpha: NDArray[np.float32], group: str) -> Cutout:
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    image = _continued(crop, alpha)[part]
    return Cutout("", "", group, np.ascontiguousarray(image), alpha[part].copy(), False)


def _cut_all(data: Path) -> Iterator[Cutout]:
    with _TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        image = cv2.imread(str(data / row["file"]), cv2.IMREAD_COLOR)
        if image is None:
            continue
        x0, y0, x1, y1 = (int(row[side]) for side in ("x0", "y0", "x1", "y1"))
        found = cut(np.asarray(image, np.uint8), (x0, y0, x1, y1), row["group"])
        if found is not None:
            name = f"{Path(row['file']).stem}-{number}"
            kept = held_back(row["file"])
            yield Cutout(name, row["word"], row["group"], found.image, found.alpha, kept)


def _crop(
    image: NDArray[np.uint8], box: tuple[int, int, int, int]
) -> tuple[NDArray[np.uint8], list[int]]:
    """The box with a margin, and the box's place in that crop."""
    x0, y0, x1, y1 = box
    wide, high = round((x1 - x0) * _MARGIN) + 3, round((y1 - y0) * _MARGIN) + 3
    left, top = max(0, x0 - wide), max(0, y0 - high)
    crop = image[top : y1 + high, left : x1 + wide]
    return crop, [x0 - left, y0 - top, x1 - left, y1 - top]


def _grab(
    image: NDArray[np.uint8], box: list[int], core: tuple[float, float, float, float]
) -> NDArray[np.bool_]:
    """GrabCut (Rother et al., 2004): outside the box is background, its core is the object."""
    x0, y0, x1, y1 = box
    wide, high = x1 - x0, y1 - y0
    labels = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    labels[y0:y1, x0:x1] = cv2.GC_PR_FGD
    across = slice(x0 + round(core[0] * wide), x0 + round(core[2] * wide))
    down = slice(y0 + round(core[1] * high), y0 + round(core[3] * high))
    labels[down, across] = cv2.GC_FGD
    cv2.setRNGSeed(1)  # of the k-means in the first step: the same mask every time
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    nowhere = (0, 0, 0, 0)  # the rectangle is not used where labels are given
    cv2.grabCut(image, labels, nowhere, background, foreground, _STEPS, cv2.GC_INIT_WITH_MASK)
    mask = np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(opened > 0)


def _is_good(mask: NDArray[np.bool_], box: list[int], group: str) -> bool:
    """Whether a mask covers the box's object: share, reach, holes, parts and size."""
    x0, y0, x1, y1 = box
    if mask.sum() < _LEAST_SIDE**2 / 2:
        return False
    low, high = _SHARE[group]
    share = mask.sum() / max(1, (x1 - x0) * (y1 - y0))
    spans = np.ptp(np.flatnonzero(mask.any(axis=0))), np.ptp(np.flatnonzero(mask.any(axis=1)))
    reach = spans[0] / (x1 - x0), spans[1] / (y1 - y0)
    areas = np.sort(cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2][1:, 4])
    holes = _filled(mask).sum() - mask.sum()
    return bool(
        low <= share <= high
        and np.all(np.array(reach) >= _LEAST_REACH[group])
        and areas[-1] >= _LEAST_WHOLE * areas.sum()
        and holes <= _MOST_HOLES * mask.sum()
        and min(x1 - x0, y1 - y0) >= _LEAST_SIDE
    )


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part of a mask, without holes."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if number < 2:
        return mask
    part = np.asarray(labels == 1 + int(np.argmax(stats[1:, 4])), np.uint8)
    contours = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    return np.asarray(cv2.drawContours(part, list(contours), -1, 1, cv2.FILLED) > 0)


def _soft(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The mask's largest part with an edge as soft as that of a lens, a little inside."""
    whole = _filled(mask).astype(np.uint8)
    # The outermost pixels hold the photograph's background too.
    eroded = cv2.erode(whole, np.ones((3, 3), np.uint8)).astype(np.float32)
    alpha = cv2.GaussianBlur(eroded, (0, 0), _EDGE_PX)
    return np.where(alpha < 0.02, 0, alpha).astype(np.float32)


def _continued(image: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture with the object's own colours carried over its edge."""
    inside = (alpha > 0.98).astype(np.float32)
    weight = cv2.GaussianBlur(inside, (0, 0), 2.0)[..., None]
    carried = cv2.GaussianBlur(image.astype(np.float32) * inside[..., None], (0, 0), 2.0)
    near = (weight > 1e-3) & (inside[..., None] == 0)
    return np.where(near, carried / np.maximum(weight, 1e-3), image).round().astype(np.uint8)


def _save(cutouts: list[Cutout], path: Path) -> None:
    arrays: dict[str, NDArray[np.generic]] = {
        "names": np.array([cutout.name for cutout in cutouts]),
        "words": np.array([cutout.word for cutout in cutouts]),
        "groups": np.array([cutout.group for cutout in cutouts]),
        "held_back": np.array([cutout.held_back for cutout in cutouts]),
    }
    for number, cutout in enumerate(cutouts):
        covered = np.rint(cutout.alpha * 255).astype(np.uint8)
        arrays[f"bgra{number}"] = np.dstack([cutout.image, covered])
    # Written to a file: numpy's arguments are named after the arrays.
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _load(path: Path) -> list[Cutout]:
    with np.load(path) as arrays:
        fields = zip(
            arrays["names"].tolist(),
            arrays["words"].tolist(),
            arrays["groups"].tolist(),
            arrays["held_back"].tolist(),
            strict=True,
        )
        cutouts = []
        for number, (name, word, group, kept) in enumerate(fields):
            bgra = arrays[f"bgra{number}"]
            # Cropped to where pixels are mostly the object's: the size of the crop is its size.
            solid = bgra[..., 3] > 127
            rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
            part = bgra[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            alpha = (part[..., 3] / 255).astype(np.float32)
            cutouts.append(Cutout(name, word, group, part[..., :3].copy(), alpha, bool(kept)))
    return cutouts
