"""The report for planners: a self-contained HTML page with maps, figures and pictures of sites."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path

import cv2
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from cv_engine.errors import failure_of_os_error
from cv_engine.evidence.media.annotate import BOLD, font, text_width
from cv_engine.files import write_atomically
from satellite.compare.comparison import Comparison, Site
from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Quality
from satellite.records.judge import Verdict
from satellite.registration.pair import Pair
from satellite.report.chips import draw, read_chips
from satellite.report.evidence_files import when
from satellite.report.furniture import GroundScale, header
from satellite.vector.change_types import CHANGE_TYPE_NAMES, ChangeType
from satellite.vector.gis_files import write_whole

# Longer side of a map, pixels, and how many times larger than the image it may be to reach that.
_MAP_PX = 1600
_MOST_LARGER = 3.0
_NUMBER_PX = 20  # size of the letters of a site's number on the map
_HEADER_PX = 24  # and of the band above the map
# Sites that get pictures, the largest first; all sites are in the table and the GIS files.
_PICTURED = 200
_QUALITY = 85  # of the pictures' JPEG
_GAP_COLOUR = (190, 190, 190)
_NOWHERE = "outside the planning zones"
# BGR, distinguishable for the colour-blind.
_COLOURS: Mapping[ChangeType, tuple[int, int, int]] = {
    "new": (0, 0, 230),
    "extension": (0, 140, 255),
    "demolition": (230, 120, 0),
    "bare_ground": (0, 220, 220),
}
_REASONS: Mapping[Quality, str] = {
    Quality.NODATA: "no data",
    Quality.CLOUD: "cloud",
    Quality.SHADOW: "cloud shadow",
    Quality.HAZE: "haze",
    Quality.SNOW: "snow",
    Quality.WATER: "water",
    Quality.MISALIGNED: "not aligned",
}
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:1.5em auto;max-width:64em;padding:0 1em;color:#222}
h1{margin-bottom:0;overflow-wrap:anywhere}h2{margin-top:2.2em;border-bottom:1px solid #ccc}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:1em 0}
td,th{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left;white-space:nowrap}
td:first-child,th:first-child{padding-left:0}td.n,th.n{text-align:right}
td.verdict{white-space:normal;min-width:12em}
img{width:100%;display:block}figure{margin:1.2em 0}figcaption{color:#555;margin-top:.3em}
.key span{display:inline-block;margin-right:1.2em}
.key i{display:inline-block;width:1em;height:1em;margin-right:.4em;vertical-align:-.15em}
"""


@dataclass(frozen=True, slots=True)
class ReportedSite:
    """A changed building in the report.

    Attributes:
        site: The changed building.
        verdict: The verdict by the city's records; ``None`` without records.
        case: Number of the building's case, if any.
    """

    site: Site
    verdict: Verdict | None = None
    case: int | None = None


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One comparison in the report.

    Attributes:
        comparison: The comparison.
        sites: The changed buildings.
    """

    comparison: Comparison
    sites: tuple[ReportedSite, ...]

    @property
    def pictures(self) -> Path:
        """Folder of the comparison's pictures."""
        return self.comparison.folder / "pictures"


def draw_pictures(section: ReportSection, pair: Pair) -> None:
    """Draws a comparison's map and the pictures of its sites that do not exist yet.

    Pictures of sites found before with other settings are removed.

    Raises:
        SatelliteError: An image cannot be read, or a picture cannot be written.
    """
    wanted = {_map_path(section): partial(_map, section, pair)}
    for number, reported in _pictured(section):
        polygon = reported.site.building.polygon
        wanted[_site_path(section, number, reported)] = partial(_both, section, pair, polygon)
    try:
        section.pictures.mkdir(parents=True, exist_ok=True)
        for path in set(section.pictures.iterdir()) - set(wanted):
            path.unlink()
        for path, make in wanted.items():
            if not path.exists():
                _write(path, make())
    except OSError as error:
        raise SatelliteError(
            f"{section.pictures}: the report's pictures cannot be written ({error.strerror}); the "
            "comparison is kept: make room, and run it again",
            failure_of_os_error(error),
        ) from error


