"""The properties of a zone's feature: their names and their valid values."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Literal, cast

from zones.document import MOST_PROBLEMS
from zones.errors import ScheduleError, WrongValue
from zones.schedule import Schedule
from zones.size import OLD_KEY, share_of_pixels

Frame = Literal["image", "wgs84"]
#: When the driver of a vehicle in the zone is asked to leave.
NoticeTime = Literal["confirmed", "at_once", "never"]

_LONGEST_NAME = 200  # characters
_UNPRINTABLE = ("Cc", "Cs")  # Unicode's control characters, and halves of characters
_LARGEST = 1e9  # of a number: 31 years in seconds


@dataclass(frozen=True, slots=True)
class NumberSetting:
    """A property of zones that a rule adds: a number above 0.

    Attributes:
        unit: The unit in words, for error messages.
        example: A value, for error messages.
    """

    unit: str
    example: str


@dataclass(frozen=True)
class Settings:
    """The properties of a feature; all features of one zone must have equal ones."""

    zone: str
    kinds: frozenset[str]
    dwell_s: float | None
    schedule: Schedule
    frame: Frame
    min_size: float | None
    min_size_m: float | None
    camera: str | None
    notice: NoticeTime = "confirmed"
    warning_until: date | None = None
    address: str | None = None
    numbers: tuple[tuple[str, float], ...] = ()


def read_settings(
    properties: Mapping[str, Any],
    kinds: Collection[str],
    timezone: str,
    numbers: Mapping[str, NumberSetting],
    height: int | None = None,
) -> tuple[Settings | None, dict[str, WrongValue]]:
    """Read a feature's properties.

    A property with the value null counts as absent: drawing programs write every column.

    Args:
        properties: The properties as in the file.
        kinds: The violations that exist.
        timezone: IANA name that schedules are read in.
        numbers: The properties that rules add, by name.
        height: Height of the camera's frame in pixels, if it is known, for messages.

    Returns:
        The settings, ``None`` if a property is wrong, and the errors by property.
    """
    readers: dict[str, Callable[[Any], Any]] = {
        "zone": read_name,
        "kinds": lambda value: read_kinds(value, kinds),
        "dwell_s": lambda value: _positive(value, "a number of seconds", "300"),
        "schedule": lambda value: _schedule(value, timezone),
        "frame": _frame,
        "min_size": _share,
        "min_size_m": lambda value: _positive(value, "a number of metres", "0.3"),
        "camera": read_name,
        "from": _date,
        "to": _date,
        "notice": _notice,
        "warning": _warning,
        "address": read_name,
    }
    readers |= {name: partial(_number, setting) for name, setting in numbers.items()}
    defaults = {
        "kinds": frozenset(kinds),
        "frame": "wgs84",
        "notice": "confirmed",
        "schedule": Schedule.parse(None, timezone),
    }
    wrong: dict[str, WrongValue] = {}
    values: dict[str, Any] = {}
    for key, read in readers.items():
        values[key] = defaults.get(key)
        if properties.get(key) is not None:
            try:
                values[key] = read(properties[key])
            except WrongValue as error:
                wrong[key] = error
    if properties.get("zone") is None:
        wrong["zone"] = WrongValue("the zone has no name", 'add "zone": "a name" to the properties')
    for key in properties:
        if key == OLD_KEY:
            what = "sizes are shares of the frame's height now"
            advice = f'write "min_size": {share_of_pixels(properties[key], height)}'
            wrong[key] = WrongValue(what, advice)
        elif key not in readers and len(wrong) < MOST_PROBLEMS:
            wrong[key] = WrongValue("unknown property", suggest_key(key, readers))
    first, last = values.pop("from"), values.pop("to")
    if first is not None and last is not None and last < first:
        wrong["to"] = WrongValue(f"{last} is before {first}", "give from and to in order")
    if wrong:
        return None, wrong
    if first is not None or last is not None:
        values["schedule"] = values["schedule"].between(first, last)
    values["warning_until"] = values.pop("warning")
    given = {name: values.pop(name) for name in numbers}
    written = tuple((name, value) for name, value in given.items() if value is not None)
    return Settings(**values, numbers=written), wrong


def suggest_key(key: str, known: Collection[str]) -> str:
    """What to do about an unknown property: the known one that is meant, or all of them."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"remove it; known: {', '.join(known)}"


