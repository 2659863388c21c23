"""Attends to the deadlines of a queue, or its notices, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from threading import Event, Thread
from typing import Any, TypeVar

import structlog

from cv_engine.cases.errors import QueueError

#: What a round did: a dataclass that is true where it did anything.
_Done = TypeVar("_Done")

#: Seconds between two rounds: limits are counted in hours, people wait for minutes.
EVERY_S = 10.0
#: Seconds that a round may take to end: a transaction of some cases on a busy database.
_END_S = 15.0


def keep_attending(
    attend: Callable[[], _Done],
    report: Callable[[_Done], None],
    stopped: Callable[[float], bool],
    name: str = "deadlines",
) -> None:
    """Do what is due, round after round, until told to stop.

    While the database is away, a warning is logged once, and the next round that reaches the
    database does everything that has become due. Any number of programs may attend to one queue
    (see :mod:`cv_engine.cases.attention`).

    Args:
        attend: Does what is due by now, such as :meth:`cv_engine.cases.Queue.attend`.
        report: Receives what was done in a round, where anything was.
        stopped: Waits for some seconds, at most, and returns whether to stop.
        name: What is attended to, for the log.
    """
    log, problem = structlog.get_logger(__name__), ""
    while True:
        try:
            done = attend()
        except QueueError as error:
            if str(error) != problem:
                log.warning(f"{name} wait to be attended to", reason=str(error))
            problem = str(error)
        else:
            problem = ""
            if done:
                report(done)
        if stopped(EVERY_S):
            return


@contextmanager
def attending(attend: Callable[[], _Done], name: str = "deadlines") -> Iterator[None]:
    """Keep attending in a thread of its own while a block runs; what was done is logged.

    Args:
        attend: As for :func:`keep_attending`.
        name: What is attended to, for the log.
    """
    log, stopping = structlog.get_logger(__name__), Event()

    def report(done: Any) -> None:
        log.info(name, **{field.name: getattr(done, field.name) for field in fields(done)})

    # A daemon: a program that ends does not wait for a database that does not answer.
    arguments = (attend, report, stopping.wait, name)
    thread = Thread(target=keep_attending, args=arguments, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_END_S)
