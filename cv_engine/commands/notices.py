"""The group ``cv-engine notices``: drivers are asked to leave before anybody is cited."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import ByOption, ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.signals import stop_signals
from cv_engine.commands.tables import empty_table, rows_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from cv_engine.cases import Actor
    from cv_engine.notices.overview import Overview
    from cv_engine.notices.rounds import Round
    from cv_engine.notices.standing import Ground

group = typer.Typer(
    name="notices",
    help="Notices that ask drivers to leave before they are cited.",
    no_args_is_help=True,
)

# Seconds between two checks for a signal to stop.
_TICK_S = 0.2
_MOST = 1000  # notices that are listed unless a limit is given


class _State(StrEnum):
    """States of notices, as :class:`cv_engine.notices.outbox.NoticeState` has them."""

    NONE = "none"
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    DOUBTFUL = "doubtful"
    DEAD = "dead"
    CANCELLED = "cancelled"


ZoneArgument = Annotated[str, typer.Argument(metavar="ZONE", help="Name of the zone.")]
CameraOption = Annotated[
    str, typer.Option("--camera", metavar="NAME", help="Camera that watches the zone.")
]


@group.command("list")
def list_notices(
    state: Annotated[
        list[_State] | None,
        typer.Option("--state", help="Only notices in this state; repeat it for more."),
    ] = None,
    case: Annotated[
        int | None, typer.Option("--case", metavar="N", help="Only those of this case.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The most to list.")] = _MOST,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the notices, the latest first; dead and doubtful ones wait for you."""
    from cv_engine.notices.overview import Overview

    session = Session(config, data, format)
    with session.open_queue() as queue:
        found = Overview(queue.store).notices([each.value for each in state or ()], case, limit)
    if format is Format.TABLE and not found:
        session.err.print("no notices")
        return
    columns = (
        "id",
        "case",
        "plate",
        "way",
        "reason",
        "state",
        "tried",
        "sent",
        "leave by",
        "error",
    )
    table = empty_table(columns, right=("id", "case", "tried"))
    for each in found:
        table.add_row(
            *(str(each.id), str(each.case_id), escaped(each.plate or "")),
            *(each.way, each.reason, each.state, str(each.attempts)),
            *(_time(each.sent_at), _time(each.leave_by), escaped(each.error or "")),
        )
    session.show(table, map(asdict, found))


@group.command()
def resend(
    *,
    notices: Annotated[
        list[int] | None, typer.Argument(metavar="ID...", help="Numbers of notices.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All dead ones; doubtful ones are named one by one.")
    ] = False,
    by: ByOption,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Let dead and doubtful notices be sent again; a doubtful one may arrive twice."""
    if bool(notices) == every:
        raise InputError(
            "name the notices to send again, or all dead ones with --all; `cv-engine notices list "
            "--state dead --state doubtful` lists them"
        )
    session = Session(config, data)
    counts: list[int] = []

    def send_again(overview: Overview, actor: Actor) -> None:
        chosen = None if every else notices
        counts.append(overview.resend(chosen, actor, datetime.now(UTC)))

    _change(session, by, send_again)
    session.err.print(f"{counts[0]} notices are sent again")


@group.command()
def zones(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """List the zones that wait for people's verdicts, or whose notices were stopped."""
    from cv_engine.notices.overview import Overview

    session = Session(config, data, format)
    with session.open_queue() as queue:
        found = Overview(queue.store).zones(
            session.config.notices.confirmed_first, datetime.now(UTC)
        )
    rows = [asdict(each) for each in found]
    if not rows and format is Format.TABLE:
        session.err.print("no zone waits, and none was stopped")
        return
    session.show(rows_table(rows), rows)


@group.command()
def stop(
    *,
    zone: ZoneArgument,
    camera: CameraOption,
    why: Annotated[str, typer.Option("--why", help="The reason.")],
    by: ByOption,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Stop the notices of a zone, by a supervisor."""
    ground = _ground(camera, zone)
    session = Session(config, data)
    _change(
        session, by, lambda overview, actor: overview.stop(ground, actor, why, datetime.now(UTC))
    )
    session.err.print(f"notices of zone {escaped(zone)} are stopped")


@group.command()
def release(
    *,
    zone: ZoneArgument,
    camera: CameraOption,
    by: ByOption,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Release the notices of a zone that were stopped, by a supervisor."""
    ground = _ground(camera, zone)
    session = Session(config, data)
    kinds = session.config.notices.kinds
    _change(
        session,
        by,
        lambda overview, actor: overview.release(ground, actor, kinds, datetime.now(UTC)),
    )
    session.err.print(f"notices of zone {escaped(zone)} are released")


@group.command()
def run(
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Continue until stopped; without, do what is due."),
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Decide, send and follow what is due; `cv-engine watch` does so, too."""
    from cv_engine.cases.attendance import keep_attending
    from cv_engine.services import Services

    session = Session(config, data)
    with Services(session.config) as services:
        rounds = services.notices
        if not follow:
            _say(session, rounds.run_once())
            return
        name = escaped(rounds.sender.gateway.name)
        session.err.print(f"sending notices through {name}; Ctrl-C stops")
        with stop_signals() as received:
            keep_attending(
                rounds.run_once,
                lambda done: _say(session, done),
                lambda seconds: _stopped(received, seconds),
                "notices",
            )


def _stopped(received: list[int], seconds: float) -> bool:
    """Wait for some seconds or a signal; returns whether there was one."""
    waiting = Event()
    for _ in range(round(seconds / _TICK_S)):
        if received or waiting.wait(_TICK_S):
            break
    return bool(received)


def _say(session: Session, done: Round) -> None:
    counts = {
        name: value if isinstance(value, int) else len(value)
        for name, value in asdict(done).items()
    }
    text = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    session.err.print(text or "nothing was due")


def _ground(camera: str, zone: str) -> Ground:
    from cv_engine.notices.standing import Ground

    return Ground(camera, zone)


def _change(session: Session, by: str, change: Callable[[Overview, Actor], None]) -> None:
    """Make a change by a person, whose role the organisation says."""
    from cv_engine.cases.dispatch import actor_named
    from cv_engine.notices.overview import Overview
    from cv_engine.services import Services

    with Services(session.config) as services:
        actor = actor_named(services.organisation, by)
        change(Overview(services.queue.store), actor)


def _time(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(sep=" ", timespec="seconds")
