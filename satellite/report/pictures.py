"""The pictures beside the report: the map before and after, and each site before and after."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from cv_engine.errors import failure_of_os_error
from cv_engine.evidence.media.annotate import BOLD, font, text_width
from cv_engine.files import write_atomically
from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.registration.pair import Pair, Preparation
from satellite.report.categories import GAP_COLOUR
from satellite.report.chips import Drawn, draw, read_chips
from satellite.report.evidence_files import placed
from satellite.report.furniture import GroundScale, header
from satellite.report.section import ReportedSite, ReportSection

Date = Literal["before", "after"]
Picture = NDArray[np.uint8]

# Longer side of a map, pixels, and how many times larger than the image it may be to reach that.
_MAP_PX = 1600
_MOST_LARGER = 3.0
_NUMBER_PX = 20  # size of the letters of a site's number on the map
_LINE_PX = 3  # width of an outline, inside a dark rim: its colour is still seen at half the size
_SHIFT_STEP_PX = 32  # distance at which shifts are evaluated; they bend over hundreds of pixels
_HEADER_PX = 24  # and of the band above the map
# Sites that get pictures, the largest first; all sites are in the table and the GIS files.
_PICTURED = 200
_QUALITY = 85  # of the pictures' JPEG
DATES: tuple[Date, Date] = ("before", "after")


def draw_pictures(section: ReportSection, pair: Pair) -> None:
    """Draws a comparison's maps and the pictures of its sites that do not exist yet.

    Pictures of sites found before with other settings or other records are removed.

    Raises:
        SatelliteError: An image cannot be read, or a picture cannot be written.
    """
    wanted: dict[Path, Callable[[], Picture]] = {}
    for date in DATES:
        wanted[map_path(section, date)] = partial(_map, section, pair, date)
    for number, reported in pictured(section):
        drawn = cache(partial(_drawn, section, pair, reported))
        before, after = (site_path(section, number, reported, date) for date in DATES)
        wanted[before] = partial(_date_of, drawn, "before")
        wanted[after] = partial(_date_of, drawn, "after")
    try:
        section.pictures.mkdir(parents=True, exist_ok=True)
        for path in set(section.pictures.iterdir()) - set(wanted):
            path.unlink()
        for path in list(wanted):
            make = wanted.pop(path)  # with the other date's, it holds both pictures
            if not path.exists():
                _write(path, make())
    except OSError as error:
        raise SatelliteError(
            f"{section.pictures}: the report's pictures cannot be written ({error.strerror}); the "
            "comparison is kept: make room, and run it again",
            failure_of_os_error(error),
        ) from error


def pictured(section: ReportSection) -> list[tuple[int, ReportedSite]]:
    """The sites that get pictures, with their numbers."""
    numbered = list(section.numbered())
    largest = sorted(numbered, key=lambda pair: -pair[1].site.building.area_m2)[:_PICTURED]
    return sorted(largest, key=lambda pair: pair[0])


def map_path(section: ReportSection, date: Date) -> Path:
    """The file of a map; the name differs for other outlines and other verdicts."""
    outlines = [
        (reported.site.building.polygon.wkb_hex, reported.category.key)
        for reported in section.sites
    ]
    return section.pictures / f"map-{_digest(repr(outlines))}-{date}.jpg"


def site_path(section: ReportSection, number: int, reported: ReportedSite, date: Date) -> Path:
    """The file of a site's picture; the name differs for another outline or another permit."""
    allowed = None if reported.verdict is None else reported.verdict.allowed
    drawn = reported.site.building.polygon.wkb_hex + ("" if allowed is None else allowed.wkb_hex)
    return section.pictures / f"site-{number}-{_digest(drawn)}-{date}.jpg"


