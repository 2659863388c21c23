"""The group ``cv-engine zones``: check zones files and draw them on a frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import CameraOption, ConfigOption, Format, FormatOption, read_size
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cv_engine.config import CameraConfig
    from zones.errors import Problem

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

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


@group.command()
def draw(
    file: FileArgument,
    on: Annotated[Path, typer.Option("--on", metavar="VIDEO", help="A video or picture.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The picture to write.")
    ] = Path("zones.png"),
    camera: CameraOption = None,
    config: ConfigOption = None,
) -> None:
    """Draw zones on a frame of the camera."""
    session = Session(config, None)
    entry = None if camera is None else session.config.camera(camera)
    _draw(file, on, out, entry)
    session.err.print(f"written: {out}")


def _frame_of(path: Path) -> NDArray[np.uint8]:
    """The first frame of a video, or a picture, as (H, W, 3) BGR.

    Raises:
        InputError: The picture cannot be read.
        VideoError: The video cannot be read.
    """
    if path.suffix.lower() in _PICTURES:
        import cv2

        if not path.is_file():
            raise InputError(f"{path}: there is no such file")
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise InputError(f"{path}: not a readable picture")
        return image.astype("uint8")
    from cv_engine.video.source import open_video

    for sample in open_video(path).read([0.0]):
        return sample.image()
    raise InputError(f"{path}: no frame of this video can be decoded")


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
    from cv_engine.rules import registry
    from zones.check import check as check_zones

    width = height = None
    if size is not None:
        width, height = read_size(size, "--size")
    elif on is not None:
        height, width = _frame_of(on).shape[:2]
    return check_zones(
        path,
        width,
        height,
        None if camera is None else camera.camera(),
        kinds=registry.kinds(),
        numbers=registry.zone_settings(),
        timezone="UTC" if camera is None else camera.timezone,
    )


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


def _draw(path: Path, on: Path, out: Path, camera: CameraConfig | None) -> None:
    """Draw the zones on a frame and write the picture.

    Raises:
        ZoneError: The zones cannot be used on this frame.
        InputError: The frame cannot be read or the picture cannot be written.
    """
    import cv2

    from cv_engine.pipeline.camera_setup import read_zones
    from zones.draw import draw_zones
    from zones.zone import visible_zones

    image = _frame_of(on)
    height, width = image.shape[:2]
    zones = read_zones(path, "UTC" if camera is None else camera.timezone)
    visible = visible_zones(zones, None if camera is None else camera.camera(), width, height)
    if not visible:
        raise InputError(
            f"{path}: no zone lies in this picture; name the camera with --camera, "
            "or run cv-engine zones check"
        )
    suffix = out.suffix if out.suffix.lower() in _PICTURES else ".png"
    drawn, data = cv2.imencode(suffix, draw_zones(image, visible))
    if not drawn:
        raise InputError(f"--out {out}: this kind of picture cannot be written; use .png or .jpg")
    out.write_bytes(data.tobytes())
