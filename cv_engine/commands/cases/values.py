"""What an officer typed for a case, as values of the queue: photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cv_engine.evidence.media.photo import Photo


def read_photos(paths: Sequence[Path] | None) -> list[Photo]:
    """The photos of some files.

    Raises:
        EvidenceError: A file is no usable photo.
    """
    if not paths:
        return []
    from cv_engine.evidence.media.photo import read_photo

    return [read_photo(path) for path in paths]
