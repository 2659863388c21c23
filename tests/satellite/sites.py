"""A growing site, for the tests of cases.

`python -m tests.satellite.sites FOLDER` files the first building and is killed between evidence and
filing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS
from shapely.geometry import Polygon

from cv_engine.cases import Filed, Queue, open_queue
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.signing import SigningKey
from cv_engine.finding import Finding
from satellite.areas.cases import SiteFiler
from satellite.imagery.acquisition import Acquisition
from satellite.report.chips import Chips
from satellite.vector.buildings import Building

CRS_ = CRS.from_epsg(32651)
WEST, SOUTH = 360_000.0, 3_300_000.0


def month(number: int) -> Acquisition:
    """The image of a month of 2026."""
    return Acquisition(f"zy3-{number:02d}.tif", datetime(2026, number, 5, tzinfo=UTC), 2.1)


def ground(west_m: float, south_m: float, width_m: float, height_m: float) -> Polygon:
    """A rectangle in metres of the site's own corner, in the grid's coordinates."""
    return shapely.box(
        *(WEST + west_m, SOUTH + south_m, WEST + west_m + width_m, SOUTH + south_m + height_m)
    )


def lonlat(polygon: Polygon) -> Polygon:
    """The polygon in WGS 84."""
    transformer = Transformer.from_crs(CRS_.to_wkt(), "EPSG:4326", always_xy=True)
    moved: Polygon = shapely.transform(
        polygon, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
    )
    return moved


def building(polygon: Polygon, *, appeared: bool = True, confidence: float = 0.9) -> Building:
    """A changed building."""
    west, south, east, north = polygon.bounds
    width = min(east - west, north - south)
    return Building(polygon, appeared, polygon.area, width, confidence, 0.0)


def chips(polygon: Polygon) -> Callable[[], Chips]:
    """Pictures of a site: bare ground, then a grey roof."""

    def made() -> Chips:
        before = np.full((40, 40, 3), (120, 140, 90), np.uint8)
        after = before.copy()
        after[10:30, 10:30] = 160
        transform = Affine(2, 0, WEST - 20, 0, -2, SOUTH + 60)
        return Chips(*(before, after, transform, CRS_, polygon), *(month(1).time, month(2).time))

    return made


def filer(queue: Queue, folder: Path, **more: Any) -> SiteFiler:
    """The filer of an area's sites."""
    key = SigningKey.load_or_create(folder / "signing-key.pem")
    given = {"detector": "tinycd", "detector_f1": 0.93, "accuracy_m": 4.0, **more}
    return SiteFiler(CaseFiler(queue, key, folder / "evidence"), "west", CRS_, **given)


class _Deadly(Queue):
    def file(self, finding: Finding, **more: Any) -> Filed:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError(finding)


def main(folder: Path) -> None:
    """Files the first building, and is killed after its evidence is written."""
    from satellite.records.judge import Judge

    with open_queue(folder / "queue.sqlite") as queue:
        queue.__class__ = _Deadly
        house = building(ground(0, 0, 20, 10))
        verdict = Judge().judge(
            lonlat(house.polygon), "new", month(1).time, month(2).time, area_m2=house.area_m2
        )
        sites = filer(queue, folder)
        sites.file(house, "new", verdict, month(1), month(2), chips(house.polygon))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
