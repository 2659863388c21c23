"""The group ``cv-engine cases``: every command on the queue of cases, in the order of the help."""

from __future__ import annotations

import typer

from cv_engine.commands.cases import importing, listing, merging, moves, stores
from cv_engine.commands.cases.deadlines import deadlines
from cv_engine.commands.cases.events import follow
from cv_engine.commands.cases.report import report
from cv_engine.commands.cases.stats import stats

group = typer.Typer(name="cases", help="The queue of cases.", no_args_is_help=True)
group.command("list")(listing.list_cases)
group.command()(listing.show)
group.command()(listing.export)
group.command()(report)
group.command("file")(importing.file_cases)
moves.register(group)
for _command in (merging.findings, merging.merge, merging.split):
    group.command()(_command)
group.command()(deadlines)
group.command()(stats)
group.command("watch")(follow)
for _whole in (stores.audit, stores.backup, stores.restore):
    group.command()(_whole)
group.command()(stores.move)
