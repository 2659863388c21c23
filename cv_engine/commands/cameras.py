"""The group ``cv-engine cameras``: check configured cameras, discover those of the network."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from cv_engine.commands.drawing import draw_camera
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import rows_table
from cv_engine.commands.zones import problems_of

if TYPE_CHECKING:
    from cv_engine.config import CameraConfig
    from cv_engine.discovery import Device, Stream

PASSWORD_VARIABLE = "CV_ENGINE_CAMERA_PASSWORD"
_NOTHING_FOUND = (
    "no camera answered. Check that ONVIF is enabled in the cameras' settings, that they are "
    "in the same network segment as this machine (multicast is not routed), and that no firewall "
    "blocks UDP port 3702; a longer --timeout may help. Cameras that do not answer can still "
    "be configured by their address."
)
_ASK_FOR_STREAMS = "for the addresses of their streams, name a user of the cameras with --user"

group = typer.Typer(
    name="cameras", help="Cameras of the configuration and the network.", no_args_is_help=True
)


@group.command()
def check(
    connect: Annotated[
        bool,
        typer.Option("--connect", help="Also open a connection to the port of each stream."),
    ] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Check the place, ground control points, zones and stream settings of each camera."""
    raise typer.Exit(_check(Session(config, None, format), connect=connect))


group.command("draw")(draw_camera)


@group.command()
def discover(
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="S", min=0.5, max=60, help="Wait for answers, seconds."),
    ] = 5.0,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="NAME",
            help="Ask for streams as this user of the cameras; the password is prompted for, or "
            "taken from CV_ENGINE_CAMERA_PASSWORD.",
        ),
    ] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find ONVIF cameras on the network, and the addresses of their streams."""
    password = None if user is None else read_password(user)
    raise typer.Exit(discover_cameras(Session(None, None, format), timeout, user, password))


@group.command()
def clock(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CAMERA...]", help="Cameras; all with a stream if left out."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port of the cameras' ONVIF service.")
    ] = 80,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Measure the clocks of cameras by ONVIF, and keep the errors for evidence packages."""
    raise typer.Exit(measure_clocks(Session(config, data, format), names or (), port))


@dataclass(frozen=True, slots=True)
class Answer:
    """A device, and its answer about its streams.

    Attributes:
        device: The device.
        streams: The streams of the device; empty where the device was not asked.
        problem: Why the device returned no streams, if it was asked and returned none.
    """

    device: Device
    streams: tuple[Stream, ...] = ()
    problem: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """The device, its streams and the problem as a JSON object."""
        streams = [asdict(stream) for stream in self.streams]
        return {**asdict(self.device), "streams": streams, "problem": self.problem}


def read_password(user: str) -> str:
    """The password of ``user``: from the environment, else from a prompt without echo.

    No option holds the password: every user of the machine can see the command line.

    Raises:
        InputError: The password is not in the environment, and stdin is no terminal.
    """
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise InputError(f"the password of {user} is not known: set {PASSWORD_VARIABLE}")
    from getpass import getpass

    return getpass(f"Password of {user}: ")


def discover_cameras(
    session: Session,
    timeout_s: float,
    user: str | None,
    password: str | None,
    *,
    interfaces: Sequence[str] | None = None,
) -> ExitCode:
    """Find the cameras of the network and show them, with their streams where a user is named.

    Args:
        session: Where output goes.
        timeout_s: Seconds to wait for answers.
        user: A user of the cameras; ``None`` to ask for no streams.
        password: The user's password; never shown.
        interfaces: IPv4 addresses of this machine to send from; ``None`` for all.

    Returns:
        0, also where no camera is found; 1 where a camera did not return its streams.

    Raises:
        DiscoveryError: There is no network, or the extra ``onvif`` is not installed.
    """
    from cv_engine.discovery import discover as find_devices

    with session.err.status(f"waiting {timeout_s:g} s for cameras to answer"):
        devices = find_devices(timeout_s, interfaces=interfaces)
    if not devices:
        session.err.print(_NOTHING_FOUND)
        return ExitCode.DONE
    if user is None or password is None:
        answers = [Answer(device) for device in devices]
    else:
        with session.err.status(f"asking {len(devices)} devices for their streams"):
            answers = _ask_for_streams(devices, user, password)
    session.show(rows_table(_stream_rows(answers)), [answer.row for answer in answers])
    for answer in answers:
        if answer.problem is not None:
            session.err.print(escaped(answer.problem))
    if session.format is Format.TABLE:
        lines = _ASK_FOR_STREAMS if user is None else snippet(answers, user)
        session.err.print(escaped(lines))
    return ExitCode.FAILED if any(answer.problem for answer in answers) else ExitCode.DONE


