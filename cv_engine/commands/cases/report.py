"""The command ``cv-engine cases report``: cases as one HTML file to look at."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.cases.options import ListOptions, expanded
from cv_engine.commands.cases.reading import existing_queue, package_at, told_of_list
from cv_engine.commands.cases.tables import zone_of_case
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import ConfigOption, DataOption
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from cv_engine.case_report.card import ReportedCase
    from cv_engine.case_report.pictures import Package
    from cv_engine.cases import Case, Filter, Queue
    from cv_engine.cases.taxonomy import Taxonomy

#: Folder of the data folder with the reports that commands write by themselves. ``privacy purge``
#: and ``privacy erase`` remove it: a report has copies of pictures.
REPORTS = "reports"
# Cases in a report unless --limit says otherwise: with their pictures some 100 MB at most.
_MOST = 200

OpenOption = Annotated[bool, typer.Option("--open", help="Open the report in the browser.")]


@expanded
def report(
    options: ListOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help=f"The HTML file; {REPORTS}/cases.html of the data folder if left out.",
        ),
    ] = None,
    open: OpenOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Write cases with pictures, clips, places and histories into one HTML file."""
    selected, session = options.read(), Session(config, data)
    with existing_queue(session) as queue:
        path = write_cases(session, queue, selected, out)
        if not queue.count(selected):
            session.err.print(escaped(told_of_list(session, queue, 0)))
    session.err.print(f"report: {escaped(str(path))}")
    if open:
        open_in_browser(session, path)


def write_cases(
    session: Session, queue: Queue, selected: Filter | None = None, out: Path | None = None
) -> Path:
    """Write the report on the newest cases that match a filter.

    Args:
        session: Configuration and data folder.
        queue: The queue.
        selected: The filter; of all cases if ``None``.
        out: The file; that of the data folder if ``None``.

    Returns:
        The file.

    Raises:
        InputError: The file cannot be written.
        QueueError: The queue cannot be read.
    """
    from dataclasses import replace

    from cv_engine.cases import Filter

    wanted = selected or Filter()
    wanted = replace(wanted, limit=wanted.limit or _MOST)
    cases = queue.cases(wanted)
    left_out = max(0, queue.count(wanted) - len(cases))
    return _write(session, queue, "Cases", cases, out or _own(session, "cases"), left_out)


def write_case(session: Session, queue: Queue, number: int) -> Path:
    """Write the report on one case into the data folder.

    Raises:
        InputError: The file cannot be written.
        QueueError: There is no such case.
    """
    case = queue.get(number)
    return _write(session, queue, f"Case {number}", [case], _own(session, f"case-{number}"))


def write_found(session: Session, queue: Queue, cases: Sequence[Case]) -> Path:
    """Write the report on the cases of an analysis into the data folder; the last ones, if many.

    Raises:
        InputError: The file cannot be written.
        QueueError: The queue cannot be read.
    """
    newest = sorted(cases, key=lambda case: case.id, reverse=True)[:_MOST]
    left_out = len(cases) - len(newest)
    path = _own(session, "analysis")
    return _write(session, queue, "Cases of the last analysis", newest, path, left_out)


def open_in_browser(session: Session, path: Path) -> None:
    """Open a file in the browser; where there is none, say so."""
    if not webbrowser.open(path.absolute().as_uri()):
        session.err.print("no browser can be opened here: open the file yourself")


def remove_reports(data: Path) -> None:
    """Remove the reports that commands have written into a data folder."""
    import shutil

    with suppress(FileNotFoundError):
        shutil.rmtree(data / REPORTS)


def _own(session: Session, name: str) -> Path:
    return session.config.data / REPORTS / f"{name}.html"


def _write(
    session: Session,
    queue: Queue,
    title: str,
    cases: Sequence[Case],
    path: Path,
    left_out: int = 0,
) -> Path:
    from cv_engine.case_report.page import Report, write_report
    from cv_engine.services import Services

    taxonomy = Services(session.config).taxonomy
    beside = path.absolute().parent
    reported = [_reported(session, queue, case, taxonomy, beside) for case in cases]
    try:
        beside.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        write_report(path, Report(title, session.queue_name, now, reported, left_out))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose --out") from error
    return path


def _reported(
    session: Session, queue: Queue, case: Case, taxonomy: Taxonomy, beside: Path
) -> ReportedCase:
    from cv_engine.case_report.card import ReportedCase

    names = queue.evidence(case.id)
    return ReportedCase(
        case,
        _title(case, taxonomy),
        queue.history(case.id),
        zone_of_case(case, session.config),
        [_package(session, queue, case, name, beside) for name in names],
    )


def _title(case: Case, taxonomy: Taxonomy) -> str:
    """The name of a case's class; of one that is no longer in the taxonomy, its kind in words."""
    from cv_engine.cases import QueueError

    try:
        name = taxonomy.classify(case.kind).name
    except QueueError:
        name = case.kind.replace("_", " ")
    return name[:1].upper() + name[1:]


def _package(session: Session, queue: Queue, case: Case, name: str, beside: Path) -> Package:
    """An evidence package, from wherever it is kept."""
    from cv_engine.case_report.pictures import Package, read_package
    from cv_engine.commands.evidence.package import named_package
    from cv_engine.errors import EngineError

    where = package_at(session, name)
    purged = queue.purged(name)
    if purged is not None:
        gone = f"deleted at {purged.at.isoformat(timespec='minutes')} by the rule: {purged.rule}"
        return Package(name, problem=gone)
    zone = zone_of_case(case, session.config)
    try:
        package = named_package(where)
        with package.opened() as (folder, _):
            return read_package(folder, where, package.folder and beside, zone)
    except EngineError as error:  # the store is away: the rest of the report is of use
        return Package(where, problem=str(error))
