from __future__ import annotations

import errno

import pytest
import typer

from cv_engine.cases import QueueError
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, describe, run
from models.errors import ModelError
from zones.errors import Problem, ZoneError


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (QueueError("no case 7"), "no case 7", ExitCode.WRONG_INPUT),
        (ModelError("no model"), "no model", ExitCode.WRONG_INPUT),
        (ZoneError(Problem("a.json", "is empty", "draw one")), "draw one", ExitCode.WRONG_INPUT),
        (InputError("--at x"), "--at x", ExitCode.WRONG_INPUT),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.mp4"), "a.mp4", ExitCode.WRONG_INPUT),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x", ExitCode.WRONG_INPUT),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "No space", ExitCode.FAILED),
        (ValueError("a bug"), "unexpected ValueError: a bug", ExitCode.FAILED),
        (MemoryError(), "out of memory", ExitCode.FAILED),
    ],
)
def test_errors_have_a_message_and_an_exit_code(
    error: Exception, words: str, code: ExitCode
) -> None:
    message, found = describe(error)
    assert words in message
    assert found == code


def _app(error: BaseException | None) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def work(debug: bool = False) -> None:
        if error is not None:
            raise error

    return app


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (typer.Exit(1), 1),
        (QueueError("wrong"), 2),
        (RuntimeError("a bug"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_command_ends_with_its_code(
    error: BaseException | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(_app(error), []) == code
    assert "Traceback" not in capsys.readouterr().err


def test_an_interrupted_command_says_how_to_resume(capsys: pytest.CaptureFixture[str]) -> None:
    run(_app(KeyboardInterrupt()), [])
    assert "resume" in capsys.readouterr().err


def test_the_traceback_is_shown_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_app(RuntimeError("a bug")), ["--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_markup_in_a_message_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    run(_app(QueueError("zone [red] is unknown")), [])
    assert "zone [red] is unknown" in capsys.readouterr().err