def measure_clocks(session: Session, names: Sequence[str], port: int) -> ExitCode:
    """Measure the clocks of cameras, keep the errors, and show them.

    Args:
        session: Configuration, data folder, and where output goes.
        names: The cameras; all that have a stream if empty.
        port: Port of the cameras' ONVIF service.

    Returns:
        0, or 1 where a camera did not answer.

    Raises:
        ConfigError: A camera is not in the configuration.
        EvidenceError: The errors cannot be kept.
        DiscoveryError: The extra ``onvif`` is not installed.
    """
    from cv_engine.discovery import DiscoveryError, device_clock
    from cv_engine.evidence.clock_error import ONVIF, ClockError
    from cv_engine.evidence.machine_clock import machine_error_s
    from cv_engine.services import Services

    config = session.config
    cameras = [config.camera(name) for name in names] or [c for c in config.cameras if c.url]
    rows: list[dict[str, Any]] = []
    for camera in cameras:
        host = None if camera.url is None else urlsplit(camera.url.get_secret_value()).hostname
        row: dict[str, Any] = {"camera": camera.name, "error_s": None, "within_s": None}
        try:
            if host is None:
                raise DiscoveryError("the configuration names no url of its stream")
            shown = f"[{host}]" if ":" in host else host
            found = device_clock(f"http://{shown}:{port}/onvif/device_service", time.time)
            now = datetime.now(UTC)
            error = ClockError(found.error_s, found.within_s, ONVIF, now, machine_error_s())
            Services(config).clocks.note(camera.name, error)
            row |= {"error_s": round(error.error_s, 2), "within_s": round(found.within_s, 2)}
            rows.append(row | {"machine_within_s": error.reference_s, "problem": None})
        except DiscoveryError as problem:
            rows.append(row | {"machine_within_s": None, "problem": str(problem)})
    session.show(rows_table(rows), rows)
    return ExitCode.FAILED if any(row["problem"] for row in rows) else ExitCode.DONE


def snippet(answers: Sequence[Answer], user: str) -> str:
    """The found cameras as YAML for the configuration, with the largest stream of each picture."""
    import yaml

    entries = []
    used: Counter[str] = Counter()
    for answer in answers:
        slug = re.sub(r"\W+", "-", answer.device.name).strip("-").lower() or "camera"
        name = f"{slug}-{answer.device.address.replace('.', '-')}"
        for stream in _largest(answer.streams):
            used[name] += 1
            number = f"-{used[name]}" if used[name] > 1 else ""
            entries.append(
                {
                    "name": name + number,
                    "url": stream.url,
                    "user": user,
                    "password_env": PASSWORD_VARIABLE,
                }
            )
    if not entries:
        return ""
    return yaml.safe_dump({"cameras": entries}, sort_keys=False, allow_unicode=True)


def _ask_for_streams(devices: Sequence[Device], user: str, password: str) -> list[Answer]:
    from cv_engine.discovery import DiscoveryError, streams_of

    return [
        Answer(device, problem=str(answer))
        if isinstance(answer, DiscoveryError)
        else Answer(device, tuple(answer))
        for device, answer in zip(devices, streams_of(devices, user, password), strict=True)
    ]


def _stream_rows(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """One row of the table per stream; one per device where no stream is known."""
    rows: list[dict[str, Any]] = []
    for answer in answers:
        device = answer.device
        about = {
            "address": device.address,
            "name": device.name or None,
            "hardware": device.hardware or None,
            "location": device.location or None,
        }
        for stream in answer.streams or (None,):
            rows.append(
                about
                | {
                    "stream": None if stream is None else stream.profile,
                    "picture": None if stream is None else _picture(stream),
                    "url": None if stream is None else stream.url,
                }
            )
    return rows


def _picture(stream: Stream) -> str:
    size = f"{stream.width}x{stream.height}" if stream.width else ""
    rate = f"{stream.rate:g}/s" if stream.rate else ""
    return " ".join(part for part in (stream.codec, size, rate) if part)


def _largest(streams: Sequence[Stream]) -> list[Stream]:
    """The largest stream of each picture: plates are readable in no smaller one."""
    largest: dict[str, Stream] = {}
    for stream in streams:
        known = largest.setdefault(stream.source, stream)
        if stream.width * stream.height > known.width * known.height:
            largest[stream.source] = stream
    return list(largest.values())


def _check(session: Session, *, connect: bool) -> ExitCode:
    """Print the configured cameras; wrong input where zones or settings cannot be used."""
    rows = _camera_rows(session.config.cameras, connect=connect)
    if not rows:
        session.err.print("the configuration names no camera; add one under cameras:")
        return ExitCode.DONE
    shown = [{**row, "problems": "\n".join(row["problems"])} for row in rows]
    session.show(rows_table(shown), rows)
    return ExitCode.WRONG_INPUT if any(row["errors"] for row in rows) else ExitCode.DONE


def _camera_rows(cameras: tuple[CameraConfig, ...], *, connect: bool) -> list[dict[str, Any]]:
    """One row per camera: the basis of its places, its errors and the problems of its zones."""
    from cv_engine.commands.camera_checks import (
        closed_ports,
        point_problems,
        stream_problems,
        unseen_zones,
    )

    rows = []
    closed = closed_ports(cameras) if connect else {}
    unseen = unseen_zones(cameras)
    for entry in cameras:
        camera = entry.camera()
        problems = [*point_problems(entry), *stream_problems(entry), *closed.get(entry.name, ())]
        problems += [] if entry.zones is None else problems_of(entry.zones, camera=entry)
        problems += unseen.get(entry.name, ())
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
