"""The periodic run: an area's images, each compared with the one before it, become cases and a report.

It may be killed at any moment and run again, and does nothing twice: a comparison goes on at the tile it
was at, findings are known by their keys. Where nothing new has come it ends at once.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from cv_engine.cases import Queue
from cv_engine.evidence.signing import SigningKey
from satellite.areas.area import Area
from satellite.areas.cases import SiteFiler, close_permitted
from satellite.compare.comparison import Comparison, Progress, compare
from satellite.compare.comparison_request import Order
from satellite.compare.tile_executor import Crew, alone
from satellite.records.judge import Judge
from satellite.report.chips import read_chips
from satellite.report.page import Chapter, Entry, draw_pictures, write_report

# Radius within which the true place of an outline lies beyond half a pixel: orthoimages of cities are
# right to about this many metres.
_ORTHO_M = 2.0


@dataclass(frozen=True, slots=True)
class Office:
    """Where cases go.

    Attributes:
        queue: The queue.
        key: Signs evidence.
        evidence: Folder of the packages.
        folder: Of the comparisons; one folder below it for each area.
        join_m: How far from an open case's site a building may lie that joins it, metres.
    """

    queue: Queue
    key: SigningKey
    evidence: Path
    folder: Path
    join_m: float


@dataclass(frozen=True, slots=True)
class AreaRun:
    """What a run of one area brought.

    Attributes:
        area: Its name.
        comparisons: All of its comparisons, in order of time.
        filed: Numbers of new cases.
        joined: Numbers of cases that another finding joined.
        gone: Numbers of cases whose building is no more.
        permitted: Numbers of cases that a permit closed.
        report: The report for planners.
    """

    area: str
    comparisons: tuple[Comparison, ...]
    filed: tuple[int, ...]
    joined: tuple[int, ...]
    gone: tuple[int, ...]
    permitted: tuple[int, ...]
    report: Path


def run(
    area: Area,
    judge: Judge,
    office: Office,
    at: datetime,
    *,
    crew: Crew = alone,
    progress: Progress = lambda _stage, _share: None,
) -> AreaRun:
    """Compares an area's images, files cases, and writes its report.

    Args:
        area: The area.
        judge: Knows the city's records of it.
        office: Where cases go.
        at: The time of this run, timezone-aware; permits count if they are valid by then.
        crew: Who judges tiles.
        progress: Told the stage and the share of it that is done.

    Raises:
        SatelliteError, ModelError: An area's images cannot be compared.
        EvidenceError, QueueError: A case cannot be filed; what was filed is safe.
    """
    folder = office.folder / _folder_of(area.name)
    chapters: list[Chapter] = []
    outcomes: dict[str, set[int]] = defaultdict(set)
    gone: list[int] = []
    for order in area.orders():
        comparison = compare(
            order,
            folder / _named(order),
            settings=area.outline,
            keep=True,
            crew=crew,
            progress=progress,
        )
        filer = _filer(area, office, comparison)
        chapter = _file(order, comparison, judge, filer, outcomes, progress)
        chapters.append(chapter)
        buildings = [site.building for site in comparison.sites]
        gone += filer.gone(buildings, comparison.before, comparison.after)
    permitted = close_permitted(office.queue, judge, at, area.name)
    return AreaRun(
        area.name,
        tuple(chapter.comparison for chapter in chapters),
        tuple(sorted(outcomes["new"])),
        tuple(sorted(outcomes["joined"] - outcomes["new"])),
        tuple(gone),
        tuple(permitted),
        write_report(folder / "report.html", area.name, chapters, at),
    )


def _file(
    order: Order,
    comparison: Comparison,
    judge: Judge,
    filer: SiteFiler,
    outcomes: Mapping[str, set[int]],
    progress: Progress,
) -> Chapter:
    """Files what a comparison found, and draws it; notes each case's number by what became of it."""
    entries = []
    before, after = comparison.before, comparison.after
    with order.pair() as pair:
        pair.use(comparison.preparation)
        for number, site in enumerate(comparison.sites, 1):
            building = site.building
            verdict = comparison.verdict(site, judge)
            chips = partial(read_chips, pair, building.polygon, before.time, after.time)
            filed = filer.file(building, site.sort, verdict, before, after, chips)
            if filed is not None:
                outcomes[filed.outcome].add(filed.case_id)
            entries.append(Entry(site, verdict, None if filed is None else filed.case_id))
            progress("cases", number / len(comparison.sites))
        chapter = Chapter(comparison, tuple(entries))
        draw_pictures(chapter, pair)
    return chapter


def _filer(area: Area, office: Office, comparison: Comparison) -> SiteFiler:
    residual_m = (comparison.residual_px or 0.0) * comparison.grid.resolution_m
    return SiteFiler(
        office.queue,
        office.key,
        office.evidence,
        area.name,
        comparison.grid.crs,
        comparison.detector,
        comparison.detector_f1,
        gap_m=office.join_m,
        accuracy_m=round(_ORTHO_M + comparison.grid.resolution_m / 2 + residual_m, 1),
    )


def _folder_of(name: str) -> str:
    """A folder's name for an area, and for no other."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:60]
    return f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _named(order: Order) -> str:
    """A folder's name for a comparison: both dates, and what else decides of it."""
    assert order.before.acquired is not None and order.after.acquired is not None
    text = repr(order)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{order.before.acquired:%Y%m%d}-{order.after.acquired:%Y%m%d}-{digest}"
