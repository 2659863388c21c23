"""The command ``cv-engine cases deadlines``: warnings, escalations, and the end of deferrals."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.signals import stop_signals

if TYPE_CHECKING:
    from cv_engine.cases.attention import Attended

_TICK_S = 0.2  # how soon a signal ends the command


def deadlines(
    follow: Annotated[
        bool, typer.Option("--follow", help="Continue until stopped, instead of once.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Warn of deadlines, escalate those that have passed, and resume what was deferred.

    Nothing is done twice, however often and by however many programs this is run; the history of
    each case and the outlets say what was done.
    """
    from cv_engine.cases.attendance import keep_attending

    session = Session(config, data, format)
    with session.open_queue() as queue:
        if follow:
            with stop_signals() as received:
                session.err.print("attending to deadlines; Ctrl-C stops")
                keep_attending(queue.attend, partial(_print, session), partial(_stopped, received))
            return
        done = queue.attend()
    _print(session, done)
    if not done and format is Format.TABLE:
        session.err.print("no deadline is near")


def _stopped(received: Sequence[int], wait_s: float) -> bool:
    """Wait for a signal; whether one has arrived."""
    until = time.monotonic() + wait_s
    while not received and time.monotonic() < until:
        time.sleep(_TICK_S)
    return bool(received)


def _print(session: Session, done: Attended) -> None:
    """Print what was done: a line per case for programs, a line per event for people."""
    for event in ("warned", "escalated", "resumed"):
        numbers: tuple[int, ...] = getattr(done, event)
        if session.format is Format.JSONL:
            for number in numbers:
                session.line({"case": number, "event": event})
        elif numbers:
            session.out.print(f"{event}: {', '.join(map(str, numbers))}")
    sys.stdout.flush()
