"""The form of an organisation file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cv_engine.section import FilePath, Name, Section, Text, Unit

RoleName = Literal["viewer", "officer", "supervisor", "administrator"]


class DepartmentEntry(Section):
    """A department with its teams."""

    id: Annotated[Name, Unit("a short name", "sanitation")]
    name: Annotated[Text, Unit("a name", "sanitation office")]
    name_zh: Annotated[str, Unit("a name", "环卫处")] = ""
    teams: tuple[Name, ...] = ()


class OfficerEntry(Section):
    """A person who works on cases."""

    name: Annotated[Name, Unit("the name that histories record", "Li Wei")]
    role: RoleName = "officer"
    department: Name | None = None
    team: Name | None = None


class OrganisationFile(Section):
    """The whole file."""

    departments: Annotated[tuple[DepartmentEntry, ...], Field(min_length=1)]
    officers: tuple[OfficerEntry, ...] = ()
    areas: FilePath | None = None
