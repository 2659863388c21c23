"""Copies of clips that may be handed out: other people and plates are hidden in every picture.

A clip is searched some times a second, since people do not move far in between. A picture hides
what was found at the last searches before it and at the next ones after it, which also covers who
is missed by a single search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import supervision as sv

from cv_engine.evidence.errors import ClipError
from cv_engine.evidence.media.playable import Progress, Timed, encode, pictures_of
from cv_engine.evidence.media.redact import Finders, Region, hide, regions
from cv_engine.evidence.media.still import Box, Image
from cv_engine.privacy.errors import PrivacyError

_SEARCH_S = 0.25  # between two searches: a walker moves 0.35 m, about a head and its margin
_SEARCHES = 2  # before and after a picture whose finds are hidden in it
_NO_ONE = sv.Detections(np.zeros((0, 4), np.float32), data={"class_name": np.zeros(0, str)})


@dataclass(frozen=True, slots=True)
class _Searched:
    """A decoded picture, and what was found in it where it was searched."""

    time_s: float
    image: Image
    found: tuple[Region, ...] | None


def redact_clip(
    source: Path,
    target: Path,
    box: Box | None,
    finders: Finders,
    progress: Progress = lambda done: None,
) -> int:
    """Write a copy of a clip in which other people and plates are made unreadable.

    Sound, and every other stream than the pictures, is left out.

    Args:
        source: The clip.
        target: The copy, an MP4 with H.264.
        box: The case's vehicle or thing in pixels, which stays readable; it stands still. ``None``
            where it is not known: then nothing is spared.
        finders: What finds people and plates.
        progress: Receives the number of pictures that are done.

    Returns:
        The number of pictures.

    Raises:
        PrivacyError: The clip cannot be read, or has no picture; no copy is left then.
        OSError: The copy cannot be written.
    """
    try:
        count = encode(target, _hidden(_search(source, box, finders)), progress)
    except (av.error.FFmpegError, ClipError) as error:
        target.unlink(missing_ok=True)
        raise PrivacyError(f"{source.name}: cannot be copied for handing out: {error}") from error
    if not count:
        target.unlink(missing_ok=True)
        raise PrivacyError(f"{source.name}: has no picture")
    return count


def box_in(manifest: Mapping[str, Any]) -> Box | None:
    """The box of the case's thing in the pictures, as a package's manifest has it."""
    box = manifest.get("finding", {}).get("place", {}).get("image_box")
    if not isinstance(box, list) or len(box) != 4:
        return None
    x1, y1, x2, y2 = (float(side) for side in box)
    return x1, y1, x2, y2


def _search(source: Path, box: Box | None, finders: Finders) -> Iterator[_Searched]:
    """Decode a clip, and search it at intervals."""
    own = box if box is not None else (-2.0, -2.0, -1.0, -1.0)
    next_s: float | None = None
    with av.open(str(source)) as container:
        for time_s, image in pictures_of(container):
            found = None
            if next_s is None or time_s >= next_s:
                found = tuple(regions(image, own, _NO_ONE, finders))
                next_s = time_s + _SEARCH_S
            yield _Searched(time_s, image, found)


def _hidden(pictures: Iterator[_Searched]) -> Iterator[Timed]:
    """Hide in each picture what was found at the searches around it."""
    waiting: deque[_Searched] = deque()
    before: deque[tuple[Region, ...]] = deque(maxlen=_SEARCHES)
    for picture in pictures:
        waiting.append(picture)
        ahead = sum(each.found is not None for each in waiting)
        while ahead > _SEARCHES:
            ahead -= waiting[0].found is not None
            yield _next(waiting, before)
    while waiting:
        yield _next(waiting, before)


def _next(waiting: deque[_Searched], before: deque[tuple[Region, ...]]) -> Timed:
    picture = waiting.popleft()
    if picture.found is not None:
        before.append(picture.found)
    after = [each.found for each in waiting if each.found is not None]
    found = [region for some in (*before, *after) for region in some]
    return picture.time_s, hide(picture.image, found)
