"""The group ``cv-engine registry``: import, check and show what the city knows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ByOption, ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import rows_table

if TYPE_CHECKING:
    from cv_engine.registry import Kind, Registry, Vehicle
    from cv_engine.services import Services
    from zones.errors import Problem

group = typer.Typer(
    name="registry",
    help="Registries of the city: vehicles, merchants, permits, exemptions.",
    no_args_is_help=True,
)

KindArgument = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="vehicles, merchants, stalls, advertising, building, parking or exemptions.",
    ),
]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV or Parquet file.")]
EncodingOption = Annotated[
    str, typer.Option("--encoding", metavar="NAME", help="Encoding of CSV, such as gb18030.")
]


@group.command("import")
def import_table(
    kind: KindArgument,
    file: FileArgument,
    encoding: EncodingOption = "utf-8",
    may_shrink: Annotated[
        bool, typer.Option("--may-shrink", help="Accept far fewer records than before.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Replace a table by the records of a file; a file with an error changes nothing."""
    from cv_engine.registry.tables.importing import import_file

    session, table = Session(config, data), _kind(kind)
    with _bar(session) as progress:
        done = import_file(
            _folder(session),
            table,
            file,
            session.config.registry.keys(session.config.data, os.environ),
            _now(),
            lambda at, total: progress("importing", at, total),
            encoding=encoding,
            may_shrink=may_shrink,
        )
    before = "" if done.rows_before is None else f", {done.rows_before} before"
    contacts = f", {done.about.contacts} with contact data" if done.about.contacts else ""
    session.err.print(f"{kind}: {done.about.rows} records{contacts}{before}")
    service = session.config.registry.service
    if service.url is not None and kind in service.kinds:
        session.err.print(
            f"[yellow]warning[/] {kind} is asked of {escaped(service.url)}, not of the table: "
            "take it out of registry.service.kinds to use the table"
        )


