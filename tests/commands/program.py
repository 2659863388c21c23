"""The command line, run in this process: a new process would spend seconds on imports."""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path

import cli
from cv_engine.commands.exit_codes import run

Done = subprocess.CompletedProcess[str]


def run_program(folder: Path, *arguments: object) -> Done:
    """Run one command in ``folder``, with stdout and stderr captured.

    Returns:
        The exit code and the output, as from a process.
    """
    command = [str(argument) for argument in arguments]
    out, err = _stream(), _stream()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run(cli.app, command)
    return Done(command, code, _text(out), _text(err))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
