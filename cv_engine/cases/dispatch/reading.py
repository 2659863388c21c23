"""Reads an organisation from its YAML file, and reports every problem of the file at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from cv_engine.cases.dispatch.areas import read_areas
from cv_engine.cases.dispatch.file_model import OrganisationFile
from cv_engine.cases.dispatch.organisation import (
    Area,
    Department,
    Officer,
    Organisation,
    listed,
)
from cv_engine.cases.errors import QueueError
from cv_engine.cases.lifecycle import Role
from cv_engine.yaml_file import Problem, read_validated, told
from cv_engine.yaml_file.document import YamlFile


def read_organisation(path: Path, kinds: Collection[str]) -> Organisation:
    """Read an organisation; the path of its areas starts at the folder of the file.

    Args:
        path: A YAML file with ``departments``, ``officers`` and ``areas``, a GeoJSON file.
        kinds: The violations that exist.

    Raises:
        QueueError: A file cannot be read or has errors; the text has a line for each, with file,
            line and key.
    """
    file = _read(path)
    departments = _departments(file)
    officers = {
        each.name: Officer(each.name, Role(each.role), each.department, each.team)
        for each in file.officers
    }
    areas: tuple[Area, ...] = ()
    if file.areas is not None:
        areas = read_areas(path.parent / file.areas.expanduser(), departments, kinds)
    return Organisation(path, departments, officers, areas)


def read_departments(path: Path) -> dict[str, Department]:
    """Read the departments of an organisation's file, by id; its areas are not read.

    Raises:
        QueueError: The file cannot be read or has errors, as for :func:`read_organisation`.
    """
    return _departments(_read(path))


def problems_of(path: Path) -> tuple[Problem, ...]:
    """Every problem of an organisation's file, in the order of its lines; areas are not read."""
    return _validated(path)[1]


def _read(path: Path) -> OrganisationFile:
    file, problems = _validated(path)
    if problems or file is None:
        raise QueueError(told(path, problems))
    return file


def _validated(path: Path) -> tuple[OrganisationFile | None, tuple[Problem, ...]]:
    read = read_validated(path, OrganisationFile)
    problems = list(read.problems)
    if read.value is not None and read.document is not None:
        problems += _problems(read.value, read.document)
    return read.value, tuple(sorted(problems))


def _departments(file: OrganisationFile) -> dict[str, Department]:
    return {
        each.id: Department(each.id, each.name, each.name_zh, each.teams)
        for each in file.departments
    }


def _problems(file: OrganisationFile, document: YamlFile) -> Iterator[Problem]:
    """Names that occur twice, and departments and teams that are not listed."""
    teams = {each.id: each.teams for each in file.departments}
    for key, entries, name in (
        ("departments", file.departments, "id"),
        ("officers", file.officers, "name"),
    ):
        seen: set[str] = set()
        for number, entry in enumerate(entries):
            value = getattr(entry, name)
            if value in seen:
                line = document.line([key, number, name])
                yield Problem(line, f"{key}[{number}].{name}: {value!r} is listed twice")
            seen.add(value)
    for number, officer in enumerate(file.officers):
        at: list[str | int] = ["officers", number]
        known = teams.get(officer.department or "")
        if officer.department is not None and known is None:
            line = document.line([*at, "department"])
            text = f"there is no department {officer.department!r}; known: {listed(teams)}"
            yield Problem(line, f"officers[{number}].department: {text}")
        elif officer.team is not None and officer.team not in (known or ()):
            line = document.line([*at, "team"])
            text = f"{officer.department or 'no department'} has no team {officer.team!r}"
            yield Problem(line, f"officers[{number}].team: {text}; add it under teams, or correct")
