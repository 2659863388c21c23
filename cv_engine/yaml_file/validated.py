"""A YAML file as a value of a pydantic model, with all its problems at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from cv_engine.yaml_file.document import Location, YamlFile, read_yaml
from cv_engine.yaml_file.errors import YamlError
from cv_engine.yaml_file.messages import describe

MOST_SHOWN = 100  # problems in one message

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem of a file.

    Attributes:
        line: Line from 1; 0 where the problem is that of the whole file.
        text: Key, what is wrong, and what to do.
    """

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Validated(Generic[_Model]):
    """What a file holds.

    Attributes:
        document: The values with their lines; ``None`` where the file cannot be read.
        value: The file's value; ``None`` where a problem stands in the way.
        problems: Every problem found, in the order of the file.
        wrong: The place of each value that does not fit the model.
    """

    document: YamlFile | None
    value: _Model | None
    problems: tuple[Problem, ...]
    wrong: tuple[Location, ...] = ()


def read_validated(path: Path, model: type[_Model]) -> Validated[_Model]:
    """Read a file and check it against a model; no problem of the file is raised.

    Args:
        path: The file.
        model: The model of the outermost mapping.
    """
    try:
        document = read_yaml(path)
    except FileNotFoundError:
        return _unreadable(Problem(0, "there is no such file; correct the path"))
    except OSError as error:
        return _unreadable(Problem(0, f"cannot be read ({error.strerror})"))
    except YamlError as error:
        return _unreadable(Problem(error.line, str(error)))
    problems = [
        Problem(line, f"{key}: written twice, first on line {first}; remove one of the two")
        for key, line, first in document.duplicates
    ]
    try:
        value = model.model_validate(document.value)
    except ValidationError as error:
        problems += [Problem(*each) for each in describe(error, model, document, MOST_SHOWN)]
        wrong = tuple(entry["loc"] for entry in error.errors(include_url=False))
        return Validated(document, None, tuple(sorted(problems)), wrong)
    return Validated(document, value, tuple(sorted(problems)))


def told(path: Path, problems: Iterable[Problem]) -> str:
    """The problems of a file as one message: a line for each, with file and line."""
    every = sorted(problems)
    lines = [
        f"{path}:{each.line}: {each.text}" if each.line else f"{path}: {each.text}"
        for each in every[:MOST_SHOWN]
    ]
    if len(every) > MOST_SHOWN:
        lines.append(f"{path}: there are more problems; correct these first")
    return "\n".join(lines)


def _unreadable(problem: Problem) -> Validated[_Model]:
    return Validated(None, None, (problem,))
