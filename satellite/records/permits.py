"""A city's records of its ground: permits, planning zones, exempt areas and seasonal fields."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar

import shapely
from pyproj import Geod
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon

from satellite.errors import SatelliteError
from zones.document import Document, read_document
from zones.errors import Problem, ZoneError
from zones.shape import read_shape

Area = Polygon | MultiPolygon
Extent = tuple[float, float, float, float]
Building = Literal["allowed", "forbidden"]

#: The kind of a permit for a demolition, which does not allow building.
DEMOLITION = "demolition"

_EXAMPLE = '"permit": "2026-0117", "zone": "R2", "exempt": "military" or "seasonal": "greenhouses"'
_KEYS = ("permit", "valid_from", "valid_to", "kind", "zone", "building", "exempt", "seasonal")
# Similarity to a known property from which an unknown one is a typing error. Other unknown
# properties are the city's own.
_LIKE = 0.8
_DEGREES_ONLY = ("crs84", "4326", "4490")  # names of WGS 84 and CGCS2000 in a file's crs
# Width in degrees of longitude above which a polygon crosses the antimeridian without being cut.
_WIDEST = 180.0
# Distance from the images beyond which a whole file of records is a mistake, kilometres: a city's
# file may have nothing in a small image, but lies around it or beside it.
_FAR_KM = 5.0
_GEOD = Geod(ellps="WGS84")
_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class Permit:
    """A permit to build on a piece of ground for a time.

    Attributes:
        number: The authority's number.
        polygon: The permitted footprint, WGS 84, longitude first.
        valid_from: First day.
        valid_to: Last day; ``None``: without end.
        kind: The authority's name for what is permitted; :data:`DEMOLITION` allows no building.
    """

    number: str
    polygon: Area
    valid_from: date
    valid_to: date | None = None
    kind: str | None = None

    def valid(self, first: date, last: date) -> bool:
        """Whether the permit was valid on any day from ``first`` to ``last``, both included."""
        return self.valid_from <= last and not self.expired(first)

    def expired(self, day: date) -> bool:
        """Whether the permit's last day lies before a day."""
        return self.valid_to is not None and self.valid_to < day


@dataclass(frozen=True)
class PlanningZone:
    """A zone of the land-use plan.

    Attributes:
        name: The plan's name for the zone.
        polygon: WGS 84, longitude first.
        building: Whether building is allowed; ``None`` if the plan does not say. A building needs
            its permit in any case.
    """

    name: str
    polygon: Area
    building: Building | None = None


@dataclass(frozen=True)
class Exemption:
    """Ground whose buildings are ignored, since another authority is responsible for them.

    Attributes:
        reason: The reason, such as ``"military"``.
        polygon: WGS 84, longitude first.
    """

    reason: str
    polygon: Area


@dataclass(frozen=True)
class SeasonalGround:
    """Fields whose cover comes and goes: greenhouses, plastic mulch, crops.

    Attributes:
        cover: What covers the fields.
        polygon: WGS 84, longitude first.
    """

    cover: str
    polygon: Area


_Record = Permit | PlanningZone | Exemption | SeasonalGround


@dataclass(frozen=True)
class Land:
    """All records of the ground; see :func:`read_land`.

    Attributes:
        permits: Building permits.
        planning: Zones of the land-use plan.
        exempt: Ground whose buildings are ignored.
        seasonal: Fields whose cover comes and goes.
        extents: West, south, east and north of each file's records, WGS 84.
    """

    permits: tuple[Permit, ...] = ()
    planning: tuple[PlanningZone, ...] = ()
    exempt: tuple[Exemption, ...] = ()
    seasonal: tuple[SeasonalGround, ...] = ()
    extents: tuple[tuple[Path, Extent], ...] = ()

    def refuse_distant(self, images: Area) -> None:
        """Refuses a file none of whose records lies near the images.

        Args:
            images: The ground that the images show, WGS 84, longitude first.

        Raises:
            SatelliteError: All of a file lies far away; the message has both extents.
        """
        ground = shapely.box(*images.bounds)
        for path, extent in self.extents:
            turns = [translate(shapely.box(*extent), turn) for turn in (-360, 0, 360)]
            nearest = min(turns, key=ground.distance)
            (lon, lat), (far_lon, far_lat) = shapely.get_coordinates(
                shapely.shortest_line(ground, nearest)
            )
            away_km = _GEOD.inv(lon, lat, far_lon, far_lat)[2] / 1000
            if away_km > _FAR_KM:
                raise SatelliteError(
                    f"{path}: its records ({_degrees(extent)}) lie {away_km:,.0f} km from the "
                    f"images ({_degrees(images.bounds)}), so none of them applies: give the file "
                    "of this area, or correct its coordinates (WGS 84, longitude first)"
                )


