"""Accesses to contact data: who saw whose, and why."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cv_engine.cases.lifecycle import Role


@dataclass(frozen=True, slots=True)
class Look:
    """One access to what only some may see.

    Attributes:
        who: Name of the person or program.
        role: Role of the person at that moment.
        what: What was seen, such as ``"contact"``; names no person and no plate.
        why: The reason that was given.
        at: When, timezone-aware.
        case_id: Number of the case that the access was for, if any.
        plate: The plate, if a vehicle's data were seen.
    """

    who: str
    role: Role
    what: str
    why: str
    at: datetime
    case_id: int | None = None
    plate: str | None = None


class LookFile:
    """A file with a line of JSON for each access, which survives a power cut.

    Args:
        path: The file; created with mode 0600 if missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, look: Look) -> None:
        """Append an access.

        Raises:
            OSError: The file cannot be written.
        """
        row = {
            "at": look.at.astimezone(UTC).isoformat(),
            "who": look.who,
            "role": look.role.value,
            "what": look.what,
            "why": look.why,
            "case": look.case_id,
            "plate": look.plate,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, (json.dumps(row, ensure_ascii=False) + "\n").encode())
            os.fsync(file)
        finally:
            os.close(file)
