"""Options that several commands share, and the parsing of their values."""

from __future__ import annotations

import getpass
import os
from datetime import datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cv_engine.commands.errors import InputError


class Format(StrEnum):
    """The form of a command's output on stdout."""

    TABLE = "table"
    JSONL = "jsonl"


class ExportForm(StrEnum):
    """The file format of exported cases."""

    GEOJSON = "geojson"
    CSV = "csv"


class CsvDialect(StrEnum):
    """Whom an exported CSV file is for."""

    SPREADSHEET = "spreadsheet"
    PLAIN = "plain"


def _whoami() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no login name, as in some containers
        return "unknown"


#: Names the configuration where ``--config`` does not.
CONFIG_VARIABLE = "CV_ENGINE_CONFIG"
#: The configuration in the working folder, used where nothing else names one.
CONFIG_NAME = "cv-engine.yaml"


def found_config() -> Path | None:
    """The configuration that a command uses without ``--config``; ``None`` for the built-in one.

    That is the file of the environment variable ``CV_ENGINE_CONFIG``, else ``cv-engine.yaml`` in
    the working folder.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named).expanduser()
    beside = Path(CONFIG_NAME)
    return beside if beside.is_file() else None


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help=f"Configuration; ${CONFIG_VARIABLE}, ./{CONFIG_NAME} or the built-in if left out.",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder of the queue and the evidence."),
]
FormatOption = Annotated[
    Format,
    typer.Option("--format", help="A table for people, or one JSON object per line."),
]
CameraOption = Annotated[
    str | None,
    typer.Option("--camera", metavar="NAME", help="Name of the camera in the configuration."),
]
ByOption = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="NAME",
        help="Who acts; your login name if left out.",
        default_factory=_whoami,
        show_default=False,
    ),
]


def read_time(text: str | None, option: str, zone: tzinfo | None = None) -> datetime | None:
    """Parse a time with its offset from UTC; without an offset, a time in ``zone``.

    Raises:
        InputError: The text is no time, or has no offset and no zone is given.
    """
    if text is None:
        return None
    example = "2026-05-01T08:00:00+08:00"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text}: not a time; write it as {example}") from None
    if at.tzinfo is None and zone is not None:
        return at.replace(tzinfo=zone)
    if at.tzinfo is None:
        raise InputError(
            f"{option} {text}: has no offset from UTC, so the moment is unknown; "
            f"write it as {example}, or with a Z at the end for UTC"
        )
    return at


def read_place(text: str | None, option: str) -> tuple[float, float] | None:
    """Parse ``LAT,LON`` in degrees.

    Raises:
        InputError: The text is no such place.
    """
    if text is None:
        return None
    numbers = _numbers(text, 2, option, "29.8683,121.5440 (latitude, longitude)")
    latitude, longitude = numbers
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise InputError(
            f"{option} {text}: latitude runs from -90 to 90 and longitude from -180 to 180; "
            "latitude comes first"
        )
    return latitude, longitude


def read_box(text: str | None, option: str) -> tuple[float, float, float, float] | None:
    """Parse ``WEST,SOUTH,EAST,NORTH`` in degrees.

    Raises:
        InputError: The text is no such box.
    """
    if text is None:
        return None
    example = "121.50,29.80,121.60,29.90 (west, south, east, north)"
    west, south, east, north = _numbers(text, 4, option, example)
    return west, south, east, north


def read_size(text: str, option: str) -> tuple[int, int]:
    """Parse ``WIDTHxHEIGHT`` in pixels.

    Raises:
        InputError: The text is no such size.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"{option} {text}: not a frame size; write it as 1920x1080")
    return int(parts[0]), int(parts[1])


def _numbers(text: str, count: int, option: str, example: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise InputError(f"{option} {text}: expected {count} numbers, such as {example}")
    return numbers