def read_land(*paths: Path) -> Land:
    """Reads permits, planning zones, exempt areas and seasonal fields from GeoJSON files.

    Each feature is a polygon in WGS 84 whose properties say what it is: ``permit`` (a number) with
    ``valid_from``, ``valid_to`` (ISO dates; null: without end) and ``kind``; ``zone`` (a name) with
    ``building`` (``"allowed"`` or ``"forbidden"``); ``exempt`` (the reason); ``seasonal`` (what
    covers the field). A file may mix these kinds. Other properties are ignored, and a property that
    is null counts as absent: such files are often exported from a city's own tables.

    Raises:
        SatelliteError: A file is wrong; the message has a line for each problem, with file, line,
            key and advice.
    """
    problems: list[Problem] = []
    found: list[_Record] = []
    extents: list[tuple[Path, Extent]] = []
    for path in paths:
        try:
            document = read_document(path)
            features = _features(document)
        except ZoneError as error:
            problems += error.problems
            continue
        read: list[_Record] = []
        for number, location in enumerate(features, start=1):
            try:
                read.append(_read(document, location, number))
            except ZoneError as error:
                problems += error.problems
        if read:
            extents.append((path, shapely.GeometryCollection([r.polygon for r in read]).bounds))
        found += read
    if problems:
        raise SatelliteError("\n".join(map(str, problems)))
    return Land(
        permits=_only(Permit, found),
        planning=_only(PlanningZone, found),
        exempt=_only(Exemption, found),
        seasonal=_only(SeasonalGround, found),
        extents=tuple(extents),
    )


def _degrees(extent: Extent) -> str:
    west, south, east, north = extent
    return f"longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f}"


def _only(kind: type[_Kind], found: Iterable[object]) -> tuple[_Kind, ...]:
    return tuple(each for each in found if isinstance(each, kind))


def _features(document: Document) -> list[list[str | int]]:
    """Locations of the features of a FeatureCollection in degrees."""
    value = document.value
    features = value.get("features") if isinstance(value, dict) else None
    if not isinstance(value, dict) or value.get("type") != "FeatureCollection":
        what = "this is not a GeoJSON FeatureCollection"
        advice = 'write {"type": "FeatureCollection", "features": [...]}'
        raise ZoneError(Problem(document.where([]), what, advice))
    if not isinstance(features, list):
        advice = 'write "features": [...], with one feature for each permit or area'
        raise ZoneError(Problem(document.where(["features"]), "there are no features", advice))
    crs = value.get("crs")
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if isinstance(name, str) and not any(known in name.lower() for known in _DEGREES_ONLY):
        where = document.where(["crs"], "crs")
        what = f"the file is in {name}"
        raise ZoneError(Problem(where, what, "export it in WGS 84 (EPSG:4326)"))
    return [["features", index] for index in range(len(features))]


def _read(document: Document, location: list[str | int], number: int) -> _Record:
    feature = document.value["features"][location[1]]
    name = f"feature {number}"
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        advice = 'write {"type": "Feature", "properties": {...}, "geometry": {...}}'
        raise ZoneError(
            Problem(document.where(location, name), "this is not a GeoJSON feature", advice)
        )
    properties = feature.get("properties")
    values = properties if isinstance(properties, dict) else {}
    reader = _Properties(document, location, name, values)
    what = reader.what()
    polygon: Area | None = None
    try:
        polygon = read_shape(document, location, reader.name, "wgs84")
        _check_antimeridian(polygon, document, [*location, "geometry"], reader.name)
    except ZoneError as error:
        reader.problems += error.problems
    made = reader.made(what, polygon) if polygon is not None else None
    if reader.problems or made is None:
        raise ZoneError(reader.problems)
    return made


