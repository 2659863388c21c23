"""Reads areas of responsibility from a GeoJSON file in degrees WGS 84."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cv_engine.cases.dispatch.organisation import Area, Department, listed
from cv_engine.cases.errors import QueueError
from zones.document import MOST_PROBLEMS, Document, read_document
from zones.errors import Problem, WrongValue, ZoneError
from zones.features import feature_locations
from zones.settings import read_kinds, read_name, suggest_key

_KEYS = ("name", "department", "team", "kinds", "zones", "cameras")


def read_areas(
    path: Path, departments: Mapping[str, Department], kinds: Collection[str]
) -> tuple[Area, ...]:
    """Read the areas of a GeoJSON file, in the order of the file.

    A feature's properties are ``name``, ``department`` and ``team`` (of the organisation),
    ``kinds``, and ``zones`` and ``cameras``, whose cases are in the area where their own place is
    not known. All but the name may be left out or null.

    Args:
        path: The file.
        departments: The departments by id.
        kinds: The violations that exist.

    Raises:
        QueueError: The file cannot be read or has errors; the text has a line for each, with file,
            line and key.
    """
    areas: list[Area] = []
    problems: list[Problem] = []
    try:
        document = read_document(path)
        for index, location in enumerate(feature_locations(document), start=1):
            found = _area(document, location, index, departments, kinds)
            if isinstance(found, Area):
                areas.append(found)
            else:
                problems += found
            if len(problems) >= MOST_PROBLEMS:
                break
    except ZoneError as error:
        raise QueueError(str(error)) from error
    if problems:
        raise QueueError("\n".join(map(str, problems[:MOST_PROBLEMS])))
    return tuple(areas)


def _area(
    document: Document,
    location: list[str | int],
    index: int,
    departments: Mapping[str, Department],
    kinds: Collection[str],
) -> Area | list[Problem]:
    """The area of a feature, or what is wrong with it."""
    from zones.shape import read_shape

    feature = document.value["features"][location[1]] if location else document.value
    name = f"feature {index}"
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        advice = 'write {"type": "Feature", "properties": {...}, "geometry": {...}}'
        return [Problem(document.where(location, name), "the entry is no GeoJSON feature", advice)]
    given = feature.get("properties")
    properties = given if isinstance(given, dict) else {}
    if isinstance(properties.get("name"), str) and properties["name"].isprintable():
        name = f"feature {index} ({properties['name']:.60})"
    values, wrong = _values(properties, departments, kinds)
    problems = [
        Problem(
            document.where([*location, "properties", key], f"{name}: {key:.60}"),
            error.what,
            error.advice,
        )
        for key, error in wrong.items()
    ]
    try:
        polygon = read_shape(document, location, name, "wgs84")
    except ZoneError as error:
        return [*problems, *error.problems]
    return problems or Area(polygon=polygon, **values)


def _values(
    properties: Mapping[str, Any], departments: Mapping[str, Department], kinds: Collection[str]
) -> tuple[dict[str, Any], dict[str, WrongValue]]:
    """The values of an area's properties, and the errors by property."""
    readers: dict[str, Callable[[Any], Any]] = {
        "name": read_name,
        "department": partial(_one_of, "department", departments),
        "kinds": lambda value: read_kinds(value, kinds),
        "zones": _names,
        "cameras": _names,
    }
    values: dict[str, Any] = {}
    wrong: dict[str, WrongValue] = {}
    for key, read in readers.items():
        if properties.get(key) is not None:
            try:
                values[key] = read(properties[key])
            except WrongValue as error:
                wrong[key] = error
    if properties.get("name") is None:
        wrong["name"] = WrongValue("the area has no name", 'add "name": "a street or a district"')
    if properties.get("team") is not None and "department" not in wrong:
        department = departments.get(values.get("department", ""))
        teams = dict.fromkeys(() if department is None else department.teams)
        try:
            values["team"] = _one_of("team of the department", teams, properties["team"])
        except WrongValue as error:
            wrong["team"] = error
    return values, wrong | dict(_unknown(properties))


def _unknown(properties: Mapping[str, Any]) -> Iterator[tuple[str, WrongValue]]:
    for key in properties:
        if key not in _KEYS:
            yield key, WrongValue("unknown property", suggest_key(key, _KEYS))


def _one_of(what: str, known: Mapping[str, object], value: Any) -> str:
    name = read_name(value)
    if name not in known:
        raise WrongValue(f"{name!r:.60} is no {what}", f"known: {listed(known)}")
    return name


def _names(value: Any) -> frozenset[str]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        raise WrongValue(f"{value!r:.60} is no list of names", 'give a list, such as ["gate 3"]')
    return frozenset(map(read_name, values))
