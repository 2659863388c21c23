"""The group ``cv-engine zones``: save a frame to draw on, check zones files and draw them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands import drawing
from cv_engine.commands.drawing import frame_of
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import CameraOption, ConfigOption, Format, FormatOption, read_size
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from cv_engine.config import CameraConfig
    from zones.errors import Problem

group = typer.Typer(name="zones", help="Zones files.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A GeoJSON file of zones.")]


@group.command()
def check(
    file: FileArgument,
    on: Annotated[
        Path | None,
        typer.Option("--on", metavar="VIDEO", help="A video or picture of the camera."),
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="The camera's frame size.")
    ] = None,
    camera: CameraOption = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Report every error in a zones file, with its line."""
    session = Session(config, None, format)
    entry = None if camera is None else session.config.camera(camera)
    problems = problems_of(file, on=on, size=size, camera=entry)
    raise typer.Exit(_print_problems(session, file, problems))


group.command("frame")(drawing.frame)
group.command("draw")(drawing.draw_zones_file)


def problems_of(
    path: Path,
    *,
    on: Path | None = None,
    size: str | None = None,
    camera: CameraConfig | None = None,
) -> list[Problem]:
    """The problems of a zones file.

    Args:
        path: The file.
        on: A video or picture of the camera, for its frame size.
        size: The frame size as typed.
        camera: The camera that the zones are for.

    Raises:
        InputError: The size is malformed, or the picture cannot be read.
    """
    from cv_engine.pipeline.camera_setup import check_zones

    width = height = None
    if size is not None:
        width, height = read_size(size, "--size")
    elif on is not None:
        height, width = frame_of(on).shape[:2]
    return check_zones(path, camera, width, height)


def _problem_row(problem: Problem) -> dict[str, Any]:
    """One problem as a JSON object."""
    return {
        "severity": problem.severity,
        "where": problem.where,
        "what": problem.what,
        "advice": problem.advice,
    }


def _print_problems(session: Session, path: Path, problems: list[Problem]) -> ExitCode:
    """Print the problems of a zones file; wrong input where one of them is an error."""
    if session.format is Format.JSONL:
        for problem in problems:
            session.line(_problem_row(problem))
    else:
        for problem in problems:
            colour = "red" if problem.severity == "error" else "yellow"
            session.out.print(f"[{colour}]{problem.severity}[/] {escaped(str(problem))}")
    if any(problem.severity == "error" for problem in problems):
        return ExitCode.WRONG_INPUT
    session.err.print(f"{escaped(str(path))}: {'usable' if problems else 'no problem found'}")
    return ExitCode.DONE
