"""The command line ``cv-engine``: mounts the command groups of the packages."""

from __future__ import annotations

import os
import sys

import typer

# One process works per core: the threads of the linear algebra would wait for each other, which
# makes small matrix products 20 times as slow. NumPy reads the variable when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from cv_engine.commands import (
    accounts,
    cameras,
    models,
    notices,
    outlets,
    privacy,
    registry,
    sensors,
    taxonomy,
    zones,
)
from cv_engine.commands.analyze import analyze
from cv_engine.commands.cases import group as cases
from cv_engine.commands.demo import demo
from cv_engine.commands.doctor import doctor
from cv_engine.commands.evidence import group as evidence
from cv_engine.commands.exit_codes import run
from cv_engine.commands.root import root_options
from cv_engine.commands.serve import serve
from cv_engine.commands.status import status
from cv_engine.commands.watch import watch
from satellite import commands as satellite

app = typer.Typer(
    help="Finds what stays where it must not be, in footage and live streams, and files cases.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(root_options)
for _command in (analyze, watch, serve, status, demo, doctor):
    app.command()(_command)
for _module in (
    cases,
    accounts,
    taxonomy,
    outlets,
    registry,
    notices,
    evidence,
    privacy,
    models,
    zones,
    cameras,
    sensors,
    satellite,
):
    app.add_typer(_module.group)


def main() -> None:
    """Entry point of the ``cv-engine`` command."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
