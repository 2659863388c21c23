"""Empty views of real cameras: medians over the clips' frames, and photographs of empty streets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.composed.cutouts import CACHE, SHARED, held_back

_VERSION = 1  # a new number replaces cached views
_FRAMES = 31  # for the median: a place must be empty in more than half of them
_CLIPS = (".avi", ".mp4")
# Of the photographs, streets and forecourts on which something can be put down.
_PHOTOGRAPHS = (
    "clean_street/clean_16.jpg",
    "clean_street/clean_33.jpg",
    "clean_street/clean_4.jpg",
    "clean_street/clean_61.jpg",
    "clean_street/clean_98.jpg",
    "clean_street/clean_110.jpg",
    "clean_street/clean_12.jpg",
    "litter_street_ksa/ksa_4847fc5d234e.jpg",
    "litter_street_ksa/ksa_6bb2692c498a.jpg",
    "litter_street_ksa/ksa_f7cc1700147d.jpg",
    "shop_street_ksa/ksa_38181fb4fd0b.jpg",
    "shop_street_ksa/ksa_4c31d10a7312.jpg",
    "shop_street_ksa/ksa_9f5dd9884a6b.jpg",
)


@dataclass(frozen=True, slots=True)
class Background:
    """One empty view.

    Attributes:
        name: The clip or photograph.
        image: uint8 ``(height, width, 3)``, BGR.
        is_camera: Whether the view is a fixed camera's, not a photograph's.
        held_back: Whether the view is only for seeds that nothing was developed on.
    """

    name: str
    image: NDArray[np.uint8]
    is_camera: bool
    held_back: bool


def load_backgrounds(data: Path = SHARED, cache: Path = CACHE) -> list[Background]:
    """The empty views in order of name; made once, then read from the cache.

    Args:
        data: Folder with ``video`` and ``images/kinds``.
        cache: Folder of the cached file.

    Raises:
        FileNotFoundError: There is neither a clip nor a photograph in ``data``.
    """
    clips = sorted(path for path in (data / "video").glob("*") if path.suffix in _CLIPS)
    photographs = [data / "images" / "kinds" / name for name in _PHOTOGRAPHS]
    sources = [path for path in (*clips, *photographs) if path.is_file()]
    if not sources:
        raise FileNotFoundError(f"{data}: there is neither a clip nor a photograph of a street")
    listed = " ".join(f"{path.name} {path.stat().st_size}" for path in sources)
    digest = hashlib.sha256(listed.encode()).hexdigest()[:8]
    path = cache / f"backgrounds-v{_VERSION}-{digest}.npz"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, **dict(_views(sources)))  # type: ignore[arg-type]
        part.replace(path)
    with np.load(path) as views:
        return [
            Background(name, views[name], Path(name).suffix in _CLIPS, held_back(name))
            for name in sorted(views.files)
        ]


def empty_view(frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The median over the frames of a camera that does not move, pixel by pixel."""
    return np.asarray(np.median(np.stack(frames), axis=0), np.uint8)


def _views(sources: Sequence[Path]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for path in sources:
        if path.suffix in _CLIPS:
            yield path.name, empty_view(list(_frames(path)))
        else:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is not None:
                yield path.name, np.asarray(image, np.uint8)


def _frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Frames evenly spread over a clip."""
    with av.open(str(path)) as container:
        duration_s = (container.duration or 0) / 1_000_000
        due_s = 0.0
        start_s: float | None = None
        for frame in container.decode(video=0):
            start_s = frame.time if start_s is None else start_s
            if frame.time - start_s >= due_s:
                due_s += duration_s / _FRAMES
                yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
