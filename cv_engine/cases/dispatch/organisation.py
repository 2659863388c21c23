"""The organisation of a city: departments, teams, officers, and areas of responsibility."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.cases.errors import ForbiddenError
from cv_engine.cases.lifecycle import Actor, Role

if TYPE_CHECKING:
    from shapely import STRtree
    from shapely.geometry import MultiPolygon, Polygon

_SHOWN = 20  # names in a message


@dataclass(frozen=True, slots=True)
class Department:
    """Who handles cases.

    Attributes:
        id: The name in files, in cases and on the command line, such as ``"sanitation"``.
        name: English name.
        name_zh: Chinese name; may be empty.
        teams: Names of the department's teams; may be empty.
    """

    id: str
    name: str
    name_zh: str = ""
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Officer:
    """A person who works on cases.

    Attributes:
        name: The name that histories record.
        role: What the person may do.
        department: Id of the person's department; ``None`` for all of them.
        team: The person's team; ``None`` for all of the department.
    """

    name: str
    role: Role = Role.OFFICER
    department: str | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """Ground that somebody is responsible for, such as a street or a district.

    Attributes:
        name: Name of the ground, which cases show.
        polygon: The ground in degrees WGS 84, longitude first.
        department: Id of the responsible department; ``None``: the ground serves every department,
            as far as its name is concerned.
        team: The responsible team; ``None`` for all of the department.
        kinds: The violations that the responsibility is for; ``None`` for all.
        zones: Names of zones on the ground, for cases without a place.
        cameras: Names of cameras, satellite areas or sensors on the ground, for such cases.
    """

    name: str
    polygon: Polygon | MultiPolygon
    department: str | None = None
    team: str | None = None
    kinds: frozenset[str] | None = None
    zones: frozenset[str] = frozenset()
    cameras: frozenset[str] = frozenset()

    def serves(self, kind: str, department: str | None) -> bool:
        """Whether the area counts for a kind of violation and a department, if one is known."""
        if self.kinds is not None and kind not in self.kinds:
            return False
        return department is None or self.department in (None, department)


@dataclass(frozen=True)
class Organisation:
    """Who is responsible for what, and where.

    Attributes:
        path: The file, for messages.
        departments: Departments by id, in the order of the file.
        officers: Officers by name; without any, everybody may act.
        areas: Areas of responsibility, in the order of the file.
    """

    path: Path
    departments: Mapping[str, Department] = field(default_factory=dict)
    officers: Mapping[str, Officer] = field(default_factory=dict)
    areas: tuple[Area, ...] = ()

    @cached_property
    def tree(self) -> STRtree:
        """A spatial index of the areas; its numbers are positions in ``areas``."""
        from shapely import STRtree

        return STRtree([area.polygon for area in self.areas])

    def actor(self, name: str) -> Actor:
        """The person of a name, with the role that the file gives.

        Raises:
            ForbiddenError: The file lists officers, and none of this name.
        """
        officer = self.officers.get(name.strip())
        if officer is not None:
            return Actor(officer.name, officer.role)
        if self.officers:
            raise ForbiddenError(
                f"{name} is not an officer of {self.path}: add the name under officers, or name "
                f"another with --by; known: {listed(self.officers)}"
            )
        return Actor(name, Role.SUPERVISOR)


def actor_named(organisation: Organisation | None, name: str) -> Actor:
    """The person of a name.

    Without an organisation the installation is one person's own: whoever acts is a supervisor.

    Args:
        organisation: The organisation, if there is one.
        name: The person's name.

    Raises:
        ForbiddenError: The organisation lists officers, and none of this name.
    """
    return Actor(name, Role.SUPERVISOR) if organisation is None else organisation.actor(name)


def listed(names: Mapping[str, object]) -> str:
    """Names for a message, the first of them where there are many."""
    shown = ", ".join(list(names)[:_SHOWN])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > _SHOWN else shown or "none"
