"""What filing a finding led to, and what was filed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Filed:
    """The outcome of filing a finding.

    Attributes:
        case_id: The case's number.
        outcome: ``"new"``: the finding opened the case; ``"joined"``: the finding was added to an
            open case of the same thing; ``"known"``: filed before, nothing was changed.
    """

    case_id: int
    outcome: Literal["new", "known", "joined"]


@dataclass(frozen=True, slots=True)
class FiledEvidence:
    """The evidence that was filed with a finding.

    Attributes:
        case_id: Number of the finding's case.
        name: Name of the evidence folder; ``None`` without evidence.
        sha256: Digest (hex) of the evidence's manifest; ``None`` where it was not recorded.
    """

    case_id: int
    name: str | None
    sha256: str | None
