from __future__ import annotations

import fcntl
from pathlib import Path
from threading import Event, Thread

from cv_engine.cases import open_queue
from cv_engine.cases.database.turns import turn
from tests.cases.made import finding

_LONGEST_S = 60.0  # a busy machine takes its time


def _in_a_thread(path: Path, begun: Event, end: Event) -> Thread:
    def hold() -> None:
        with turn(path, _LONGEST_S):
            begun.set()
            end.wait(_LONGEST_S)

    thread = Thread(target=hold)
    thread.start()
    return thread


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    first, second, end = Event(), Event(), Event()
    threads = [_in_a_thread(tmp_path / "lock", first, end)]
    assert first.wait(_LONGEST_S)
    threads.append(_in_a_thread(tmp_path / "lock", second, end))
    assert not second.wait(0.05)
    end.set()
    assert second.wait(_LONGEST_S)
    for thread in threads:
        thread.join(_LONGEST_S)


def test_a_writer_that_never_ends_its_turn_stops_no_other_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    begun, end = Event(), Event()
    thread = _in_a_thread(path, begun, end)
    assert begun.wait(_LONGEST_S)
    with turn(path, 0.01):
        pass  # SQLite's own lock decides
    end.set()
    thread.join(_LONGEST_S)
    with turn(path, _LONGEST_S), path.open() as file:  # and the next has its turn
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        raise AssertionError("two writers have their turn")


def test_a_folder_in_which_no_file_can_be_made_still_takes_cases(tmp_path: Path) -> None:
    (tmp_path / "queue.db-lock").mkdir()
    with open_queue(tmp_path / "queue.db") as queue:
        assert queue.file(finding()).outcome == "new"


def test_who_has_to_wait_does_something_useful_once(tmp_path: Path) -> None:
    path, calls = tmp_path / "lock", list[str]()
    with turn(path, _LONGEST_S, lambda: calls.append("not")):
        pass
    assert calls == []
    begun, end = Event(), Event()
    thread = _in_a_thread(path, begun, end)
    assert begun.wait(_LONGEST_S)

    def meanwhile() -> None:
        calls.append("once")
        end.set()

    with turn(path, _LONGEST_S, meanwhile):
        assert calls == ["once"]
    thread.join(_LONGEST_S)


def test_reading_ahead_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    begun, end = Event(), Event()
    with open_queue(path) as queue:
        queue.file(finding())
        thread = _in_a_thread(Path(f"{path}-lock"), begun, end)
        assert begun.wait(_LONGEST_S)
        filing = Thread(target=queue.file_all, args=([finding(1000, 1300), finding()],))
        filing.start()
        end.set()
        for each in (thread, filing):
            each.join(_LONGEST_S)
        assert queue.count() == 2
