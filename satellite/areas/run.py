"""The periodic run: each image of an area is compared with the one before it, and cases are filed.

A run may be killed at any moment and repeated, and does nothing twice: a comparison resumes at the
tile where it stopped, and findings are known by their keys. Without new images a run ends at once.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from cv_engine.evidence.filing import CaseFiler
from satellite.areas.area import Area
from satellite.areas.cases import SiteFiler, close_permitted
from satellite.compare.comparison import Comparison, Progress, compare
from satellite.compare.comparison_request import ComparisonRequest
from satellite.compare.tile_executor import TileExecutor, serial_executor
from satellite.records.judge import Judge
from satellite.report.chips import read_chips
from satellite.report.page import write_report
from satellite.report.pictures import draw_pictures
from satellite.report.section import ReportedSite, ReportSection
from satellite.report.site_layers import write_site_layers

# Error of the place of an outline in addition to half a pixel, metres: the usual accuracy of
# orthoimages of cities.
_ORTHO_M = 2.0


@dataclass(frozen=True, slots=True)
class FilingContext:
    """What filing the cases of all areas needs.

    Attributes:
        cases: Files findings with their evidence.
        folder: Folder of the comparisons; each area has its own folder in it.
        join_m: Greatest distance of an extension from the site of an open case that it joins,
            metres.
    """

    cases: CaseFiler
    folder: Path
    join_m: float


@dataclass(frozen=True, slots=True)
class AreaRun:
    """The result of a run of one area.

    Attributes:
        area: The area's name.
        comparisons: All comparisons of the area, in order of time.
        filed: Numbers of new cases.
        joined: Numbers of cases that another finding joined.
        gone: Numbers of cases whose building was demolished.
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
    context: FilingContext,
    at: datetime,
    *,
    executor: TileExecutor = serial_executor,
    progress: Progress = lambda _stage, _share: None,
) -> AreaRun:
    """Compares an area's images, files cases, and writes its report.

    Args:
        area: The area.
        judge: Judges sites by the city's records.
        context: Queue, key and folders.
        at: The time of this run, timezone-aware; permits count if they are valid by then.
        executor: Judges tiles.
        progress: Called with the stage and its share done, 0 to 1.

    Raises:
        SatelliteError, ModelError: The area's images cannot be compared.
        EvidenceError, QueueError: A case cannot be filed; cases filed before are kept.
    """
    folder = context.folder / _folder_of(area.name)
    sections: list[ReportSection] = []
    outcomes: dict[str, set[int]] = defaultdict(set)
    gone: list[int] = []
    for request in area.requests():
        comparison = compare(
            request,
            folder / folder_name(request),
            settings=area.outline,
            keep=True,
            executor=executor,
            progress=progress,
        )
        filer = _filer(area, context, comparison)
        section = _file(request, comparison, judge, filer, outcomes, progress)
        sections.append(section)
        buildings = [site.building for site in comparison.sites]
        gone += filer.note_gone(buildings, comparison.before, comparison.after)
    permitted = close_permitted(context.cases.queue, judge, at, area.name)
    return AreaRun(
        area.name,
        tuple(section.comparison for section in sections),
        tuple(sorted(outcomes["new"])),
        tuple(sorted((outcomes["joined"] | outcomes["reopened"]) - outcomes["new"])),
        tuple(gone),
        tuple(permitted),
        write_report(folder / "report.html", area.name, sections, at),
    )


def _file(
    request: ComparisonRequest,
    comparison: Comparison,
    judge: Judge,
    filer: SiteFiler,
    outcomes: Mapping[str, set[int]],
    progress: Progress,
) -> ReportSection:
    """Files and draws a comparison's sites; adds each case's number to its outcome."""
    sites = []
    before, after = comparison.before, comparison.after
    with request.pair() as pair:
        pair.use(comparison.preparation)
        for number, site in enumerate(comparison.sites, 1):
            building = site.building
            verdict = comparison.verdict(site, judge)
            chips = partial(read_chips, pair, building.polygon, before.time, after.time)
            filed = filer.file(building, site.change_type, verdict, before, after, chips)
            if filed is not None:
                outcomes[filed.outcome].add(filed.case_id)
            sites.append(ReportedSite(site, verdict, None if filed is None else filed.case_id))
            progress("cases", number / len(comparison.sites))
        section = ReportSection(comparison, tuple(sites))
        write_site_layers(section)
        draw_pictures(section, pair)
    return section


def _filer(area: Area, context: FilingContext, comparison: Comparison) -> SiteFiler:
    residual_m = (comparison.residual_px or 0.0) * comparison.grid.resolution_m
    return SiteFiler(
        context.cases,
        area.name,
        comparison.grid.crs,
        comparison.detector,
        comparison.detector_f1,
        gap_m=context.join_m,
        accuracy_m=round(_ORTHO_M + comparison.grid.resolution_m / 2 + residual_m, 1),
    )


def _folder_of(name: str) -> str:
    """The name of an area's folder, which no other area has."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:60]
    return f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def folder_name(request: ComparisonRequest) -> str:
    """The name of a comparison's folder: both dates, and a digest of the whole request."""
    assert request.before.acquired is not None and request.after.acquired is not None
    # The class was once named Order: folders made then are found again.
    text = repr(request).replace(ComparisonRequest.__name__, "Order", 1)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{request.before.acquired:%Y%m%d}-{request.after.acquired:%Y%m%d}-{digest}"
