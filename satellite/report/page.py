"""The report for planners: an HTML page with maps, figures and pictures of each site, and nothing to fetch."""

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

from cv_engine.evidence.media.annotate import BOLD, font, text_width
from satellite.compare.comparison import Comparison, Site
from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Quality
from satellite.records.judge import Verdict
from satellite.registration.pair import Pair
from satellite.report.chips import draw, read_chips
from satellite.report.exhibits import when
from satellite.report.furniture import GroundScale, header
from satellite.vector.change_types import SORT_NAMES, Sort
from satellite.vector.gis_files import write_whole

# Longer side of a map, pixels, and how many times larger than the image it may be to reach that.
_MAP_PX = 1600
_MOST_LARGER = 3.0
_NUMBER_PX = 20  # letters of a site's number on it
_HEADER_PX = 24  # and of what stands above it
# Sites that get pictures, those of the largest area first; all are in the table and the GIS files.
_PICTURED = 200
_QUALITY = 85  # of the pictures' JPEG
_GAP_COLOUR = (190, 190, 190)
_NOWHERE = "outside the planning zones"
_COLOURS: Mapping[Sort, tuple[int, int, int]] = {  # BGR, told apart by the colour-blind, too
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
td:first-child,th:first-child{padding-left:0}td.n,th.n{text-align:right}td.said{white-space:normal;min-width:12em}
img{width:100%;display:block}figure{margin:1.2em 0}figcaption{color:#555;margin-top:.3em}
.key span{display:inline-block;margin-right:1.2em}
.key i{display:inline-block;width:1em;height:1em;margin-right:.4em;vertical-align:-.15em}
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A changed building in the report.

    Attributes:
        site: It.
        verdict: What the city's records say of it; ``None`` where none were asked.
        case: Number of its case, if it has one.
    """

    site: Site
    verdict: Verdict | None = None
    case: int | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """One comparison in the report.

    Attributes:
        comparison: It.
        entries: Its changed buildings.
    """

    comparison: Comparison
    entries: tuple[Entry, ...]

    @property
    def pictures(self) -> Path:
        """Folder of its pictures."""
        return self.comparison.folder / "pictures"


def draw_pictures(chapter: Chapter, pair: Pair) -> None:
    """Draws a comparison's map and the pictures of its sites: those that are not there yet.

    Pictures of what it found before, with other settings, are removed.

    Raises:
        SatelliteError: An image cannot be read, or a picture cannot be written.
    """
    wanted = {_map_path(chapter): partial(_map, chapter, pair)}
    for number, entry in _pictured(chapter):
        polygon = entry.site.building.polygon
        wanted[_site_path(chapter, number, entry)] = partial(_both, chapter, pair, polygon)
    try:
        chapter.pictures.mkdir(parents=True, exist_ok=True)
        for path in set(chapter.pictures.iterdir()) - set(wanted):
            path.unlink()
        for path, make in wanted.items():
            if not path.exists():
                _write(path, make())
    except OSError as error:
        raise SatelliteError(
            f"{chapter.pictures}: the report's pictures cannot be written ({error.strerror}); what was "
            "compared is kept: make room, and run it again"
        ) from error


def write_report(path: Path, title: str, chapters: Sequence[Chapter], at: datetime) -> Path:
    """Writes the page; its pictures lie beside it, see :func:`draw_pictures`.

    Args:
        path: Where to.
        title: The area's name.
        chapters: The comparisons, in order of time.
        at: The time of the report, timezone-aware.

    Raises:
        SatelliteError: It cannot be written.
    """
    body = [f"<h1>{escape(title)}</h1><p>Changed buildings · report of {when(at)}</p>"]
    body += _growth(chapters)
    for chapter in reversed(chapters):
        body += _chapter(chapter, path.parent)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><body>{''.join(body)}</body></html>"
    )
    write_whole(path, lambda part: part.write_text(page, encoding="utf-8"))
    return path


def _growth(chapters: Sequence[Chapter]) -> Iterator[str]:
    """Built-up area that came and went in each district over time."""
    grown: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(chapters))
    for column, chapter in enumerate(chapters):
        for entry in chapter.entries:
            building, verdict = entry.site.building, entry.verdict
            if entry.site.sort != "bare_ground":
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
    yield from (f'<th class="n">{chapter.comparison.after.time:%Y-%m-%d}' for chapter in chapters)
    yield '<th class="n">Together' if len(chapters) > 1 else ""
    for district, change in [*sorted(grown.items()), ("whole area", total)]:
        yield f"<tr><td>{escape(district)}"
        shown = [*change, sum(change)] if len(chapters) > 1 else change
        yield from (f'<td class="n">{metres:+,.0f} m²' for metres in shown)
    yield "</table></div><p>New buildings and extensions less what was demolished, since the image before.</p>"


def _chapter(chapter: Chapter, root: Path) -> Iterator[str]:
    comparison, summary = chapter.comparison, chapter.comparison.summary
    yield f"<h2>{when(comparison.before.time)} to {when(comparison.after.time)}</h2>"
    f1 = comparison.detector_f1
    known = "not measured" if f1 is None else f"F1 {f1:.2f} where it was measured"
    residual = summary["residual_px"]
    aligned = (
        "was not aligned" if residual is None else f"fits to {residual:.2f} px after alignment"
    )
    yield (
        f"<p>{summary['covered_km2']:.3f} km² in pixels of {summary['resolution_m']:g} m. "
        f"{_missing(comparison)} The later image {aligned}. Detector: {escape(comparison.detector)} "
        f'({known}).</p><p class="key">'
    )
    for sort, colour in _COLOURS.items():
        if sort in summary["sites"]:
            yield f'<span><i style="background:rgb{colour[::-1]}"></i>{SORT_NAMES[sort]}: '
            yield f"{summary['sites'][sort]}</span>"
    if comparison.gaps:
        yield f'<span><i style="background:rgb{_GAP_COLOUR[::-1]}"></i>not compared</span>'
    yield f'</p><figure><img src="{_link(_map_path(chapter), root)}" alt="Map"></figure>'
    if chapter.entries:
        yield from _table(chapter)
    for number, entry in _pictured(chapter):
        link, said = _link(_site_path(chapter, number, entry), root), _said(entry)
        yield f'<figure id="site-{number}"><a href="{link}"><img loading="lazy" src="{link}" '
        yield f'alt="Site {number} before and after"></a><figcaption>Site {number}: '
        yield f"{SORT_NAMES[entry.site.sort]}, {entry.site.building.area_m2:,.0f} m²"
        yield f"{said and ', '}{said}</figcaption></figure>"


def _missing(comparison: Comparison) -> str:
    """What could not be compared, in words."""
    lost: dict[Quality, float] = defaultdict(float)
    for gap in comparison.gaps:
        lost[gap.reason] += gap.area_m2 / 1e6
    if not lost:
        return "All of it was compared."
    reasons = ", ".join(f"{_REASONS[reason]} {km2:.3f} km²" for reason, km2 in sorted(lost.items()))
    return f"Not compared, so nothing is known of it: {reasons}."


def _table(chapter: Chapter) -> Iterator[str]:
    judged = any(_said(entry) for entry in chapter.entries)
    yield '<div class="wide"><table><tr><th class="n">Site<th>Sort<th class="n">Area'
    yield '<th class="n">Confidence<th>Where' + ("<th>Verdict" if judged else "")
    for number, entry in enumerate(chapter.entries, 1):
        building = entry.site.building
        point = building.lonlat(chapter.comparison.grid.crs).representative_point()
        yield f'<tr><td class="n"><a href="#site-{number}">{number}</a><td>{SORT_NAMES[entry.site.sort]}'
        yield f'<td class="n">{building.area_m2:,.0f} m²<td class="n">{building.confidence:.0%}'
        yield f"<td>{point.y:.5f}, {point.x:.5f}"
        yield f'<td class="said">{_said(entry)}' if judged else ""
    yield "</table></div>"


def _said(entry: Entry) -> str:
    said = [] if entry.verdict is None else [entry.verdict.reason]
    said += [] if entry.case is None else [f"case {entry.case}"]
    return escape(", ".join(said))


def _pictured(chapter: Chapter) -> list[tuple[int, Entry]]:
    """The sites that get pictures, with their numbers."""
    numbered = list(enumerate(chapter.entries, 1))
    largest = sorted(numbered, key=lambda pair: -pair[1].site.building.area_m2)[:_PICTURED]
    return sorted(largest, key=lambda pair: pair[0])


def _map_path(chapter: Chapter) -> Path:
    entries = [(entry.site.building.polygon.wkb_hex, entry.site.sort) for entry in chapter.entries]
    return chapter.pictures / f"map-{_digest(repr(entries))}.jpg"


def _site_path(chapter: Chapter, number: int, entry: Entry) -> Path:
    digest = _digest(entry.site.building.polygon.wkb_hex)
    return chapter.pictures / f"site-{number}-{digest}.jpg"


def _digest(text: str) -> str:
    """Tells pictures of other outlines apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _map(chapter: Chapter, pair: Pair) -> NDArray[np.uint8]:
    """The later image as a whole, with what changed, what was not compared, scale and north."""
    grid, comparison = pair.grid, chapter.comparison
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
    for entry in chapter.entries:
        rings = _curves(entry.site.building.polygon, to_image)
        cv2.polylines(image, rings, True, (0, 0, 0), 4, cv2.LINE_AA)
        cv2.polylines(image, rings, True, _COLOURS[entry.site.sort], 2, cv2.LINE_AA)
    for number, entry in _pictured(chapter):
        _number(image, number, entry.site.building.polygon, to_image)
    ground = GroundScale.of(grid.transform, grid.crs, grid.width, grid.height)
    tag = f"{comparison.after.time:%Y-%m-%d}"
    band = header(image.shape[1], tag, ground.across_m / scale, ground.north, _HEADER_PX)
    return np.vstack([band, image])


def _shaded(
    image: NDArray[np.uint8], polygons: Sequence[shapely.Polygon], to_image: Affine
) -> NDArray[np.uint8]:
    """A picture with areas in which nothing is known laid over."""
    covered = image.copy()
    for polygon in polygons:
        cv2.fillPoly(covered, _curves(polygon, to_image), _GAP_COLOUR)
    return np.asarray(cv2.addWeighted(covered, 0.5, image, 0.5, 0), np.uint8)


def _number(
    image: NDArray[np.uint8], number: int, polygon: shapely.Polygon, to_image: Affine
) -> None:
    """Writes a site's number into it."""
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


def _both(chapter: Chapter, pair: Pair, polygon: shapely.Polygon) -> NDArray[np.uint8]:
    """A site before and after, side by side."""
    comparison = chapter.comparison
    chips = read_chips(pair, polygon, comparison.before.time, comparison.after.time)
    return draw(chips, []).both


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "a picture of bytes can be encoded"
    part = path.with_suffix(".part")
    part.write_bytes(data.tobytes())
    part.replace(path)


def _link(path: Path, root: Path) -> str:
    return escape(path.relative_to(root).as_posix())