@group.command()
def check(
    kind: KindArgument,
    file: FileArgument,
    encoding: EncodingOption = "utf-8",
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Report every error of a file, with line and column; nothing is changed."""
    from cv_engine.registry.tables.importing import check_file

    session, table = Session(config, data, format), _kind(kind)
    count = 0

    def report(problem: Problem) -> None:
        nonlocal count
        count += 1
        if format is Format.JSONL:
            row = {"where": problem.where, "what": problem.what, "advice": problem.advice}
            session.line(row)
        else:
            session.out.print(f"[red]error[/] {escaped(str(problem))}", soft_wrap=True)

    with _bar(session) as progress:
        rows = check_file(
            _folder(session),
            table,
            file,
            _now(),
            report,
            lambda at, total: progress("checking", at, total),
            encoding=encoding,
        )
    found = f"{count} problems" if count else "no problem found"
    session.err.print(escaped(f"{file}: {rows} valid records, {found}"))
    raise typer.Exit(ExitCode.WRONG_INPUT if count else ExitCode.DONE)


@group.command()
def show(
    plate: Annotated[str, typer.Argument(metavar="PLATE", help="Such as 浙B12345.")],
    by: ByOption,
    contact: Annotated[
        bool, typer.Option("--contact", help="Show the owner's contact data; the access is logged.")
    ] = False,
    why: Annotated[
        str | None, typer.Option("--why", metavar="TEXT", help="Why --contact is needed.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show a vehicle with its exemptions and parking permits of this moment."""
    from cv_engine.services import Services

    session = Session(config, data, format)
    if contact and not (why or "").strip():
        raise InputError("--contact needs --why: the log of accesses keeps the reason")
    with Services(session.config) as services:
        vehicle = services.registry.vehicle(plate)
        row = _vehicle_row(services.registry, plate, vehicle)
        if contact and vehicle is not None:
            row |= _contact_row(services, vehicle, by, why or "")
    if format is Format.JSONL:
        session.line(row)
    else:
        shown = [{"field": name, "value": _shown(value)} for name, value in row.items()]
        session.print_table(rows_table(shown))
    if vehicle is None:
        session.err.print(escaped(f"{plate}: not in the registry of vehicles"))
        raise typer.Exit(ExitCode.FAILED)


@group.command()
def status(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """Show what was imported when, and whether the key of the contact data is at hand."""
    from cv_engine.registry import Kind

    session = Session(config, data, format)
    rows = [_status_row(session, kind) for kind in Kind]
    session.show(rows_table(rows), rows)
    if any(row["key"] == "missing" for row in rows):
        raise typer.Exit(ExitCode.FAILED)


@group.command("rotate-key")
def rotate(config: ConfigOption = None, data: DataOption = None) -> None:
    """Encrypt all contact data with a new key; run again, finishes what was interrupted."""
    from cv_engine.registry.tables.keys import KeyFile
    from cv_engine.registry.tables.rotation import rotate_key

    session = Session(config, data)
    keys = session.config.registry.keys(session.config.data, os.environ)
    with _bar(session) as progress:
        key = rotate_key(_folder(session), keys, progress)
    rest = (
        f"{keys.where} has it alone; keep a copy apart from the tables"
        if isinstance(keys, KeyFile)
        else f"remove the old one from {keys.where}"
    )
    session.err.print(escaped(f"all contact data are encrypted with the key {key.id}; {rest}"))


def _vehicle_row(registry: Registry, plate: str, vehicle: Vehicle | None) -> dict[str, Any]:
    exemptions = registry.exemptions(plate, None, _now())
    return {
        "plate": plate if vehicle is None else vehicle.plate,
        "registered": vehicle is not None,
        "layout": vehicle and vehicle.layout,
        "status": vehicle and vehicle.status.value,
        "exempt_reason": vehicle and vehicle.exempt_reason,
        "has_contact": vehicle is not None and vehicle.has_contact,
        "exemptions": [
            {"reason": each.reason, "zone": each.zone, "valid_to": each.valid_to}
            for each in exemptions
        ],
    }


def _contact_row(services: Services, vehicle: Vehicle, by: str, why: str) -> dict[str, Any]:
    from cv_engine.cases.dispatch import actor_named

    actor = actor_named(services.organisation, by)
    found = services.registry.contact(vehicle.plate, who=actor.name, role=actor.role, why=why)
    names = ("name", "phone", "address")
    return {f"owner_{name}": found and getattr(found, name) for name in names}


def _status_row(session: Session, kind: Kind) -> dict[str, Any]:
    from cv_engine.registry.tables.table_file import Table
    from cv_engine.registry.tables.tables import table_path

    service = session.config.registry.service
    row: dict[str, Any] = {"registry": kind.value, "from": "table"}
    if service.url is not None and kind in service.kinds:
        row["from"] = service.url
    table = Table(table_path(_folder(session), kind))
    try:
        about = table.about()
    finally:
        table.close()
    names = ("rows", "contacts", "imported_at", "source")
    row |= {name: about and getattr(about, name) for name in names}
    return {**row, "key": _key_state(session, about.key_id) if about and about.key_id else None}


def _key_state(session: Session, key_id: str) -> str:
    from cv_engine.registry.errors import RegistryError

    try:
        ring = session.config.registry.keys(session.config.data, os.environ).read()
    except RegistryError as error:
        session.err.print(escaped(str(error)))
        return "missing"
    if ring.find(key_id) is None:
        return "missing"
    return "newest" if ring.newest.id == key_id else "old: run rotate-key"


def _shown(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    lines = (", ".join(str(part) for part in each.values() if part is not None) for each in value)
    return "\n".join(lines) or None


def _kind(text: str) -> Kind:
    from cv_engine.registry import Kind

    try:
        return Kind(text)
    except ValueError:
        raise InputError(f"{text}: is no registry; take one of {', '.join(Kind)}") from None


def _folder(session: Session) -> Path:
    return session.config.registry.tables_folder(session.config.data)


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _bar(session: Session) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show the progress, where stderr is a terminal."""
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Remaining())
    shown = session.err.is_terminal
    with Progress(*columns, console=session.err, transient=True, disable=not shown) as bar:
        tasks: dict[str, TaskID] = {}

        def update(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield update
