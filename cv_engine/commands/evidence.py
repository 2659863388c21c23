"""The group ``cv-engine evidence``: verification of evidence packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import Format, FormatOption
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from cv_engine.evidence.verify import Problem


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
    format: FormatOption = Format.TABLE,
) -> None:
    """Find all changes made to evidence packages since they were written."""
    raise typer.Exit(verify_packages(Session(None, None, format), packages, trusted))


def verify_packages(session: Session, packages: Sequence[str], trusted: str | None) -> ExitCode:
    """Verify packages and print the problems of each; reads no configuration and no queue.

    Args:
        session: Where output goes.
        packages: Folders, and addresses in object storage: ``s3://bucket/prefix/NAME``.
        trusted: Fingerprint of the key that must have signed them.

    Returns:
        0 where all packages are intact, 2 where a folder does not exist, 1 otherwise.

    Raises:
        EvidenceError: An address is malformed, or its store cannot be used here.
    """
    from cv_engine.evidence.errors import StoreError

    checks = [(package, _verification(package, trusted)) for package in packages]
    codes = {ExitCode.DONE}
    for package, (check, missing) in checks:
        try:
            problems = check()
        except StoreError as error:
            codes.add(ExitCode.FAILED)
            _print_unread(session, package, str(error))
            continue
        if problems:
            codes.add(ExitCode.WRONG_INPUT if missing else ExitCode.FAILED)
        _print_problems(session, package, problems)
    return max(codes)


def _verification(package: str, trusted: str | None) -> tuple[Callable[[], list[Problem]], bool]:
    """A function that verifies a package, and whether the package is a missing folder."""
    from cv_engine.evidence.storage.address import is_address, split_address
    from cv_engine.evidence.storage.opening import open_store
    from cv_engine.evidence.storage.store import checked_name
    from cv_engine.evidence.verify import verify as problems_of

    if not is_address(package):
        return partial(problems_of, Path(package), trusted), not Path(package).is_dir()
    address, name = split_address(package)
    return partial(open_store(address).problems, checked_name(name), trusted), False


def _print_problems(session: Session, package: str, problems: Sequence[Problem]) -> None:
    if session.format is Format.JSONL:
        found = [{"where": problem.where, "what": problem.what} for problem in problems]
        session.line({"package": package, "intact": not problems, "problems": found})
        return
    state = "[bold red]CHANGED[/]" if problems else "[green]intact[/]"
    session.out.print(f"{state} {escaped(package)}")
    for problem in problems:
        session.out.print(f"  {escaped(str(problem))}")


def _print_unread(session: Session, package: str, reason: str) -> None:
    """Print that a package cannot be read: whether it is intact is unknown."""
    if session.format is Format.JSONL:
        session.line({"package": package, "intact": None, "problems": [], "unread": reason})
        return
    session.out.print(f"[bold red]unread[/] {escaped(package)}")
    session.out.print(f"  {escaped(reason)}")
