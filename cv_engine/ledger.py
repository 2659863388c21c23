"""Which recordings are done: what lets a run that was stopped go on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a recording: case numbers, and how far it was looked at in media seconds."""

    cases: tuple[int, ...]
    seen_s: float


class Ledger:
    """The recordings that were looked at to the end, one small file each.

    Args:
        folder: Where the files lie; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def done(self, key: str) -> Done | None:
        """What came of a recording, ``None`` where it is not done."""
        try:
            entry = json.loads(self._path(key).read_text())
            return Done(tuple(int(case) for case in entry["cases"]), float(entry["seen_s"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def note(self, key: str, video: str, done: Done) -> None:
        """Records that a recording is done, whole or not at all."""
        path = self._path(key)
        partial = path.with_suffix(f".partial-{os.getpid()}")
        entry = {"video": video, "cases": list(done.cases), "seen_s": done.seen_s}
        partial.write_text(json.dumps(entry, ensure_ascii=False))
        partial.replace(path)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def key_of(parts: Sequence[str]) -> str:
    """One name for everything on which the result depends."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
