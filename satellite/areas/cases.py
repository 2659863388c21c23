"""Cases: changed buildings become findings with evidence, and their cases are updated over time.

As in video, the evidence of a finding is written before its case is filed, see
`cv_engine.evidence.filing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
import shapely
from rasterio.crs import CRS
from shapely.geometry import MultiPolygon, Polygon, mapping, shape

from cv_engine.cases import Case, Filed, Filter, Queue
from cv_engine.cases.filing.site import SITE_GAP_M, distance_m, reach
from cv_engine.cases.lifecycle import OPEN_STATES, State
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.package import Style, write
from cv_engine.finding import Finding, Place
from satellite.detection.measured import accuracy
from satellite.imagery.acquisition import Acquisition
from satellite.records.judge import Judge, Verdict
from satellite.report.chips import Chips
from satellite.report.evidence_files import evidence_files, when
from satellite.vector.buildings import Building
from satellite.vector.change_types import ChangeType

#: The violation's name in the taxonomy.
KIND = "building_without_permit"

# Least share of a case's ground on which buildings must be gone. Two detections of one building
# share about 0.85 of each other (F1 0.92 on pixels); a demolished wing leaves a building.
_GONE = 0.7
# Least share of a changed building that an earlier case must have for the two to be the same: with
# other settings, two outlines of one building share far more than half of each other.
_SAME = 0.5
# Added to a measured distance: both grounds are rounded to a centimetre.
_ROUNDING_M = 0.02
_DECIMALS = 7  # of a degree: a centimetre, below which two runs may differ


@dataclass(slots=True)
class SiteFiler:
    """Files the changed buildings of one area, and notes which are gone.

    Attributes:
        cases: Files findings with their evidence.
        source: The area's name.
        crs: Coordinate reference system of the buildings' polygons.
        detector: Name of the detector that found the buildings.
        detector_f1: Measured F1 of the detector, 0 to 1; ``None`` if not measured.
        accuracy_m: Radius within which the true place of a polygon lies, metres, if known.
        gap_m: Greatest distance of an extension from the site of an open case that it joins,
            metres.
        provenance: JSON values for the packages: digests of model and configuration.
    """

    cases: CaseFiler
    source: str
    crs: CRS
    detector: str
    detector_f1: float | None = None
    accuracy_m: float | None = None
    gap_m: float = SITE_GAP_M
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def file(
        self,
        building: Building,
        change_type: ChangeType,
        verdict: Verdict,
        before: Acquisition,
        after: Acquisition,
        chips: Callable[[], Chips],
    ) -> Filed | None:
        """Files a changed building, unless its verdict says that no case is filed.

        A building on the ground of an open case joins that case, whatever the dates; an extension
        joins the closest one within ``gap_m``. The buildings of one comparison stay apart.

        Filing is idempotent, also with other outlines or other planning zones: a case and the
        decision on it stand for the images known to the case; only a later image can add to it.

        Args:
            building: The building.
            change_type: The type of change.
            verdict: The verdict by the city's records.
            before: The earlier image.
            after: The later image.
            chips: Returns the building's pictures; called only if evidence has to be made.

        Raises:
            EvidenceError: The evidence cannot be written.
            QueueError: The case cannot be filed.
        """
        if not verdict.files:
            return None
        finding = self.finding(building, change_type, verdict, before, after)
        if self.cases.queue.evidence_of(finding.key) is None:
            known = self._known(building.lonlat(self.crs), after.time)
            if known is not None:
                return Filed(known, "known")

        def write_evidence() -> None:
            seal = self.cases.seal()
            write(
                self.cases.root,
                finding,
                [],
                key=seal.key,
                provenance=self._provenance(before, after),
                style=Style(credentials=seal.credentials),
                exhibits=evidence_files(finding, verdict, before, after, chips()),
                sealed=seal.sealed,
            )

        return self.cases.file(finding, write_evidence, gap_m=self._gap_to(finding, change_type))

    def finding(
        self,
        building: Building,
        change_type: ChangeType,
        verdict: Verdict,
        before: Acquisition,
        after: Acquisition,
    ) -> Finding:
        """Describes a changed building as a finding for the queue.

        When between the two dates it was built is unknown: the finding begins at the later date,
        and both are among the attributes.
        """
        resolution_m = round(max(before.resolution_m, after.resolution_m), 2)
        attributes = {
            "sort": change_type,
            "area_m2": round(building.area_m2, 1),
            "width_m": round(building.width_m, 1),
            "before": _text(before.time),
            "after": _text(after.time),
            "resolution_m": resolution_m,
            "uncertain_share": round(building.uncertain_share, 3),
            "detector": self.detector,
            "detector_f1": self.detector_f1,
            "detector_accuracy": accuracy(self.detector_f1, resolution_m),
            **verdict.attributes,
        }
        return Finding(
            kind=KIND,
            source=self.source,
            zone=verdict.planning or self.source,
            place=Place(_geometry(building.lonlat(self.crs)), self.accuracy_m, "raster"),
            began=after.time,
            observed=after.time,
            confidence=min(1.0, max(0.0, building.confidence)),
            attributes=attributes,
        )

    def note_gone(
        self, buildings: Sequence[Building], before: Acquisition, after: Acquisition
    ) -> list[int]:
        """Notes in open cases that their buildings are gone.

        The case stays open, since an officer closes it; its history names the image. A case of
        which only a part is gone is not changed.

        Args:
            buildings: The changed buildings of a comparison; those that appeared are ignored.
            before: The earlier image, in which the buildings were last seen.
            after: The later image.

        Returns:
            Numbers of the cases that were changed.

        Raises:
            QueueError: The note cannot be stored.
        """
        shapes = [each.lonlat(self.crs) for each in buildings if not each.appeared]
        touched: dict[int, list[Polygon | MultiPolygon]] = {}
        cases: dict[int, Case] = {}
        for each in shapes:
            wanted = Filter(kind=KIND, source=self.source, bbox=each.bounds)
            for case in self.cases.queue.each(wanted):
                if _can_be_gone(case, after.time):
                    cases[case.id] = case
                    touched.setdefault(case.id, []).append(each)
        note = f"gone in the image of {when(after.time)} ({after.name})"
        noted = []
        for number, case in sorted(cases.items()):
            ground = _ground(case)
            shared = ground.intersection(shapely.union_all(touched[number])).area
            if shared < _GONE * ground.area:
                continue
            last_seen = max(before.time, case.observed)
            latest = self.cases.queue.findings(number)[-1]
            if self.cases.queue.gone(latest.key, last_seen, note):
                noted.append(number)
        return noted

    def _gap_to(self, finding: Finding, change_type: ChangeType) -> float:
        """The distance to the closest site that a building extends, metres; 0 for any other.

        A larger gap would link the sites around it, which are other buildings.
        """
        geometry = finding.place.geometry
        if change_type != "extension" or geometry is None:
            return 0.0
        near = Filter(kind=KIND, source=self.source, bbox=reach(geometry, self.gap_m))
        gaps = [
            distance_m(case.place.geometry, geometry)
            for case in self.cases.queue.each(near)
            if case.state in OPEN_STATES
            and case.place.geometry is not None
            and case.began < finding.began
        ]
        closest_m = min(gaps, default=0.0)
        return closest_m + _ROUNDING_M if closest_m <= self.gap_m else 0.0

    def _known(self, polygon: Polygon | MultiPolygon, at: datetime) -> int | None:
        """The case, open or not, of a building in an image of this time or a later one."""
        for case in self.cases.queue.each(
            Filter(kind=KIND, source=self.source, bbox=polygon.bounds)
        ):
            shared = _ground(case).intersection(polygon).area
            if case.state is State.MERGED:
                continue  # the case that continues has the ground, too
            if case.observed >= at and shared >= _SAME * polygon.area:
                return case.id
        return None

    def _provenance(self, before: Acquisition, after: Acquisition) -> dict[str, Any]:
        images = {"before": before, "after": after}
        return {
            "software": f"cv-engine {metadata.version('cv-engine')}",
            "detector": {"name": self.detector, "f1": self.detector_f1},
            **{
                name: {"name": each.name, "time": _text(each.time), "sha256": each.sha256}
                for name, each in images.items()
            },
            **self.provenance,
        }


def close_permitted(
    queue: Queue, judge: Judge, at: datetime, source: str | None = None
) -> list[int]:
    """Withdraws open cases whose buildings have a permit, or are exempt, by now.

    A permit counts if it was valid on any day from the image before the building to ``at``, so a
    permit granted afterwards counts too. The history names the permit.

    Args:
        queue: The cases.
        judge: Judges by the permits as they are now.
        at: The time of the permits, timezone-aware.
        source: The area whose cases are checked; ``None``: all areas.

    Returns:
        Numbers of the cases that were withdrawn.

    Raises:
        QueueError: A case cannot be withdrawn.
    """

    def reason(case: Case) -> str | None:
        given = case.attributes
        ground = _ground(case)
        if ground.area == 0:
            return None
        before = datetime.fromisoformat(given["before"]) if "before" in given else case.began
        verdict = judge.judge(
            ground,
            given.get("sort", "new"),
            before,
            at,
            area_m2=given.get("area_m2", 0.0),
            confidence=case.confidence,
        )
        covered = verdict.outcome in ("permitted", "exempt")
        return f"{verdict.reason}, entered later" if covered else None

    wanted = Filter(kind=KIND, source=source)
    covered = [case.id for case in queue.each(wanted) if case.state in OPEN_STATES and reason(case)]
    # The queue calls `reason` again with the current case: it may have outgrown its permit by then.
    return [number for number in sorted(covered) if queue.withdraw(number, reason)]


def _can_be_gone(case: Case, at: datetime) -> bool:
    """Whether an image of this time can show that a case's building is gone."""
    return case.state in OPEN_STATES and case.gone_at is None and case.observed < at


def _ground(case: Case) -> Polygon | MultiPolygon:
    """The site of a case; empty if the case has none."""
    geometry = case.place.geometry
    if geometry is None or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return Polygon()
    made = shapely.make_valid(shape(dict(geometry)))
    return made if isinstance(made, Polygon | MultiPolygon) else Polygon()


def _geometry(polygon: Polygon | MultiPolygon) -> dict[str, Any]:
    """Canonical GeoJSON of a polygon, independent of the order of points and of rounding."""
    ordered = shapely.orient_polygons(shapely.normalize(polygon))
    rounded = shapely.transform(ordered, lambda lonlat: np.round(lonlat, _DECIMALS))
    return {**mapping(rounded)}


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