def write_report(path: Path, title: str, sections: Sequence[ReportSection], at: datetime) -> Path:
    """Writes the page; see :func:`draw_pictures` for the pictures beside it.

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
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><body>{''.join(body)}</body></html>"
    )
    write_whole(path, lambda part: part.write_text(page, encoding="utf-8"))
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
    yield f"<h2>{when(comparison.before.time)} to {when(comparison.after.time)}</h2>"
    f1 = comparison.detector_f1
    known = "not measured" if f1 is None else f"F1 {f1:.2f} where it was measured"
    residual = summary["residual_px"]
    aligned = (
        "was not aligned" if residual is None else f"fits to {residual:.2f} px after alignment"
    )
    yield (
        f"<p>{summary['covered_km2']:.3f} km² in pixels of {summary['resolution_m']:g} m. "
        f"{_missing(comparison)} The later image {aligned}. "
        f'Detector: {escape(comparison.detector)} ({known}).</p><p class="key">'
    )
    for change_type, colour in _COLOURS.items():
        if change_type in summary["sites"]:
            yield f'<span><i style="background:rgb{colour[::-1]}"></i>'
            yield f"{CHANGE_TYPE_NAMES[change_type]}: {summary['sites'][change_type]}</span>"
    if comparison.gaps:
        yield f'<span><i style="background:rgb{_GAP_COLOUR[::-1]}"></i>not compared</span>'
    yield f'</p><figure><img src="{_link(_map_path(section), root)}" alt="Map"></figure>'
    if section.sites:
        yield from _table(section)
    for number, reported in _pictured(section):
        site, link = reported.site, _link(_site_path(section, number, reported), root)
        verdict = _verdict(reported)
        yield f'<figure id="site-{number}"><a href="{link}"><img loading="lazy" src="{link}" '
        yield f'alt="Site {number} before and after"></a><figcaption>Site {number}: '
        yield f"{CHANGE_TYPE_NAMES[site.change_type]}, {site.building.area_m2:,.0f} m²"
        yield f"{verdict and ', '}{verdict}</figcaption></figure>"


def _missing(comparison: Comparison) -> str:
    """The sentence on the area that could not be compared."""
    lost: dict[Quality, float] = defaultdict(float)
    for gap in comparison.gaps:
        lost[gap.reason] += gap.area_m2 / 1e6
    if not lost:
        return "All of it was compared."
    reasons = ", ".join(f"{_REASONS[reason]} {km2:.3f} km²" for reason, km2 in sorted(lost.items()))
    return f"Not compared, so nothing is known of it: {reasons}."


def _table(section: ReportSection) -> Iterator[str]:
    judged = any(_verdict(reported) for reported in section.sites)
    yield '<div class="wide"><table><tr><th class="n">Site<th>Change<th class="n">Area'
    yield '<th class="n">Confidence<th>Where' + ("<th>Verdict" if judged else "")
    for number, reported in enumerate(section.sites, 1):
        building = reported.site.building
        point = building.lonlat(section.comparison.grid.crs).representative_point()
        yield f'<tr><td class="n"><a href="#site-{number}">{number}</a>'
        yield f"<td>{CHANGE_TYPE_NAMES[reported.site.change_type]}"
        yield f'<td class="n">{building.area_m2:,.0f} m²<td class="n">{building.confidence:.0%}'
        yield f"<td>{point.y:.5f}, {point.x:.5f}"
        yield f'<td class="verdict">{_verdict(reported)}' if judged else ""
    yield "</table></div>"


def _verdict(reported: ReportedSite) -> str:
    """The reason of a site's verdict and the number of its case; empty without both."""
    parts = [] if reported.verdict is None else [reported.verdict.reason]
    parts += [] if reported.case is None else [f"case {reported.case}"]
    return escape(", ".join(parts))


def _pictured(section: ReportSection) -> list[tuple[int, ReportedSite]]:
    """The sites that get pictures, with their numbers."""
    numbered = list(enumerate(section.sites, 1))
    largest = sorted(numbered, key=lambda pair: -pair[1].site.building.area_m2)[:_PICTURED]
    return sorted(largest, key=lambda pair: pair[0])


