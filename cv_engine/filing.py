"""From a violation before the camera to a case in the queue, with its evidence.

Evidence is written first, whole or not at all, and only then the case that names it: a run that is
killed in between leaves a package that the next run takes up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import supervision as sv

from cv_engine.cases import Filed, Queue
from cv_engine.config import Config
from cv_engine.evidence.annotate import Zone as Outline
from cv_engine.evidence.clip import ClipSource
from cv_engine.evidence.package import Style, package_name, write
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.still import Role, Still
from cv_engine.evidence.verify import verify
from cv_engine.finding import Finding, Place
from cv_engine.footage import Footage
from cv_engine.rules.parking import MOTOR, NON_MOTOR
from cv_engine.rules.rule import Violation
from cv_engine.video.frame import Look
from zones.camera import Camera
from zones.zone import Zone

# Candidates for each still, of which the sharpest and least hidden is kept, this far apart.
_CANDIDATES = 3
_CANDIDATE_STEP_S = 1.0
# Where between start and end the still between lies; parking only, as proof that it stood.
_BETWEEN = 0.5


@dataclass(slots=True)
class Filer:
    """Files what one camera's observer reports.

    Attributes:
        camera: The camera, for places and names.
        zones: Its zones on the image.
        footage: Its recordings.
        detect: The detector on a look, for the people and vehicles beside the case.
        queue: Where cases go.
        config: Settings of evidence.
        key: Signs the packages.
        root: Folder of the packages.
        model: Digest of the detector.
        timezone: The camera's local time.
        first_s: Time of the first look, seconds since 1970: what stood there then came earlier.
        keys: Of the findings whose things are still there, by kind, zone and thing.
    """

    camera: Camera
    zones: Sequence[Zone]
    footage: Footage
    detect: Callable[[Look], sv.Detections]
    queue: Queue
    config: Config
    key: SigningKey
    root: Path
    model: str
    timezone: str
    first_s: float
    keys: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def file(self, violation: Violation) -> Filed:
        """Files a stay that has reached its limit.

        Raises:
            EvidenceError: Its evidence cannot be written.
            QueueError: It cannot be filed.
        """
        finding = self.finding(violation)
        name = package_name(finding)
        # A run that goes on after a kill comes by here again: what is whole is not made anew.
        if not (self.root / name).is_dir() or verify(self.root / name):
            self._write(finding, violation)
        filed = self.queue.file(replace(finding, evidence=name))
        self.keys[violation.kind, violation.zone, violation.thing] = finding.key
        return filed

    def left(self, violation: Violation) -> None:
        """Notes that a filed thing has gone."""
        key = self.keys.pop((violation.kind, violation.zone, violation.thing), None)
        if key is not None:
            self.queue.left(key, _utc(violation.observed))

    def forget(self, violation: Violation) -> None:
        """Lets a filed thing be, of which nobody knows whether it is still there."""
        self.keys.pop((violation.kind, violation.zone, violation.thing), None)

    def _write(self, finding: Finding, violation: Violation) -> None:
        write(
            self.root,
            finding,
            self._stills(violation),
            key=self.key,
            clip=self._clip(violation),
            zone=self._outline(violation),
            provenance=self._provenance(violation),
            style=Style(
                timezone=ZoneInfo(self.timezone),
                redacted=self.config.evidence.redact,
                quality=self.config.evidence.jpeg_quality,
            ),
        )

    def finding(self, violation: Violation) -> Finding:
        """The violation as the queue knows it."""
        x1, _, x2, y2 = violation.box
        point = self.camera.locate((x1 + x2) / 2, y2)
        geometry = None
        if point.lon is not None and point.lat is not None:
            geometry = {
                "type": "Point",
                "coordinates": [round(point.lon, 7), round(point.lat, 7)],
            }
        attributes = dict(violation.attributes)
        if violation.began <= self.first_s:
            attributes["since_before_recording"] = True
        return Finding(
            kind=violation.kind,
            source=self.camera.name,
            zone=violation.zone,
            place=Place(geometry, point.accuracy_m, point.basis, violation.box),
            began=_utc(violation.began),
            observed=_utc(violation.observed),
            confidence=min(1.0, violation.confidence),
            attributes=attributes,
        )

    def _stills(self, violation: Violation) -> list[Still]:
        """Candidates for the stills; one picture may stand for several roles."""
        roles = _moments(violation)
        stills: list[Still] = []
        latest: Still | None = None
        done: set[Role] = set()
        for shot in self.footage.stills(list(roles)):
            if latest is None or latest.time != shot.taken:
                others = self.detect(shot.look)
                latest = Still("start", shot.taken, shot.look.image(), violation.box, others)
                done = set()
            stills += [
                replace(latest, role=role) for role in roles[shot.wanted] if role not in done
            ]
            done.update(roles[shot.wanted])
        return stills

    def _clip(self, violation: Violation) -> ClipSource:
        recording = self.footage.at(_utc(violation.observed))
        media_s = recording.clock.media_s
        return ClipSource(
            recording.path,
            max(0.0, media_s(_utc(violation.began))),
            max(0.0, media_s(_utc(violation.observed))),
            self.config.evidence.before_s,
            self.config.evidence.after_s,
        )

    def _outline(self, violation: Violation) -> Outline | None:
        for zone in self.zones:
            if zone.name == violation.zone:
                return zone.polygon
        return None

    def _provenance(self, violation: Violation) -> dict[str, Any]:
        recording = self.footage.at(_utc(violation.observed))
        first = self.footage.at(_utc(violation.began))
        provenance: dict[str, Any] = {
            "software": f"cv-engine {metadata.version('cv-engine')}",
            "model": self.model,
            "config": self.config.digest,
            "source": {"name": recording.path.name, "sha256": recording.sha256},
            "clock": recording.clock_basis,
        }
        if first is not recording:
            provenance["began_in"] = {"name": first.path.name}
        return provenance


def _moments(violation: Violation) -> dict[datetime, list[Role]]:
    """When to look for stills, and for which roles."""
    began, observed = _utc(violation.began), _utc(violation.observed)
    step = min(timedelta(seconds=_CANDIDATE_STEP_S), (observed - began) / (2 * _CANDIDATES))
    first: dict[Role, datetime] = {"start": began, "end": observed - (_CANDIDATES - 1) * step}
    if violation.kind in (MOTOR, NON_MOTOR):
        middle = began + _BETWEEN * (observed - began)
        first["between"] = middle - (_CANDIDATES // 2) * step
    moments: dict[datetime, list[Role]] = {}
    for role, time in first.items():
        for i in range(_CANDIDATES):
            roles = moments.setdefault(time + i * step, [])
            roles += [] if role in roles else [role]
    return moments


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
