from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.events import Event, Found, Score, _judge, _result, main

EVENT = Event("a.mp4", "abandoned_bag", 10.0, 30.0, np.array([10, 10, 50, 50], np.float32), 1.0)
CASE = Found("clutter", 10.0, 30.0, EVENT.box, False)
CAR = replace(EVENT, kind="vehicle_parked")
PARKED = replace(CASE, kind="motor_vehicle_parked")


def _moved(by: float) -> Found:
    return replace(CASE, box=CASE.box + np.float32(by))


def _judged(events: list[Event], cases: list[Found], exhaustive: str = "abandoned") -> Score:
    score = Score()
    _judge(score, events, cases, exhaustive.split(";") if exhaustive else [], "a.mp4")
    return score


@pytest.mark.parametrize(
    ("event", "case", "loose", "strict"),
    [
        pytest.param(EVENT, CASE, 1, 1, id="exact"),
        pytest.param(EVENT, replace(CASE, start_s=13.0), 1, 1, id="within-the-tolerance"),
        pytest.param(EVENT, replace(CASE, start_s=13.1), 1, 0, id="begins-too-late"),
        pytest.param(EVENT, replace(CASE, start_s=6.9), 1, 0, id="begins-too-early"),
        pytest.param(EVENT, _moved(5), 1, 1, id="box-about-right"),
        pytest.param(EVENT, _moved(15), 1, 0, id="box-touches"),
        pytest.param(EVENT, _moved(35), 0, 0, id="box-elsewhere"),
        pytest.param(EVENT, replace(CASE, start_s=31.0, end_s=40.0), 0, 0, id="after-it"),
        pytest.param(EVENT, replace(CASE, start_s=1.0, end_s=9.0), 0, 0, id="before-it"),
        pytest.param(EVENT, PARKED, 0, 0, id="another-kind"),
        pytest.param(CAR, PARKED, 1, 1, id="vehicle"),
        pytest.param(CAR, replace(PARKED, kind="non_motor_vehicle_parked"), 1, 1, id="bicycle"),
    ],
)
def test_found_loosely_and_strictly(event: Event, case: Found, loose: int, strict: int) -> None:
    score = _judged([event], [case])
    assert (score.events, score.found, score.found_strictly) == (1, loose, strict)


@pytest.mark.parametrize(
    ("cases", "exhaustive", "false"),
    [
        pytest.param([CASE], "abandoned;vehicle", 0, id="matches-the-event"),
        pytest.param([CASE, _moved(200)], "abandoned;vehicle", 1, id="made-up"),
        pytest.param([CASE, _moved(200)], "vehicle", 0, id="truth-does-not-list-its-kind"),
        pytest.param([CASE, PARKED], "abandoned", 0, id="truth-does-not-list-vehicles"),
        pytest.param([CASE, PARKED], "vehicle", 1, id="vehicle-made-up"),
        pytest.param([CASE, _moved(200)], "", 0, id="truth-lists-nothing"),
        pytest.param([CASE, _moved(1)], "abandoned", 1, id="one-event-found-twice"),
        pytest.param(
            [CASE, replace(_moved(200), from_first_sample=True)], "abandoned", 0, id="always-there"
        ),
    ],
)
def test_false_cases(cases: list[Found], exhaustive: str, false: int) -> None:
    assert _judged([EVENT], cases, exhaustive).false == false


def test_the_strict_match_is_preferred() -> None:
    """The box that overlaps more began too late: the other case matches the event."""
    score = _judged([EVENT], [replace(CASE, start_s=20.0), _moved(3)])
    assert (score.found, score.found_strictly, score.false) == (1, 1, 1)


def test_the_figures() -> None:
    score = _judged([EVENT, CAR], [CASE, _moved(200)])
    assert _result(score) == {
        "recall": 0.5,
        "precision": 0.5,
        "f1": 0.5,
        "recall_strict": 0.5,
        "precision_strict": 0.5,
        "false_cases": 1,
    }
    assert _result(Score())["recall"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["aboda_video4", "candela"])
def test_real_bags_are_found(
    clip: str, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(shared_data / "video"), "--only", clip]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["recall_strict"] == 1.0
    assert figures["false_cases"] == 0