def _check_antimeridian(
    polygon: Area, document: Document, location: list[str | int], name: str
) -> None:
    """Refuses a polygon across the antimeridian that is not cut there: it would cover the world."""
    for part in shapely.get_parts(polygon):
        west, _, east, _ = part.bounds
        if east - west > _WIDEST:
            what = f"it reaches from longitude {west:g} to {east:g}, around the world"
            advice = (
                "where it crosses the antimeridian, cut it there into the parts of a MultiPolygon "
                "(RFC 7946, 3.1.9)"
            )
            raise ZoneError(Problem(document.where(location, name), what, advice))


class _Properties:
    """The properties of a feature, and the problems found in them."""

    def __init__(
        self, document: Document, location: list[str | int], name: str, values: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self._document = document
        self._location = location
        self._values = {key: value for key, value in values.items() if value is not None}

    def what(self) -> str | None:
        """The key that says what the feature is."""
        for key in self._values:
            near = difflib.get_close_matches(key, _KEYS, n=1, cutoff=_LIKE)
            if near and key not in _KEYS and near[0] not in self._values:
                self._wrong(key, "unknown property", f"did you mean {near[0]}?")
        for key in ("permit", "exempt", "seasonal", "zone"):
            if key in self._values:
                self.name = f"{self.name} ({key} {self._values[key]!s:.40})"
                return key
        if not self.problems:
            what = "no property says what this area is"
            self._wrong("", what, f"add one of {_EXAMPLE} to its properties")
        return None

    def made(self, what: str | None, polygon: Area) -> _Record | None:
        """The record that the feature describes; ``None`` if there are ``problems``."""
        if what == "permit":
            return self._permit(polygon)
        if what == "exempt":
            return Exemption(self._text("exempt"), polygon)
        if what == "seasonal":
            return SeasonalGround(self._text("seasonal"), polygon)
        return None if what is None else self._zone(polygon)

    def _permit(self, polygon: Area) -> Permit | None:
        number, first, last = self._text("permit"), self._day("valid_from"), self._day("valid_to")
        kind = self._text("kind") if "kind" in self._values else None
        if first is None:
            if "valid_from" not in self._values:
                advice = 'write the first day it is valid, such as "valid_from": "2026-03-01"'
                self._wrong("valid_from", "it is missing", advice)
            return None
        if last is not None and last < first:
            what = f"{last} is before valid_from, {first}"
            self._wrong("valid_to", what, "exchange the two, or correct one")
        return Permit(number, polygon, first, last, kind)

    def _zone(self, polygon: Area) -> PlanningZone | None:
        name, building = self._text("zone"), self._values.get("building")
        if building is None:
            return PlanningZone(name, polygon)
        if building == "allowed" or building == "forbidden":
            return PlanningZone(name, polygon, building)
        self._wrong("building", f"{building!r:.60} is unknown", 'write "allowed" or "forbidden"')
        return None

    def _text(self, key: str) -> str:
        """A name or number as text."""
        value = self._values[key]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        text = str(value).strip() if number or isinstance(value, str) else ""
        if not text or not text.isprintable():
            self._wrong(key, f"{value!r:.60} is not a name", "give a text or a number")
        return text

    def _day(self, key: str) -> date | None:
        """An ISO date, with or without a time, or as GDAL writes it (2026/03/01)."""
        value = self._values.get(key)
        if value is None:
            return None
        try:
            return date.fromisoformat(value.strip()[:10].replace("/", "-"))
        except (ValueError, AttributeError):
            self._wrong(key, f"{value!r:.60} is not a date", 'write it as "2026-03-01"')
            return None

    def _wrong(self, key: str, what: str, advice: str) -> None:
        location = [*self._location, "properties", *([key] if key else [])]
        where = self._document.where(location, f"{self.name}: {key}" if key else self.name)
        self.problems.append(Problem(where, what, advice))
