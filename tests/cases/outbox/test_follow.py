"""Following the queue: no event is left out, whatever order transactions are committed in."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases import Queue, open_queue
from cv_engine.cases.outbox import follow
from cv_engine.cases.outbox.follow import Follower
from tests.cases.made import at, finding
from tests.cases.outbox.receivers import until


def _read(follower: Follower) -> list[str]:
    found = []
    while events := follower.read():
        found += [event.key for event in events]
    return found


def test_a_follower_sees_what_happens_from_now_on(queue: Queue) -> None:
    queue.file(finding(zone="before"))
    follower = Follower(queue.store)
    assert _read(follower) == []
    assert follower.is_following
    queue.confirm(queue.file(finding(zone="after")).case_id, "Wang")
    assert _read(follower) == ["2-1", "2-2"]
    assert _read(follower) == []


def test_a_follower_continues_after_the_last_entry_that_it_saw(queue: Queue) -> None:
    for zone in "abcd":
        queue.file(finding(zone=zone))
    first = Follower(queue.store, after=0)
    events = first.read()
    assert [event.key for event in events] == ["1-1", "2-1", "3-1", "4-1"]
    assert _read(Follower(queue.store, after=events[1].entry.id)) == ["3-1", "4-1"]


def test_a_follower_begins_at_a_time(queue: Queue) -> None:
    for zone in "abc":
        queue.file(finding(zone=zone))
    second = queue.history(2)[0].at
    assert _read(Follower(queue.store, after=0, since=second)) == ["2-1", "3-1"]
    assert _read(Follower(queue.store, after=0, since=second + timedelta(days=1))) == []


def test_many_events_are_read_in_portions(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_AT_ONCE", 3)
    for zone in "abcdefg":
        queue.file(finding(zone=zone))
    follower = Follower(queue.store, after=0)
    assert [len(follower.read()) for _ in range(4)] == [3, 3, 1, 0]


def test_an_event_whose_transaction_ends_later_than_a_higher_number_is_not_missed(
    postgresql_url: str,
) -> None:
    """The lower number is committed after the higher one has been seen."""
    with open_queue(postgresql_url) as queue:
        case = queue.file(finding(zone="slow")).case_id
        follower = Follower(queue.store)
        assert _read(follower) == []
        with queue.store.writing() as slow:
            _lock(slow, case)
            _note(slow, case)
            other = Thread(target=lambda: queue.file(finding(zone="quick")))
            other.start()
            other.join()
            assert queue.history(2)[0].id > 2, "the slow entry has the lower number"
            assert _read(follower) == [], "the slow entry may still come"
        assert _read(follower) == ["1-2", "2-1"]


def test_a_transaction_that_began_last_may_have_the_lower_number(postgresql_url: str) -> None:
    """The latest transaction is under way, and an earlier one has the highest number."""
    with open_queue(postgresql_url) as queue:
        first, second = (queue.file(finding(zone=zone)).case_id for zone in "ab")
        follower = Follower(queue.store)
        assert _read(follower) == []
        with queue.store.writing() as early:
            _lock(early, first)
            with queue.store.writing() as late:
                _lock(late, second)
                _note(late, second)
                _note(early, first)
                early.commit()
                assert _read(follower) == [], "the later transaction may still be committed"
        assert _read(follower) == ["2-2", "1-2"]


def _lock(connection: Connection, case: int) -> None:
    connection.execute(sa.text("UPDATE cases SET version = 2 WHERE id = :id"), {"id": case})


def _note(connection: Connection, case: int) -> None:
    connection.execute(
        sa.text(
            "INSERT INTO history (case_id, seq, at, event, by, role, note, data, hash) "
            "VALUES (:id, 2, :at, 'noted', 'Wang', '', '', '{}', '')"
        ),
        {"id": case, "at": at(0)},
    )


def test_followers_of_busy_writers_see_everything_once_and_in_order(where: str) -> None:
    with open_queue(where) as queue:
        follower = Follower(queue.store, after=0)

        def write(name: str) -> None:
            with open_queue(where) as own:
                for number in range(15):
                    case = own.file(finding(zone=f"{name}{number}")).case_id
                    own.confirm(case, name)

        writers = [Thread(target=write, args=(name,)) for name in "abcd"]
        for writer in writers:
            writer.start()
        seen: list[int] = []

        def all_seen() -> bool:
            seen.extend(event.entry.id for event in follower.read())
            return len(seen) == 4 * 15 * 2

        until(all_seen)
        for writer in writers:
            writer.join()
        assert seen == sorted(set(seen))
        assert len(seen) == sum(len(queue.history(case.id)) for case in queue.each())
