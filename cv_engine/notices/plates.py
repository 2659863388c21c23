"""The plate of a case, as its findings have read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Attribute of a finding with the plate that was read: ``text``, ``confidence`` and ``layout``.
PLATE = "plate"
_SEPARATORS = str.maketrans("", "", " ·•.-\u3000")


def plain(text: str) -> str:
    """The text of a plate as registers hold it: upper case, without dots and spaces."""
    return text.translate(_SEPARATORS).upper()


@dataclass(frozen=True, slots=True)
class Reading:
    """A plate that was read.

    Attributes:
        text: Text of the whole plate, without dots and spaces.
        confidence: Probability (0 to 1) that all of it is right.
    """

    text: str
    confidence: float


def readings(attributes: Iterable[Mapping[str, Any]]) -> list[Reading]:
    """The plates that the findings of a case have read: each text once, the surest first.

    Args:
        attributes: Attributes of each finding. Values of another form count as not read.
    """
    best: dict[str, Reading] = {}
    for each in attributes:
        found = _reading(each.get(PLATE))
        if found is not None:
            known = best.get(found.text)
            if known is None or found.confidence > known.confidence:
                best[found.text] = found
    return sorted(best.values(), key=lambda each: (-each.confidence, each.text))


def _reading(value: Any) -> Reading | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("text"), str):
        return None
    confidence, text = value.get("confidence"), plain(value["text"])
    if not text or isinstance(confidence, bool) or not isinstance(confidence, int | float):
        return None
    return Reading(text, float(confidence)) if 0.0 <= confidence <= 1.0 else None
