"""The group ``cv-engine outlets``: programs and people that receive the events of cases."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.signals import stop_signals
from cv_engine.commands.tables import empty_table

if TYPE_CHECKING:
    from cv_engine.cases.outbox.overview import OutletState

group = typer.Typer(
    name="outlets",
    help="Programs and people that receive the events of cases.",
    no_args_is_help=True,
)

# Seconds between two checks for a signal to stop.
_TICK_S = 0.2

OutletOption = Annotated[
    str | None, typer.Option("--outlet", metavar="NAME", help="Only this outlet.")
]
LettersArgument = Annotated[
    list[int] | None, typer.Argument(metavar="ID...", help="Numbers of dead letters.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All dead letters.")]


@group.command("list")
def list_outlets(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """List the outlets, and what waits for each."""
    from cv_engine.cases.outbox.overview import Overview

    session = Session(config, data, format)
    with session.open_queue() as queue:
        states = Overview(queue.store).outlets()
    known = {state.name for state in states}
    new = [name for name in session.config.outlets.names if name not in known]
    now = datetime.now(UTC)
    if format is Format.JSONL:
        for state in states:
            session.line({**asdict(state), "state": _state(state, session, now)})
        for name in new:
            session.line({"name": name, "state": "new"})
        return
    table = empty_table(
        ("outlet", "state", "waiting", "oldest", "dead", "last error"), right=("waiting", "dead")
    )
    for state in states:
        table.add_row(
            escaped(state.name),
            _state(state, session, now),
            str(state.waiting),
            "" if state.oldest is None else _ago(now - state.oldest),
            str(state.dead),
            escaped(state.error or ""),
        )
    for name in new:
        table.add_row(escaped(name), "new", "0", "", "0", "")
    if states or new:
        session.print_table(table)
    else:
        session.err.print("no outlets; the configuration names them under outlets:")


@group.command()
def dead(
    outlet: OutletOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the dead letters: events that an outlet did not take."""
    from cv_engine.cases.outbox.overview import Overview

    session = Session(config, data, format)
    with session.open_queue() as queue:
        letters = Overview(queue.store).dead_letters(outlet)
    table = empty_table(("id", "outlet", "case", "event", "tried", "given up", "error"))
    for each in letters:
        event = f"{each.event} ({each.case_id}-{each.seq})"
        when = each.dead_at.isoformat(sep=" ", timespec="seconds")
        row = (str(each.id), escaped(each.outlet), str(each.case_id), event, str(each.attempts))
        table.add_row(*row, when, escaped(each.error))
    if not letters and format is Format.TABLE:
        session.err.print("no dead letters")
        return
    session.show(table, map(asdict, letters))


@group.command()
def resend(
    letters: LettersArgument = None,
    every: AllOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Let dead letters be sent again."""
    _change(Session(config, data), letters, every, "resend", "are sent again")


@group.command()
def drop(
    letters: LettersArgument = None,
    every: AllOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Give dead letters up; the later events of their cases are then sent."""
    _change(Session(config, data), letters, every, "drop", "are dropped")


@group.command()
def remove(
    outlet: Annotated[str, typer.Argument(metavar="NAME", help="Name of the outlet.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Let an outlet that left the configuration receive nothing more."""
    from cv_engine.cases.outbox.overview import Overview

    session = Session(config, data)
    if outlet in session.config.outlets.names:
        raise InputError(f"{outlet} is in the configuration: remove it there first")
    with session.open_queue() as queue:
        waiting = Overview(queue.store).remove(outlet)
    session.err.print(f"removed; {waiting} waiting events discarded")


@group.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="Send what is due, then end.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Send events to the outlets, until stopped; `cv-engine watch` does so, too."""
    from cv_engine.services import Services

    session = Session(config, data)
    names = session.config.outlets.names
    if not names:
        raise InputError("the configuration has no outlets; add one under outlets:")
    with Services(session.config) as services:
        if once:
            counts = services.relays.drain()
            text = ", ".join(f"{getattr(counts, name)} {name}" for name in counts.__slots__)
            session.err.print(text)
            failed = counts.retried or counts.dead
            raise typer.Exit(ExitCode.FAILED if failed else ExitCode.DONE)
        with stop_signals() as received, services.relays:
            session.err.print(f"sending to {escaped(', '.join(names))}; Ctrl-C stops")
            while not received:
                time.sleep(_TICK_S)


def _change(session: Session, letters: list[int] | None, every: bool, verb: str, done: str) -> None:
    from cv_engine.cases.outbox.overview import Overview

    if bool(letters) == every:
        raise InputError(
            f"name the dead letters to {verb}, or all of them with --all; "
            "`cv-engine outlets dead` lists them"
        )
    with session.open_queue() as queue:
        count = getattr(Overview(queue.store), verb)(None if every else letters)
    session.err.print(f"{count} dead letters {done}")


def _state(state: OutletState, session: Session, now: datetime) -> str:
    """The condition of an outlet in a word."""
    if state.name not in session.config.outlets.names:
        return "not in the configuration"
    if state.error is not None:
        return "failing"
    resting: Any = state.rests_until
    return "pausing" if resting is not None and resting > now else "ready"


def _ago(age: timedelta) -> str:
    from cv_engine.wording import duration

    return f"{duration(max(age.total_seconds(), 0.0))} ago"
