"""Several processes at one queue, and processes that are killed while filing."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from cv_engine.cases import State, open_queue
from tests.cases.filing.worlds import is_whole
from tests.cases.filing_process import street
from tests.cases.made import at

_ROOT = Path(__file__).resolve().parents[2]
_CARS = 24
_LONGEST_S = 300.0  # a busy machine takes its time
_FINDINGS = len(list(street(_CARS)))


def _start(where: str, seed: int, scene: str = "street") -> subprocess.Popen[str]:
    options = [where, str(seed), str(_CARS), scene]
    command = [sys.executable, "-m", "tests.cases.filing_process", *options]
    return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)


def _content(where: str) -> list[Any]:
    """The queue's content without the times of recording and the cases' numbers."""
    with open_queue(where) as queue:
        return sorted(
            (case.began, case.observed, case.gone_at, case.state, len(queue.history(case.id)))
            for case in queue.each()
        )


def test_processes_that_file_the_same_at_once_file_it_once(where: str) -> None:
    processes = [_start(where, seed) for seed in (1, 2, 3, 4)]
    lines = [
        line for process in processes for line in process.communicate(timeout=_LONGEST_S)[0].split()
    ]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    outcomes = Counter(lines)
    assert (outcomes["new"], outcomes["joined"]) == (_CARS, _FINDINGS - _CARS)
    assert outcomes["known"] == 3 * _FINDINGS
    content = _content(where)
    assert len(content) == _CARS
    # Filed and left, and for every third car joined and left again.
    assert sum(row[-1] for row in content) == 2 * _FINDINGS


def test_processes_of_several_cameras_file_one_case_for_each_thing(where: str) -> None:
    open_queue(where).close()
    processes = [_start(where, seed, "crossing") for seed in (1, 2, 3, 4)]
    for process in processes:
        process.communicate(timeout=_LONGEST_S)
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    with open_queue(where) as queue:
        cases = queue.cases()
        left = [case for case in cases if case.state is State.REPORTED]
        assert len(left) == _CARS
        for case in left:
            assert [each.source[-1] for each in queue.findings(case.id)] == list("0123")
            assert (case.began, case.observed, case.gone_at) == (at(0), at(303), at(303))
        assert {case.state for case in cases} <= {State.REPORTED, State.MERGED}
        assert all(is_whole(queue, case.id) for case in cases)


def test_killed_while_filing_and_filed_again_is_filed_once(tmp_path: Path) -> None:
    undisturbed, killed = str(tmp_path / "undisturbed.sqlite"), str(tmp_path / "killed.sqlite")
    _start(undisturbed, 0).communicate(timeout=_LONGEST_S)
    moments = random.Random(7)
    acknowledged: set[tuple[str, ...]] = set()
    for _ in range(4):
        process = _start(killed, 0)
        assert process.stdout is not None
        for _ in range(moments.randrange(1, 2 * _FINDINGS)):
            acknowledged.add(tuple(process.stdout.readline().split()))
        process.kill()
        acknowledged |= {tuple(line.split()) for line in process.communicate()[0].splitlines()}
        with open_queue(killed) as queue:
            recorded = {
                entry.data["key"] for case in queue.each() for entry in queue.history(case.id)
            }
        keys = {line[1] for line in acknowledged if len(line) == 2}
        assert keys <= recorded, "an acknowledged finding is lost"
    _start(killed, 0).communicate(timeout=_LONGEST_S)
    assert _content(killed) == _content(undisturbed)
    assert len(_content(killed)) == _CARS


def test_the_order_of_filing_does_not_matter(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.sqlite"), str(tmp_path / "other.sqlite")
    processes = [_start(one, 0), _start(other, 1)]
    for process in processes:
        process.communicate(timeout=_LONGEST_S)
    assert _content(one) == _content(other)
