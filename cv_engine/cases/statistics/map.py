"""The map of repeat places, drawn without a map service, and as GeoJSON for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import cos, radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cv_engine.cases.errors import QueueError
from cv_engine.cases.statistics.charts import page, save, style
from cv_engine.cases.statistics.period import Period
from cv_engine.cases.statistics.queries import Value
from cv_engine.cases.statistics.repeats import RepeatPlace
from cv_engine.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from shapely.geometry.base import BaseGeometry

_PICTURES = (".png", ".pdf")
_GEOJSON = (".geojson", ".json")
_LABELLED = 10  # places that are numbered on the map
_SMALLEST_DOT, _DOT_PER_CASE, _LARGEST_DOT = 20.0, 8.0, 400.0  # areas in points squared
_M_PER_DEGREE = 111_195.0  # of latitude, on a sphere of the Earth's mean radius
_LEAST_COSINE = 0.05  # of a latitude: no map is stretched more than 20 times
_LEAST_SPAN = 0.002  # degrees, some 200 m: the map of one place is no bare dot
#: Colours of Okabe and Ito (2008), one for each of the kinds with the most places.
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_OTHER = "#6B7280"


def check_map_path(path: Path) -> None:
    """Refuse a file whose format is unknown, before anything is computed.

    Raises:
        QueueError: The suffix names no format of maps.
    """
    if path.suffix.lower() not in (*_PICTURES, *_GEOJSON):
        known = ", ".join((*_PICTURES, *_GEOJSON))
        raise QueueError(f"{path}: a map ends in {known}")


def save_map(
    places: Sequence[RepeatPlace],
    period: Period,
    path: Path,
    *,
    class_name: Callable[[Value], str],
    outlines: Iterable[BaseGeometry] = (),
) -> None:
    """Write the map of repeat places: a picture (PNG, PDF), or GeoJSON (RFC 7946).

    Args:
        places: The places, those with the most cases first.
        period: The period of the places.
        path: The file; its suffix names the format.
        class_name: Gives the name of a class.
        outlines: Zones in degrees, drawn below the places.

    Raises:
        QueueError: The suffix names no format of maps.
        OSError: The file cannot be written.
    """
    check_map_path(path)
    if path.suffix.lower() in _GEOJSON:
        text = json.dumps(geojson(places), ensure_ascii=False, indent=1)
        write_atomically(path, f"{text}\n".encode())
    else:
        save(draw_map(places, period, class_name=class_name, outlines=outlines), path)


def geojson(places: Iterable[RepeatPlace]) -> Mapping[str, Any]:
    """The places as a GeoJSON FeatureCollection of points with their kind, count and cases."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [place.longitude, place.latitude]},
            "properties": {
                "kind": place.kind,
                "count": place.count,
                "radius_m": round(place.radius_m, 1),
                "cases": list(place.cases),
            },
        }
        for place in places
    ]
    return {"type": "FeatureCollection", "features": features}


def draw_map(
    places: Sequence[RepeatPlace],
    period: Period,
    *,
    class_name: Callable[[Value], str],
    outlines: Iterable[BaseGeometry] = (),
) -> Figure:
    """The map as a page: a dot for each place, its area by the number of cases.

    Args:
        places: The places, those with the most cases first; the first ones are numbered.
        period: The period of the places.
        class_name: Gives the name of a class.
        outlines: Zones in degrees.
    """
    with style():
        figure, axes = page()
        for outline in outlines:
            _draw_outline(axes, outline)
        by_kind: dict[str, list[RepeatPlace]] = {}
        for place in places:
            by_kind.setdefault(place.kind, []).append(place)
        kinds = sorted(by_kind, key=lambda kind: -len(by_kind[kind]))
        for number, kind in enumerate(kinds):
            some = by_kind[kind]
            axes.scatter(
                [place.longitude for place in some],
                [place.latitude for place in some],
                s=[_dot(place) for place in some],
                color=_COLOURS[number] if number < len(_COLOURS) else _OTHER,
                alpha=0.65,
                edgecolors="white",
                linewidths=0.6,
                label=f"{class_name(kind)} ({len(some):,})",
            )
        for number, place in enumerate(places[:_LABELLED], start=1):
            axes.annotate(
                str(number),
                (place.longitude, place.latitude),
                xytext=(5, 5),
                textcoords="offset points",
                fontsize=9,
            )
        _finish(axes, places, period, named=len(kinds) > 0)
    return figure


def _draw_outline(axes: Axes, outline: BaseGeometry) -> None:
    parts = getattr(outline, "geoms", [outline])
    for part in parts:
        lon, lat = part.exterior.xy
        axes.fill(lon, lat, facecolor="#F1F3F5", edgecolor="#B5BAC1", linewidth=0.8, zorder=0)


def _finish(axes: Axes, places: Sequence[RepeatPlace], period: Period, *, named: bool) -> None:
    """Scale, grid, names and title of the map."""
    axes.set_title(f"Repeat places, {period.name}: {len(places):,}")
    axes.set_xlabel("longitude in degrees")
    axes.set_ylabel("latitude in degrees")
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.tick_params(axis="x", labelrotation=30)
    axes.grid()
    if not axes.has_data():
        axes.text(0.5, 0.5, "no repeat places", transform=axes.transAxes, ha="center", color=_OTHER)
        return
    axes.margins(0.08)
    axes.autoscale_view()
    for limits, widen in ((axes.get_xlim, axes.set_xlim), (axes.get_ylim, axes.set_ylim)):
        low, high = limits()
        missing = max(0.0, _LEAST_SPAN - (high - low)) / 2
        widen(low - missing, high + missing)
    middle = sum(axes.get_ylim()) / 2
    axes.set_aspect(1 / max(cos(radians(middle)), _LEAST_COSINE), adjustable="box")
    _scale_bar(axes, middle)
    if named:
        legend = axes.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1), title="class (number of places)"
        )
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_sizes([60.0])  # type: ignore[attr-defined]


def _scale_bar(axes: Axes, latitude: float) -> None:
    """A bar of a round length, about a fifth of the map's width."""
    west, east = axes.get_xlim()
    m_per_degree = _M_PER_DEGREE * max(cos(radians(latitude)), _LEAST_COSINE)
    target = (east - west) * m_per_degree / 5
    digits = 10.0 ** (len(str(int(max(target, 1)))) - 1)
    length_m = max(step * digits for step in (1, 2, 5) if step * digits <= max(target, 1))
    share = length_m / m_per_degree / (east - west)
    text = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    axes.plot(
        [0.03, 0.03 + share], [0.035, 0.035], transform=axes.transAxes, color="black", linewidth=3
    )
    axes.text(0.03, 0.05, text, transform=axes.transAxes, fontsize=9)


def _dot(place: RepeatPlace) -> float:
    return min(_SMALLEST_DOT + _DOT_PER_CASE * place.count, _LARGEST_DOT)