def _map_path(section: ReportSection) -> Path:
    sites = [reported.site for reported in section.sites]
    outlines = [(site.building.polygon.wkb_hex, site.change_type) for site in sites]
    return section.pictures / f"map-{_digest(repr(outlines))}.jpg"


def _site_path(section: ReportSection, number: int, reported: ReportedSite) -> Path:
    digest = _digest(reported.site.building.polygon.wkb_hex)
    return section.pictures / f"site-{number}-{digest}.jpg"


def _digest(text: str) -> str:
    """A short digest, which differs for pictures of other outlines."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _map(section: ReportSection, pair: Pair) -> NDArray[np.uint8]:
    """The whole later image with the changes, the gaps, a scale bar and north."""
    grid, comparison = pair.grid, section.comparison
    scale = min(_MAP_PX / max(grid.width, grid.height), _MOST_LARGER)
    shrink = max(1.0, 1 / scale)
    small = Grid(
        grid.crs,
        grid.transform @ Affine.scale(shrink),
        max(1, int(grid.width / shrink)),
        max(1, int(grid.height / shrink)),
    )
    picture, _ = pair.after.picture(small, Window(0, 0, small.width, small.height))
    size = (round(small.width * scale * shrink), round(small.height * scale * shrink))
    colours = np.ascontiguousarray(picture[:, :, 2::-1])
    image = np.asarray(cv2.resize(colours, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    to_image = Affine.scale(scale) @ ~grid.transform
    image = _shaded(image, [gap.polygon for gap in comparison.gaps], to_image)
    for site in (reported.site for reported in section.sites):
        rings = _curves(site.building.polygon, to_image)
        cv2.polylines(image, rings, True, (0, 0, 0), 4, cv2.LINE_AA)
        cv2.polylines(image, rings, True, _COLOURS[site.change_type], 2, cv2.LINE_AA)
    for number, reported in _pictured(section):
        _draw_number(image, number, reported.site.building.polygon, to_image)
    ground = GroundScale.of(grid.transform, grid.crs, grid.width, grid.height)
    tag = f"{comparison.after.time:%Y-%m-%d}"
    band = header(image.shape[1], tag, ground.across_m / scale, ground.north, _HEADER_PX)
    return np.vstack([band, image])


def _shaded(
    image: NDArray[np.uint8], polygons: Sequence[shapely.Polygon], to_image: Affine
) -> NDArray[np.uint8]:
    """A picture with the areas that could not be compared shaded."""
    covered = image.copy()
    for polygon in polygons:
        cv2.fillPoly(covered, _curves(polygon, to_image), _GAP_COLOUR)
    return np.asarray(cv2.addWeighted(covered, 0.5, image, 0.5, 0), np.uint8)


def _draw_number(
    image: NDArray[np.uint8], number: int, polygon: shapely.Polygon, to_image: Affine
) -> None:
    """Draws a site's number into its outline."""
    point = polygon.representative_point()
    x, y = to_image @ (point.x, point.y)
    text = str(number)
    at = round(x - text_width(text, _NUMBER_PX, BOLD) / 2), round(y + 0.36 * _NUMBER_PX)
    for shift, colour in (((1, 1), (0, 0, 0)), ((0, 0), (255, 255, 255))):
        place = at[0] + shift[0], at[1] + shift[1]
        cv2.putText(image, text, place, colour, font(), _NUMBER_PX, BOLD)


def _curves(polygon: shapely.Polygon, to_image: Affine) -> list[NDArray[np.int32]]:
    rings = (polygon.exterior, *polygon.interiors)
    return [
        np.column_stack(to_image @ np.asarray(ring.coords).T).round().astype(np.int32)
        for ring in rings
    ]


def _both(section: ReportSection, pair: Pair, polygon: shapely.Polygon) -> NDArray[np.uint8]:
    """A site before and after, side by side."""
    comparison = section.comparison
    chips = read_chips(pair, polygon, comparison.before.time, comparison.after.time)
    return draw(chips, []).both


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "a picture of bytes can be encoded"
    write_atomically(path, data.tobytes())


def _link(path: Path, root: Path) -> str:
    return escape(path.relative_to(root).as_posix())
