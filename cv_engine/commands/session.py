"""What every command works with: the configuration, the queue, and where output goes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cv_engine.commands.options import Format

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cv_engine.cases import Queue
    from cv_engine.config.settings import Config


@dataclass(frozen=True)
class Session:
    """One run of the command line.

    Attributes:
        config_path: The configuration asked for, ``None`` for the packaged one.
        data: The data folder asked for, ``None`` for the configuration's.
        format: What goes to stdout.
    """

    config_path: Path | None
    data: Path | None
    format: Format = Format.TABLE

    @cached_property
    def config(self) -> Config:
        """The configuration, with the data folder that was asked for.

        Raises:
            ConfigError: It cannot be used.
        """
        from cv_engine.config.settings import load_config

        config = load_config(self.config_path)
        if self.data is not None:
            config = config.model_copy(update={"data": self.data.expanduser().absolute()})
        return config

    @property
    def evidence_root(self) -> Path:
        """The folder that evidence packages lie in."""
        return self.config.evidence_root

    def open_queue(self) -> Queue:
        """Open the queue of the data folder, or of ``store`` in the configuration.

        Raises:
            QueueError: It cannot be opened.
        """
        from cv_engine.cases import open_queue

        return open_queue(self.config.queue)

    @cached_property
    def out(self) -> Console:
        """Where results go: stdout; not cut at 80 columns where it is not a terminal."""
        from rich.console import Console

        return Console(highlight=False, width=None if sys.stdout.isatty() else 200)

    @cached_property
    def err(self) -> Console:
        """Where messages to people go: stderr."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    def show(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Print ``rows`` as JSON lines, or ``table``, as was asked for."""
        if self.format is Format.TABLE:
            self.out.print(table)
            return
        for row in rows:
            self.line(row)

    def line(self, row: Mapping[str, Any]) -> None:
        """Print one JSON object on a line of its own."""
        sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def configure_logs(*, verbose: bool) -> None:
    """Send log lines to stderr: warnings, and with ``verbose`` what was chosen and why."""
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if verbose else logging.WARNING
        ),
        # Looked up for every logger: rich replaces sys.stderr while a progress bar is shown.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
