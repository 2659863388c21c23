"""A map of the place, drawn from what the package knows: no map service is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from shapely.errors import ShapelyError
from shapely.geometry import shape

from cv_engine.finding import Place
from zones.plane import LocalPlane

if TYPE_CHECKING:
    from fpdf import FPDF

Point = tuple[float, float]

_MARGIN = 1.25  # share of the extent: what is drawn does not touch the frame
_LEAST_M, _MOST_M = 15.0, 2500.0  # half the width of a map that still says something
_BAR_SHARE = 0.4  # of the width, for the scale bar at most
_STEPS = (1, 2, 5)
_RED, _AMBER, _BLUE, _GREY = (214, 48, 40), (214, 160, 0), (30, 90, 170), (120, 120, 120)


@dataclass(frozen=True, slots=True)
class Site:
    """What a map of the place shows, in metres east and north of the place.

    Attributes:
        outline: The thing's outline, for a building; empty for a point.
        accuracy_m: Radius within which the place lies, if it is known.
        camera: Where the camera stands, if that is known.
        zones: Outlines of the zone.
    """

    outline: Sequence[Point]
    accuracy_m: float | None
    camera: Point | None
    zones: Sequence[Sequence[Point]]

    @classmethod
    def of(cls, place: Place, site: Mapping[str, Any]) -> Self | None:
        """The map of a place, ``None`` where the place is not known.

        Args:
            place: The place.
            site: Camera and zone in degrees, as a manifest holds them.
        """
        if place.geometry is None:
            return None
        try:
            geometry = shape(dict(place.geometry))
            centre = geometry.representative_point()
            plane = LocalPlane(float(centre.y), float(centre.x))
            outline = _projected(plane, _ring(geometry))
            camera = _projected(plane, [site["camera"]])[0] if site.get("camera") else None
            zones = [_projected(plane, ring) for ring in site.get("zone", ())]
        except (ShapelyError, ValueError, TypeError, KeyError, IndexError):
            return None
        return cls(outline, place.accuracy_m, camera, zones)

    @property
    def half_width_m(self) -> float:
        """Half the width of the map: all is on it, as far as it lies near the place."""
        points = [*self.outline, *(point for zone in self.zones for point in zone)]
        points += [] if self.camera is None else [self.camera]
        reach = [max(abs(east), abs(north)) for east, north in points]
        widest = max([*reach, self.accuracy_m or 0.0], default=0.0) * _MARGIN
        return min(max(widest, _LEAST_M), _MOST_M)


def draw(pdf: FPDF, site: Site, at: Point, size: float) -> None:
    """Draws a map into a page.

    Args:
        pdf: The page; lengths in its unit.
        site: What the map shows.
        at: Left and top of the map.
        size: Width and height of the map.
    """
    half = site.half_width_m
    centre = at[0] + size / 2, at[1] + size / 2
    scale = size / (2 * half)

    def placed(point: Point) -> Point:
        return centre[0] + point[0] * scale, centre[1] - point[1] * scale

    with pdf.rect_clip(*at, size, size):
        pdf.set_fill_color(246, 246, 243)
        pdf.rect(*at, size, size, style="F")
        _draw_grid(pdf, at, size, scale, half)
        for zone in site.zones:
            pdf.set_draw_color(*_AMBER)
            pdf.set_fill_color(255, 240, 200)
            pdf.set_line_width(0.4)
            pdf.polygon([placed(point) for point in zone], style="DF")
        if site.accuracy_m is not None:
            radius = max(site.accuracy_m * scale, 0.5)
            pdf.set_draw_color(*_RED)
            pdf.set_line_width(0.25)
            pdf.set_dash_pattern(dash=0.8, gap=0.8)
            pdf.circle(*centre, radius, style="D")
            pdf.set_dash_pattern()
        if len(site.outline) > 1:
            pdf.set_draw_color(*_RED)
            pdf.set_line_width(0.6)
            pdf.polygon([placed(point) for point in site.outline], style="D")
        if site.camera is not None:
            _draw_camera(pdf, placed(site.camera), centre)
        pdf.set_fill_color(*_RED)
        pdf.circle(*centre, 1.0, style="F")
    pdf.set_draw_color(*_GREY)
    pdf.set_line_width(0.2)
    pdf.rect(*at, size, size)
    _draw_north(pdf, (at[0] + size - 4.0, at[1] + 2.0))
    _draw_bar(pdf, at, size, scale)


def _ring(geometry: Any) -> list[Point]:
    exterior = getattr(geometry, "exterior", None)
    return [] if exterior is None else [(x, y) for x, y, *_ in exterior.coords]


def _projected(plane: LocalPlane, points: Sequence[Sequence[float]]) -> list[Point]:
    if not points:
        return []
    import numpy as np

    given = np.array([[point[0], point[1]] for point in points], dtype=np.float64)
    return [(float(east), float(north)) for east, north in plane.to_metres(given)]


def round_step(length: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not longer."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in _STEPS if step * power <= length)


def _draw_grid(pdf: FPDF, at: Point, size: float, scale: float, half: float) -> None:
    step = round_step(half / 2)
    pdf.set_draw_color(226, 226, 222)
    pdf.set_line_width(0.1)
    count = math.floor(half / step)
    for number in range(-count, count + 1):
        shift = size / 2 + number * step * scale
        pdf.line(at[0] + shift, at[1], at[0] + shift, at[1] + size)
        pdf.line(at[0], at[1] + shift, at[0] + size, at[1] + shift)


def _draw_camera(pdf: FPDF, at: Point, towards: Point) -> None:
    """A triangle at the camera, with a line of sight to the place."""
    angle = math.atan2(towards[1] - at[1], towards[0] - at[0])
    pdf.set_draw_color(*_BLUE)
    pdf.set_fill_color(*_BLUE)
    pdf.set_line_width(0.25)
    pdf.line(*at, *towards)
    corners = [
        (at[0] + length * math.cos(angle + turn), at[1] + length * math.sin(angle + turn))
        for length, turn in ((2.0, 0.0), (1.6, 2.4), (1.6, -2.4))
    ]
    pdf.polygon(corners, style="F")


def _draw_north(pdf: FPDF, at: Point) -> None:
    x, y = at
    pdf.set_fill_color(60, 60, 60)
    pdf.polygon([(x, y), (x + 1.4, y + 4.0), (x, y + 3.2), (x - 1.4, y + 4.0)], style="F")
    pdf.set_font_size(6)
    pdf.set_text_color(60, 60, 60)
    pdf.text(x - 0.8, y + 6.4, "N")


def _draw_bar(pdf: FPDF, at: Point, size: float, scale: float) -> None:
    metres = round_step(_BAR_SHARE * size / scale)
    left, low = at[0] + 2.0, at[1] + size - 2.0
    pdf.set_draw_color(60, 60, 60)
    pdf.set_line_width(0.5)
    pdf.line(left, low, left + metres * scale, low)
    pdf.set_font_size(6)
    pdf.set_text_color(60, 60, 60)
    text = f"{metres:g} m" if metres < 1000 else f"{metres / 1000:g} km"
    pdf.text(left, low - 1.0, text)
