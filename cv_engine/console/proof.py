"""Checking evidence packages at the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.console.options import Format
from cv_engine.console.run import ExitCode, escaped

if TYPE_CHECKING:
    from cv_engine.console.session import Session


def verify(session: Session, folders: Sequence[Path], trusted: str | None) -> ExitCode:
    """Check packages and print what is wrong with each; needs no configuration and no queue.

    Args:
        session: Where output goes.
        folders: The packages.
        trusted: Fingerprint of the key that must have signed them.

    Returns:
        0 where all are as they were written, 2 where a folder is not there, 1 otherwise.
    """
    from cv_engine.evidence.verify import verify as problems_of

    bad = missing = 0
    for folder in folders:
        problems = problems_of(folder, trusted)
        missing += not folder.is_dir()
        bad += bool(problems)
        if session.format is Format.JSONL:
            found = [{"where": problem.where, "what": problem.what} for problem in problems]
            session.line({"package": str(folder), "intact": not problems, "problems": found})
            continue
        state = "[bold red]CHANGED[/]" if problems else "[green]intact[/]"
        session.out.print(f"{state} {escaped(str(folder))}")
        for problem in problems:
            session.out.print(f"  {escaped(str(problem))}")
    if missing:
        return ExitCode.WRONG_INPUT
    return ExitCode.FAILED if bad else ExitCode.DONE
