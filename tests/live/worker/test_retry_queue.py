"""What has to be done with findings: in order, again where it fails, and nothing twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.cases import QueueError
from cv_engine.evidence.errors import EvidenceError
from cv_engine.live.worker.retry_queue import PASSING, Action, RetryQueue
from cv_engine.rules.stays import Violation
from cv_engine.video.errors import VideoError


def _stay(thing: int, observed: float = 60.0, kind: str = "clutter") -> Violation:
    return Violation(kind, "kerb", thing, (0.0, 0.0, 9.0, 9.0), 0.0, observed, 0.9)


def _run(tasks: RetryQueue, now_s: float, do: Callable[[Action, Violation], None]) -> bool:
    """Does the next task; returns whether one was done."""
    entry = tasks.next(now_s)
    if entry is None:
        return False
    try:
        do(*entry)
    except PASSING as error:
        tasks.failed(entry, now_s, str(error))
        return False
    tasks.done(entry)
    return True


def test_they_are_done_in_order() -> None:
    done: list[tuple[str, int]] = []
    tasks = RetryQueue([("file", _stay(1))])
    tasks.add("file", _stay(2))
    tasks.add("leave", _stay(1, 90.0))
    assert len(tasks) == 3
    assert tasks.to_file == [_stay(1), _stay(2)]
    while _run(tasks, 0.0, lambda action, stay: done.append((action, stay.thing))):
        pass
    assert done == [("file", 1), ("file", 2), ("leave", 1)]
    assert tasks.waiting == []


@pytest.mark.parametrize(
    "error", [QueueError("away"), EvidenceError("full"), VideoError("gone"), OSError(28, "full")]
)
def test_what_fails_waits_and_blocks_nothing_else(error: Exception) -> None:
    done: list[tuple[str, int]] = []

    def do(action: Action, stay: Violation) -> None:
        if stay.thing == 1 and broken:
            raise error
        done.append((action, stay.thing))

    broken = True
    tasks = RetryQueue([("file", _stay(1)), ("file", _stay(2)), ("leave", _stay(1, 90.0))])
    assert not _run(tasks, 0.0, do)
    assert not _run(tasks, 4.9, do), "one has failed a moment ago"
    assert _run(tasks, 5.1, do)
    assert done == [("file", 2)]
    assert not _run(tasks, 5.2, do)
    assert tasks.waiting == [("file", _stay(1)), ("leave", _stay(1, 90.0))]
    broken = False
    assert _run(tasks, 20.0, do)
    assert _run(tasks, 20.0, do)
    assert done == [("file", 2), ("file", 1), ("leave", 1)]


@given(
    tasks=st.lists(
        st.tuples(st.sampled_from(["file", "leave", "forget"]), st.integers(0, 3)), max_size=25
    ),
    failures=st.lists(st.booleans(), max_size=60),
)
def test_each_is_done_once_and_those_of_one_thing_in_order(
    tasks: list[tuple[Action, int]], failures: list[bool]
) -> None:
    given_ = [(action, _stay(thing, float(n))) for n, (action, thing) in enumerate(tasks)]
    todo = RetryQueue(given_)
    done: list[tuple[Action, Violation]] = []
    fails = iter(failures)

    def do(action: Action, stay: Violation) -> None:
        if next(fails, False):
            raise QueueError("away")
        done.append((action, stay))

    now_s = 0.0
    for _ in range(len(tasks) + len(failures)):
        _run(todo, now_s, do)
        now_s += 5.0
        # What is kept for a next run is all that is not done.
        assert sorted(map(repr, [*done, *todo.waiting])) == sorted(map(repr, given_))
    assert len(todo) == 0
    in_order, as_done = defaultdict(list), defaultdict(list)
    for entry in given_:
        in_order[entry[1].thing].append(entry)
    for entry in done:
        as_done[entry[1].thing].append(entry)
    assert as_done == in_order
