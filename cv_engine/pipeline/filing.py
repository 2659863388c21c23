"""From a violation before the camera to a case in the queue, with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import metadata
from typing import Any, NamedTuple

import structlog
import supervision as sv
from shapely import segmentize
from shapely.geometry import Polygon

from cv_engine.cases import Filed
from cv_engine.cases.plates import PLATE
from cv_engine.config import Config
from cv_engine.evidence.clock_error import GIVEN, ClockError, ClockHistory
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.media.annotate import Zone as Outline
from cv_engine.evidence.media.clip import ClipSource
from cv_engine.evidence.media.redact import Finders
from cv_engine.evidence.media.still import Role, Still
from cv_engine.evidence.package import Style, write
from cv_engine.finding import CAMERA_BLIND, LIMIT, NOTICE, STOOD_BEFORE, WARNING, Finding, Place
from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.pipeline.moments import Moments
from cv_engine.pipeline.plates import StayPlate, StayPlates
from cv_engine.rules import registry
from cv_engine.rules.stays import Violation
from cv_engine.video.errors import VideoError
from cv_engine.video.frame import Sample
from zones.camera import Camera
from zones.schedule import is_fixed_offset, time_zone
from zones.zone import Zone

# Attribute with the local time's offset from UTC, where that is not known from the configuration.
TIME_ZONE = "timezone"
_LEAST_CORNERS = 3  # of a zone on a map
_EDGE_STEP_PX = 16.0  # between points of an edge, which the horizon may cut

# A thing in a zone: kind of violation, name of the zone, number of the thing.
ThingKey = tuple[str, str, int]


def utc_of(seconds: float) -> datetime:
    """The UTC time of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def thing_of(violation: Violation) -> ThingKey:
    """The thing that a violation is about, in its zone."""
    return violation.kind, violation.zone, violation.thing


class FiledStay(NamedTuple):
    """A stay that was filed.

    Attributes:
        key: Key of its finding.
        filed: The case.
    """

    key: str
    filed: Filed


@dataclass(slots=True)
class FiledKeys:
    """The keys of the findings whose things still stand before one camera.

    Attributes:
        keys: By thing.
    """

    keys: dict[ThingKey, str] = field(default_factory=dict)

    def add(self, violation: Violation, key: str) -> None:
        """Adds a stay that was filed."""
        self.keys[thing_of(violation)] = key

    def get(self, violation: Violation) -> str | None:
        """The key of a stay, ``None`` where it was not filed."""
        return self.keys.get(thing_of(violation))

    def discard(self, violation: Violation) -> None:
        """Removes a stay that is over, or whose continuation is unknown."""
        self.keys.pop(thing_of(violation), None)

    def discard_view(self, but: Container[ThingKey] = ()) -> None:
        """Removes all but the cases about the camera itself: the camera shows another view now.

        Args:
            but: Things that are known to have left, which is still to be noted.
        """
        self.keys = {
            thing: key
            for thing, key in self.keys.items()
            if thing[0] == CAMERA_BLIND or thing in but
        }


