"""What a finding is, and what none is."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cv_engine.finding import Finding, Place

AT = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
PARKED = Finding(
    kind="motor_vehicle_parked",
    source="market-street",
    zone="pavement",
    place=Place(None, None, "unknown", (10.2, 20.0, 110.0, 80.0)),
    began=AT,
    observed=AT + timedelta(minutes=5),
    confidence=0.9,
)


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_box_has_finite_sides(side: int, value: float) -> None:
    box = [10.0, 20.0, 110.0, 80.0]
    box[side] = value
    with pytest.raises(ValueError, match="in finite pixels"):
        Place(None, None, "unknown", (box[0], box[1], box[2], box[3]))


@pytest.mark.parametrize("accuracy_m", [math.nan, math.inf, -1.0])
def test_an_accuracy_is_a_distance(accuracy_m: float) -> None:
    with pytest.raises(ValueError, match="is not a distance in metres"):
        Place(None, accuracy_m, "camera")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"began": AT.replace(tzinfo=None)}, "began has no time zone"),
        ({"observed": AT - timedelta(seconds=1)}, "before began"),
        ({"confidence": math.nan}, "not within 0 to 1"),
        ({"confidence": 1.1}, "not within 0 to 1"),
    ],
)
def test_what_is_no_finding_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PARKED, **change)  # type: ignore[arg-type]


def test_the_key_is_of_the_violation_not_of_how_it_was_told() -> None:
    later = replace(PARKED, observed=AT + timedelta(hours=1), confidence=0.5, evidence="folder")
    assert later.key == PARKED.key
    half_a_pixel = replace(PARKED, place=Place(None, None, "unknown", (10.4, 20.3, 110.2, 79.8)))
    assert half_a_pixel.key == PARKED.key


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "clutter"},
        {"source": "elsewhere"},
        {"zone": "roadway"},
        {"began": AT + timedelta(seconds=30)},
        {"place": Place(None, None, "unknown", (200.0, 20.0, 300.0, 80.0))},
    ],
)
def test_another_violation_has_another_key(change: dict[str, object]) -> None:
    assert replace(PARKED, **change).key != PARKED.key  # type: ignore[arg-type]
