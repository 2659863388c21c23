"""The command ``cv-engine cases deadlines``: warnings, escalations, and the end of deferrals."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.signals import stop_signals

if TYPE_CHECKING:
    from cv_engine.cases.attention import Attended

# Seconds between two rounds of `--follow`: limits are counted in hours, people wait for minutes.
_EVERY_S = 10.0
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
    session = Session(config, data, format)
    with session.open_queue() as queue, stop_signals() as received:
        _print(session, queue.attend())
        next_at = time.monotonic() + _EVERY_S
        while follow and not received:
            time.sleep(_TICK_S)
            if time.monotonic() >= next_at:
                next_at += _EVERY_S
                _print(session, queue.attend())


def _print(session: Session, done: Attended) -> None:
    """Print what was done: a line per case, or a summary where there is something to say."""
    by_event = {"warned": done.warned, "escalated": done.escalated, "resumed": done.resumed}
    if session.format is Format.JSONL:
        for event, numbers in by_event.items():
            for number in numbers:
                session.line({"case": number, "event": event})
        return
    for event, numbers in by_event.items():
        if numbers:
            session.out.print(f"{event}: {', '.join(map(str, numbers))}")
    if not any(by_event.values()):
        session.err.print("no deadline is near")
