"""Zones and cameras at the terminal: what is wrong with them, and how they lie in the picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.models import table
from cv_engine.commands.options import Format, InputError, read_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cv_engine.commands.session import Session
    from cv_engine.config.settings import CameraConfig
    from zones.errors import Problem

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def frame_of(path: Path) -> NDArray[np.uint8]:
    """Return the first picture of a video, or the picture itself, as (H, W, 3) BGR.

    Raises:
        InputError: It is no readable picture.
        VideoError: It is no readable video.
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
    raise InputError(f"{path}: no picture of this video can be read")


def check(
    path: Path, *, on: Path | None, size: str | None, camera: CameraConfig | None
) -> list[Problem]:
    """Say what is wrong with a zones file, for a frame where one is given.

    Raises:
        InputError: The size is not written as it should be, or the picture is not readable.
    """
    from zones.check import check as check_zones

    width = height = None
    if size is not None:
        width, height = read_size(size, "--size")
    elif on is not None:
        height, width = frame_of(on).shape[:2]
    return check_zones(
        path,
        width,
        height,
        None if camera is None else camera.camera(),
        timezone="UTC" if camera is None else camera.timezone,
    )


def problem_row(problem: Problem) -> dict[str, Any]:
    """One problem as a JSON object."""
    return {
        "severity": problem.severity,
        "where": problem.where,
        "what": problem.what,
        "advice": problem.advice,
    }


def tell(session: Session, path: Path, problems: list[Problem]) -> ExitCode:
    """Print the problems of a zones file; wrong input where one of them stops its use."""
    if session.format is Format.JSONL:
        for problem in problems:
            session.line(problem_row(problem))
    else:
        for problem in problems:
            colour = "red" if problem.severity == "error" else "yellow"
            session.out.print(f"[{colour}]{problem.severity}[/] {escaped(str(problem))}")
    if any(problem.severity == "error" for problem in problems):
        return ExitCode.WRONG_INPUT
    session.err.print(f"{escaped(str(path))}: {'usable' if problems else 'no problem found'}")
    return ExitCode.DONE


def draw(path: Path, on: Path, out: Path, camera: CameraConfig | None) -> None:
    """Draw the zones on a frame into a picture.

    Raises:
        ZoneError: The zones cannot be used on this frame.
        InputError: The frame cannot be read or the picture cannot be written.
    """
    import cv2

    from zones.draw import draw_zones
    from zones.zone import in_sight, load_zones

    image = frame_of(on)
    height, width = image.shape[:2]
    zones = load_zones(path, timezone="UTC" if camera is None else camera.timezone)
    seen = in_sight(zones, None if camera is None else camera.camera(), width, height)
    if not seen:
        raise InputError(
            f"{path}: none of its zones is seen in this picture; name the camera with --camera, "
            "or see cv-engine zones check"
        )
    suffix = out.suffix if out.suffix.lower() in _PICTURES else ".png"
    drawn, data = cv2.imencode(suffix, draw_zones(image, seen))
    if not drawn:
        raise InputError(f"--out {out}: this kind of picture cannot be written; use .png or .jpg")
    out.write_bytes(data.tobytes())


def tell_cameras(session: Session) -> ExitCode:
    """Print what is known of the configured cameras; wrong input where zones cannot be used."""
    rows = camera_rows(session.config.cameras)
    if not rows:
        session.err.print("the configuration names no camera; add one under cameras:")
        return ExitCode.DONE
    session.show(table([{**row, "problems": "\n".join(row["problems"])} for row in rows]), rows)
    return ExitCode.WRONG_INPUT if any(row["errors"] for row in rows) else ExitCode.DONE


def camera_rows(cameras: tuple[CameraConfig, ...]) -> list[dict[str, Any]]:
    """What is known of each camera's place, and what is wrong with its zones."""
    rows = []
    for entry in cameras:
        camera = entry.camera()
        problems = (
            [] if entry.zones is None else check(entry.zones, on=None, size=None, camera=entry)
        )
        rows.append(
            {
                "camera": entry.name,
                "place": _place_basis(entry),
                "points": len(entry.ground_control_points),
                "fit_error_m": _rounded(camera.fit_error_m),
                "left_out_error_m": _rounded(camera.left_out_error_m),
                "timezone": entry.timezone,
                "zones": None if entry.zones is None else str(entry.zones),
                "errors": sum(problem.severity == "error" for problem in problems),
                "problems": [str(problem) for problem in problems],
            }
        )
    return rows


def _place_basis(entry: CameraConfig) -> str:
    if entry.ground_control_points:
        return "ground control points"
    return "unknown" if entry.latitude is None else "the camera's position"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
