"""The group ``cv-engine evidence``: every command on evidence packages and keys."""

from __future__ import annotations

import typer

from cv_engine.commands.evidence import keys
from cv_engine.commands.evidence.report import report
from cv_engine.commands.evidence.stamp import stamp
from cv_engine.commands.evidence.verify import verify

group = typer.Typer(name="evidence", help="Evidence packages.", no_args_is_help=True)
for _command in (verify, report, stamp):
    group.command()(_command)
group.add_typer(keys.group)
