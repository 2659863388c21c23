"""The plates of a case, as its findings have read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cv_engine.cases.plates import PLATE
from cv_engine.plate import normal_plate
from zones.errors import WrongValue


@dataclass(frozen=True, slots=True)
class Reading:
    """A plate that was read.

    Attributes:
        text: The whole plate, as :func:`cv_engine.plate.normal_plate` writes it.
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
    confidence = value.get("confidence")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float):
        return None
    try:
        text = normal_plate(value["text"])
    except WrongValue:
        return None
    return Reading(text, float(confidence)) if 0.0 <= confidence <= 1.0 else None
