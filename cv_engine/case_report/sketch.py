"""Sketches of places as SVG: no map service is asked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from cv_engine.evidence.report.sketch import Site, round_step
from zones.plane import LocalPlane

_SIDE = 240.0  # of a case's sketch, in units of the picture
_WIDTH = 900.0  # of the sketch of all cases
_MARGIN = 40.0  # around all cases: labels do not touch the edge
_FLATTEST, _TALLEST = 0.25, 0.45  # height of the sketch of all cases, as a share of its width
_LEAST_M = 60.0  # across, so that one case is not drawn as large as a street
_NEAR = 26.0  # cases that are closer in the picture are one mark with their number
_BAR_SHARE = 0.3  # of the width, for the scale bar at most

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spot:
    """A case on the sketch of all.

    Attributes:
        number: The case's number.
        lon: Degrees WGS 84.
        lat: Degrees WGS 84.
    """

    number: int
    lon: float
    lat: float


def sketch_of_case(site: Site, text: str) -> str:
    """A sketch of one case's place: accuracy, outline, zone and camera, as far as they are known.

    Args:
        site: What is shown, in metres from the place.
        text: What the sketch shows, for who cannot see it.
    """
    half, middle = site.half_width_m, _SIDE / 2
    scale = middle / half

    def placed(point: Point) -> Point:
        return middle + point[0] * scale, middle - point[1] * scale

    parts = [*_grid(_SIDE, _SIDE, scale, round_step(half / 2))]
    parts += [_polygon(map(placed, zone), "zone") for zone in site.zones]
    if site.accuracy_m is not None:
        radius = max(site.accuracy_m * scale, 2)
        parts.append(f'<circle class="within" cx="{middle}" cy="{middle}" r="{radius:.1f}"/>')
    if len(site.outline) > 1:
        parts.append(_polygon(map(placed, site.outline), "outline"))
    if site.camera is not None and math.hypot(*site.camera) > 0:
        x, y = placed(site.camera)
        parts.append(f'<path class="sight" d="M{x:.1f} {y:.1f}L{middle} {middle}"/>')
        parts.append(f'<circle class="camera" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
    parts.append(f'<circle class="thing" cx="{middle}" cy="{middle}" r="5"/>')
    parts += _furniture(_SIDE, _SIDE, scale)
    return _svg(_SIDE, _SIDE, text, parts)


def sketch_of_all(spots: Sequence[Spot]) -> str:
    """A sketch of all cases, each a link to its part of the page; empty without any."""
    if not spots:
        return ""
    plane = LocalPlane(
        float(np.mean([spot.lat for spot in spots])), float(np.mean([spot.lon for spot in spots]))
    )
    metres = plane.to_metres(np.array([[spot.lon, spot.lat] for spot in spots]))
    low, high = metres.min(axis=0), metres.max(axis=0)
    centre, across = (low + high) / 2, np.maximum(high - low, 1e-6)
    height = _WIDTH * float(np.clip(across[1] / max(across[0], _LEAST_M), _FLATTEST, _TALLEST))
    room = np.array([_WIDTH, height]) - 2 * _MARGIN
    scale = float(min(*(room / across), room[0] / _LEAST_M))
    at = (metres - centre) * (scale, -scale) + (_WIDTH / 2, height / 2)
    placed = {spot.number: (float(x), float(y)) for spot, (x, y) in zip(spots, at, strict=True)}
    parts = [*_grid(_WIDTH, height, scale, round_step(_WIDTH / scale / 8)), *_marks(placed)]
    parts += _furniture(_WIDTH, height, scale)
    return _svg(_WIDTH, height, f"Places of {len(spots)} cases", parts)


def _marks(points: Mapping[int, Point]) -> Iterator[str]:
    """The cases as marks; those that would lie on each other are one."""
    groups: list[tuple[Point, list[int]]] = []
    for number, point in points.items():
        near = (group for group in groups if math.dist(group[0], point) < _NEAR)
        group = next(near, None)
        if group is None:
            groups.append((point, [number]))
        else:
            group[1].append(number)
    for (x, y), numbers in groups:
        label = str(numbers[0]) if len(numbers) == 1 else f"{len(numbers)} cases"
        told = "case " + ", ".join(map(str, sorted(numbers)))
        shift = "end" if x > _WIDTH - 3 * _MARGIN else "start"
        side = -11 if shift == "end" else 11
        yield (
            f'<a href="#case-{numbers[0]}" data-cases="{" ".join(map(str, numbers))}">'
            f"<title>{told}</title>"
            f'<circle class="thing" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
            f'<text x="{x + side:.1f}" y="{y + 5:.1f}" text-anchor="{shift}">{label}</text></a>'
        )


def _grid(width: float, height: float, scale: float, step_m: float) -> Iterator[str]:
    step = step_m * scale
    lines = []
    for length, form in (
        (width, f"M{{0:.1f}} 0V{height:.0f}"),
        (height, f"M0 {{0:.1f}}H{width:.0f}"),
    ):
        first = (length / 2) % step
        count = int((length - first) / step) + 1
        lines += [form.format(first + number * step) for number in range(count)]
    yield f'<path class="grid" d="{"".join(lines)}"/>'


def _furniture(width: float, height: float, scale: float) -> Iterator[str]:
    """North and a scale bar."""
    metres = round_step(_BAR_SHARE * width / scale)
    length, low = metres * scale, height - 8
    text = f"{metres:g} m" if metres < 1000 else f"{metres / 1000:g} km"
    yield f'<path class="bar" d="M8 {low - 5:.0f}V{low:.0f}H{8 + length:.1f}V{low - 5:.0f}"/>'
    yield f'<text x="12" y="{low - 7:.0f}">{text}</text>'
    x = width - 14
    yield f'<path class="north" d="M{x:.0f} 6l5 16l-5 -4l-5 4z"/>'
    yield f'<text x="{x:.0f}" y="36" text-anchor="middle">N</text>'


def _polygon(points: Iterable[Point], name: str) -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon class="{name}" points="{corners}"/>'


def _svg(width: float, height: float, text: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(text)}">'
        f'<rect class="ground" width="100%" height="100%"/>{"".join(parts)}</svg>'
    )
