"""A JSON file whose values remember their lines.

Read by ``json`` and not by ruamel.yaml, although JSON is nearly a subset of YAML: ruamel.yaml takes
250 times as long (12 s for 1 MB), and reads ``NaN`` and ``[1 2]`` as texts without an error.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from zones.errors import Problem, ZoneError

Location = Sequence[str | int]

#: Problems of a file that are reported: what follows is mostly the same again.
MOST_PROBLEMS = 100
_LARGEST_FILE = 512 * 1024 * 1024  # bytes; the records of a city's buildings take a tenth
_DEEPEST = 50  # levels of objects and arrays; GeoJSON has nine
_MOST_DIGITS = 300  # of an integer that a float can hold
_DECODER = json.JSONDecoder(parse_int=float)  # int() refuses more than 4300 digits
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(slots=True)
class _Entries:
    """The entries of one object or array that have been found so far, in the file's order.

    Attributes:
        rest: Yields the others, see `_entries`.
        found: Position of the entry and of its value, by key or index.
    """

    rest: Iterator[tuple[str | int, int, int]]
    found: dict[str | int, tuple[int, int]] = field(default_factory=dict)

    def find(self, part: str | int) -> tuple[int, int] | None:
        if part not in self.found:
            for name, at, value_at in self.rest:
                self.found[name] = (at, value_at)
                if name == part:
                    break
        return self.found.get(part)


@dataclass(frozen=True)
class Document:
    """A parsed JSON file.

    Attributes:
        path: The file, as the user gave it.
        text: The content of the file.
        value: The content as plain Python values.
    """

    path: Path
    text: str
    value: Any
    _containers: dict[int, _Entries] = field(default_factory=dict, repr=False, compare=False)

    def where(self, location: Location, name: str = "") -> str:
        """``file:line`` and a name for the value at ``location``, or for its nearest parent."""
        position = 0
        for part in location:
            if position not in self._containers:
                self._containers[position] = _Entries(_entries(self.text, position))
            found = self._containers[position].find(part)
            if found is None:
                break
            position = found[0 if isinstance(part, int) else 1]
        line = self.line_at(position)
        return f"{self.path}:{line}: {name}" if name else f"{self.path}:{line}"

    def line_at(self, position: int) -> int:
        """The line, from 1, of a position in the text."""
        return bisect_right(self._line_starts, position)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]


def read_document(path: Path) -> Document:
    """Read a JSON file.

    Numbers that are not finite (``NaN``, ``Infinity``, ``1e999``, a thousand digits) are returned
    as floats, so that the caller can report them with their line.

    Raises:
        ZoneError: The file is missing, empty, not UTF-8, not JSON, or an object has a duplicate
            key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise ZoneError(Problem(str(path), "there is no such file", "correct the path")) from None
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise ZoneError(Problem(str(path), what, "give a readable GeoJSON file")) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = "the file is not UTF-8 text"
        advice = "give a GeoJSON file, saved as UTF-8"
        raise ZoneError(Problem(f"{path}:{line}", what, advice)) from None
    if len(data) > _LARGEST_FILE:
        what = f"the file has more than {_LARGEST_FILE >> 20} MiB"
        raise ZoneError(Problem(str(path), what, "correct the path, or divide the file"))
    if not text.strip():
        advice = "write a GeoJSON FeatureCollection with one polygon per zone"
        raise ZoneError(Problem(str(path), "the file is empty", advice))
    return _parsed(path, text)


def _parsed(path: Path, text: str) -> Document:
    duplicates = []

    def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            duplicates.append(True)
        return result

    try:
        value = json.loads(text, object_pairs_hook=as_object, parse_int=_number)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}, column {error.colno}"
        what = f"the file is not JSON ({error.msg})"
        raise ZoneError(Problem(where, what, "check commas, quotes and brackets there")) from None
    except RecursionError:
        raise _too_deep(path, text) from None
    if _is_deep(value):
        raise _too_deep(path, text)
    document = Document(path, text, value)
    if duplicates:
        raise ZoneError(list(_duplicate_keys(document)))
    return document


def _number(digits: str) -> int | float:
    """An integer, or a float for one so long that no coordinate or setting can be meant."""
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _too_deep(path: Path, text: str) -> ZoneError:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if depth > _DEEPEST:
            break
    line = text.count("\n", 0, match.start()) + 1
    what = f"the values are nested more than {_DEEPEST} levels deep"
    return ZoneError(Problem(f"{path}:{line}", what, "give a GeoJSON file"))


def _is_deep(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(_DEEPEST):
        level = [
            inside
            for each in level
            for inside in (each.values() if isinstance(each, dict) else each)
            if isinstance(inside, dict | list)
        ]
    return bool(level)


def _duplicate_keys(document: Document) -> Iterator[Problem]:
    """The first keys that an object has twice."""
    pending, count = [0], 0
    while pending:
        names: set[str | int] = set()
        inside = []
        for name, at, value_at in _entries(document.text, pending.pop()):
            if name in names:
                where = f"{document.path}:{document.line_at(at)}"
                yield Problem(where, f"{name!r:.60} is written twice", "remove one of the two")
                count += 1
                if count == MOST_PROBLEMS:
                    return
            names.add(name)
            if document.text[value_at] in "{[":
                inside.append(value_at)
        pending += reversed(inside)


def _entries(text: str, position: int) -> Iterator[tuple[str | int, int, int]]:
    """Key or index, its position and its value's position, per entry of the object or array."""
    position = _skip(text, position)
    opening = text[position : position + 1]
    if opening not in ("{", "["):
        return
    key: str | int
    position, index = _skip(text, position + 1), 0
    while text[position] not in "}]":
        start, key = position, index
        if opening == "{":
            key, position = _DECODER.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)
        yield key, start, position
        position = _skip(text, _DECODER.raw_decode(text, position)[1])
        if text[position] == ",":
            position = _skip(text, position + 1)
        index += 1


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
