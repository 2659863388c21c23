from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from cv_engine.sensors.condition import Condition
from cv_engine.sensors.device import Device, Watching, receive, wake
from cv_engine.sensors.errors import SensorError
from cv_engine.sensors.findings import with_effects
from cv_engine.sensors.registry import open_registry
from cv_engine.sensors.report import Position
from tests.sensors.made import at, device, report


def test_devices_are_registered_and_brought_up_to_date(where: str) -> None:
    moved = replace(device("b"), place=Position(121.0, 30.0, 1.0), silent_s=3600.0)
    with open_registry(where) as registry:
        assert registry.register([device("a"), device("b")], at(0)) == (2, 0)
        registry.update(
            "b",
            lambda each: (
                receive(each, report(5, event=Condition.TILTED), Watching())[0],
                at(99),
            ),
        )
        assert registry.register([moved, device("c")], at(50)) == (1, 1)
    with open_registry(where) as registry:
        first, second, third = registry.each()
        assert [first.id, second.id, third.id] == ["a", "b", "c"]
        assert (second.place, second.silent_s) == (Position(121.0, 30.0, 1.0), 3600.0)
        assert (second.registered_at, second.seen_at) == (at(0), at(5))
        assert len(second.state.held) == 1
        assert registry.get("d") is None


def test_a_file_is_registered_as_a_whole_or_not_at_all(where: str) -> None:
    with open_registry(where) as registry:

        def devices() -> object:
            yield device("a")
            raise RuntimeError

        with pytest.raises(RuntimeError):
            registry.register(devices(), at(0))  # type: ignore[arg-type]
        assert list(registry.each()) == []


def test_devices_are_due_by_time(where: str) -> None:
    with open_registry(where) as registry:
        registry.register([device("a"), device("b"), device("c")], at(0))
        for name, when in (("a", at(30)), ("b", at(20)), ("c", None)):
            registry.update(name, lambda each, when=when: (each, when))  # type: ignore[misc]
        assert registry.due(at(19), 10) == []
        assert registry.due(at(30), 10) == ["b", "a"]
        assert registry.due(at(30), 1) == ["b"]
        registry.wake_all(at(5))
        assert registry.due(at(5), 10) == ["a", "b", "c"]


def test_an_unknown_device_changes_nothing(where: str) -> None:
    with open_registry(where) as registry:
        assert registry.update("none", lambda each: (each, None)) is None
        registry.listen_from(at(7))
        registry.register([device("a")], at(0))
        registry.listen_from(at(8))
        known = registry.get("a")
        assert known is not None
        assert known.heard_at() == at(8)


def test_a_device_that_is_removed_is_unknown_until_it_is_registered_again(where: str) -> None:
    with open_registry(where) as registry:
        registry.register([device("a"), device("b"), device("c")], at(0))
        registry.update("a", lambda each: (replace(each, seen_at=at(5)), None))
        registry.remove(["a", "c", "a"])
        assert [each.id for each in registry.each()] == ["b"]
        assert registry.due(at(100), 10) == ["b"]
        assert registry.register([device("a")], at(50)) == (1, 0)
        again = registry.get("a")
        assert again is not None
        assert again.seen_at is None


def test_devices_are_removed_all_or_none(where: str) -> None:
    with open_registry(where) as registry:
        registry.register([device("a"), device("b")], at(0))
        with pytest.raises(SensorError, match=r"no device 'c'; `cv-engine sensors list`"):
            registry.remove(["a", "c"])
        assert [each.id for each in registry.each()] == ["a", "b"]


def test_a_device_whose_change_is_not_in_the_queue_yet_is_not_removed(where: str) -> None:
    with open_registry(where) as registry:
        registry.register([device("a")], at(0))

        def tilted(each: Device) -> tuple[Device, datetime | None]:
            each, _, _ = receive(each, report(0, event=Condition.LOST), Watching())
            each, changes = wake(each, at(900), Watching())
            assert changes
            return with_effects(each, changes, at(900), 900.0), None

        registry.update("a", tilted)
        with pytest.raises(SensorError, match="1 changes of device 'a' are not in the queue yet"):
            registry.remove(["a"])
        assert registry.get("a") is not None
