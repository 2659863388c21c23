"""The options of the program itself, before the name of a command."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"cv-engine {version('cv-engine')}")
        raise typer.Exit


def root_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log decisions and their reasons on stderr.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    """Set up logging for the command that follows."""
    _configure_logs(verbose=verbose or debug)


def _configure_logs(*, verbose: bool) -> None:
    """Log to stderr: warnings, and with ``verbose`` also decisions and their reasons."""
    import structlog

    from cv_engine.credentials import hide_credentials

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_credentials,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if verbose else logging.WARNING
        ),
        # Looked up for every logger: rich replaces sys.stderr while a progress bar is shown.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
