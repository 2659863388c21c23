"""Commands on a whole queue: ``cv-engine cases audit``, ``backup``, ``restore`` and ``move``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cv_engine.commands.cases.progress import counting
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
IdsArgument = Annotated[
    list[int] | None, typer.Argument(metavar="[ID...]", help="Only these cases.")
]


def audit(
    ids: IdsArgument = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Check that no case, history or finding was changed behind the queue's back."""
    from cv_engine.cases.audit import audit as problems_of
    from cv_engine.cases.database.store import Store

    session, problems = Session(config, data, format), 0
    with (
        closing(Store(session.config.queue)) as store,
        store.snapshot() as connection,
        counting(session) as progress,
    ):
        for problem in problems_of(connection, sorted(set(ids)) if ids else None, progress):
            problems += not problem.remark
            if format is Format.JSONL:
                session.line(asdict(problem))
            else:
                session.out.print(escaped(str(problem)))
    session.err.print("no problem was found" if not problems else f"[red]{problems} problems[/]")
    if problems:
        raise typer.Exit(ExitCode.FAILED)


def backup(
    file: FileArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Write all cases to one file, while others file; the evidence folders are not in it."""
    from cv_engine.cases.backup import back_up
    from cv_engine.cases.database.store import Store

    session = Session(config, data, format)
    with closing(Store(session.config.queue)) as store, counting(session) as progress:
        manifest = back_up(store, file, datetime.now(UTC), progress)
    if format is Format.JSONL:
        session.line(asdict(manifest))
    session.err.print(
        f"written: {escaped(str(file))} ({manifest.cases} cases of {manifest.made_at}, "
        f"{manifest.bytes / 1e6:.1f} MB), and {escaped(file.name)}.json; keep both together"
    )
    if manifest.evidence_folders:
        session.err.print(
            f"[yellow]not in it: {manifest.evidence_folders} evidence folders of "
            f"{escaped(str(session.evidence_root))}: copy them, too[/]"
        )
    if manifest.problems:
        session.err.print(
            f"[red]the queue has {manifest.problems} problems, and so has the backup: see "
            "`cv-engine cases audit`[/]"
        )
        raise typer.Exit(ExitCode.FAILED)


def restore(
    file: FileArgument,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="STORE", help="An empty queue; the configured one if left out."
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Fill an empty queue with a backup."""
    from cv_engine.cases.backup import restore as fill
    from cv_engine.cases.database.store import Store

    session = Session(config, data, format)
    where = session.config.queue if to is None else to
    with closing(Store(where, unfinished=True)) as store, counting(session) as progress:
        manifest, copied = fill(file, store, progress)
        name = str(store.name)
    if format is Format.JSONL:
        session.line({"store": name, "rows": dict(copied.rows)})
    session.err.print(
        f"restored to {escaped(name)}: {manifest.cases} cases of {manifest.made_at}; "
        f"{manifest.evidence_folders} evidence folders are not in the backup"
    )


def move(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="STORE", help="An empty database: a file, or a URL."),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Open the old queue again, and leave the new one.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Move the queue to another database; the old one is kept, and closed.

    Interrupted, the same command resumes. Nothing can be filed meanwhile: live streams keep their
    findings until they are started with the new address.
    """
    from cv_engine.cases.database.moving import move_queue, undo_move
    from cv_engine.cases.database.store import Store

    if (to is None) != undo:
        raise InputError("name the new database with --to STORE, or take a move back with --undo")
    session = Session(config, data, format)
    with closing(Store(session.config.queue)) as source:
        if to is None:
            target = undo_move(source)
            session.err.print(
                f"{escaped(str(source.name))} is in use again; what was filed to "
                f"{escaped(target)} since is only there"
            )
            return
        with closing(Store(to, unfinished=True)) as store, counting(session) as progress:
            copied = move_queue(source, store, progress)
            name = str(store.name)
        if format is Format.JSONL:
            session.line({"store": name, "rows": dict(copied.rows)})
        session.err.print(
            f"moved and verified: {copied.rows['cases']} cases are in {escaped(name)}. Write "
            f"`store: {escaped(name)}` into the configuration (with the password, if there is one) "
            f"and start all programs again; {escaped(str(source.name))} is kept and closed"
        )
