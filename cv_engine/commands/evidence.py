"""The group ``cv-engine evidence``: verification of evidence packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from cv_engine.cases import Queue
    from cv_engine.evidence.verify import Problem

_NO_SIGNER = (
    "who signed the package is not checked: give the station's fingerprint with --trusted, or the "
    "queue with --data or --config"
)
_NO_QUEUE = (
    "whether this package was filed with its case is not checked: there is no queue beside it; "
    "name one with --data or --config"
)
_NO_NAME = (
    "the folder is not named like a package: whether it is the package of the finding that is "
    "meant is not checked"
)
_NO_DIGEST = (
    "whether this package was filed with its case is not checked: the queue recorded no digest "
    "when the case was filed"
)

group = typer.Typer(name="evidence", help="Evidence packages.", no_args_is_help=True)


@group.command()
def verify(
    packages: Annotated[
        list[str],
        typer.Argument(metavar="DIR...", help="Packages; also s3://bucket/prefix/NAME."),
    ],
    trusted: Annotated[
        str | None,
        typer.Option(
            "--trusted", metavar="FINGERPRINT", help="The key that must have signed them."
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find all changes made to evidence packages since they were filed with their cases."""
    raise typer.Exit(verify_packages(Session(config, data, format), packages, trusted))


@dataclass(frozen=True, slots=True)
class _Package:
    """A package to verify.

    Attributes:
        where: Folder or address, as typed.
        name: Name of the package.
        problems: Verifies the package, given the digest that its manifest must have, if known.
        folder: The folder; ``None`` in object storage.
    """

    where: str
    name: str
    problems: Callable[[str | None], list[Problem]]
    folder: Path | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What was found.

    Attributes:
        problems: What is wrong with the package; nothing where it is intact.
        unchecked: What could not be checked, and how it can be.
        case: Number of the package's case; ``None`` where that is not known.
    """

    problems: Sequence[Problem]
    unchecked: Sequence[str] = ()
    case: int | None = None


def verify_packages(session: Session, packages: Sequence[str], trusted: str | None) -> ExitCode:
    """Verify packages and print the problems of each, and what could not be checked.

    A package is compared with the queue that ``--data`` or ``--config`` names, else with the one of
    the data folder in which the package lies.

    Args:
        session: Configuration and data folder, if given, and where output goes.
        packages: Folders, and addresses in object storage: ``s3://bucket/prefix/NAME``.
        trusted: Fingerprint of the key that must have signed them.

    Returns:
        0 where all packages are intact, 2 where a folder does not exist, 1 otherwise.

    Raises:
        EvidenceError: An address is malformed, or its store cannot be used here.
        QueueError: The queue that was named cannot be read.
        InputError: There is no queue where one was named.
    """
    from cv_engine.evidence.errors import StoreError

    chosen = [_package(package, trusted) for package in packages]
    codes = {ExitCode.DONE}
    with ExitStack() as stack:
        queue_of = partial(_queue_of, session, stack, {})
        for package in chosen:
            try:
                verdict = _verdict(package, queue_of(package), is_trusted=trusted is not None)
            except StoreError as error:
                codes.add(ExitCode.FAILED)
                _print_unread(session, package.where, str(error))
                continue
            if verdict.problems:
                missing = package.folder is not None and not package.folder.is_dir()
                codes.add(ExitCode.WRONG_INPUT if missing else ExitCode.FAILED)
            _print_verdict(session, package.where, verdict)
    return max(codes)


def _package(where: str, trusted: str | None) -> _Package:
    from cv_engine.evidence.storage.address import is_address, split_address
    from cv_engine.evidence.storage.opening import open_store
    from cv_engine.evidence.storage.store import checked_name
    from cv_engine.evidence.verify import verify as problems_of

    if not is_address(where):
        folder = Path(where).absolute()
        check = partial(_problems_in_folder, problems_of, folder, trusted)
        return _Package(where, folder.name, check, folder)
    address, name = split_address(where)
    name, store = checked_name(name), open_store(address)
    return _Package(where, name, lambda sha256: store.problems(name, trusted, sha256), None)


def _problems_in_folder(
    problems_of: Callable[..., list[Problem]], folder: Path, trusted: str | None, sha256: str | None
) -> list[Problem]:
    return problems_of(folder, trusted, sha256=sha256)


def _queue_of(
    session: Session, stack: ExitStack, known: dict[object, Queue | str], package: _Package
) -> Queue | str:
    """The queue to compare a package with, opened once, or why there is none.

    Raises:
        QueueError, InputError: The queue that was named cannot be used.
    """
    from cv_engine.cases import QueueError, open_queue

    if session.config_path is not None or session.data is not None:
        where: str | Path = session.config.queue
        is_file = isinstance(where, Path) or "://" not in where
        if is_file and not Path(where).is_file():
            raise InputError(f"{where}: there is no queue; correct --data or --config")
        if where not in known:
            known[where] = stack.enter_context(open_queue(where))
        return known[where]
    if package.folder is None:
        return _NO_QUEUE
    where = package.folder.resolve().parents[1] / "queue.db" if package.folder.is_dir() else Path()
    if package.folder.resolve().parent.name != "evidence" or not where.is_file():
        return _NO_QUEUE
    if where not in known:
        try:
            known[where] = stack.enter_context(open_queue(where))
        except QueueError as error:
            known[where] = f"whether this package was filed with its case is not checked: {error}"
    return known[where]


def _verdict(package: _Package, queue: Queue | str, *, is_trusted: bool) -> _Verdict:
    """Verifies a package, and compares it with what was filed.

    Raises:
        StoreError: The package cannot be read.
    """
    from cv_engine.evidence.naming import is_note, key_in
    from cv_engine.evidence.verify import Problem

    key, of_note = key_in(package.name), is_note(package.name)
    if isinstance(queue, str) or (key is None and not of_note):
        unchecked = [queue] if isinstance(queue, str) else []
        unchecked = unchecked if key is not None or of_note else [_NO_NAME]
        return _Verdict(package.problems(None), [*unchecked, *([] if is_trusted else [_NO_SIGNER])])
    filed = queue.attachment(package.name) if key is None else queue.filed_evidence(key)
    if filed is None or filed.name != package.name:
        what = "note" if of_note else "finding"
        named = f"names no such {what}" if filed is None else f"has {filed.name or 'no evidence'}"
        foreign = Problem(".", f"the queue {named}: the package belongs to no case")
        return _Verdict([foreign, *package.problems(None)])
    problems = package.problems(filed.sha256)
    unchecked = [] if filed.sha256 else [_NO_DIGEST, *([] if is_trusted else [_NO_SIGNER])]
    return _Verdict(problems, unchecked, filed.case_id)


def _print_verdict(session: Session, package: str, verdict: _Verdict) -> None:
    if session.format is Format.JSONL:
        found = [{"where": problem.where, "what": problem.what} for problem in verdict.problems]
        session.line(
            {
                "package": package,
                "intact": not verdict.problems,
                "case": verdict.case,
                "problems": found,
                "unchecked": [] if verdict.problems else list(verdict.unchecked),
            }
        )
        return
    state = "[bold red]CHANGED[/]" if verdict.problems else "[green]intact[/]"
    case = "" if verdict.case is None else f" (case {verdict.case})"
    session.out.print(f"{state} {escaped(package)}{case}", soft_wrap=True)
    for line in map(str, verdict.problems or verdict.unchecked):
        session.out.print(f"  {escaped(line)}", soft_wrap=True)


def _print_unread(session: Session, package: str, reason: str) -> None:
    """Print that a package cannot be read: whether it is intact is unknown."""
    if session.format is Format.JSONL:
        session.line({"package": package, "intact": None, "problems": [], "unread": reason})
        return
    session.out.print(f"[bold red]unread[/] {escaped(package)}")
    session.out.print(f"  {escaped(reason)}")
