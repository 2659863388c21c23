"""A camera that shows nothing useful for long: reported once, and once when all is well again."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.worker.blindness import Blindness, BlindnessState
from cv_engine.pipeline.checkpoint import Checkpoint, Checkpoints
from cv_engine.pipeline.filing import utc_of

_FRAME = (0.0, 0.0, 320.0, 192.0)


def test_it_is_a_case_once_it_has_lasted() -> None:
    blindness = Blindness(600.0)
    assert blindness.update(1000.0, "", _FRAME, 1000.0) is None
    assert blindness.update(1010.0, "covered", _FRAME, 1010.0) is None
    assert blindness.update(1609.0, "covered", _FRAME, 1609.0) is None
    found = blindness.update(1610.0, "covered", _FRAME, 1610.0)
    assert found is not None
    action, stay = found
    assert action == "file"
    assert (stay.kind, stay.zone, stay.box) == ("camera_blind", "camera", _FRAME)
    assert (stay.began, stay.observed) == (1010.0, 1610.0)
    assert stay.attributes == {"reason": "covered", "limit_s": 600.0}
    assert blindness.update(9000.0, "dark", _FRAME, 9000.0) is None
    left = blindness.update(9001.0, "", _FRAME, 9001.0)
    assert left is not None
    assert left[0] == "leave"
    assert (left[1].kind, left[1].thing, left[1].observed) == ("camera_blind", 0, 9001.0)
    assert blindness.update(9002.0, "", _FRAME, 9002.0) is None


def test_without_a_new_sample_nothing_is_well_again() -> None:
    """A stream that comes back and breaks off again, each time before it is sampled."""
    blindness = Blindness(60.0)
    assert blindness.update(100.0, "", _FRAME, 99.0) is None
    for second in range(101, 161, 10):
        assert blindness.update(second, "no answer in time", _FRAME, 99.0) is None
        assert blindness.update(second + 5.0, "", _FRAME, 99.0) is None
    found = blindness.update(162.0, "", _FRAME, 99.0)
    assert found is not None
    assert (found[0], found[1].began) == ("file", 101.0)
    assert found[1].attributes == {"reason": "no answer in time", "limit_s": 60.0}
    assert blindness.update(170.0, "", _FRAME, 99.0) is None
    left = blindness.update(172.0, "", _FRAME, 171.0)
    assert left is not None
    assert left[0] == "leave"


def test_one_reason_may_follow_on_another() -> None:
    blindness = Blindness(600.0)
    blindness.update(0.0, "not to be reached", _FRAME, 0.0)
    found = blindness.update(600.0, "dark", _FRAME, 600.0)
    assert found is not None
    assert found[1].began == 0.0


@given(st.lists(st.booleans(), max_size=80))
def test_each_time_is_reported_once_and_ends_once(blind: list[bool]) -> None:
    blindness = Blindness(5.0)
    said = [
        found[0]
        for second, is_blind in enumerate(blind)
        if (found := blindness.update(float(second), "dark" * is_blind, _FRAME, float(second)))
        is not None
    ]
    runs = "".join("x" if is_blind else " " for is_blind in [*blind, True]).split(" ")
    long = sum(len(run) > 5 for run in runs[:-1])
    assert said.count("leave") == long
    assert said == ["file", "leave"] * long + ["file"] * (len(runs[-1]) - 1 > 5)


def test_a_restart_neither_reports_it_again_nor_forgets_it(tmp_path: Path) -> None:
    first = Blindness(600.0)
    first.update(0.0, "dark", _FRAME, 0.0)
    for now_s, expected in ((300.0, None), (600.0, "file"), (700.0, None)):
        found = first.update(now_s, "dark", _FRAME, now_s)
        assert (found[0] if found else None) == expected
        kept = Checkpoints(tmp_path, BlindnessState)
        kept.save("c", "s", Checkpoint("k", 0.0, False, utc_of(0.0), first.state))
        saved = kept.load("c", "s")
        assert saved is not None
        first = Blindness(600.0)
        first.state = saved.state
    left = first.update(800.0, "", _FRAME, 800.0)
    assert left is not None
    assert left[0] == "leave"
