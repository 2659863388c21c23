"""A comparison with some houses in a row, for the tests of reports and layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from affine import Affine

from satellite.compare.result import Comparison, Found, Site
from satellite.imagery.grid import Grid
from satellite.records.judge import Judge
from satellite.registration.normalise import Gains
from satellite.registration.pair import Preparation
from satellite.report.section import ReportedSite, ReportSection
from satellite.vector.change_types import ChangeType
from tests.satellite.sites import CRS_, SOUTH, WEST, building, ground, month

_PREPARATION = Preparation("a", "b", (800, 400), None, Gains.none(3))
GRID = Grid(CRS_, Affine(0.5, 0, WEST - 50, 0, -0.5, SOUTH + 100), 800, 400)


def section(
    folder: Path,
    judge: Judge | None,
    changes: Sequence[ChangeType] = ("new",),
    *,
    grid: Grid = GRID,
    f1: float | None = 0.93,
) -> ReportSection:
    """Houses of 20 m x 10 m, 30 m apart, from January to February."""
    sites = tuple(
        Site(building(ground(30.0 * place, 0, 20, 10), appeared=change != "demolition"), change)
        for place, change in enumerate(changes)
    )
    found = Found(sites, (), "cascade", f1)
    made = Comparison(folder, grid, month(1), month(2), _PREPARATION, found)
    return ReportSection(
        made,
        tuple(
            ReportedSite(site, None if judge is None else made.verdict(site, judge))
            for site in sites
        ),
    )
