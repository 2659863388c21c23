"""``cv-engine evidence stamp``: fetches the timestamps that packages still lack."""

from __future__ import annotations

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session


def stamp(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """Fetch the timestamps that evidence packages are still without."""
    raise typer.Exit(stamp_packages(Session(config, data, format)))


def stamp_packages(session: Session) -> ExitCode:
    """Fetch the timestamps of all packages that wait, and print what became of each.

    Returns:
        0 where no package waits any more, 1 otherwise.

    Raises:
        EvidenceError: The authority's certificate cannot be read.
        InputError: The configuration names no authority.
    """
    from cv_engine.services import Services

    with Services(session.config) as services:
        if services.authority is None:
            raise InputError(
                "there is no timestamping authority; name one with evidence.timestamp in the "
                "configuration"
            )
        done = services.stamper.stamp_waiting()
    for name in done.stamped:
        _print(session, name, None)
    for name, reason in done.unstamped.items():
        _print(session, name, reason)
    return ExitCode.FAILED if done.unstamped else ExitCode.DONE


def _print(session: Session, name: str, reason: str | None) -> None:
    if session.format is Format.JSONL:
        session.line({"package": name, "stamped": reason is None, "reason": reason})
        return
    state = "[green]stamped[/]" if reason is None else "[yellow]waits[/]"
    session.out.print(f"{state} {escaped(name)}", soft_wrap=True)
    if reason is not None:
        session.out.print(f"  {escaped(reason)}", soft_wrap=True)