def _digest(text: str) -> str:
    """A short digest, which differs for pictures of other outlines."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _map(section: ReportSection, pair: Pair, date: Date) -> Picture:
    """The whole image of a date with the changes, the gaps, a scale bar and north."""
    grid, comparison = pair.grid, section.comparison
    scene = pair.before if date == "before" else pair.after
    taken = comparison.before if date == "before" else comparison.after
    scale = min(_MAP_PX / max(grid.width, grid.height), _MOST_LARGER)
    shrink = max(1.0, 1 / scale)
    small = Grid(
        grid.crs,
        grid.transform @ Affine.scale(shrink),
        max(1, int(grid.width / shrink)),
        max(1, int(grid.height / shrink)),
    )
    window = Window(0, 0, small.width, small.height)
    picture, _ = scene.picture(small, window, nir=pair.bands == 4)
    if date == "after":
        picture = _matched(picture, comparison.preparation, shrink)
    size = (round(small.width * scale * shrink), round(small.height * scale * shrink))
    colours = np.ascontiguousarray(picture[:, :, 2::-1])
    image = np.asarray(cv2.resize(colours, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    to_image = Affine.scale(scale) @ ~grid.transform
    image = _shaded(image, [gap.polygon for gap in comparison.gaps], to_image)
    for reported in section.sites:
        rings = _curves(reported.site.building.polygon, to_image)
        cv2.polylines(image, rings, True, (0, 0, 0), _LINE_PX + 3, cv2.LINE_AA)
        cv2.polylines(image, rings, True, reported.category.bgr, _LINE_PX, cv2.LINE_AA)
    for number, reported in pictured(section):
        _draw_number(image, number, reported.site.building.polygon, to_image)
    ground = GroundScale.of(grid.transform, grid.crs, grid.width, grid.height)
    tag = f"{date.upper()} · {taken.time:%Y-%m-%d}"
    band = header(image.shape[1], tag, ground.across_m / scale, ground.north, _HEADER_PX)
    return np.vstack([band, image])


def _matched(picture: Picture, preparation: Preparation, shrink: float) -> Picture:
    """The later image aligned with the earlier one and in its light, at a map's scale.

    Args:
        picture: The later image as it is.
        preparation: The estimates of the pair.
        shrink: Side of the picture's pixels in pixels of the grid.
    """
    picture = preparation.gains.apply(np.ascontiguousarray(picture))
    if preparation.shift is None:
        return picture
    height, width = picture.shape[:2]
    cols, rows = max(2, width // _SHIFT_STEP_PX), max(2, height // _SHIFT_STEP_PX)
    x, y = np.meshgrid(np.linspace(0, width, cols), np.linspace(0, height, rows))
    points = np.column_stack([x.ravel(), y.ravel()]) * shrink
    shifts = preparation.shift.at_points(points).T.reshape(2, rows, cols) / shrink
    dx, dy = (cv2.resize(each.astype(np.float32), (width, height)) for each in shifts)
    at_x = dx + np.arange(width, dtype=np.float32)
    at_y = dy + np.arange(height, dtype=np.float32)[:, None]
    moved = cv2.remap(picture, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _shaded(image: Picture, polygons: Sequence[shapely.Polygon], to_image: Affine) -> Picture:
    """A picture with the areas that could not be compared shaded."""
    covered = image.copy()
    for polygon in polygons:
        cv2.fillPoly(covered, _curves(polygon, to_image), GAP_COLOUR)
    return np.asarray(cv2.addWeighted(covered, 0.5, image, 0.5, 0), np.uint8)


def _draw_number(image: Picture, number: int, polygon: shapely.Polygon, to_image: Affine) -> None:
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


def _drawn(section: ReportSection, pair: Pair, reported: ReportedSite) -> Drawn:
    """A site's pictures, with the ground of its permits."""
    comparison, polygon = section.comparison, reported.site.building.polygon
    chips = read_chips(pair, polygon, comparison.before.time, comparison.after.time)
    if reported.verdict is not None and reported.verdict.allowed is not None:
        chips = replace(chips, allowed=placed(reported.verdict.allowed, chips.crs))
    return draw(chips, [])


def _date_of(drawn: Callable[[], Drawn], date: Date) -> Picture:
    return drawn().before if date == "before" else drawn().after


def _write(path: Path, image: Picture) -> None:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "a picture of bytes can be encoded"
    write_atomically(path, data.tobytes())