def read_name(value: Any) -> str:
    """A name, without the space around it.

    Raises:
        WrongValue: The value is no text, is empty or too long, or holds a control character.
    """
    if not isinstance(value, str) or not value.strip():
        raise WrongValue(f"{value!r:.60} is no name", 'give a text, such as "market pavement"')
    name = value.strip()
    if len(name) > _LONGEST_NAME:
        raise WrongValue(f"a name of {len(name)} characters", f"give at most {_LONGEST_NAME}")
    if any(unicodedata.category(character) in _UNPRINTABLE for character in name):
        raise WrongValue(f"{name!a:.60} holds a control character", "remove it")
    return name


def read_kinds(value: Any, known: Collection[str]) -> frozenset[str]:
    """A list of violations; a single one may stand without brackets.

    Raises:
        WrongValue: The value is no such list, is empty, or names no violation.
    """
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        advice = f'give a list, such as ["{next(iter(known), "clutter")}"]'
        raise WrongValue(f"{value!r:.60} is no list of violations", advice)
    if not names:
        raise WrongValue("the list is empty", "name a violation, or remove kinds to watch for all")
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
            advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
            raise WrongValue(f"{name!r:.60} is no violation", advice)
    return frozenset(names)


def _positive(value: Any, wanted: str, example: str) -> float:
    advice = f"give {wanted}, such as {example}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValue(f"{value!r:.60} is no number", advice)
    if not (math.isfinite(value) and value > 0):
        raise WrongValue(f"{value} is not above 0 and finite", advice)
    if value > _LARGEST:
        raise WrongValue(f"{value:g} is too large", advice)
    return float(value)


def _share(value: Any) -> float:
    share = _positive(value, "a share of the frame's height", "0.025")
    if share >= 1:
        what = f"{value:g} is no share of the frame's height"
        raise WrongValue(what, "give a number above 0 and below 1, such as 0.025")
    return share


def _number(setting: NumberSetting, value: Any) -> float:
    return _positive(value, f"a number of {setting.unit}", setting.example)


def _schedule(value: Any, timezone: str) -> Schedule:
    if not isinstance(value, str):
        advice = 'write a text, such as "Mo-Fr 08:00-20:00"'
        raise WrongValue(f"{value!r:.60} is no schedule", advice)
    try:
        return Schedule.parse(value, timezone)
    except ScheduleError as error:
        what, _, advice = str(error).partition("; ")
        raise WrongValue(what if len(what) <= 200 else f"{what[:200]}...", advice) from None


def _date(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise WrongValue(f"{value!r:.60} is no date", 'write one such as "2026-09-01"') from None


def _warning(value: Any) -> date | None:
    """The last day of the warning period; the last of all where it has no end."""
    if isinstance(value, bool):
        return date.max if value else None
    try:
        return _date(value)
    except WrongValue:
        advice = 'write the last day of the warning period, such as "2026-10-31", or true'
        raise WrongValue(f"{value!r:.60} is no date", advice) from None


def _notice(value: Any) -> NoticeTime:
    if value in ("confirmed", "at_once", "never"):
        return cast("NoticeTime", value)
    advice = 'write "confirmed" (once a person has confirmed the case), "at_once" or "never"'
    raise WrongValue(f"{value!r:.60} is no time for a notice", advice)


def _frame(value: Any) -> Frame:
    if value == "image":
        return "image"
    if value == "wgs84":
        return "wgs84"
    advice = 'write "image" for pixels, or remove it for WGS 84'
    raise WrongValue(f"{value!r:.60} is no frame", advice)