@dataclass(frozen=True, slots=True)
class Filer:
    """Files what one camera's observer reports; keeps no state.

    Attributes:
        camera: The camera, for places and names.
        zones: The camera's zones, in pixels of the view.
        detect: The detector on a sample, for the people and vehicles beside the case.
        cases: Files findings with their evidence.
        config: Settings of evidence.
        model: Digest of the detector.
        timezone: The camera's local time.
        first_s: Observer's time of the first sample: a thing that is in it came earlier.
        utc: From the observer's times to UTC.
        plates: Reads the number plates of vehicles, ``None`` where they are not read.
        finders: Opens what finds the people and plates to hide in pictures that are handed out;
            called with the first evidence, since few runs of a camera have any.
    """

    camera: Camera
    zones: Sequence[Zone]
    detect: Callable[[Sample], sv.Detections]
    cases: CaseFiler
    config: Config
    model: str
    timezone: str
    first_s: float
    utc: Callable[[float], datetime] = utc_of
    plates: StayPlates | None = None
    finders: Callable[[], Finders] | None = None

    def file(
        self, violation: Violation, footage: Footage, missed: timedelta = timedelta(0)
    ) -> FiledStay:
        """Files a stay that has reached its limit.

        Args:
            violation: The stay.
            footage: Recordings that show the stay. Where there are none, or the kept video of a
                stream cannot be read, the case has no evidence.
            missed: How long before its beginning the thing may have stood there unwatched.

        Raises:
            EvidenceError: The evidence cannot be written.
            QueueError: The case cannot be filed.
            VideoError: The present recording cannot be read.
        """
        plate = None if self.plates is None else self.plates.of(violation, footage, self.utc)
        finding = self.finding(violation, plate)
        evidence = partial(self._write_evidence, finding, violation, footage, plate)
        try:
            filed = self.cases.file(
                finding, evidence if footage.recordings else None, missed=missed
            )
        except VideoError as error:
            if not footage.stream:
                raise
            # The kept video stays damaged: a case without pictures is better than none.
            structlog.get_logger(__name__).warning(
                "the video kept for a case cannot be read",
                camera=self.camera.name,
                reason=str(error),
            )
            filed = self.cases.file(finding, None, missed=missed)
        return FiledStay(finding.key, filed)

    def gone(self, key: str, last_s: float) -> None:
        """Notes that a filed thing has gone.

        Args:
            key: Key of its finding.
            last_s: Observer's time at which the thing was last seen.

        Raises:
            QueueError: The queue cannot note it; a later attempt may succeed.
        """
        self.cases.queue.gone(key, self.utc(last_s))

    def seen(self, key: str, seen_s: float) -> None:
        """Notes that a filed thing is still there.

        Args:
            key: Key of its finding.
            seen_s: Observer's time at which the thing was seen.

        Raises:
            QueueError: The queue cannot note it.
        """
        self.cases.queue.seen(key, self.utc(seen_s))

    def _write_evidence(
        self,
        finding: Finding,
        violation: Violation,
        footage: Footage,
        plate: StayPlate | None = None,
    ) -> None:
        seal = self.cases.seal()
        clock = self._clock_history(footage, seal.sealed.at)
        provenance = self._provenance(violation, footage) | {"site": self._site(violation)}
        if clock is not None:
            provenance["clock_error"] = clock.as_json()
        write(
            self.cases.root,
            finding,
            [*self._stills(violation, footage), *(plate.stills(self.detect) if plate else ())],
            key=seal.key,
            clips=self._clips(violation, footage),
            zone=self._outline(violation),
            provenance=provenance,
            style=Style(
                timezone=time_zone(self.timezone),
                redacted=self.config.evidence.redact,
                quality=self.config.evidence.jpeg_quality,
                clock=None if clock is None else clock.latest,
                playable=self.config.evidence.playable,
                credentials=seal.credentials,
                finders=None if self.finders is None else self.finders(),
            ),
            sealed=seal.sealed,
        )

    def _clock_history(self, footage: Footage, now: datetime) -> ClockHistory | None:
        """The error of the clock that times the pictures: measured of streams, given of files."""
        if footage.stream:
            clocks = self.cases.clocks
            return None if clocks is None else clocks.history(self.camera.name, now)
        given = next((c for c in self.config.cameras if c.name == self.camera.name), None)
        if given is None or given.clock_error_s is None:
            return None
        return ClockHistory.of([ClockError(given.clock_error_s, None, GIVEN, None)])

    def _site(self, violation: Violation) -> dict[str, Any]:
        """Camera and zone, in degrees WGS 84 and days, as far as they are known."""
        outline = self._outline(violation)
        site: dict[str, Any] = {"timezone": self.timezone}
        if self.camera.position is not None:
            latitude, longitude = self.camera.position
            site["camera"] = [longitude, latitude]
        if outline is not None and self.camera.ground_control_points:
            site["zone"] = _on_ground(self.camera, outline)
        zone = next((each for each in self.zones if each.name == violation.zone), None)
        if zone is not None and zone.warning_until is not None:
            first = zone.schedule.first
            site["warning"] = {
                "from": None if first is None else first.isoformat(),
                "until": zone.warning_until.isoformat(),
            }
        return site

    def finding(self, violation: Violation, plate: StayPlate | None = None) -> Finding:
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
        attributes = {**violation.attributes, **self._of_zone(violation)}
        if plate is not None:
            attributes[PLATE] = plate.as_json()
        # A stay that was over before the first sample is of an earlier view, and filed late.
        if violation.began <= self.first_s <= violation.observed:
            attributes[STOOD_BEFORE] = True
        if is_fixed_offset(self.timezone):
            attributes[TIME_ZONE] = self.timezone
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

    def _moments(self, violation: Violation) -> Moments:
        limit_s = violation.attributes.get(LIMIT)
        began, seen = self.utc(violation.began), self.utc(violation.observed)
        return Moments.of(began, seen, limit_s)

    def _stills(self, violation: Violation, footage: Footage) -> list[Still]:
        """Candidates for the stills; one picture may stand for several roles."""
        moments = self._moments(violation)
        roles = moments.candidates(between=registry.has_middle_still(violation.kind))
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
        return moments.proven(stills)

    def _clips(self, violation: Violation, footage: Footage) -> list[ClipSource]:
        """One clip from start to end, or one of each where they lie in different recordings."""
        moments = self._moments(violation)
        first, last = footage.at(moments.began), footage.at(moments.seen)
        if first is last:
            return [self._clip("clip", first, moments.began, moments.seen, moments)]
        return [
            self._clip("clip-start", first, moments.began, moments.began, moments),
            self._clip("clip-end", last, moments.seen, moments.seen, moments),
        ]

    def _clip(
        self, name: str, recording: Recording, start: datetime, end: datetime, moments: Moments
    ) -> ClipSource:
        start_s, end_s = (max(0.0, recording.clock.media_s(time)) for time in (start, end))
        evidence = self.config.evidence
        return ClipSource(
            recording.path,
            start_s,
            end_s,
            evidence.before_s,
            evidence.after_s,
            name=name,
            settings=recording.settings,
            zero=recording.clock.start,
            chapters={
                title: recording.clock.media_s(time) for title, time in moments.named().items()
            },
        )

    def _outline(self, violation: Violation) -> Outline | None:
        zone = self._zone(violation)
        return None if zone is None else zone.polygon

    def _zone(self, violation: Violation) -> Zone | None:
        return next((zone for zone in self.zones if zone.name == violation.zone), None)

    def _of_zone(self, violation: Violation) -> dict[str, Any]:
        """What the zone says of all cases in it, on the day on which they begin."""
        zone = self._zone(violation)
        if zone is None:
            return {}
        attributes: dict[str, Any] = {}
        if zone.is_warning(self.utc(violation.began)):
            attributes[WARNING] = True
        if zone.notice != "confirmed":
            attributes[NOTICE] = zone.notice
        if zone.address is not None:
            attributes["address"] = zone.address
        return attributes

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


def _on_ground(camera: Camera, outline: Outline) -> list[list[list[float]]]:
    """Rings of a zone in degrees, longitude first; parts that show no ground are left out."""
    polygons = [outline] if isinstance(outline, Polygon) else list(outline.geoms)
    rings = []
    for polygon in polygons:
        edge = segmentize(polygon.exterior, _EDGE_STEP_PX)
        points = [camera.locate(x, y) for x, y, *_ in edge.coords]
        ring = [
            [round(point.lon, 7), round(point.lat, 7)]
            for point in points
            if point.basis == "homography" and point.lon is not None and point.lat is not None
        ]
        if len(ring) >= _LEAST_CORNERS:
            rings.append(ring)
    return rings
