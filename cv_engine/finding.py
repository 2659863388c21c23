"""Finding: what every detector of violations produces, whatever it looks at."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_KEY_TIME_STEP_S = 1.0  # two starts closer than this name the same violation


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding is.

    Attributes:
        geometry: GeoJSON geometry in WGS 84, longitude first; ``None`` where
            nothing is known of the camera's position.
        accuracy_m: Radius in metres within which the true place lies, ``None`` if unknown.
        basis: How the place was found: ``"homography"`` (ground control points),
            ``"camera"`` (the camera's own position), ``"raster"`` (georeferenced
            image) or ``"unknown"``.
        image_box: ``(x1, y1, x2, y2)`` in pixels of the camera's frame, for findings of cameras.
    """

    geometry: Mapping[str, Any] | None
    accuracy_m: float | None
    basis: str
    image_box: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.image_box is not None and not all(map(math.isfinite, self.image_box)):
            raise ValueError(f"image_box {self.image_box} is not x1, y1, x2, y2 in finite pixels")
        if self.accuracy_m is not None and not 0.0 <= self.accuracy_m < math.inf:
            raise ValueError(f"accuracy_m {self.accuracy_m} is no distance in metres")


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation as it was seen, ready to be filed as a case.

    Attributes:
        kind: The violation's name, such as ``"motor_vehicle_parked"`` (see the taxonomy).
        source: The camera, satellite area or sensor that saw it.
        zone: Name of the zone it lies in.
        place: Where it is.
        began: When the violation began, timezone-aware UTC.
        observed: When it was last seen, timezone-aware UTC; at least ``began``.
        confidence: 0 to 1.
        attributes: JSON values of the rule's own (``dwell_s``, ``vehicle``, ...).
        evidence: Evidence folder's name under the data folder's ``evidence/``, if one was made.
    """

    kind: str
    source: str
    zone: str
    place: Place
    began: datetime
    observed: datetime
    confidence: float
    attributes: Mapping[str, Any] = field(default_factory=dict)
    evidence: str | None = None

    def __post_init__(self) -> None:
        for name in ("began", "observed"):
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"{name} has no time zone")
        if self.observed < self.began:
            raise ValueError("observed lies before began")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence {self.confidence} is not within 0 to 1")

    @property
    def key(self) -> str:
        """Deterministic digest of kind, source, zone, place and start: filing twice is filing once.

        The box enters in whole pixels, so another detector or runtime may give another key for the
        same thing. Coarser steps would only move the edges at which it flips; the queue therefore
        also joins findings of one kind, source and zone that overlap in place and time.
        """
        box = self.place.image_box
        where = [round(v) for v in box] if box is not None else self.place.geometry
        start = round(self.began.timestamp() / _KEY_TIME_STEP_S)
        text = json.dumps([self.kind, self.source, self.zone, where, start], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
