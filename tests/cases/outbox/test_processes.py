"""Relays in processes of their own that are killed while they send."""

from __future__ import annotations

import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from cv_engine.cases import open_queue
from cv_engine.cases.database.tables import outlets
from cv_engine.cases.outbox.overview import Overview
from tests.cases.made import finding
from tests.cases.outbox.receivers import LONGEST_S, WebServer, until

_ROOT = Path(__file__).resolve().parents[3]
_CASES = 5
_KILLS = 3


def _start(where: str, url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.cases.outbox.relay_process", where, url]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _kill(processes: list[subprocess.Popen[str]], web: WebServer, at: int) -> None:
    """Kill the relays at a request, which they have sent and not recorded."""
    if len(web.requests) == at:
        for process in processes:
            process.kill()


@pytest.mark.parametrize("relays", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_relays_that_are_killed_send_everything_in_order(
    where: str, web: WebServer, relays: int
) -> None:
    moments = random.Random(5)
    with open_queue(where) as queue:
        processes = [_start(where, web.url) for _ in range(relays)]
        for number in range(_KILLS):
            kill_at = len(web.requests) + moments.randrange(1, 2 * _CASES)

            web.before_answer = partial(_kill, processes, web, kill_at)
            for case in range(_CASES):
                filed = queue.file(finding(zone=f"{number}-{case}")).case_id
                queue.confirm(filed, "Wang")
            for process in processes:
                process.communicate(timeout=LONGEST_S)
            with queue.store.writing() as connection:  # as a minute later: the lease is over
                connection.execute(outlets.update().values(lease_by=None, lease_until=None))
            processes = [_start(where, web.url) for _ in range(relays)]
        web.before_answer = lambda: None
        until(lambda: Overview(queue.store).outlets()[0].waiting == 0)
        for process in processes:
            process.kill()
            process.communicate()
        expected = [
            f"{case.id}-{entry.seq}" for case in queue.each() for entry in queue.history(case.id)
        ]
    arrived = [request.headers["webhook-id"] for request in web.requests]
    first = list(dict.fromkeys(arrived))
    assert sorted(first) == sorted(expected)
    assert len(arrived) > len(first), "what was under way is sent again"
    cases = range(1, _KILLS * _CASES + 1)
    assert all(first.index(f"{case}-1") < first.index(f"{case}-2") for case in cases)
