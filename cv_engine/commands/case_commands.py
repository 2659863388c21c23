"""The commands of the group ``cases``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cv_engine.commands.options import (
    BoxOption,
    ByOption,
    ConfigOption,
    DataOption,
    ExportForm,
    Format,
    FormatOption,
    KindOption,
    LimitOption,
    SinceOption,
    SourceOption,
    StateOption,
    UntilOption,
    ZoneOption,
)
from cv_engine.commands.session import Session

cases = typer.Typer(help="The queue of cases.", no_args_is_help=True)

CaseArgument = Annotated[int, typer.Argument(metavar="ID", help="The case's number.")]
CasesArgument = Annotated[list[int], typer.Argument(metavar="ID...", help="The cases' numbers.")]


@cases.command("list")
def cases_list(
    kind: KindOption = None,
    zone: ZoneOption = None,
    camera: SourceOption = None,
    state: StateOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    box: BoxOption = None,
    limit: LimitOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List cases, the newest first."""
    from cv_engine.commands import cases as present

    wanted = present.build_filter(
        kind=kind,
        zone=zone,
        camera=camera,
        state=state,
        since=since,
        until=until,
        box=box,
        limit=limit,
    )
    session = Session(config, data, format)
    with session.open_queue() as queue:
        present.show_all(session, queue.each(wanted))


@cases.command("show")
def cases_show(
    case: CaseArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show one case with its history."""
    from cv_engine.commands import cases as present

    session = Session(config, data, format)
    with session.open_queue() as queue:
        present.show_one(session, queue, case)


@cases.command("confirm")
def cases_confirm(
    case: CasesArgument,
    by: ByOption,
    note: Annotated[str, typer.Option("--note", help="Kept in the case's history.")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Confirm that cases are violations."""
    from cv_engine.commands import cases as present

    session = Session(config, data, format)
    with session.open_queue() as queue:
        present.show_all(session, [queue.confirm(number, by, note) for number in case])


@cases.command("reject")
def cases_reject(
    case: CasesArgument,
    by: ByOption,
    reason: Annotated[str, typer.Option("--reason", help="Why it is no violation.")],
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Reject cases that are no violations."""
    from cv_engine.commands import cases as present

    session = Session(config, data, format)
    with session.open_queue() as queue:
        present.show_all(session, [queue.reject(number, by, reason) for number in case])


@cases.command("export")
def cases_export(
    form: Annotated[ExportForm, typer.Option("--as", help="What to write.")] = ExportForm.GEOJSON,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to; stdout if left out.")
    ] = None,
    kind: KindOption = None,
    zone: ZoneOption = None,
    camera: SourceOption = None,
    state: StateOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    box: BoxOption = None,
    limit: LimitOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Export cases as GeoJSON or CSV."""
    from cv_engine.commands import cases as present

    wanted = present.build_filter(
        kind=kind,
        zone=zone,
        camera=camera,
        state=state,
        since=since,
        until=until,
        box=box,
        limit=limit,
    )
    session = Session(config, data)
    with session.open_queue() as queue:
        present.write(session, queue.export(wanted, form.value), out)
