"""From a violation before the camera to a case in the queue, with its evidence.

Evidence is written first, whole or not at all, and only then the case that names it: a run that is
killed in between leaves a package that the next run takes up. What a case names may be sent to a
store and removed here (see `evidence.outbox`); filing never asks a store.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import supervision as sv

from cv_engine.cases import Filed, Queue
from cv_engine.config.settings import Config
from cv_engine.evidence.media.annotate import Zone as Outline
from cv_engine.evidence.media.clip import ClipSource
from cv_engine.evidence.media.still import Role, Still
from cv_engine.evidence.package import Style, package_name, write
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import verify
from cv_engine.finding import Finding, Place
from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.rules.parking import MOTOR, NON_MOTOR
from cv_engine.rules.rule import Violation
from cv_engine.video.frame import Sample
from zones.camera import Camera
from zones.zone import Zone

# Candidates for each still, of which the sharpest and least hidden is kept, this far apart.
_CANDIDATES = 3
_CANDIDATE_STEP_S = 1.0
# The kind of the cases about the camera itself.
CAMERA_BLIND = "camera_blind"
# Attribute of what stood there already at the first look, so that nobody knows since when.
STOOD_BEFORE = "since_before_recording"
# Where between start and end the still between lies; parking only, as proof that it stood.
_BETWEEN = 0.5


def utc_of(seconds: float) -> datetime:
    """The time on the wall of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


