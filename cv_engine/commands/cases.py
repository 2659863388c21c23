"""The group ``cv-engine cases``: list, show, decide and export the cases of the queue."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from cv_engine.commands import case_stores
from cv_engine.commands.case_tables import as_row, entry_row, sheet, table
from cv_engine.commands.exit_codes import escaped
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
    TextOption,
    UntilOption,
    ZoneOption,
    read_box,
    read_time,
)
from cv_engine.commands.session import Session
from cv_engine.files import atomic_file

if TYPE_CHECKING:
    from cv_engine.cases import Case, Filter, Queue

group = typer.Typer(name="cases", help="The queue of cases.", no_args_is_help=True)
for _command in (case_stores.audit, case_stores.backup, case_stores.restore, case_stores.move):
    group.command()(_command)

CaseArgument = Annotated[int, typer.Argument(metavar="ID", help="The case's number.")]
CasesArgument = Annotated[list[int], typer.Argument(metavar="ID...", help="The cases' numbers.")]


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """The options that select cases, as typed."""

    kind: KindOption = None
    zone: ZoneOption = None
    camera: SourceOption = None
    state: StateOption = None
    since: SinceOption = None
    until: UntilOption = None
    box: BoxOption = None
    text: TextOption = None
    limit: LimitOption = None

    def read(self) -> Filter:
        """The queue's filter for these options.

        Raises:
            InputError: A time or the box is malformed.
            QueueError: The state is unknown, or the filter contradicts itself.
        """
        from cv_engine.cases import Filter, state_named

        return Filter(
            kind=self.kind,
            zone=self.zone,
            source=self.camera,
            state=None if self.state is None else state_named(self.state),
            since=read_time(self.since, "--since"),
            until=read_time(self.until, "--until"),
            bbox=read_box(self.box, "--box"),
            text=self.text,
            limit=self.limit,
        )


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter ``options`` by one option per field of FilterOptions.

    Typer reads a command's options from its signature, so the signature is rewritten.
    """

    @functools.wraps(command)
    def run(**given: Any) -> None:
        selected = {field.name: given.pop(field.name) for field in fields(FilterOptions)}
        command(options=FilterOptions(**selected), **given)

    hints = get_type_hints(FilterOptions, include_extras=True)
    added = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(FilterOptions)
    ]
    own = inspect.signature(command, eval_str=True).parameters.values()
    kept = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        if parameter.name != "options"
    ]
    parameters = [*added, *kept]
    run.__dict__["__signature__"] = inspect.Signature(parameters, return_annotation=None)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


@group.command("list")
@filtered
def list_cases(
    options: FilterOptions,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List cases, the newest first."""
    selected = options.read()
    session = Session(config, data, format)
    with session.open_queue() as queue:
        _print_cases(session, queue.each(selected))


@group.command()
def show(
    case: CaseArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show one case with its history."""
    session = Session(config, data, format)
    with session.open_queue() as queue:
        _print_case(session, queue, case)


@group.command()
def confirm(
    case: CasesArgument,
    by: ByOption,
    note: Annotated[str, typer.Option("--note", help="A note in the case's history.")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Confirm that cases are violations."""
    session = Session(config, data, format)
    _decide(session, case, lambda queue, number: queue.confirm(number, by, note))


@group.command()
def reject(
    case: CasesArgument,
    by: ByOption,
    reason: Annotated[str, typer.Option("--reason", help="Why the case is no violation.")],
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Reject cases that are no violations."""
    session = Session(config, data, format)
    _decide(session, case, lambda queue, number: queue.reject(number, by, reason))


@group.command()
@filtered
def export(
    options: FilterOptions,
    form: Annotated[ExportForm, typer.Option("--as", help="The file format.")] = ExportForm.GEOJSON,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The file to write; stdout if left out."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Export cases as GeoJSON or CSV."""
    selected = options.read()
    session = Session(config, data)
    with session.open_queue() as queue:
        _write(session, queue.export(selected, form.value), out)


def _decide(session: Session, numbers: list[int], decide: Callable[[Queue, int], Case]) -> None:
    """Change the state of cases, and print them."""
    with session.open_queue() as queue:
        _print_cases(session, [decide(queue, number) for number in numbers])


def _print_cases(session: Session, cases: Iterable[Case]) -> None:
    """Print cases as JSON lines, one at a time, or as one table."""
    if session.format is Format.JSONL:
        for case in cases:
            session.line(as_row(case))
        return
    cases = list(cases)
    if cases:
        session.out.print(table(cases, session.config))
    else:
        session.err.print("no cases")


def _print_case(session: Session, queue: Queue, number: int) -> None:
    """Print one case with its evidence packages and its history.

    Raises:
        QueueError: There is no such case.
    """
    case, history = queue.get(number), queue.history(number)
    packages = [_package_address(session, name) for name in queue.evidence(number)]
    if session.format is Format.JSONL:
        events = [entry_row(entry) for entry in history]
        session.line({**as_row(case), "folders": packages, "history": events})
        return
    session.out.print(sheet(case, history, packages, session.config))


def _package_address(session: Session, name: str) -> str:
    """The folder of an evidence package, or its address in the object store it was sent to."""
    folder, store = session.evidence_root / name, session.config.evidence.store
    return str(folder) if store is None or folder.is_dir() else f"{store.rstrip('/')}/{name}"


def _write(session: Session, pieces: Iterable[str], out: Path | None) -> None:
    """Write an export to stdout, or to a file that appears whole or not at all."""
    if out is None:
        for piece in pieces:
            sys.stdout.write(piece)
        return
    with (
        atomic_file(out) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        file.writelines(pieces)
    session.err.print(f"written: {escaped(str(out))}")
