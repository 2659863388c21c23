"""Checking evidence packages at the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import Format

if TYPE_CHECKING:
    from cv_engine.commands.session import Session
    from cv_engine.evidence.verify import Problem


def verify(session: Session, packages: Sequence[str], trusted: str | None) -> ExitCode:
    """Check packages and print what is wrong with each; needs no configuration and no queue.

    Args:
        session: Where output goes.
        packages: Folders, and addresses in object storage: ``s3://bucket/prefix/NAME``.
        trusted: Fingerprint of the key that must have signed them.

    Returns:
        0 where all are as they were written, 2 where a folder is not there, 1 otherwise.

    Raises:
        EvidenceError: An address is none, or cannot be used here.
    """
    from cv_engine.evidence.storage.store import StoreError

    checks = [(package, _check_of(package, trusted)) for package in packages]
    codes = {ExitCode.DONE}
    for package, (check, missing) in checks:
        try:
            problems = check()
        except StoreError as error:
            codes.add(ExitCode.FAILED)
            _tell_unknown(session, package, str(error))
            continue
        if problems:
            codes.add(ExitCode.WRONG_INPUT if missing else ExitCode.FAILED)
        _tell(session, package, problems)
    return max(codes)


def _check_of(package: str, trusted: str | None) -> tuple[Callable[[], list[Problem]], bool]:
    """What checks a package, and whether it is a folder that is not there."""
    from cv_engine.evidence.storage.address import is_address, split_address
    from cv_engine.evidence.storage.store import checked_name, open_store
    from cv_engine.evidence.verify import verify as problems_of

    if not is_address(package):
        return partial(problems_of, Path(package), trusted), not Path(package).is_dir()
    address, name = split_address(package)
    return partial(open_store(address).problems, checked_name(name), trusted), False


def _tell(session: Session, package: str, problems: Sequence[Problem]) -> None:
    if session.format is Format.JSONL:
        found = [{"where": problem.where, "what": problem.what} for problem in problems]
        session.line({"package": package, "intact": not problems, "problems": found})
        return
    state = "[bold red]CHANGED[/]" if problems else "[green]intact[/]"
    session.out.print(f"{state} {escaped(package)}")
    for problem in problems:
        session.out.print(f"  {escaped(str(problem))}")


def _tell_unknown(session: Session, package: str, reason: str) -> None:
    """Says of a package that it could not be looked at: nobody knows whether it is intact."""
    if session.format is Format.JSONL:
        session.line({"package": package, "intact": None, "problems": [], "unread": reason})
        return
    session.out.print(f"[bold red]unread[/] {escaped(package)}")
    session.out.print(f"  {escaped(reason)}")
