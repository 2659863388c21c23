"""The commands ``cv-engine cases list``, ``show`` and ``export``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.cases.options import ListOptions, expanded
from cv_engine.commands.cases.tables import as_row, entry_row, sheet, table
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import ConfigOption, DataOption, ExportForm, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.files import atomic_file

if TYPE_CHECKING:
    from cv_engine.cases import Case, Queue

CaseArgument = Annotated[int, typer.Argument(metavar="ID", help="The case's number.")]


@expanded
def list_cases(
    options: ListOptions,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List cases, the newest first."""
    selected = options.read()
    session = Session(config, data, format)
    with session.open_queue() as queue:
        _print_cases(session, queue.each(selected))


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


@expanded
def export(
    options: ListOptions,
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


def _print_cases(session: Session, cases: Iterable[Case]) -> None:
    """Print cases as JSON lines, one at a time, or as one table."""
    if session.format is Format.JSONL:
        for case in cases:
            session.line(as_row(case))
        return
    cases = list(cases)
    if cases:
        session.out.print(table(cases, session.config, datetime.now(UTC)))
    else:
        session.err.print("no cases")


def _print_case(session: Session, queue: Queue, number: int) -> None:
    """Print one case with its evidence packages and its history.

    Raises:
        QueueError: There is no such case.
    """
    case, history = queue.get(number), queue.history(number)
    packages = [_package_address(session, queue, name) for name in queue.evidence(number)]
    if session.format is Format.JSONL:
        events = [entry_row(entry) for entry in history]
        session.line({**as_row(case), "folders": packages, "history": events})
        return
    session.out.print(sheet(case, history, packages, session.config, datetime.now(UTC)))


def _package_address(session: Session, queue: Queue, name: str) -> str:
    """The folder of an evidence package, or its address in the object store it was sent to.

    Of a package that was deleted, the name, when and by which rule.
    """
    folder, store = session.evidence_root / name, session.config.evidence.store
    purged = queue.purged(name)
    if purged is not None:
        return f"{name} (purged at {purged.at.isoformat()}: {purged.rule})"
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
