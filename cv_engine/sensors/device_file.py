"""Files of devices: CSV or GeoJSON, read whole or refused with all their errors."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Final

from cv_engine.sensors.device import Device
from cv_engine.sensors.errors import ImportFileError
from cv_engine.sensors.report import Position
from zones.document import read_document
from zones.errors import Problem

_NEEDED: Final = ("id", "kind", "zone", "longitude", "latitude")
_OPTIONAL: Final = ("accuracy_m", "silent_s")
_PLACE: Final = ("longitude", "latitude")  # columns of CSV; the geometry of GeoJSON
_ACCURACY_M = 5.0  # of a place taken with a hand-held receiver
_LONGEST_TEXT = 200  # characters
_RANGES: Final = {
    "longitude": (-180.0, 180.0),
    "latitude": (-90.0, 90.0),
    "accuracy_m": (0.0, 1000.0),
    "silent_s": (60.0, 1e9),
}

#: File and line of a column.
Where = Callable[[str], str]


def read_devices(path: Path, kinds: Collection[str], now: datetime) -> list[Device]:
    """The devices of a file.

    Args:
        path: A CSV file with a header, or a GeoJSON FeatureCollection of points.
        kinds: The kinds of findings that the taxonomy has.
        now: When the devices are registered.

    Raises:
        ImportFileError: The file has errors; the text has all of them.
        ZoneError: The file is no JSON, or cannot be read.
    """
    is_json = path.suffix.lower() in (".geojson", ".json")
    problems: list[Problem] = []
    rows = _geojson_rows(path, problems) if is_json else _csv_rows(path, problems)
    devices: dict[str, Device] = {}
    for values, where in rows:
        before = len(problems)
        device = _device(values, where, kinds, now, problems)
        if device.id in devices:
            what = f"{device.id!r} is there twice"
            problems.append(Problem(where("id"), what, "remove one of the two"))
        elif len(problems) == before:
            devices[device.id] = device
    if not devices and not problems:
        problems.append(Problem(str(path), "the file has no device", "add one"))
    if problems:
        raise ImportFileError(problems)
    return list(devices.values())


def _csv_rows(path: Path, problems: list[Problem]) -> Iterator[tuple[Mapping[str, Any], Where]]:
    rows = csv.reader(StringIO(_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        problems += _header_problems(path, header)
        if problems:
            return
        for row in rows:
            if not any(row):
                continue
            line = rows.line_num
            if len(row) != len(header):
                what = f"the line has {len(row)} columns, the header {len(header)}"
                problems.append(Problem(f"{path}:{line}", what, "correct commas and quotes"))
                continue
            values = dict(zip(header, (each.strip() for each in row), strict=True))
            yield values, partial("{}:{}: {}".format, path, line)
    except csv.Error as error:
        what = f"the line is not CSV ({error})"
        problems.append(Problem(f"{path}:{rows.line_num}", what, "correct its quotes"))


def _header_problems(path: Path, header: Sequence[str]) -> list[Problem]:
    known = (*_NEEDED, *_OPTIONAL)
    where = f"{path}:1"
    if len(header) == 1 and ";" in header[0]:
        return [Problem(where, "the columns are divided by semicolons", "divide them by commas")]
    columns = f"the columns are {', '.join(known)}"
    return [
        *(
            Problem(f"{where}: {name}", "the column is missing", columns)
            for name in _NEEDED
            if name not in header
        ),
        *(
            Problem(f"{where}: {name}", "the column is unknown", f"remove it; {columns}")
            for name in header
            if name not in known
        ),
        *(
            Problem(f"{where}: {name}", "the column is there twice", "remove one of the two")
            for name in known
            if header.count(name) > 1
        ),
    ]


def _geojson_rows(path: Path, problems: list[Problem]) -> Iterator[tuple[Mapping[str, Any], Where]]:
    document = read_document(path)
    features = document.value.get("features") if isinstance(document.value, dict) else None
    if not isinstance(features, list):
        what = "the file is no FeatureCollection"
        problems.append(Problem(f"{path}:1", what, "write one feature for each device"))
        return
    known = {*_NEEDED, *_OPTIONAL} - set(_PLACE)
    for number, feature in enumerate(features):
        base = ("features", number)
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(properties, dict):
            where = document.where(base, "properties")
            problems.append(Problem(where, "the feature has none", "give id, kind and zone"))
            continue
        for name in sorted(set(map(str, properties)) - known):
            where = document.where((*base, "properties", name), name)
            advice = f"remove it; known: {', '.join(sorted(known))}"
            problems.append(Problem(where, "the property is unknown", advice))
        place = _point(feature.get("geometry"))
        if place is None:
            where = document.where((*base, "geometry"), "geometry")
            advice = 'write {"type": "Point", "coordinates": [longitude, latitude]}'
            problems.append(Problem(where, "the geometry is no point", advice))
            continue

        def where_is(column: str, base: tuple[str | int, ...] = base) -> str:
            inside = ("geometry",) if column in _PLACE else ("properties", column)
            return document.where((*base, *inside), column)

        yield {**properties, **dict(zip(_PLACE, place, strict=True))}, where_is


def _point(geometry: Any) -> tuple[Any, Any] | None:
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        return None
    coordinates = geometry.get("coordinates")
    if not isinstance(coordinates, list) or len(coordinates) not in (2, 3):
        return None
    return coordinates[0], coordinates[1]


def _device(
    values: Mapping[str, Any],
    where: Where,
    kinds: Collection[str],
    now: datetime,
    problems: list[Problem],
) -> Device:
    name, kind, zone = (_name(values, each, where, problems) for each in ("id", "kind", "zone"))
    if kind and kind not in kinds:
        what = f"kind {kind!r} is not in the taxonomy"
        problems.append(Problem(where("kind"), what, f"take one of {', '.join(kinds)}"))
    numbers = {each: _number(values, each, where, problems) for each in _RANGES}
    longitude, latitude, accuracy_m = (numbers[each] for each in (*_PLACE, "accuracy_m"))
    return Device(
        id=name,
        kind=kind,
        zone=zone,
        place=Position(
            longitude or 0.0, latitude or 0.0, _ACCURACY_M if accuracy_m is None else accuracy_m
        ),
        registered_at=now,
        silent_s=numbers["silent_s"],
    )


def _name(values: Mapping[str, Any], name: str, where: Where, problems: list[Problem]) -> str:
    value = values.get(name)
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST_TEXT:
        what = "the value is missing" if value in (None, "") else f"{value!r:.60} is no name"
        advice = f"write a printable text of at most {_LONGEST_TEXT} characters"
        problems.append(Problem(where(name), what, advice))
    return text


def _number(
    values: Mapping[str, Any], name: str, where: Where, problems: list[Problem]
) -> float | None:
    value = values.get(name)
    if value in (None, ""):
        if name in _NEEDED:
            problems.append(Problem(where(name), "the value is missing", "add it"))
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    low, high = _RANGES[name]
    if not low <= number <= high:
        advice = f"write a number from {low:g} to {high:g}"
        problems.append(Problem(where(name), f"{value!r:.60} is not valid", advice))
        return None
    return number


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        what, where = "there is no such file", str(path)
    except OSError as error:
        what, where = f"cannot be read ({error.strerror})", str(path)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what, where = "the file is not UTF-8 text", f"{path}:{line}"
    raise ImportFileError([Problem(where, what, "give a CSV or GeoJSON file, saved as UTF-8")])
