from __future__ import annotations

from collections import Counter
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.live.control.placement import LEAST_LOAD, MARGIN, MEASURED_S, Loads, place
from cv_engine.live.status import CameraStatus, WorkerStatus

_loads = st.floats(0.001, 0.5)
_names = st.integers(0, 60).map("c{:02d}".format)
_cameras = st.dictionaries(_names, st.one_of(st.none(), _loads), max_size=50)
_workers = st.dictionaries(
    st.integers(0, 8).map("w{}".format), st.sampled_from([0.5, 1.0, 2.0]), min_size=1, max_size=8
)
_known = st.dictionaries(_names, _loads, min_size=1, max_size=50)


@st.composite
def _anywhere(draw: st.DrawFn) -> dict[str, str]:
    return draw(st.dictionaries(_names, st.integers(0, 9).map("w{}".format), max_size=50))


def _fills(
    cameras: dict[str, float], workers: dict[str, float], placed: dict[str, str]
) -> dict[str, float]:
    return {
        worker: fsum(max(LEAST_LOAD, cameras[c]) for c, w in placed.items() if w == worker)
        / capacity
        for worker, capacity in workers.items()
    }


@given(_cameras, _workers, _anywhere())
def test_every_camera_has_one_existing_worker(
    cameras: dict[str, float | None], workers: dict[str, float], now: dict[str, str]
) -> None:
    placed = place(cameras, workers, now)
    assert placed.keys() == cameras.keys()
    assert set(placed.values()) <= workers.keys()


@given(_cameras, _workers, _anywhere())
def test_nothing_moves_when_nothing_changes(
    cameras: dict[str, float | None], workers: dict[str, float], now: dict[str, str]
) -> None:
    placed = place(cameras, workers, now)
    assert place(cameras, workers, placed) == placed


@given(_cameras, _workers, _anywhere())
def test_the_order_of_the_arguments_does_not_matter(
    cameras: dict[str, float | None], workers: dict[str, float], now: dict[str, str]
) -> None:
    def turned(values: dict[str, float]) -> dict[str, float]:
        return dict(reversed(values.items()))

    backward = place(dict(reversed(cameras.items())), turned(workers), dict(reversed(now.items())))
    assert backward == place(cameras, workers, now)


@given(_known, _workers, _anywhere())
def test_fills_differ_by_the_margin_or_less_than_one_camera(
    cameras: dict[str, float], workers: dict[str, float], now: dict[str, str]
) -> None:
    fills = _fills(cameras, workers, place(dict(cameras), workers, now))
    mean = fsum(max(LEAST_LOAD, load) for load in cameras.values()) / fsum(workers.values())
    one = max(LEAST_LOAD, *cameras.values(), 0.0) / min(workers.values())
    assert max(fills.values()) - min(fills.values()) <= max(MARGIN * mean, one) + 1e-9


@given(st.integers(1, 60), st.integers(2, 8), st.data())
def test_only_the_cameras_of_a_lost_worker_move(count: int, many: int, data: st.DataObject) -> None:
    cameras: dict[str, float | None] = {f"c{n:02d}": 0.02 for n in range(count)}
    workers = {f"w{n}": 1.0 for n in range(many)}
    before = place(cameras, workers, {})
    lost = data.draw(st.sampled_from(sorted(workers)))
    del workers[lost]
    after = place(cameras, workers, before)
    moved = {name for name in cameras if before[name] != after[name]}
    assert moved == {name for name in cameras if before[name] == lost}


@given(st.integers(1, 60), st.integers(1, 8))
def test_a_new_worker_gets_its_share_and_nothing_else_moves(count: int, many: int) -> None:
    cameras: dict[str, float | None] = {f"c{n:02d}": 0.02 for n in range(count)}
    workers = {f"w{n}": 1.0 for n in range(many)}
    before = place(cameras, workers, {})
    after = place(cameras, {**workers, "new": 1.0}, before)
    moved = [name for name in cameras if before[name] != after[name]]
    assert all(after[name] == "new" for name in moved)
    assert len(moved) <= count // (many + 1)
    counts = Counter(after.values())
    spread = max(counts.values()) - counts.get("new", 0)
    assert spread <= max(1.0, MARGIN * count / (many + 1))


def test_small_differences_move_nothing() -> None:
    now = {"a": "w1", "b": "w1", "c": "w2", "d": "w2"}
    cameras = {"a": 0.11, "b": 0.11, "c": 0.1, "d": 0.1}
    assert place(dict(cameras), {"w1": 1.0, "w2": 1.0}, now) == now


def test_an_unmeasured_camera_counts_as_the_median() -> None:
    cameras = {"heavy": 0.4, "usual": 0.1, "also": 0.1, "new": None}
    placed = place(cameras, {"w1": 1.0, "w2": 1.0}, {})
    assert {name for name in cameras if placed[name] == placed["heavy"]} == {"heavy"}


def test_a_bigger_worker_gets_more() -> None:
    cameras: dict[str, float | None] = {f"c{n}": 0.1 for n in range(9)}
    counts = Counter(place(cameras, {"big": 2.0, "small": 1.0}, {}).values())
    assert counts == {"big": 6, "small": 3}


def test_without_workers_nothing_is_placed() -> None:
    assert place({"a": 0.1}, {}, {"a": "w1"}) == {}


def _status(at: float, work_s: float, worker: str = "w1") -> WorkerStatus:
    return WorkerStatus(worker, "n", 1, at, cameras=(CameraStatus("a", work_s=work_s),))


@pytest.mark.parametrize(
    ("statuses", "load"),
    [
        ([_status(0, 0)], None),
        ([_status(0, 0), _status(MEASURED_S - 1, 9)], None),
        ([_status(0, 5), _status(40, 9)], 0.1),
        ([_status(0, 0), _status(40, 4), _status(80, 16)], 0.2),
        ([_status(0, 8), _status(40, 1), _status(80, 5)], 0.1),  # counts from zero again
        (
            [_status(0, 0), _status(40, 4), _status(41, 90, "w2")],
            0.1,
        ),  # the count of another worker
    ],
)
def test_loads_are_measured_over_some_time(
    statuses: list[WorkerStatus], load: float | None
) -> None:
    loads = Loads(["a"])
    for status in statuses:
        loads.take(status)
    assert loads.cameras["a"] == pytest.approx(load)
