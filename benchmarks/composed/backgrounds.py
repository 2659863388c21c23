"""Empty views of real cameras: medians over the clips' frames, and photographs of empty streets.

``views.csv`` lists the views in which something can be put down, with the ground as read off the
picture: the horizon's row and a person's height at the lower edge as shares of the picture's
height, and the corners of the ground in tenths of width and height.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.composed.cutouts import CACHE, SHARED, held_back
from benchmarks.composed.ground import Ground

_VERSION = 2  # a new number replaces cached views
_TABLE = Path(__file__).with_name("views.csv")
_FRAMES = 31  # for the median: a place must be empty in more than half of them
_CLIPS = (".avi", ".mp4")


@dataclass(frozen=True, slots=True)
class Background:
    """One empty view.

    Attributes:
        name: The clip or photograph.
        image: uint8 ``(height, width, 3)``, BGR.
        ground: Where something can stand, in pixels of the image.
        is_camera: Whether the view is a fixed camera's, not a photograph's.
        held_back: Whether the view is only for seeds that nothing was developed on.
    """

    name: str
    image: NDArray[np.uint8]
    ground: Ground
    is_camera: bool
    held_back: bool


def load_backgrounds(data: Path = SHARED, cache: Path = CACHE) -> list[Background]:
    """The empty views in order of name; made once, then read from the cache.

    Args:
        data: Folder with ``video`` and ``images/kinds``.
        cache: Folder of the cached file.

    Raises:
        FileNotFoundError: There is neither a clip nor a photograph of the table in ``data``.
    """
    table = _table()
    sources = [path for path in (_path(data, name) for name in table) if path.is_file()]
    if not sources:
        raise FileNotFoundError(f"{data}: there is neither a clip nor a photograph of a street")
    listed = " ".join(f"{_name(data, path)} {path.stat().st_size}" for path in sources)
    digest = hashlib.sha256(listed.encode()).hexdigest()[:8]
    path = cache / f"backgrounds-v{_VERSION}-{digest}.npz"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        views_made = {_name(data, source): view for source, view in _views(sources)}
        np.savez_compressed(part, **views_made)  # type: ignore[arg-type]
        part.replace(path)
    with np.load(path) as views:
        return [_background(table[name], views[name]) for name in sorted(table) if name in views]


def empty_view(frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The median over the frames of a camera that does not move, pixel by pixel."""
    return np.asarray(np.median(np.stack(frames), axis=0), np.uint8)


def _table() -> dict[str, dict[str, str]]:
    with _TABLE.open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def _path(data: Path, name: str) -> Path:
    is_clip = Path(name).suffix in _CLIPS
    return data / "video" / name if is_clip else data / "images" / "kinds" / name


def _name(data: Path, path: Path) -> str:
    folder = "video" if path.suffix in _CLIPS else "images/kinds"
    return path.relative_to(data / folder).as_posix()


def _background(row: dict[str, str], image: NDArray[np.uint8]) -> Background:
    height, width = image.shape[:2]
    corners = np.array([float(tenths) for tenths in row["ground"].split()]).reshape(-1, 2) / 10
    ground = Ground(
        float(row["horizon"]) * height,
        float(row["person"]) * height,
        height,
        corners * (width, height),
        row["traffic"] == "1",
    )
    name = row["name"]
    is_camera = Path(name).suffix in _CLIPS
    return Background(name, image, ground, is_camera, held_back(Path(name).name))


def _views(sources: Sequence[Path]) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    for path in sources:
        if path.suffix in _CLIPS:
            yield path, empty_view(list(_frames(path)))
        else:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is not None:
                yield path, np.asarray(image, np.uint8)


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
