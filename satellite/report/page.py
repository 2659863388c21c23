"""The report for planners: an HTML page with maps, figures and pictures of sites."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from cv_engine.html_page.page import page
from satellite.compare.comparison import Comparison
from satellite.detection.measured import accuracy
from satellite.imagery.views import Quality
from satellite.report.categories import BY_REASON, GAP_COLOUR
from satellite.report.evidence_files import when
from satellite.report.pictures import map_path, pictured, site_path
from satellite.report.section import ReportedSite, ReportSection
from satellite.report.swipe import SCRIPT, STYLE, dot, pair
from satellite.vector.change_types import CHANGE_TYPE_NAMES
from satellite.vector.gis_files import write_whole

_NOWHERE = "outside the planning zones"


def write_report(path: Path, title: str, sections: Sequence[ReportSection], at: datetime) -> Path:
    """Writes the page; see :func:`~satellite.report.pictures.draw_pictures` for its pictures.

    Args:
        path: The file to write.
        title: The area's name.
        sections: The comparisons, in order of time.
        at: The time of the report, timezone-aware.

    Raises:
        SatelliteError: The page cannot be written.
    """
    body = [f"<h1>{escape(title)}</h1><p>Changed buildings · report of {when(at)}</p>"]
    body += _growth(sections)
    for section in reversed(sections):
        body += _section(section, path.parent)
    text = page(title, body, style=STYLE, script=SCRIPT)
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
    return path


def _growth(sections: Sequence[ReportSection]) -> Iterator[str]:
    """The table of built-up area gained and lost in each district over time."""
    grown: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(sections))
    for column, section in enumerate(sections):
        for reported in section.sites:
            building, verdict = reported.site.building, reported.verdict
            if reported.site.change_type != "bare_ground":
                district = (verdict and verdict.planning) or _NOWHERE
                grown[district][column] += (
                    building.area_m2 if building.appeared else -building.area_m2
                )
    if not grown:
        yield "<p>No changed building was found.</p>"
        return
    total = [sum(column) for column in zip(*grown.values(), strict=True)]
    if set(grown) == {_NOWHERE}:
        grown.clear()
    yield '<h2>Built-up area</h2><div class="wide"><table><tr><th>District'
    yield from (f'<th class="n">{section.comparison.after.time:%Y-%m-%d}' for section in sections)
    yield '<th class="n">Together' if len(sections) > 1 else ""
    for district, change in [*sorted(grown.items()), ("whole area", total)]:
        yield f"<tr><td>{escape(district)}"
        shown = [*change, sum(change)] if len(sections) > 1 else change
        yield from (f'<td class="n">{metres:+,.0f} m²' for metres in shown)
    yield "</table></div><p>New buildings and extensions less demolitions, since the image before."
    yield "</p>"


def _section(section: ReportSection, root: Path) -> Iterator[str]:
    comparison, summary = section.comparison, section.comparison.summary
    name = comparison.folder.name
    yield f"<h2>{when(comparison.before.time)} to {when(comparison.after.time)}</h2>"
    residual = summary["residual_px"]
    aligned = (
        "was not aligned" if residual is None else f"fits to {residual:.2f} px after alignment"
    )
    yield (
        f"<p>{summary['covered_km2']:.3f} km² in pixels of {summary['resolution_m']:g} m. "
        f"{_missing(comparison)} The later image {aligned}. "
        f"Detector: {escape(comparison.detector)}; "
        f"{accuracy(comparison.detector_f1, summary['resolution_m'])}.</p>"
    )
    yield from _key(section)
    before, after = (_link(map_path(section, date), root) for date in ("before", "after"))
    yield f"<figure>{pair(f'map-{name}', before, after, 'Map', swipe=True)}<figcaption>Left: "
    yield f"{when(comparison.before.time)}; right: {when(comparison.after.time)}. Drag the line."
    yield "</figcaption></figure>"
    if section.sites:
        yield from _table(section)
    for number, reported in pictured(section):
        before, after = (
            _link(site_path(section, number, reported, date), root) for date in ("before", "after")
        )
        about = f"Site {number}"
        both = pair(f"pair-{name}-{number}", before, after, about, swipe=False)
        yield f'<figure id="site-{name}-{number}">{both}<figcaption>{about}: '
        yield f"{CHANGE_TYPE_NAMES[reported.site.change_type]}, "
        yield f"{reported.site.building.area_m2:,.0f} m²"
        verdict = _verdict(reported)
        yield f"{verdict and ', '}{verdict}</figcaption></figure>"


def _key(section: ReportSection) -> Iterator[str]:
    """The legend of the map with the number of sites of each colour."""
    yield '<p class="key">'
    for category, count in section.counts:
        yield f"<span>{dot(category.css)}{escape(category.label)}: {count}</span>"
    if section.comparison.gaps:
        yield f"<span>{dot(f'rgb{GAP_COLOUR}')}not compared</span>"
    yield "</p>"
    if section.judged:
        found = Counter(reported.site.change_type for reported in section.sites)
        counted = (f"{name}: {found[key]}" for key, name in CHANGE_TYPE_NAMES.items() if found[key])
        yield f"<p>By change: {', '.join(counted)}.</p>"


def _missing(comparison: Comparison) -> str:
    """The sentence on the area that could not be compared."""
    lost: dict[Quality, float] = defaultdict(float)
    for gap in comparison.gaps:
        lost[gap.reason] += gap.area_m2 / 1e6
    if not lost:
        return "All of it was compared."
    reasons = ", ".join(
        f"{BY_REASON[reason].label} {km2:.3f} km²" for reason, km2 in sorted(lost.items())
    )
    return f"Not compared, so nothing is known of it: {reasons}."


def _table(section: ReportSection) -> Iterator[str]:
    name = section.comparison.folder.name
    told = section.judged or any(reported.case is not None for reported in section.sites)
    yield '<div class="wide"><table><tr><th class="n">Site<th>Change<th class="n">Area'
    yield '<th class="n">Confidence<th>Where' + ("<th>Verdict" if told else "")
    yield '<th class="n">Outside permit<th>Planning zone' if section.judged else ""
    for number, reported in section.numbered():
        building = reported.site.building
        point = building.lonlat(section.comparison.grid.crs).representative_point()
        yield f'<tr><td class="n"><a href="#site-{name}-{number}">{number}</a>'
        yield f"<td>{dot(reported.category.css)}{CHANGE_TYPE_NAMES[reported.site.change_type]}"
        yield f'<td class="n">{building.area_m2:,.0f} m²<td class="n">{building.confidence:.0%}'
        yield f"<td>{point.y:.5f}, {point.x:.5f}"
        yield f'<td class="text">{_verdict(reported)}' if told else ""
        if reported.verdict is not None:
            verdict = reported.verdict
            yield '<td class="n">'
            yield f"{verdict.outside_m2:,.0f} m²" if verdict.needs_permit else ""
            yield f"<td>{escape(verdict.planning or '')}"
    yield "</table></div>"


def _verdict(reported: ReportedSite) -> str:
    """The reason of a site's verdict and the number of its case; empty without both."""
    parts = [] if reported.verdict is None else [reported.verdict.reason]
    parts += [] if reported.case is None else [f"case {reported.case}"]
    return escape(", ".join(parts))


def _link(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
