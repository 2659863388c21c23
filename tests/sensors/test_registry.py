from __future__ import annotations

from dataclasses import replace

import pytest

from cv_engine.sensors.condition import Condition
from cv_engine.sensors.device import Watching, receive
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
