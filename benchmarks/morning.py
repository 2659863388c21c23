"""One morning of a street, with its processes killed, and the messages counted.

Cars park on the pavement. An officer confirms each case; the driver is asked by a text message to
leave, and leaves, or is cited. Some plates cannot be read, some cars are exempt or have a permit.
One process plays the street, two decide, send and follow the notices; one after the other is killed
(SIGKILL) and started again. The gateway is down for ten minutes, and loses some answers. In the end
no driver may have got two messages, and none may lack one. The morning is played three times: the
messages go to a file, to a gateway that heeds idempotency keys, and to one that does not. Of the
last, a message whose sending was interrupted is listed as doubtful, and not sent again.

Time is handed in: it moves on once every process has done what is due.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_double
from datetime import timedelta
from multiprocessing.context import ForkProcess
from pathlib import Path

from benchmarks.streets.cars import ASKED_AFTER, BEGIN, END, Car, cars, import_cars
from benchmarks.streets.clock import Clock
from benchmarks.streets.gateway import serve
from benchmarks.streets.roles import ROLES, Street
from cv_engine.cases import Case
from cv_engine.cases.audit import audit
from cv_engine.notices.outbox import NoticeState
from cv_engine.notices.overview import Notice, Overview

_STEP = timedelta(seconds=30)
_AFTERWARDS = timedelta(hours=1)  # until the last case has ended
_STEP_LIMIT_S = 120.0  # real time in which a process does what is due in a step
# Share of the kills that come when a message has just been taken, and how long to wait for that.
_AT_MESSAGES, _LONGEST_AIM_S = 0.7, 2.0
_SENDERS = (1, 2)  # numbers of the processes that send
_MOMENT_S = 0.08  # after the clock has moved, a process is killed within this time
# Forked from one that has everything imported: a new interpreter would be killed while it imports.
_FORK = multiprocessing.get_context("fork")
_WAYS = ("file", "keys", "plain")
_ENDS = {"leaves": "left", "exempt": "withdrawn", "permit": "withdrawn"}


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks morning", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="in all")
    parser.add_argument("--cars", type=int, default=96, help="of each morning")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", help="a PostgreSQL URL with {} for the database")
    options = parser.parse_args(argv)
    total: Counter[str] = Counter()
    for number, way in enumerate(_WAYS):
        kills = options.kills // len(_WAYS) + (number < options.kills % len(_WAYS))
        with tempfile.TemporaryDirectory(prefix="morning-") as name:
            figures, problems = _morning(way, Path(name), kills, options)
        print("\n".join(problems))
        print(f"{way:<6}" + ", ".join(f"{count} {what}" for what, count in figures.items()))
        total.update({f"{way}.{what}": count for what, count in figures.items()})
        total.update(figures)
    print(json.dumps(total))
    return 1 if total["problems"] else 0


def _morning(
    way: str, folder: Path, kills: int, options: argparse.Namespace
) -> tuple[dict[str, int], list[str]]:
    """Play one morning; returns its figures and problems."""
    clock = Clock.at(_FORK, BEGIN)
    import_cars(folder, cars(options.cars))
    queue = str(folder / "queue.db") if options.store is None else options.store.format(way)
    with _gateway(way, folder, clock) as url:
        done = _FORK.Array(c_double, len(ROLES), lock=False)
        street = Street(queue, folder, url, way == "keys", options.cars, clock, done)
        street.open().close()
        counts = _play(street, kills, random.Random(options.seed))
        figures, problems = _look(street)
    requests = len(street.asked.read_text().splitlines()) if street.asked.exists() else 0
    return {**counts, **figures, "requests": requests, "problems": len(problems)}, problems


@contextmanager
def _gateway(way: str, folder: Path, clock: Clock) -> Iterator[str | None]:
    """The gateway in a process of its own; yields its URL, ``None`` for a file."""
    if way == "file":
        yield None
        return
    ready = _FORK.SimpleQueue()
    arguments = (folder / "sent.jsonl", folder / "asked.jsonl", clock, ready)
    heeds = {"heeds_keys": way == "keys"}
    process = _FORK.Process(target=serve, args=arguments, kwargs=heeds, daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ready.get()}/messages"
    finally:
        process.kill()
        process.join()


def _play(street: Street, kills: int, chance: random.Random) -> dict[str, int]:
    """Let the time pass, kill processes, and return the kills of each role."""
    steps = int((END - BEGIN) / _STEP)
    aimed = round(_AT_MESSAGES * kills)
    at_messages = Counter(chance.choices(_steps_with_messages(street), k=aimed))
    at_random = Counter(chance.choices(range(steps), k=kills - aimed))
    running = [_start(street, number) for number in range(len(ROLES))]
    counts: Counter[str] = Counter(kills=0, killed_street=0, killed_notices=0)

    def kill(number: int) -> None:
        _kill(running[number])
        counts["kills"] += 1
        counts["killed_notices" if number else "killed_street"] += 1
        running[number] = _start(street, number)

    try:
        for step in range(steps + int(_AFTERWARDS / _STEP)):
            before = street.taken()
            street.clock.advance(_STEP)
            for _ in range(at_messages[step]):
                _until_taken(street, before)
                kill(chance.choice(_SENDERS))
            for _ in range(at_random[step]):
                time.sleep(chance.uniform(0.0, _MOMENT_S))
                kill(chance.randrange(len(ROLES)))
            _wait(street, running)
            if sys.stderr.isatty():
                told = f"\r{street.clock.now():%H:%M}, {counts['kills']} kills"
                print(told, end="", file=sys.stderr)
    finally:
        for process in running:
            process.kill()
            process.join()
    return dict(counts)


def _steps_with_messages(street: Street) -> list[int]:
    """The steps in which a driver is asked for the first time."""
    asked = (car.came + ASKED_AFTER - BEGIN for car in cars(street.cars) if car.is_asked)
    return [math.ceil(after / _STEP) - 1 for after in asked]


def _until_taken(street: Street, before: int) -> None:
    """Wait until a message has just been taken, whose sending is not recorded yet."""
    deadline = time.monotonic() + _LONGEST_AIM_S
    while street.taken() == before and time.monotonic() < deadline:
        time.sleep(0.0005)


def _start(street: Street, number: int) -> ForkProcess:
    process = _FORK.Process(target=ROLES[number], args=(street, number), daemon=True)
    process.start()
    return process


def _kill(process: ForkProcess) -> None:
    if process.exitcode is not None:
        raise RuntimeError(f"a process ended by itself with {process.exitcode}")
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()


def _wait(street: Street, running: Sequence[ForkProcess]) -> None:
    """Wait until every process has done what is due by the clock."""
    now, deadline = street.clock.now().timestamp(), time.monotonic() + _STEP_LIMIT_S
    while any(done < now for done in street.done):
        codes = [process.exitcode for process in running]
        if any(code is not None for code in codes):
            raise RuntimeError(f"a process ended by itself: exit codes {codes}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"a process does nothing for {_STEP_LIMIT_S:g} s")
        time.sleep(0.002)


def _look(street: Street) -> tuple[dict[str, int], list[str]]:
    """Count the messages of each car, and look how each case ended."""
    figures: Counter[str] = Counter(
        cases=0,
        sms=0,
        twice=0,
        missing=0,
        unwanted=0,
        doubtful=0,
        tried_again=0,
        left=0,
        cited=0,
        withdrawn=0,
    )
    sent = Counter(message["to"] for message in street.messages())
    figures["sms"] = sent.total()
    with street.open() as queue:
        cases = {case.key: case for case in queue.cases()}
        notices = {each.case_id: each for each in Overview(queue.store).notices()}
        with queue.store.snapshot() as connection:
            problems = [str(each) for each in audit(connection) if not each.remark]
        figures["cases"] = len(cases)
        for car in cars(street.cars):
            case = cases[car.finding().key]
            problems += _judge(car, case, notices[case.id], sent[car.phone], figures)
            figures[case.result.outcome or case.state.value] += 1
    return dict(figures), problems


def _judge(car: Car, case: Case, notice: Notice, messages: int, figures: Counter[str]) -> list[str]:
    """The problems of one car."""
    problems = []
    told = f"case {case.id}, {car.kind}: {messages} messages, {notice.state}, {case.state}"
    is_doubtful = notice.state == NoticeState.DOUBTFUL
    figures["doubtful"] += is_doubtful
    figures["delivered"] += notice.state == NoticeState.DELIVERED
    figures["tried_again"] += notice.attempts > 1
    if messages > 1:
        figures["twice"] += 1
        problems.append(f"{told}: asked twice")
    if car.is_asked and not messages and not is_doubtful:
        figures["missing"] += 1
        problems.append(f"{told}: not asked")
    if not car.is_asked and messages:
        figures["unwanted"] += 1
        problems.append(f"{told}: asked")
    end = _ENDS.get(car.kind, "cited")
    if car.kind == "leaves" and not messages:  # the driver knows of nothing
        end = "cited"
    if (case.result.outcome or case.state.value) != end:
        problems.append(f"{told}: ended as {case.result.outcome or case.state.value}, not {end}")
    return problems
