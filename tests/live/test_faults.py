"""Real streams that break off, hang, change, have wrong clocks or are damaged."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from benchmarks.cameras.fleet import Fleet, Reports
from cv_engine.live.buffer.capture_clock import CaptureClock
from tests.live.streams import (
    DWELL_S,
    PUT_S,
    SAMPLE_S,
    TRIES,
    Watching,
    cameras,
    configured,
    empty_street,
    entries_of,
    folder_of_films,
    street,
)

pytestmark = pytest.mark.real_time

_DEATHS = 30
_WARM_UP_SAMPLES = 5
_FIRST_FEW = 10
# Memory that a death may cost, MiB, and all of them together. A leak of a connection recurs in
# every cycle, and shows in the median; samples after a gap allocate in the first few cycles only.
_CYCLE_MB = 0.1
_ALL_MB = 60.0
# Longer than a stay may be interrupted (lost_s), shorter than what counts as a wrong timestamp.
_JUMP_S = 1800.0


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_films(tmp_path_factory)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with cameras(tmp_path / "server") as fleet:
        yield fleet


@pytest.mark.slow
def test_a_server_that_dies_again_and_again_leaves_nothing_behind(
    fleet: Fleet, films: Path, tmp_path: Path
) -> None:
    names = ["north", "south", "west"]
    for name in names:
        fleet.add(name, empty_street(films))
    config = configured(tmp_path, entries_of(fleet, names), retry_s=0.2)
    with Watching(config) as watching:
        for name in names:
            watching.until_sampled(name, _WARM_UP_SAMPLES)
        uses = []
        for _ in range(_DEATHS):
            watching.until_state("live")
            uses.append(watching.use())
            fleet.kill()
            watching.until_state("reconnecting")
            fleet.start()
        for name in names:
            watching.until_sampled(name, 2)
            assert watching.cameras[name].reconnects >= _DEATHS
            assert watching.cases(name) == []
    early, late = uses[_FIRST_FEW : _FIRST_FEW + 10], uses[-10:]
    assert median(use.threads for use in late) <= median(use.threads for use in early)
    assert median(use.descriptors for use in late) <= median(use.descriptors for use in early)
    memory_mb = [use.memory_mb for use in uses[_FIRST_FEW:]]
    assert median(after - before for before, after in pairwise(memory_mb)) < _CYCLE_MB
    assert memory_mb[-1] - memory_mb[0] < _ALL_MB


def test_a_frozen_stream_is_opened_again_and_costs_the_others_nothing(
    fleet: Fleet, films: Path, tmp_path: Path
) -> None:
    names = ["frozen", "north", "south"]
    for name in names:
        fleet.add(name, empty_street(films))
    with Watching(configured(tmp_path, entries_of(fleet, names))) as watching:
        for name in names:
            watching.until_sampled(name, 2)
        # Other programs keep the machine busy for a while; the frozen stream would, each time.
        assert any(_others_keep_their_rate(watching, fleet) for _ in range(TRIES))


def _others_keep_their_rate(watching: Watching, fleet: Fleet) -> bool:
    """Freezes and thaws a stream; returns whether the others were sampled as often as usual."""
    before, began = watching.cameras, time.monotonic()
    fleet.freeze("frozen")
    watching.until_state("stalled", "frozen")
    assert watching.cameras["frozen"].message == "no frames come"
    watching.until_state("reconnecting", "frozen")
    assert watching.cameras["frozen"].message
    fleet.thaw("frozen")
    watching.until_state("live", "frozen")
    assert watching.cameras["frozen"].message == ""
    watching.until_sampled("frozen", 2)
    after, due = watching.cameras, (time.monotonic() - began) / SAMPLE_S
    return all(
        after[name].samples - before[name].samples >= 0.9 * due - 1
        and after[name].reconnects == before[name].reconnects
        for name in ("north", "south")
    )


def test_a_queue_that_does_not_answer_delays_no_sample(
    fleet: Fleet, films: Path, tmp_path: Path
) -> None:
    fleet.add("market", street(films), mode="hold")
    config = configured(tmp_path, entries_of(fleet, ["market"]))
    with Watching(config) as watching:
        watching.until_sampled("market", 2)
        with closing(sqlite3.connect(config.queue, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # no other connection can write until its end
            watching.until(
                lambda: watching.cameras["market"].waiting, "the crate waits to be filed"
            )
            watching.until_sampled("market", 1)
            assert any(_is_sampled_in_time(watching, "market") for _ in range(TRIES))
            assert watching.cases("market") == []
            other.execute("ROLLBACK")
        watching.until_filed("market")


def _is_sampled_in_time(watching: Watching, name: str) -> bool:
    """Whether five samples of a camera come without delay, and none is dropped."""
    dropped, began = watching.cameras[name].dropped, time.monotonic()
    watching.until_sampled(name, 5)
    in_time = time.monotonic() - began <= 7 * SAMPLE_S
    return in_time and watching.cameras[name].dropped == dropped


def test_a_stream_that_changes_its_frame_size_is_still_watched(
    fleet: Fleet, films: Path, tmp_path: Path
) -> None:
    fleet.add("market", empty_street(films))
    with Watching(configured(tmp_path, entries_of(fleet, ["market"]))) as watching:
        watching.until_sampled("market", 3)
        fleet.switch("market", street(films, size=(320, 180)))
        watching.until_filed("market")
        tolerance_s = watching.tolerance_s("market")
        (case,) = watching.cases("market")
        assert watching.cameras["market"].reconnects == 0
        assert abs(case.began.timestamp() - fleet.began("market") - PUT_S) <= tolerance_s
        assert case.place.image_box is not None
        x1, y1, x2, y2 = case.place.image_box
        # The crate is 70 by 60 pixels where the street is 640 by 360.
        assert (x2 - x1, y2 - y1) == pytest.approx((35, 30), abs=8)
        assert x2 <= 320 and y2 <= 180


def test_sampling_continues_between_damaged_frames(
    fleet: Fleet, films: Path, tmp_path: Path
) -> None:
    fleet.add("market", empty_street(films))
    fleet.corrupt("market", 0.3)
    with Watching(configured(tmp_path, entries_of(fleet, ["market"]))) as watching:
        watching.until_sampled("market", round(2 * DWELL_S / SAMPLE_S))
        watching.until(lambda: watching.cameras["market"].damaged, "a sample of a damaged frame")
        assert watching.cameras["market"].reconnects == 0
        assert watching.cases("market") == []


def test_sampling_continues_where_one_packet_in_twenty_is_lost(
    fleet: Fleet, films: Path, tmp_path: Path
) -> None:
    fleet.add("market", street(films), mode="hold", loss=0.05)
    entries = entries_of(fleet, ["market"], transport="udp")
    with Watching(configured(tmp_path, entries)) as watching:
        watching.until_filed("market")
        assert watching.cameras["market"].damaged > 0
        (case,) = watching.cases("market")
        assert abs(
            case.began.timestamp() - fleet.began("market") - PUT_S
        ) <= 2 * watching.tolerance_s("market")


@pytest.mark.slow
@pytest.mark.parametrize("jump_s", [_JUMP_S, -_JUMP_S])
def test_a_stay_across_a_jump_of_the_machines_clock_is_one_case_of_its_length(
    fleet: Fleet, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    wrong_by_s = 0.0
    clock = partial(CaptureClock, wall=lambda: time.time() + wrong_by_s)
    monkeypatch.setattr("cv_engine.live.worker.camera.CaptureClock", clock)
    fleet.add("reported", street(films), mode="hold", reports="right")
    fleet.add("unreported", street(films), mode="hold", reports="none")
    names = ["reported", "unreported"]
    with Watching(configured(tmp_path, entries_of(fleet, names))) as watching:
        _wait_for_the_middle_of_the_stay(watching, fleet, names)
        wrong_by_s = jump_s
        _until_the_crate_is_one_case(watching, fleet, names, jump_s)


def test_a_stay_across_a_jump_of_the_timestamps_is_one_case_of_its_length(
    fleet: Fleet, films: Path, tmp_path: Path
) -> None:
    jumps_s = {
        "ahead": _JUMP_S,
        "back": -_JUMP_S,
        "unreported-ahead": _JUMP_S,
        "unreported-back": -_JUMP_S,
    }
    for name in jumps_s:
        reports: Reports = "none" if name.startswith("unreported") else "right"
        fleet.add(name, street(films), mode="hold", reports=reports)
    names = list(jumps_s)
    with Watching(configured(tmp_path, entries_of(fleet, names))) as watching:
        _wait_for_the_middle_of_the_stay(watching, fleet, names)
        for name, seconds in jumps_s.items():
            fleet.jump(name, seconds)
        _until_the_crate_is_one_case(watching, fleet, names, 0.0)


def _wait_for_the_middle_of_the_stay(watching: Watching, fleet: Fleet, names: list[str]) -> None:
    watching.until_state("live")
    middle = max(fleet.began(name, timeout_s=30.0) for name in names) + PUT_S + DWELL_S / 2
    watching.until(lambda: time.time() >= middle, "half of the stay is over")


def _until_the_crate_is_one_case(
    watching: Watching, fleet: Fleet, names: list[str], wrong_by_s: float
) -> None:
    watching.until_filed(*names)
    for name in names:
        watching.until_sampled(name, 3)
        tolerance_s = watching.tolerance_s(name)
        (case,) = watching.cases(name)
        assert watching.cameras[name].cases == 1
        put_down = fleet.began(name) + PUT_S + wrong_by_s
        assert abs(case.began.timestamp() - put_down) <= tolerance_s
        # The case may have been updated since, as the crate is still there.
        length_s = (case.observed - case.began).total_seconds()
        assert DWELL_S <= length_s <= time.time() - fleet.began(name) - PUT_S + tolerance_s
