"""``cv-engine evidence report``: the one-page sheet that an officer serves."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.evidence.package import NamedPackage, Queues, named_package
from cv_engine.commands.evidence.verdict import Verdict, verdict_on
from cv_engine.commands.evidence.verify import KeysOption, TrustedOption, means_of
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from cv_engine.cases.taxonomy import CaseClass


def report(
    package: Annotated[
        str, typer.Argument(metavar="CASE|DIR", help="Number of a case, or a package.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.pdf", help="The PDF to write.")],
    trusted: TrustedOption = None,
    keys: KeysOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Write one page of PDF: pictures, place, times, plate, class, signature and digest."""
    raise typer.Exit(write_report(Session(config, data), package, out, trusted, keys))


def write_report(
    session: Session, package: str, out: Path, trusted: str | None, keys: Path | None = None
) -> ExitCode:
    """Verify a package and write its sheet.

    Args:
        session: Configuration and data folder, if given, and where output goes.
        package: Number of a case, folder, or address in object storage.
        out: The PDF file; replaced whole or not at all.
        trusted: Fingerprint of the key that must have signed the package.
        keys: Register of the station's keys; that of the data folder if left out.

    Returns:
        0 where the sheet was written, 1 where the package was changed: no sheet is written then.

    Raises:
        EvidenceError: The package cannot be read, or shows no violation.
        QueueError: The queue cannot be read, or has no such case.
        InputError: The case has no evidence, or the file cannot be written.
    """
    from cv_engine.evidence.report.page import write_page
    from cv_engine.evidence.report.sheet import Context, sheet_of

    with ExitStack() as stack:
        named = _of_case(session, int(package)) if package.isdigit() else named_package(package)
        verdict = verdict_on(named, Queues(session, stack), means_of(session, trusted, keys))
        manifest = verdict.shown.manifest
        if verdict.problems or manifest is None:
            session.err.print(f"[bold red]CHANGED[/] {escaped(named.where)}: no sheet is written")
            for problem in verdict.problems:
                session.err.print(f"  {escaped(str(problem))}")
            return ExitCode.FAILED
        context = Context(
            case=verdict.case,
            of_class=_class_of(session, verdict),
            timestamp=verdict.shown.timestamp,
            profiles=verdict.profiles,
            notes=verdict.shown.notes,
            printed=datetime.now(UTC),
        )
        with named.opened() as (folder, _):
            sheet = sheet_of(folder, named.name, manifest, context)
    _write(out, write_page(sheet))
    session.err.print(f"wrote {escaped(str(out))}")
    for line in verdict.unchecked:
        session.err.print(f"  {escaped(line)}")
    return ExitCode.DONE


def _of_case(session: Session, number: int) -> NamedPackage:
    """The package that a case was opened with, wherever it is kept."""
    with session.open_queue() as queue:
        case = queue.get(number)
    if case.evidence is None:
        raise InputError(f"case {number} has no evidence")
    store = session.config.evidence.store
    waits = session.config.evidence_root / case.evidence
    return named_package(
        str(waits) if store is None or waits.is_dir() else f"{store}/{case.evidence}"
    )


def _class_of(session: Session, verdict: Verdict) -> CaseClass | None:
    from cv_engine.cases import QueueError
    from cv_engine.services import Services

    assert verdict.shown.manifest is not None
    finding = verdict.shown.manifest.content.get("finding")
    if not isinstance(finding, dict):
        return None
    with Services(session.config) as services:
        try:
            return services.taxonomy.classify(finding["kind"])
        except QueueError:  # filed with another taxonomy
            return None


def _write(out: Path, data: bytes) -> None:
    from cv_engine.files import write_atomically

    try:
        write_atomically(out, data)
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written ({error.strerror}); choose another --out"
        ) from error
