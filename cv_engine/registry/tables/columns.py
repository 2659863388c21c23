"""Columns of files: how the text of a cell becomes a value, or what is wrong with the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from cv_engine.registry.records import Status
from zones.errors import ScheduleError, WrongValue
from zones.schedule import Schedule

_LONGEST = 200  # characters of a text
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_PHONE = re.compile(r"\+?[0-9]{3,15}")  # at most 15 digits: ITU-T E.164
_PHONE_SIGNS = re.compile(r"[\s().\-\u2010-\u2015]")
_LAYOUT = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_STATUS = {status.value: status.value for status in Status}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file.

    Attributes:
        name: Name in the header.
        read: Returns the value of a cell that is not empty; raises ``WrongValue``.
        needed: Whether every row has a value.
        empty: The value where a cell is empty or the column left out.
    """

    name: str
    read: Callable[[str], str | float]
    needed: bool = False
    empty: str | float | None = None


def read_text(text: str) -> str:
    """One line of text, with single spaces.

    Raises:
        WrongValue: The text is too long, or holds characters that cannot be printed.
    """
    if not text.isprintable():
        text = " ".join(text.split())  # spaces of other widths, and line ends
        if not text.isprintable():
            raise WrongValue(f"{text!r} holds characters that cannot be printed", "remove them")
    if len(text) > _LONGEST:
        raise WrongValue(
            f"the text has {len(text)} characters", f"write at most {_LONGEST}, in one line"
        )
    return text


def read_phone(text: str) -> str:
    """A telephone number: its digits, with a ``+`` before a country's code.

    Raises:
        WrongValue: The text is no number.
    """
    if _PHONE.fullmatch(text):
        return text
    number = _PHONE_SIGNS.sub("", unicodedata.normalize("NFKC", text))
    if not _PHONE.fullmatch(number):
        raise WrongValue(
            "the text is no telephone number",  # which may be half of one: not repeated
            "write 3 to 15 digits, such as 13800000000 or +8613800000000, or leave the cell empty",
        )
    return number


def read_layout(text: str) -> str:
    """Name of a plate's layout.

    Raises:
        WrongValue: The text is no name.
    """
    if not _LAYOUT.fullmatch(text):
        raise WrongValue(f"{text!r} is no layout", "write one such as blue, green or yellow")
    return text


def read_status(text: str) -> str:
    """Status of a vehicle.

    Raises:
        WrongValue: There is no such status.
    """
    if text not in _STATUS:
        raise WrongValue(f"{text!r} is no status", f"write one of {', '.join(_STATUS)}")
    return _STATUS[text]


@lru_cache(maxsize=4096)  # permits share few days
def read_day(text: str) -> str:
    """A day, as ISO 8601 writes it.

    Raises:
        WrongValue: The text is no day.
    """
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise WrongValue(f"{text!r} is no day", "write one such as 2026-05-01")


@lru_cache(maxsize=4096)
def read_hours(text: str) -> str:
    """Hours of the week.

    Raises:
        WrongValue: The text is no schedule.
    """
    try:
        return Schedule.parse(text).text
    except ScheduleError as error:
        raise WrongValue(str(error), "write hours as in a zone's schedule") from None


def number_between(least: float, most: float) -> Callable[[str], float]:
    """The reading of numbers from ``least`` to ``most``, both included."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise WrongValue(f"{text!r} is not valid", f"write a number from {least:g} to {most:g}")
        return value

    return read
