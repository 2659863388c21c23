"""Cases: changed buildings become findings with evidence, and their cases follow them through time.

As in video, evidence is written first, whole or not at all, and only then the case that names it: a
run that is killed in between leaves a package that the next run takes up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from rasterio.crs import CRS
from shapely.geometry import MultiPolygon, Polygon, mapping, shape

from cv_engine.cases import Case, Filed, Filter, Queue
from cv_engine.cases.case import OPEN_STATES
from cv_engine.cases.site import SITE_GAP_M
from cv_engine.evidence.package import package_name, write
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import verify
from cv_engine.finding import Finding, Place
from satellite.imagery.acquisition import Acquisition
from satellite.records.judge import Judge, Verdict
from satellite.report.chips import Chips
from satellite.report.exhibits import exhibits, when
from satellite.vector.buildings import Building
from satellite.vector.change_types import Sort

#: The violation's name in the taxonomy.
KIND = "building_without_permit"

# The part of a case's ground on which buildings must be gone. Two detections of one building share
# about 0.85 of each other (F1 0.92 on pixels); a wing torn down leaves a building.
_GONE = 0.7
# The part of a changed building from which it is what a case has already: drawn with other settings, the
# outlines of one building share far more than half of each other.
_SAME = 0.5
_DECIMALS = 7  # of a degree: a centimetre, below which two runs may differ


@dataclass(slots=True)
class SiteFiler:
    """Files the changed buildings of one area, and notes which are gone.

    Attributes:
        queue: Where cases go.
        key: Signs the packages.
        root: Folder of the packages.
        source: The area's name.
        crs: The coordinate reference system of the buildings' polygons.
        detector: What found them.
        detector_f1: F1 that was measured of it, 0 to 1; ``None`` if it was not.
        accuracy_m: Radius within which the true place of a polygon lies, metres, if known.
        gap_m: How far from an open case's site a building may lie that joins it, metres.
        provenance: JSON values for the packages: digests of model and configuration.
    """

    queue: Queue
    key: SigningKey
    root: Path
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
        sort: Sort,
        verdict: Verdict,
        before: Acquisition,
        after: Acquisition,
        chips: Callable[[], Chips],
    ) -> Filed | None:
        """Files a changed building, unless the verdict is that it becomes no case.

        A part of a site that has an open case joins it, whatever the dates. Filing twice is filing
        once, also with other outlines or other planning zones: what a case knew of an image, and what
        was decided about it, stands; only a later image can add to it.

        Args:
            building: The building.
            sort: What kind of change it is.
            verdict: What the city's records say of it.
            before: The earlier image.
            after: The later one.
            chips: Gives its pictures; asked only where the evidence is still to be made.

        Raises:
            EvidenceError: Its evidence cannot be written.
            QueueError: It cannot be filed.
        """
        if not verdict.files:
            return None
        finding = self.finding(building, sort, verdict, before, after)
        if self.queue.evidence_of(finding.key) is None:
            known = self._known(building.lonlat(self.crs), after.time)
            if known is not None:
                return Filed(known, "known")
        if self._is_wanting(finding):
            write(
                self.root,
                finding,
                [],
                key=self.key,
                provenance=self._provenance(before, after),
                exhibits=exhibits(finding, verdict, before, after, chips()),
            )
        finding = replace(finding, evidence=package_name(finding))
        return self.queue.file(finding, gap_m=self.gap_m)

    def finding(
        self,
        building: Building,
        sort: Sort,
        verdict: Verdict,
        before: Acquisition,
        after: Acquisition,
    ) -> Finding:
        """The changed building as the queue knows it.

        Nobody knows when between the two dates it was built: it counts from the later one, and
        both are among the attributes.
        """
        attributes = {
            "sort": sort,
            "area_m2": round(building.area_m2, 1),
            "width_m": round(building.width_m, 1),
            "before": _text(before.time),
            "after": _text(after.time),
            "resolution_m": round(max(before.resolution_m, after.resolution_m), 2),
            "uncertain_share": round(building.uncertain_share, 3),
            "detector": self.detector,
            "detector_f1": self.detector_f1,
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

    def gone(
        self, buildings: Sequence[Building], before: Acquisition, after: Acquisition
    ) -> list[int]:
        """Notes the open cases whose buildings are no more.

        The case stays open, that is an officer's business; its history names the image. A part of
        a site that is gone does not end it.

        Args:
            buildings: The changed buildings of a comparison; those that appeared do not matter.
            before: The earlier image: the buildings were last seen in it.
            after: The later one.

        Returns:
            Numbers of the cases of which this is news.

        Raises:
            QueueError: It cannot be noted.
        """
        shapes = [each.lonlat(self.crs) for each in buildings if not each.appeared]
        touched: dict[int, list[Polygon | MultiPolygon]] = {}
        cases: dict[int, Case] = {}
        for each in shapes:
            wanted = Filter(kind=KIND, source=self.source, bbox=each.bounds)
            for case in self.queue.each(wanted):
                if _may_go(case, after.time):
                    cases[case.id] = case
                    touched.setdefault(case.id, []).append(each)
        note = f"gone in the image of {when(after.time)} ({after.name})"
        news = []
        for number, case in sorted(cases.items()):
            ground = _ground(case)
            shared = ground.intersection(shapely.union_all(touched[number])).area
            last_seen = max(before.time, case.observed)
            if shared >= _GONE * ground.area and self.queue.left(case.key, last_seen, note):
                news.append(number)
        return news

    def _known(self, polygon: Polygon | MultiPolygon, at: datetime) -> int | None:
        """The case, open or not, that has this building and was seen in this image or a later one."""
        for case in self.queue.each(Filter(kind=KIND, source=self.source, bbox=polygon.bounds)):
            shared = _ground(case).intersection(polygon).area
            if case.observed >= at and shared >= _SAME * polygon.area:
                return case.id
        return None

    def _is_wanting(self, finding: Finding) -> bool:
        """Whether a finding's evidence is still to be made.

        What is whole is not made anew. What a case names already is not either: where it is not
        here, it has been sent away.
        """
        folder = self.root / package_name(finding)
        if not verify(folder):
            return False
        # In this order: what is being sent meanwhile goes from here in one step, not to return.
        return folder.is_dir() or self.queue.evidence_of(finding.key) is None

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
    """Withdraws the open cases whose buildings have a permit, or are exempt, by now.

    A permit counts if it was valid on any day from the image before the building to ``at``, so that
    leave given afterwards counts too. The history names the permit.

    Args:
        queue: The cases.
        judge: Knows the permits as they are now.
        at: The time of this look at the permits, timezone-aware.
        source: Only cases of this area; ``None``: of all.

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
    # Asked again of the case as it is then: it may have grown beyond its permit meanwhile.
    return [number for number in sorted(covered) if queue.withdraw(number, reason)]


def _may_go(case: Case, at: datetime) -> bool:
    """Whether a case's building may turn out to be gone in an image of that time."""
    return case.state in OPEN_STATES and case.left_at is None and case.observed < at


def _ground(case: Case) -> Polygon | MultiPolygon:
    """The site of a case; empty where it has none."""
    geometry = case.place.geometry
    if geometry is None or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return Polygon()
    made = shapely.make_valid(shape(dict(geometry)))
    return made if isinstance(made, Polygon | MultiPolygon) else Polygon()


def _geometry(polygon: Polygon | MultiPolygon) -> dict[str, Any]:
    """GeoJSON that is the same whenever the polygon is: order and rounding do not matter."""
    ordered = shapely.orient_polygons(shapely.normalize(polygon))
    rounded = shapely.transform(ordered, lambda lonlat: np.round(lonlat, _DECIMALS))
    return {**mapping(rounded)}


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
