"""Exit codes of commands, and error messages of one line in place of tracebacks."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from cv_engine.credentials import without_credentials
from cv_engine.errors import failure_of

if TYPE_CHECKING:
    import typer

_INTERRUPTED = "Interrupted. All filed cases are kept; run the same command again to resume."


class ExitCode(IntEnum):
    """The exit code of the process."""

    DONE = 0
    FAILED = 1
    WRONG_INPUT = 2
    INTERRUPTED = 130  # 128 + SIGINT, as shells count it


def run(app: typer.Typer, args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; never raises.

    Args:
        app: The Typer application.
        args: Arguments without the program's name; those of the process where ``None``.
    """
    argv = list(sys.argv[1:] if args is None else args)
    try:
        app(args=argv, prog_name="cv-engine")
    except SystemExit as end:  # Typer ends every command so, also after wrong usage
        code = end.code if isinstance(end.code, int) else int(ExitCode.FAILED)
        if code == ExitCode.INTERRUPTED:
            say(_INTERRUPTED)
        return code
    except KeyboardInterrupt:
        say(_INTERRUPTED)
        return ExitCode.INTERRUPTED
    except Exception as error:
        if "--debug" in argv:
            sys.stderr.write(without_credentials("".join(traceback.format_exception(error))))
        message, code = describe(error)
        say(f"[bold red]Error:[/] {escaped(message)}")
        return code
    return ExitCode.DONE


def describe(error: BaseException) -> tuple[str, ExitCode]:
    """One line of text about ``error`` without credentials, and its exit code."""
    text, code = _described(error)
    return without_credentials(text), code


def _described(error: BaseException) -> tuple[str, ExitCode]:
    failure = failure_of(error)
    if failure is not None:
        return _text(error), ExitCode(failure.exit_code)
    if isinstance(error, MemoryError):
        return "out of memory; analyse fewer or smaller videos at a time", ExitCode.FAILED
    name = type(error).__name__
    return (
        f"unexpected {name}: {error}. All filed cases are kept; run again with "
        "`cv-engine --debug ...` for details, and `cv-engine doctor` to check the installation.",
        ExitCode.FAILED,
    )


def _text(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def say(text: str) -> None:
    """Write a line of rich markup to stderr, unwrapped, so that it can be searched."""
    from rich.console import Console

    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def escaped(text: str) -> str:
    """``text`` with its markup escaped, so that rich shows it unchanged."""
    from rich.markup import escape

    return escape(text)
