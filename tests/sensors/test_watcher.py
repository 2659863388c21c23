"""From messages to cases, on both databases, with programs that die in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cv_engine.cases import Case, QueueError
from cv_engine.errors import Failure
from cv_engine.finding import Finding
from cv_engine.sensors.device import Watching
from cv_engine.sensors.message import ClockBounds, Payload
from cv_engine.sensors.report import Delivery
from cv_engine.sensors.watcher import Watcher
from tests.sensors.conftest import Street
from tests.sensors.made import PLACE, at, away, message


def _send(street: Street, seconds: float, **values: Any) -> None:
    street.clock.now = at(seconds)
    street.watcher.receive("covers", message("cover-1", seconds, **values), Payload())


def _wait(street: Street, seconds: float) -> None:
    street.clock.now = at(seconds)
    while street.watcher.wake():
        pass


def _case(street: Street) -> Case:
    (case,) = street.queue.cases()
    return case


def _position(metres: float) -> dict[str, float]:
    place = away(metres)
    return {"longitude": place.longitude, "latitude": place.latitude, "accuracy_m": 0}


def test_a_tilted_cover_is_a_case_at_its_place_until_it_is_normal(street: Street) -> None:
    _send(street, 100, tilt_deg=34, battery_pct=81)
    _wait(street, 140)
    case = _case(street)
    assert (case.kind, case.code, case.source) == ("manhole_cover_sewage", "01002", "cover-1")
    assert (case.zone, case.began, case.gone_at) == ("west", at(100), None)
    assert case.place.geometry == {
        "type": "Point",
        "coordinates": [PLACE.longitude, PLACE.latitude],
    }
    assert (case.place.basis, case.place.accuracy_m) == ("sensor", 3.0)
    assert case.attributes["what"] == "tilted 34 degrees"
    assert case.attributes["battery_pct"] == 81
    _send(street, 5000, tilt_deg=1)
    _wait(street, 7000)
    assert _case(street).gone_at == at(5000)


def test_a_cover_that_is_taken_keeps_its_place_and_its_last_position(street: Street) -> None:
    _send(street, 100, tilt_deg=34)
    _wait(street, 140)
    _send(street, 200, displaced=True)
    _wait(street, 240)
    assert _case(street).attributes["what"] == "moved"
    _send(street, 300, position=_position(450))
    _wait(street, 340)
    case = _case(street)
    assert [entry.event for entry in street.queue.history(case.id)] == ["filed", "joined", "joined"]
    assert case.attributes["what"] == "taken, reported 446 m away"
    assert case.attributes["last_position"]["latitude"] == away(450).latitude
    assert case.place.geometry is not None
    assert case.place.geometry["coordinates"][1] == PLACE.latitude
    _send(street, 900, position=_position(2000))
    _wait(street, 10_000_000)
    known = street.registry.get("cover-1")
    assert known is not None
    assert known.place == PLACE
    assert known.state.last_position is not None
    assert known.state.last_position.position.latitude == away(2000).latitude
    assert len(street.queue.cases()) == 1


def test_an_open_case_learns_that_the_fault_lasts(street: Street) -> None:
    for hour in range(10):
        _send(street, 100 + 3600 * hour, tilt_deg=30 + hour)
        _wait(street, 140 + 3600 * hour)
    assert _case(street).observed == at(100 + 3600 * 9)


def test_a_flapping_cover_is_one_case(street: Street) -> None:
    for number in range(200):
        _send(street, 60 * number, event="bouncing" if number % 2 else "normal")
        _wait(street, 60 * number + 30)
    assert [entry.event for entry in street.queue.history(_case(street).id)] == ["filed"]


def test_a_silent_device_is_a_maintenance_case_until_it_sends_again(street: Street) -> None:
    _send(street, 100, battery_pct=4)
    _wait(street, 100 + 172_800)
    case = _case(street)
    assert (case.kind, case.standard, case.began) == ("sensor_silent", "cv-engine", at(100))
    assert case.observed == at(100 + 172_800)
    assert case.attributes["battery_pct"] == 4
    assert case.attributes["what"] == f"no message since {at(100).isoformat()}"
    _send(street, 300_000, battery_pct=99)
    assert _case(street).gone_at == at(300_000)


def test_a_case_says_that_its_time_is_the_time_of_receipt(street: Street) -> None:
    street.clock.now = at(100_000)
    street.watcher.receive("covers", message("cover-1", 5, event="tilted"), Payload())
    _wait(street, 100_100)
    assert _case(street).began == at(100_000)
    assert _case(street).attributes["time_from"] == "receipt"
    assert street.watcher.counts["time_of_receipt"] == 1


def test_what_makes_no_sense_is_counted_and_does_no_harm(street: Street) -> None:
    for data in (b"", b"{}", b'{"device": "cover-1", "tilt_deg": 900}', b"\x00\xff"):
        street.watcher.receive("covers", data, Payload())
    street.watcher.receive("covers", message("cover-9", 0, event="lost"), Payload())
    _wait(street, 1000)
    assert street.queue.cases() == []
    assert street.watcher.counts == {
        "not_json": 2,
        "no_device": 1,
        "bad_value": 1,
        "unknown_device": 1,
    }


class _Dies(Exception):
    """The program is killed."""


class _Cases:
    """A queue that lets the program die before or after one of its calls."""

    def __init__(self, street: Street, dies_at: int, *, before: bool) -> None:
        self._queue, self._left, self._before = street.queue, dies_at, before

    def _call(self, call: Callable[[], object]) -> object:
        self._left -= 1
        if self._left == 0 and self._before:
            raise _Dies
        result = call()
        if self._left == 0:
            raise _Dies
        return result

    def file(self, finding: Finding) -> object:
        return self._call(lambda: self._queue.file(finding))

    def seen(self, key: str, at: Any) -> None:
        self._call(lambda: self._queue.seen(key, at))

    def gone(self, key: str, at: Any, note: str = "") -> bool:
        return bool(self._call(lambda: self._queue.gone(key, at, note)))


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("dies_at", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("timed", [True, False])
def test_killed_at_any_call_of_the_queue_nothing_is_lost_or_filed_twice(
    street: Street, dies_at: int, before: bool, timed: bool
) -> None:
    events = [
        (100, "tilted"),
        (200, "moved"),
        (300, "lost"),
        (1000, "normal"),
        (100_000, "bouncing"),
    ]
    dying = _Cases(street, dies_at, before=before)
    watcher = Watcher(street.registry, dying, Watching(), ClockBounds(), street.clock)

    def alive(call: Callable[[], object]) -> None:
        """Call; a killed program is started again, and the message delivered again."""
        nonlocal watcher
        try:
            call()
        except _Dies:
            street.clock.now += (at(7) - at(0)) / 7
            watcher = street.watcher
            watcher.start()
            watcher.wake()
            call()

    for seconds, event in events:
        street.clock.now = at(seconds)
        data = message("cover-1", seconds if timed else None, event=event, sequence=seconds)
        alive(lambda data=data: watcher.receive("covers", data, Payload(), Delivery.AGAIN))  # type: ignore[misc]
        for later in (40, 3000):
            if seconds >= 1000 or later == 40:
                street.clock.now = at(seconds + later)
                alive(lambda: watcher.wake())
    cases = sorted(street.queue.cases(), key=lambda case: case.id)
    assert [case.attributes["condition"] for case in cases] == ["lost", "bouncing"]
    assert [case.began for case in cases] == [at(100), at(100_000)]
    history = street.queue.history(cases[0].id)
    assert [entry.event for entry in history] == ["filed", "joined", "joined", "gone"]
    assert cases[0].gone_at == at(1000)


def test_a_message_whose_effect_is_not_durable_is_an_error_and_counts_when_it_comes_again(
    street: Street,
) -> None:
    class Unreachable(_Cases):
        def file(self, finding: Finding) -> object:
            raise QueueError("the server is away", Failure.UNAVAILABLE)

    cases = Unreachable(street, 0, before=True)
    watcher = Watcher(street.registry, cases, Watching(), ClockBounds(), street.clock)
    street.clock.now = at(100)
    for number in range(2):
        data = message("cover-1", 100 + number, event="lost")
        watcher.receive("covers", data, Payload())
    last = message("cover-1", 110, event="lost")
    street.clock.now = at(110)
    with pytest.raises(QueueError, match="away"):
        watcher.receive("covers", last, Payload())
        street.clock.now = at(140)
        watcher.wake()
    _wait(street, 300)
    assert _case(street).attributes["what"] == "taken"


def test_a_kind_that_left_the_taxonomy_is_filed_when_it_is_back(street: Street) -> None:
    class Refusing(_Cases):
        def file(self, finding: Finding) -> object:
            raise QueueError("the kind is not in the taxonomy")

    cases = Refusing(street, 0, before=True)
    watcher = Watcher(street.registry, cases, Watching(), ClockBounds(), street.clock)
    watcher.receive("covers", message("cover-1", 0, event="lost"), Payload())
    street.clock.now = at(60)
    watcher.wake()
    assert watcher.counts["not_filed"] == 1
    assert street.queue.cases() == []
    _wait(street, 200)
    assert _case(street).began == at(0)
