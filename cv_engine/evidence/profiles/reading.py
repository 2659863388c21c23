"""Reads the profiles of what courts ask from their YAML file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Self

from pydantic import model_validator

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.profiles.checks import AnyPoint
from cv_engine.section import Section, Switch, Text
from cv_engine.yaml_file import read_validated, told

PACKAGED = Path(__file__).with_name("profiles.yaml")


class Profile(Section):
    """What one court or standard asks of a package.

    Attributes:
        id: Short name, such as ``"ga-t-832"``.
        name: The rule's own name.
        name_zh: The same in Chinese; may be empty.
        provisional: Whether the points were never checked against the rule itself.
        provenance: Where the points come from.
        points: The requirements.
    """

    id: Text
    name: Text
    name_zh: str = ""
    provisional: Switch
    provenance: Text
    points: tuple[AnyPoint, ...]


class ProfilesFile(Section):
    """A file of profiles.

    Attributes:
        version: The file's own version.
        profiles: The profiles.
    """

    version: Text
    profiles: tuple[Profile, ...]

    @model_validator(mode="after")
    def _ids_once(self) -> Self:
        ids = [profile.id for profile in self.profiles]
        for id in ids:
            if ids.count(id) > 1:
                raise ValueError(f"two profiles have the id {id!r}; each needs its own")
        return self


def load_profiles(path: Path | None = None) -> tuple[Profile, ...]:
    """Reads profiles.

    Args:
        path: A YAML file in the form of the packaged one; the packaged one if ``None``.

    Raises:
        EvidenceError: The file cannot be read or has errors; the text has a line for each, with
            file, line and key.
    """
    return _packaged() if path is None else _load(path)


@cache
def _packaged() -> tuple[Profile, ...]:
    return _load(PACKAGED)


def _load(path: Path) -> tuple[Profile, ...]:
    found = read_validated(path, ProfilesFile)
    if found.value is None or found.problems:
        raise EvidenceError(told(path, found.problems))
    return found.value.profiles
