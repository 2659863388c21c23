"""What filing a finding led to, and what was filed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cv_engine.finding import Place


@dataclass(frozen=True, slots=True)
class Filed:
    """The outcome of filing a finding.

    Attributes:
        case_id: The case's number.
        outcome: ``"new"``: the finding opened the case; ``"joined"``: the finding was added to a
            case of the same thing; ``"reopened"``: the finding was added to a closed case, which is
            open again; ``"known"``: filed before, nothing was changed.
    """

    case_id: int
    outcome: Literal["new", "known", "joined", "reopened"]


@dataclass(frozen=True, slots=True)
class FiledFinding:
    """A finding that was filed, as one of those of its case.

    Attributes:
        key: The finding's key.
        source: Camera, satellite area or sensor.
        zone: Name of the zone.
        place: The place.
        began: When the violation began (UTC).
        observed: When the thing of this finding was last seen (UTC).
        gone_at: When it was last seen before it left (UTC); ``None`` while it may be there.
        confidence: 0 to 1.
        evidence: Name of the evidence folder; ``None`` without evidence.
    """

    key: str
    source: str
    zone: str
    place: Place
    began: datetime
    observed: datetime
    gone_at: datetime | None
    confidence: float
    evidence: str | None


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
