"""The settings that come with the program: every number says what another one does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
_NUMBER = re.compile(r"( *)(\w+): -?\d+(\.\d+)?$")
# A port is an address, not a quantity.
_EXEMPT = frozenset({"port", "metrics_port"})


def _numbers() -> list[tuple[str, str]]:
    """Each key with a number, and the comment above it; keys in a row share one."""
    found: list[tuple[str, str]] = []
    comment: list[str] = []
    last = ""
    for line in _CONFIG.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("#"):
            comment = [*comment, line] if last.lstrip().startswith("#") else [line]
        elif (match := _NUMBER.match(line)) and match[2] not in _EXEMPT:
            found.append((match[2], " ".join(comment)))
        last = line
    return found


@pytest.mark.parametrize(("key", "comment"), _numbers())
def test_a_number_says_what_larger_and_smaller_do(key: str, comment: str) -> None:
    assert re.search(r"(?i)\b(larger|longer|more)\b", comment), key
    assert re.search(r"(?i)\b(smaller|shorter|fewer|below|0:)", comment), key


def test_there_are_many_numbers() -> None:
    assert len(_numbers()) > 60
