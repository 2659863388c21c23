"""Who is responsible for a case, by its class and its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cv_engine.cases.dispatch.organisation import Area, Department, Organisation, listed
from cv_engine.cases.errors import QueueError
from cv_engine.cases.moves import Assignment

_SHARE_DIGITS = 6  # of a place in an area; closer ones differ by rounding only


def area_of(
    organisation: Organisation,
    kind: str,
    department: str | None,
    geometry: Mapping[str, Any] | None,
    *,
    zone: str,
    source: str,
) -> Area | None:
    """The area of responsibility that a case lies in.

    Of the areas that serve the kind and the department, this is the one that holds the largest
    part of the place; of several, the smallest, then the first by name, department, team and order
    in the file. An edge belongs to the areas on both sides of it. A case without a place is in the
    area that lists the case's zone or source, or is named like one of them.

    Args:
        organisation: The areas.
        kind: The violation's name.
        department: Department of the case's class; ``None``: any.
        geometry: GeoJSON of the place in degrees WGS 84; ``None`` if the place is unknown.
        zone: Name of the case's zone.
        source: Camera, satellite area or sensor of the case.

    Returns:
        The area, or ``None`` where no one is responsible.
    """
    areas = organisation.areas
    if geometry is None:
        near = {number: 1.0 for number, area in enumerate(areas) if _names(area, zone, source)}
    else:
        near = _shares(organisation, geometry)
    ranked = sorted(
        (-share, _size(area), area.name, area.department or "", area.team or "", number)
        for number, share in near.items()
        if (area := areas[number]).serves(kind, department)
    )
    return areas[ranked[0][-1]] if ranked else None


def responsible(
    organisation: Organisation | None,
    kind: str,
    department: str | None,
    geometry: Mapping[str, Any] | None,
    *,
    zone: str,
    source: str,
) -> Assignment | None:
    """The department and the team that are responsible for a case.

    The department is that of the case's class, else that of the area. Arguments as for
    :func:`area_of`; without an organisation the class decides alone.

    Returns:
        The assignment; ``None`` where neither the class nor an area names a department.
    """
    area = None
    if organisation is not None:
        area = area_of(organisation, kind, department, geometry, zone=zone, source=source)
    found = department or (None if area is None else area.department)
    if found is None:
        return None
    return Assignment(found, None if area is None else area.team)


def checked(to: Assignment, organisation: Organisation | None) -> Assignment:
    """An assignment in the names of the organisation.

    Args:
        to: The assignment as a person typed it: a department's id, English or Chinese name.
        organisation: The organisation; without one there is nothing to compare with.

    Returns:
        The assignment with the department's id.

    Raises:
        QueueError: There is no such department, team or officer, where such are listed.
    """
    if organisation is None:
        return to
    departments, officers = organisation.departments, organisation.officers
    department = _department(departments, to.department)
    if department is None:
        raise QueueError(f"there is no department {to.department!r}; known: {listed(departments)}")
    teams = department.teams
    if to.team is not None and teams and to.team not in teams:
        raise QueueError(f"{department.id} has no team {to.team!r}; known: {', '.join(teams)}")
    if to.officer is not None and officers and to.officer not in officers:
        raise QueueError(f"there is no officer {to.officer!r}; known: {listed(officers)}")
    return Assignment(department.id, to.team, to.officer)


def _department(departments: Mapping[str, Department], text: str) -> Department | None:
    if text in departments:
        return departments[text]
    typed = text.strip().casefold()
    for each in departments.values():
        if typed in {name.casefold() for name in (each.id, each.name, each.name_zh) if name}:
            return each
    return None


def _names(area: Area, zone: str, source: str) -> bool:
    return zone in area.zones or source in area.cameras or area.name in (zone, source)


def _shares(organisation: Organisation, geometry: Mapping[str, Any]) -> dict[int, float]:
    """The areas that touch a place, each with its part of the place."""
    from shapely.geometry import shape

    place = shape(dict(geometry))
    near = organisation.tree.query(place, predicate="intersects") if organisation.areas else ()
    found: dict[int, float] = {}
    for number in map(int, near):
        share = 1.0
        if place.area > 0:
            share = place.intersection(organisation.areas[number].polygon).area / place.area
        found[number] = round(share, _SHARE_DIGITS)
    return found


def _size(area: Area) -> float:
    """The size of an area, comparable between areas: square degrees of the equator."""
    return area.polygon.area * math.cos(math.radians(area.polygon.centroid.y))
