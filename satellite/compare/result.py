"""The result of a comparison, and its form on disk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely

from satellite.imagery.acquisition import Acquisition
from satellite.imagery.grid import Grid
from satellite.imagery.views import Quality
from satellite.records.judge import Judge, Verdict
from satellite.registration.pair import Preparation
from satellite.vector.buildings import Building
from satellite.vector.change_types import ChangeType
from satellite.vector.gaps import Gap
from satellite.vector.geodesy import area_m2


@dataclass(frozen=True, slots=True)
class Site:
    """A changed building and its type of change."""

    building: Building
    change_type: ChangeType


@dataclass(frozen=True, slots=True)
class Found:
    """The differences between two images.

    Attributes:
        sites: The changed buildings.
        gaps: Areas that could not be compared.
        detector: Name of the detector.
        detector_f1: F1 of the detector measured on other images.
    """

    sites: tuple[Site, ...]
    gaps: tuple[Gap, ...]
    detector: str
    detector_f1: float | None

    def to_dict(self) -> dict[str, Any]:
        """The differences as JSON values; :meth:`from_dict` restores them to the last bit."""
        return {
            "detector": self.detector,
            "detector_f1": self.detector_f1,
            "sites": [_site_to_dict(site) for site in self.sites],
            "gaps": [
                {"reason": int(gap.reason), "polygon": gap.polygon.wkb_hex, "area_m2": gap.area_m2}
                for gap in self.gaps
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Found:
        """Restores what :meth:`to_dict` stored.

        Raises:
            KeyError, TypeError, ValueError, shapely.errors.ShapelyError: The values are damaged, or
                of another version.
        """
        return cls(
            sites=tuple(_site_from_dict(site) for site in stored["sites"]),
            gaps=tuple(
                Gap(Quality(gap["reason"]), shapely.from_wkb(gap["polygon"]), gap["area_m2"])
                for gap in stored["gaps"]
            ),
            detector=stored["detector"],
            detector_f1=stored["detector_f1"],
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two images that were compared.

    Attributes:
        folder: Folder of the layers and files.
        grid: The grid on which both images were read.
        before: The earlier image.
        after: The later image.
        preparation: The estimated shifts and light of the pair.
        found: The differences.
    """

    folder: Path
    grid: Grid
    before: Acquisition
    after: Acquisition
    preparation: Preparation
    found: Found

    @property
    def sites(self) -> tuple[Site, ...]:
        """The changed buildings."""
        return self.found.sites

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Areas that could not be compared."""
        return self.found.gaps

    @property
    def detector(self) -> str:
        """Name of the detector."""
        return self.found.detector

    @property
    def detector_f1(self) -> float | None:
        """F1 of the detector measured on other images, 0 to 1; ``None``: not measured."""
        return self.found.detector_f1

    @property
    def residual_px(self) -> float | None:
        """Shift left between the images after alignment, pixels; ``None``: not estimated."""
        shift = self.preparation.shift
        return None if shift is None else shift.residual_px

    def verdict(self, site: Site, judge: Judge) -> Verdict:
        """Judges one of the sites by a city's records."""
        return judge.judge(
            site.building.lonlat(self.grid.crs),
            site.change_type,
            self.before.time,
            self.after.time,
            area_m2=site.building.area_m2,
            confidence=site.building.confidence,
        )

    @property
    def summary(self) -> dict[str, Any]:
        """The figures as JSON values: areas on the ground in square kilometres and metres."""
        sites = Counter(site.change_type for site in self.sites)
        areas = {name: round(self._area_m2(name), 1) for name in sorted(sites)}
        missing: dict[str, float] = defaultdict(float)
        for gap in self.gaps:
            missing[gap.reason.name.lower()] += gap.area_m2 / 1e6
        covered_km2 = area_m2(shapely.box(*self.grid.bounds), self.grid.crs) / 1e6
        return {
            "before": {"name": self.before.name, "time": self.before.time.isoformat()},
            "after": {"name": self.after.name, "time": self.after.time.isoformat()},
            "resolution_m": round(self.grid.resolution_m, 3),
            "covered_km2": round(covered_km2, 4),
            "not_compared_km2": {name: round(km2, 4) for name, km2 in sorted(missing.items())},
            "residual_px": None if self.residual_px is None else round(self.residual_px, 3),
            "detector": self.detector,
            "detector_f1": self.detector_f1,
            "sites": dict(sorted(sites.items())),
            "area_m2": areas,
        }

    def _area_m2(self, change_type: ChangeType) -> float:
        return sum(s.building.area_m2 for s in self.sites if s.change_type == change_type)


def _site_to_dict(site: Site) -> dict[str, Any]:
    building = site.building
    return {
        "sort": site.change_type,
        "polygon": building.polygon.wkb_hex,
        "appeared": building.appeared,
        "area_m2": building.area_m2,
        "width_m": building.width_m,
        "confidence": building.confidence,
        "uncertain_share": building.uncertain_share,
    }


def _site_from_dict(stored: Mapping[str, Any]) -> Site:
    facts = {name: value for name, value in stored.items() if name not in ("sort", "polygon")}
    return Site(Building(shapely.from_wkb(stored["polygon"]), **facts), stored["sort"])
