"""The command ``cv-engine cases watch``: the events of the queue as they are committed."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.options import ConfigOption, DataOption, read_time
from cv_engine.commands.session import Session
from cv_engine.commands.signals import stop_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cv_engine.cases.outbox.event import CaseEvent
    from cv_engine.cases.outbox.follow import Follower

# Seconds between two readings while nothing happens.
_POLL_S = 0.5


def follow(
    after: Annotated[
        int | None,
        typer.Option(
            "--after", min=0, metavar="ID", help="Also events after this entry; 0 for all."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Also events recorded since this time."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Print every event of the queue as a JSON line, from now on, until stopped.

    A program that was stopped continues with --after and the data.entry.id of its last line.
    """
    from cv_engine.cases.outbox.follow import Follower

    begin = read_time(since, "--since")
    session = Session(config, data)
    with session.open_queue() as queue, stop_signals() as received:
        known = 0 if begin is not None and after is None else after
        follower = Follower(queue.store, known, begin)
        try:
            _follow(session, follower, received)
        except BrokenPipeError:  # the reader has seen enough
            # Python would complain once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _follow(session: Session, follower: Follower, received: Sequence[int]) -> None:
    """Print events until a signal arrives."""
    told = False
    while not received:
        events = follower.read()
        _print(session, events)
        if follower.is_following and not told:
            told = True
            session.err.print("following the queue; Ctrl-C stops")
        if not events:
            time.sleep(_POLL_S)


def _print(session: Session, events: Sequence[CaseEvent]) -> None:
    for event in events:
        session.line(event.as_json())
    if events:
        sys.stdout.flush()
