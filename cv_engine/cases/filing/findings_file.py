"""Findings of other programs: a file of JSON Lines, one finding a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cv_engine.cases.errors import QueueError
from cv_engine.cases.filing.filed import Filed
from cv_engine.errors import failure_of_os_error
from cv_engine.finding import Finding, Place

if TYPE_CHECKING:
    from cv_engine.cases.queue import Queue

#: Findings of a transaction: more save little time, and others wait for longer.
AT_ONCE = 32


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    """A line; the fields are those of a finding and its place."""

    kind: str
    source: str
    zone: str
    began: datetime
    observed: datetime
    confidence: float
    geometry: dict[str, Any] | None = None
    accuracy_m: float | None = None
    basis: Literal["homography", "camera", "raster", "sensor", "unknown"] = "unknown"
    image_box: tuple[float, float, float, float] | None = None
    attributes: dict[str, Any] = {}

    def finding(self) -> Finding:
        place = Place(self.geometry, self.accuracy_m, self.basis, self.image_box)
        what = (self.kind, self.source, self.zone)
        return Finding(*what, place, self.began, self.observed, self.confidence, self.attributes)


_DECODER = msgspec.json.Decoder(_Given)


def file_findings(
    path: Path, queue: Queue, progress: Callable[[int, int], None] = lambda done, size: None
) -> Iterator[tuple[int, Filed]]:
    """File the findings of a file, some at a time; a file that was filed before changes nothing.

    Args:
        path: JSON Lines: one object a line, with ``kind``, ``source``, ``zone``, ``began``,
            ``observed`` and ``confidence``, and as known ``geometry``, ``accuracy_m``, ``basis``,
            ``image_box`` and ``attributes``, as of :class:`~cv_engine.finding.Finding` and its
            place. Empty lines are left out.
        queue: The queue.
        progress: Is given the bytes that are filed, and all.

    Returns:
        Of each finding the number of its line and what filing it led to, in the order of the lines.

    Raises:
        QueueError: A line is no finding, or not one that can be filed; the message names it, and
            nothing is filed.
    """
    # All of them are checked before anything is filed.
    size = max((read for *_, read in _findings(path, queue)), default=0)
    lines = _findings(path, queue)
    while batch := list(islice(lines, AT_ONCE)):
        filed = queue.file_all([finding for _, finding, _ in batch])
        yield from ((number, each) for (number, *_), each in zip(batch, filed, strict=True))
        progress(batch[-1][2], size)


def _findings(path: Path, queue: Queue) -> Iterator[tuple[int, Finding, int]]:
    """The findings, each with the number of its line and the bytes up to that line's end."""
    read = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                read += len(line)
                if line.strip():
                    yield number, _finding(f"{path}, line {number}", line, queue), read
    except OSError as error:
        raise QueueError(
            f"{path}: the file cannot be read ({error.strerror})", failure_of_os_error(error)
        ) from error


def _finding(where: str, line: bytes, queue: Queue) -> Finding:
    try:
        finding = _DECODER.decode(line).finding()
        queue.check(finding)
    except (msgspec.MsgspecError, ValueError, QueueError) as error:
        raise QueueError(f"{where}: {error}") from error
    return finding
