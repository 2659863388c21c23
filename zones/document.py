"""A JSON file whose values remember their lines.

Read by ``json`` and not by ruamel.yaml, although JSON is nearly a subset of YAML: ruamel.yaml takes
250 times as long (12 s for 1 MB), and reads ``NaN`` and ``[1 2]`` as texts without an error.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zones.errors import Problem, ZoneError

Location = Sequence[str | int]

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


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

    def where(self, location: Location, name: str = "") -> str:
        """``file:line`` and a name for the value at ``location``, or for its nearest parent."""
        position = 0
        for part in location:
            found = _find(self.text, position, part)
            if found is None:
                break
            position = found
        line = self.text.count("\n", 0, position) + 1
        return f"{self.path}:{line}: {name}" if name else f"{self.path}:{line}"


def read_document(path: Path) -> Document:
    """Read a JSON file.

    Numbers that are not finite (``NaN``, ``Infinity``, ``1e999``) are returned as floats, so that
    the caller can report them with their line.

    Raises:
        ZoneError: The file is missing, empty, not UTF-8, not JSON, or an object has a duplicate
            key.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ZoneError(Problem(str(path), "there is no such file", "correct the path")) from None
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise ZoneError(Problem(str(path), what, "give a readable GeoJSON file")) from None
    except UnicodeDecodeError:
        what = "the file is not UTF-8 text"
        raise ZoneError(Problem(str(path), what, "give a GeoJSON file, saved as UTF-8")) from None
    if not text.strip():
        advice = "write a GeoJSON FeatureCollection with one polygon per zone"
        raise ZoneError(Problem(str(path), "the file is empty", advice))
    duplicates: list[str] = []
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, duplicates))
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}, column {error.colno}"
        what = f"the file is not JSON ({error.msg})"
        raise ZoneError(Problem(where, what, "check commas, quotes and brackets there")) from None
    except RecursionError:
        what = "the values are nested too deeply"
        raise ZoneError(Problem(str(path), what, "give a GeoJSON file")) from None
    if duplicates:
        raise ZoneError([_duplicate_key(path, text, key) for key in sorted(set(duplicates))])
    return Document(path, text, value)


def _object(pairs: list[tuple[str, Any]], duplicates: list[str]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        duplicates += [key for key, count in counts.items() if count > 1]
    return result


def _duplicate_key(path: Path, text: str, key: str) -> Problem:
    position = _second(text, 0, key)
    line = text.count("\n", 0, position or 0) + 1
    return Problem(f"{path}:{line}", f"{key!r} is written twice", "remove one of the two")


def _second(text: str, position: int, key: str) -> int | None:
    """Position of the second ``key`` in one object, at or below ``position``."""
    seen = False
    inside: list[int] = []
    for name, at, value_at in _entries(text, position):
        if name == key and seen:
            return at
        seen = seen or name == key
        inside.append(value_at)
    found = (_second(text, at, key) for at in inside)
    return next((at for at in found if at is not None), None)


def _find(text: str, position: int, part: str | int) -> int | None:
    for name, at, value_at in _entries(text, position):
        if name == part:
            return at if isinstance(part, int) else value_at
    return None


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
