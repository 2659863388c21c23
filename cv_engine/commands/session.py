"""The session of one command: its configuration, its queue and its output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cv_engine.commands.options import Format, found_config
from cv_engine.commands.tables import records_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cv_engine.cases import Queue
    from cv_engine.config import Config


@dataclass(frozen=True)
class Session:
    """One run of the command line.

    Attributes:
        config_path: The configuration file as typed; ``None`` for the one that
            :func:`~cv_engine.commands.options.found_config` finds.
        data: The data folder; ``None`` for that of the configuration.
        format: The form of the output on stdout.
    """

    config_path: Path | None
    data: Path | None
    format: Format = Format.TABLE

    @cached_property
    def config(self) -> Config:
        """The configuration, with the data folder of this session.

        Raises:
            ConfigError: The configuration cannot be used.
        """
        from cv_engine.config import load_config

        config = load_config(self.config_path or found_config())
        if self.data is not None:
            config = config.model_copy(update={"data": self.data.expanduser().absolute()})
        return config

    @property
    def evidence_root(self) -> Path:
        """The folder of the evidence packages."""
        return self.config.evidence_root

    @property
    def queue_name(self) -> str:
        """The queue's file or address, without its password; and what names it, if not typed."""
        from cv_engine.credentials import without_credentials

        name = without_credentials(str(self.config.queue))
        found = None if self.config_path else found_config()
        return name if found is None or self.data is not None else f"{name} (of {found})"

    def open_queue(self) -> Queue:
        """Open the queue of the data folder, or that of ``store`` in the configuration.

        The queue knows no organisation, whose areas take time to read: whoever files or dispatches
        cases takes that of :class:`~cv_engine.services.Services`.

        Raises:
            QueueError: The queue cannot be opened, or a file of the city cannot be used.
        """
        from cv_engine.cases import open_queue
        from cv_engine.services import Services

        services = Services(self.config)
        return open_queue(self.config.queue, taxonomy=services.taxonomy, limits=services.deadlines)

    @cached_property
    def out(self) -> Console:
        """The console for results: stdout; see :meth:`print_table` for tables."""
        from rich.console import Console

        return Console(highlight=False, soft_wrap=not sys.stdout.isatty())

    @cached_property
    def err(self) -> Console:
        """The console for messages: stderr."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    def show(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Print ``table``, or ``rows`` as JSON lines, by the session's format."""
        if self.format is Format.TABLE:
            self.print_table(table)
            return
        for row in rows:
            self.line(row)

    def print_table(self, table: Table) -> None:
        """Print a table that fits the terminal; where stdout is none, one record a line.

        Records have their cells between tabs, without padding, below a line of the columns' names:
        what ``cut``, ``awk`` and ``sort -t`` take.
        """
        if self.out.is_terminal:
            self.out.print(table)
            return
        if table.title:
            self.err.print(table.title)
        for record in records_of(table):
            sys.stdout.write("\t".join(record) + "\n")

    def line(self, row: Mapping[str, Any]) -> None:
        """Print one JSON object as a line."""
        sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
