"""Scalars of YAML 1.2 (its core schema) as Python values.

By YAML 1.1, PyYAML's default, ``5:00`` is 300, ``010`` is 8, ``no`` is false and ``1e3`` is a text,
all of them errors in a file of times and thresholds.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_PREFIX = "tag:yaml.org,2002:"
_LARGEST = 2**63 - 1
_MOST_DIGITS = 19  # of a number within 64 bits

Value = str | int | float | bool | None


def _int(text: str) -> int:
    is_hex = text.lower().startswith("0x")
    digits = text[2:].lstrip("0") if is_hex else text.lstrip("+-0")
    number = int(text, 16 if is_hex else 10) if len(digits) <= _MOST_DIGITS else _LARGEST + 1
    if abs(number) > _LARGEST:
        raise ValueError(f"an integer of {len(digits)} digits is larger than any setting")
    return number


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


# The name of each type, the texts that have it, and their value. A text of none is a string.
_TYPES: dict[str, tuple[re.Pattern[str], Callable[[str], Value]]] = {
    "null": (re.compile(r"~|null|Null|NULL|"), lambda text: None),
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    "int": (re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+"), _int),
    "float": (
        re.compile(
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        _float,
    ),
}
_STARTS_OTHERS = frozenset("~nNtTfF+-.0123456789")


def read_scalar(text: str, tag: str | None, *, plain: bool) -> Value:
    """The value of a scalar.

    Args:
        text: The scalar, without quotes.
        tag: Tag of the scalar in full, such as ``"tag:yaml.org,2002:int"``; ``None`` without one.
        plain: Whether the scalar stands without quotes and without a tag.

    Raises:
        ValueError: The tag is not of the core schema or does not fit the text, the integer has more
            than 64 bits, or the text holds a NUL character. The message does not repeat the text,
            which may be a password.
    """
    if "\0" in text:
        raise ValueError("the text holds a NUL character; remove it")
    if plain and tag is None:
        if text and text[0] not in _STARTS_OTHERS:
            return text
        for pattern, convert in _TYPES.values():
            if pattern.fullmatch(text):
                return convert(text)
        return text
    if tag in (None, "!", f"{_PREFIX}str"):
        return text
    name = (tag or "").removeprefix(_PREFIX)
    if tag == name or name not in _TYPES:
        raise ValueError(
            "a tag (! and a name) is not known here; remove it, or put a text that begins with ! "
            "between double quotes"
        )
    pattern, convert = _TYPES[name]
    if not pattern.fullmatch(text):
        raise ValueError(f"the value is no {name}; remove the tag !!{name} or correct the value")
    return convert(text)
