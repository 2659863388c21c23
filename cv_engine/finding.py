"""Finding: one violation, as every rule and comparison reports it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: Kind of the findings about a camera that shows nothing useful.
CAMERA_BLIND = "camera_blind"
#: Attribute of a finding from a zone in its warning period: the driver is warned, never cited.
WARNING = "warning"
#: Attribute of a finding with its zone's word on the driver's notice, at once or never; absent
#: where a person confirms the case first.
NOTICE, AT_ONCE, NEVER = "notice", "at_once", "never"
#: Attribute of a finding with the stay in seconds from which it is a violation.
LIMIT = "limit_s"
#: Attribute of a thing that stood there already in the first sample: when it came is not known.
STOOD_BEFORE = "since_before_recording"
_KEY_TIME_STEP_S = 1.0  # two starts closer than this name the same violation


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a finding.

    Attributes:
        geometry: GeoJSON geometry in WGS 84, longitude first; ``None`` where the camera's position
            is unknown.
        accuracy_m: Radius in metres within which the true place lies, ``None`` if unknown.
        basis: Source of the place: ``"homography"`` (ground control points), ``"camera"`` (the
            camera's own position), ``"raster"`` (georeferenced image), ``"sensor"`` (where a
            sensor's thing belongs, by the register of devices) or ``"unknown"``.
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
            raise ValueError(f"accuracy_m {self.accuracy_m} is not a distance in metres")


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation, ready to be filed as a case.

    Attributes:
        kind: The violation's name, such as ``"motor_vehicle_parked"`` (see the taxonomy).
        source: Name of the camera, satellite area or sensor.
        zone: Name of the zone.
        place: The place.
        began: Start of the violation, timezone-aware UTC.
        observed: Time of the last sighting, timezone-aware UTC; at least ``began``.
        confidence: 0 to 1.
        attributes: JSON values specific to the rule (``limit_s``, ``vehicle``, ...).
        evidence: Name of the evidence folder under the data folder's ``evidence/``, if there is
        one.
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
        """Deterministic digest of kind, source, zone, place and start.

        A finding filed again has the same key, so the queue files it once. The box enters in whole
        pixels, so another detector or runtime may give the same violation another key. Coarser
        steps would only move the thresholds; the queue therefore also joins findings of one kind,
        source and zone that overlap in place and time.
        """
        box = self.place.image_box
        where = [round(v) for v in box] if box is not None else self.place.geometry
        start = round(self.began.timestamp() / _KEY_TIME_STEP_S)
        text = json.dumps([self.kind, self.source, self.zone, where, start], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
