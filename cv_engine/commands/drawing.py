"""``cv-engine zones frame``, ``zones draw`` and ``cameras draw``: pictures to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import CameraOption, ConfigOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import rows_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cv_engine.config import CameraConfig
    from zones.camera import Camera
    from zones.zone import Zone

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

OnOption = Annotated[Path, typer.Option("--on", metavar="VIDEO", help="A video or picture.")]
OutOption = Annotated[Path, typer.Option("--out", metavar="FILE", help="The picture to write.")]


def frame(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video of the camera.")],
    out: OutOption = Path("still.png"),
    at: Annotated[
        float, typer.Option("--at", metavar="S", min=0, help="Seconds after the video's start.")
    ] = 0.0,
) -> None:
    """Save a frame in full size, to draw zones on: its pixels are those of zones files."""
    session = Session(None, None)
    image = frame_of(video, at)
    _write(out, image)
    height, width = image.shape[:2]
    session.err.print(f"written: {escaped(str(out))}, {width} x {height} pixels")


def draw_zones_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A GeoJSON file of zones.")],
    on: OnOption,
    out: OutOption = Path("zones.png"),
    camera: CameraOption = None,
    config: ConfigOption = None,
) -> None:
    """Draw zones, and the points of a camera with their errors, on a frame."""
    session = Session(config, None)
    entry = None if camera is None else session.config.camera(camera)
    known = None if entry is None else entry.camera()
    image = frame_of(on)
    zones = _visible(file, entry, image)
    if not zones:
        raise InputError(
            f"{file}: no zone lies in this picture; name the camera with --camera, "
            "or run cv-engine zones check"
        )
    _write(out, _drawn(image, zones, known))
    session.err.print(f"written: {escaped(str(out))}")


def draw_camera(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The camera's name.")],
    on: OnOption,
    out: OutOption = Path("camera.png"),
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Draw a camera's zones and ground control points on a frame, and list the points' errors."""
    session = Session(config, None, format)
    entry = session.config.camera(name)
    known, image = entry.camera(), frame_of(on)
    zones = [] if entry.zones is None else _visible(entry.zones, entry, image)
    if not zones and not known.ground_control_points:
        raise InputError(
            f"camera {name} has no zone in this picture and no ground control points: there is "
            "nothing to draw"
        )
    _write(out, _drawn(image, zones, known))
    height, width = image.shape[:2]
    outside = [p.number for p in known.point_errors() if p.x > width or p.y > height]
    if outside:
        session.err.print(
            f"[yellow]not in the picture, which has {width} x {height} pixels: point "
            f"{', '.join(map(str, outside))}[/]"
        )
    rows = _point_rows(known)
    if rows:
        session.show(rows_table(rows), rows)
    session.err.print(f"written: {escaped(str(out))}")


def frame_of(path: Path, at_s: float = 0.0) -> NDArray[np.uint8]:
    """A frame of a video, or a picture, as (H, W, 3) BGR.

    Args:
        path: A video or a picture.
        at_s: Media time of the frame in seconds; a time after the end gives the last.

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

    for sample in open_video(path).read([at_s]):
        return sample.image()
    raise InputError(f"{path}: no frame of this video can be decoded")


def _visible(path: Path, entry: CameraConfig | None, image: NDArray[np.uint8]) -> list[Zone]:
    """The zones of a file in pixels of a frame.

    Raises:
        ZoneError: The zones cannot be used on this frame.
    """
    from cv_engine.pipeline.camera_setup import read_zones
    from zones.zone import visible_zones

    height, width = image.shape[:2]
    zones = read_zones(path, "UTC" if entry is None else entry.timezone)
    return visible_zones(zones, None if entry is None else entry.camera(), width, height)


def _drawn(image: NDArray[np.uint8], zones: list[Zone], camera: Camera | None) -> NDArray[np.uint8]:
    from zones.draw import draw_zones
    from zones.draw_points import draw_points

    drawn = draw_zones(image, zones)
    return drawn if camera is None else draw_points(drawn, camera.point_errors())


def _point_rows(camera: Camera) -> list[dict[str, Any]]:
    return [
        {
            "point": point.number,
            "x": point.x,
            "y": point.y,
            "error_m": round(point.residual_m, 2),
            "left_out_error_m": None if point.left_out_m is None else round(point.left_out_m, 2),
        }
        for point in camera.point_errors()
    ]


def _write(out: Path, image: NDArray[np.uint8]) -> None:
    """Write a picture; the suffix gives its format.

    Raises:
        InputError: The picture cannot be written.
    """
    import cv2

    from cv_engine.files import write_atomically

    suffix = out.suffix.lower()
    if suffix not in _PICTURES:
        raise InputError(f"--out {out}: this kind of picture cannot be written; use .png or .jpg")
    done, data = cv2.imencode(suffix, image)
    assert done, f"a picture can be encoded as {suffix}"
    try:
        write_atomically(out, data.tobytes())
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror})") from error