@dataclass(slots=True)
class Filer:
    """Files what one camera's observer reports.

    Attributes:
        camera: The camera, for places and names.
        zones: Its zones on the image.
        detect: The detector on a look, for the people and vehicles beside the case.
        queue: Where cases go.
        config: Settings of evidence.
        key: Signs the packages.
        root: Folder of the packages.
        model: Digest of the detector.
        timezone: The camera's local time.
        first_s: Time of the first look, seconds since 1970: what stood there then came earlier.
        utc: What the times of the observer are on the wall.
        unwatched: When nobody was looking, each from and to a time, seconds: what is first seen soon
            after may have come at any moment of it, and goes on with an open case of the same thing
            that was last seen within it.
        keys: Of the findings whose things are still there, by kind, zone and thing.
    """

    camera: Camera
    zones: Sequence[Zone]
    detect: Callable[[Sample], sv.Detections]
    queue: Queue
    config: Config
    key: SigningKey
    root: Path
    model: str
    timezone: str
    first_s: float
    utc: Callable[[float], datetime] = utc_of
    unwatched: list[tuple[float, float]] = field(default_factory=list)
    keys: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def file(self, violation: Violation, footage: Footage) -> Filed:
        """Files a stay that has reached its limit.

        Args:
            violation: The stay.
            footage: What shows it; where it is empty, the case has no evidence.

        Raises:
            EvidenceError: Its evidence cannot be written.
            QueueError: It cannot be filed.
        """
        finding = self.finding(violation)
        if footage.recordings:
            if self._is_wanting(finding):
                self._write(finding, violation, footage)
            finding = replace(finding, evidence=package_name(finding))
        missed = timedelta(seconds=self._missed_s(violation.began))
        filed = self.queue.file(finding, missed=missed)
        self.keys[violation.kind, violation.zone, violation.thing] = finding.key
        return filed

    def _missed_s(self, began_s: float) -> float:
        """How long before its beginning a thing may have been there without anyone looking."""
        lost_s = self.config.tracking.lost_s  # so long it may have been hidden from those who look
        return max(
            (
                began_s - from_s
                for from_s, to_s in self.unwatched
                if from_s < began_s <= to_s + lost_s
            ),
            default=0.0,
        )

    def left(self, violation: Violation) -> None:
        """Notes that a filed thing has gone.

        Raises:
            QueueError: It cannot be noted; it may be tried again.
        """
        key = self.keys.get((violation.kind, violation.zone, violation.thing))
        if key is not None:
            self.queue.left(key, self.utc(violation.observed))
        self.forget(violation)

    def seen(self, kind: str, zone: str, thing: int, seen_s: float) -> None:
        """Notes that a filed thing is still there; what was not filed is nobody's business.

        Raises:
            QueueError: It cannot be noted.
        """
        key = self.keys.get((kind, zone, thing))
        if key is not None:
            self.queue.seen(key, self.utc(seen_s))

    def forget(self, violation: Violation) -> None:
        """Lets a filed thing be, of which nobody knows whether it is still there."""
        self.keys.pop((violation.kind, violation.zone, violation.thing), None)

    def forget_all(self, but: Container[tuple[str, str, int]] = ()) -> None:
        """Lets everything be that stands before the camera: it shows another view now.

        Args:
            but: What is known to have left and is still to be noted, by kind, zone and thing.
        """
        self.keys = {
            thing: key
            for thing, key in self.keys.items()
            if thing[0] == CAMERA_BLIND or thing in but
        }

    def _is_wanting(self, finding: Finding) -> bool:
        """Whether a finding's evidence is still to be made.

        A run that goes on after a kill comes by here again: what is whole is not made anew. What a
        case names already is not either: where it is not here, it has been sent away.
        """
        folder = self.root / package_name(finding)
        if not verify(folder):
            return False
        # In this order: what is being sent meanwhile goes from here in one step, not to return.
        return folder.is_dir() or self.queue.evidence_of(finding.key) is None

    def _write(self, finding: Finding, violation: Violation, footage: Footage) -> None:
        write(
            self.root,
            finding,
            self._stills(violation, footage),
            key=self.key,
            clips=self._clips(violation, footage),
            zone=self._outline(violation),
            provenance=self._provenance(violation, footage),
            style=Style(
                timezone=ZoneInfo(self.timezone),
                redacted=self.config.evidence.redact,
                quality=self.config.evidence.jpeg_quality,
            ),
        )

    def finding(self, violation: Violation) -> Finding:
        """The violation as the queue knows it."""
        x1, _, x2, y2 = violation.box
        of_camera = violation.kind == CAMERA_BLIND
        point = self.camera.standpoint() if of_camera else self.camera.locate((x1 + x2) / 2, y2)
        geometry = None
        if point.lon is not None and point.lat is not None:
            geometry = {
                "type": "Point",
                "coordinates": [round(point.lon, 7), round(point.lat, 7)],
            }
        attributes = dict(violation.attributes)
        # What was over before is of an earlier view, and only filed late.
        if violation.began <= self.first_s <= violation.observed:
            attributes[STOOD_BEFORE] = True
        return Finding(
            kind=violation.kind,
            source=self.camera.name,
            zone=violation.zone,
            place=Place(geometry, point.accuracy_m, point.basis, violation.box),
            began=self.utc(violation.began),
            observed=self.utc(violation.observed),
            confidence=min(1.0, violation.confidence),
            attributes=attributes,
        )

    def _stills(self, violation: Violation, footage: Footage) -> list[Still]:
        """Candidates for the stills; one picture may stand for several roles."""
        roles = self._moments(violation)
        stills: list[Still] = []
        latest: Still | None = None
        done: set[Role] = set()
        for shot in footage.stills(list(roles)):
            if latest is None or latest.time != shot.taken:
                others = self.detect(shot.sample)
                latest = Still("start", shot.taken, shot.sample.image(), violation.box, others)
                done = set()
            stills += [
                replace(latest, role=role) for role in roles[shot.wanted] if role not in done
            ]
            done.update(roles[shot.wanted])
        return stills

    def _moments(self, violation: Violation) -> dict[datetime, list[Role]]:
        """When to look for stills, and for which roles."""
        began, observed = self.utc(violation.began), self.utc(violation.observed)
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

    def _clips(self, violation: Violation, footage: Footage) -> list[ClipSource]:
        """One clip from start to end, or one of each where they lie in different recordings."""
        began, observed = self.utc(violation.began), self.utc(violation.observed)
        first, last = footage.at(began), footage.at(observed)
        if first is last:
            return [self._clip("clip", first, began, observed)]
        return [
            self._clip("clip-start", first, began, began),
            self._clip("clip-end", last, observed, observed),
        ]

    def _clip(self, name: str, recording: Recording, start: datetime, end: datetime) -> ClipSource:
        start_s, end_s = (max(0.0, recording.clock.media_s(time)) for time in (start, end))
        evidence = self.config.evidence
        return ClipSource(
            recording.path, start_s, end_s, evidence.before_s, evidence.after_s, name=name
        )

    def _outline(self, violation: Violation) -> Outline | None:
        for zone in self.zones:
            if zone.name == violation.zone:
                return zone.polygon
        return None

    def _provenance(self, violation: Violation, footage: Footage) -> dict[str, Any]:
        recording = footage.at(self.utc(violation.observed))
        first = footage.at(self.utc(violation.began))
        provenance: dict[str, Any] = {
            "software": f"cv-engine {metadata.version('cv-engine')}",
            "model": self.model,
            "config": self.config.digest,
            "clock": recording.clock_basis,
        }
        if footage.stream:
            return provenance | {"source": {"stream": self.camera.name}}
        provenance["source"] = {"name": recording.path.name, "sha256": recording.sha256}
        if first is not recording:
            provenance["began_in"] = {"name": first.path.name}
        return provenance
