"""What ``cv-engine cameras check`` looks at: control points, streams, ports, and zones in view."""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from cv_engine.config import CameraConfig
from cv_engine.stream_url import has_ambiguous_password, split_url
from zones.camera import Camera
from zones.errors import OutOfView, Problem, ZoneError
from zones.zone import Zone, on_image

# Usual ports of streams, and of what else a camera serves.
_PORTS: Final[Mapping[str, int]] = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_SERVICES: Final[Mapping[int, str]] = {
    22: "SSH",
    23: "Telnet",
    80: "http",
    322: "rtsps",
    443: "https",
    554: "rtsp",
    1935: "RTMP",
    8000: "the protocol of Hikvision's own programs",
    37777: "the protocol of Dahua's own programs",
}
# A camera on the same network answers within milliseconds, one behind a slow line within a second.
_CONNECT_S = 3.0
_CONNECTED_AT_ONCE = 32  # cameras; a thousand that do not answer take two minutes
# Usual sizes of cameras' pictures, the smallest first.
_FRAMES: Final = (
    *((352, 288), (640, 480), (768, 576), (1280, 720), (1280, 960), (1920, 1080)),
    *((2560, 1440), (2688, 1520), (2592, 1944), (3840, 2160), (7680, 4320)),
)


def point_problems(entry: CameraConfig) -> list[Problem]:
    """The ground control points that the others put elsewhere."""
    where = f"camera {entry.name}: ground_control_points"
    return [
        Problem(
            f"{where}: point {number}",
            f"the other points put it {metres:.1f} m away",
            "check its pixel, latitude and longitude; if they are right, add points near it",
            "warning",
        )
        for number, metres in entry.camera().doubtful_points
    ]


def stream_problems(entry: CameraConfig) -> list[Problem]:
    """What is wrong with how a camera's stream is reached; no text repeats the address."""
    where, problems = f"camera {entry.name}", _port_problems(entry)
    if entry.url is not None and has_ambiguous_password(entry.url.get_secret_value()):
        what = "url: user or password holds an @; the last one is taken for their end"
        problems.append(Problem(where, what, "write the others as %40", "warning"))
    if entry.password_env is not None and entry.password_env not in os.environ:
        what = f"password_env: the environment variable {entry.password_env} is not set here"
        problems.append(Problem(where, what, "set it where watch runs", "warning"))
    if entry.tls_ca is not None:
        wrong = _wrong_authorities(entry.tls_ca)
        problems += [Problem(f"{where}: tls_ca: {entry.tls_ca}", *wrong)] if wrong else []
    return problems


def _wrong_authorities(path: Path) -> tuple[str, str] | None:
    """What is wrong with a file of certificates, and what to do."""
    import ssl

    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        return "the file holds no certificate", "give one in PEM form"
    except OSError as error:
        return f"the file cannot be read ({error.strerror})", "correct the path"
    return None


def _port_problems(entry: CameraConfig) -> list[Problem]:
    """A port that usually serves something else than the stream."""
    if entry.url is None or entry.transport == "http":  # RTSP through HTTP has HTTP's ports
        return []
    parts = split_url(entry.url.get_secret_value())
    service = _SERVICES.get(parts.port or 0)
    if service is None or service == parts.scheme:
        return []
    what = f"url: port {parts.port} usually serves {service}, not {parts.scheme}"
    advice = f"{parts.scheme} usually has port {_PORTS[parts.scheme]}; try with --connect"
    return [Problem(f"camera {entry.name}", what, advice, "warning")]


def closed_ports(cameras: Sequence[CameraConfig]) -> dict[str, list[Problem]]:
    """The cameras whose stream's port does not answer; no text repeats the address."""
    with ThreadPoolExecutor(_CONNECTED_AT_ONCE) as pool:
        found = zip(cameras, pool.map(_closed_port, cameras), strict=True)
        return {entry.name: [problem] for entry, problem in found if problem is not None}


def _closed_port(entry: CameraConfig) -> Problem | None:
    if entry.url is None:
        return None
    parts = split_url(entry.url.get_secret_value())
    port = parts.port or _PORTS[parts.scheme]
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_S).close()
    except OSError as error:
        reason = "timed out" if isinstance(error, TimeoutError) else error.strerror or str(error)
        what = f"url: nothing answers at port {port} ({reason})"
        advice = "check that the camera is on, its address, its port, and firewalls in between"
        return Problem(f"camera {entry.name}", what, advice)
    return None


def unseen_zones(cameras: Sequence[CameraConfig]) -> dict[str, list[Problem]]:
    """The zones that no camera sees, by the first camera that has their file.

    Files that cannot be read are left out: they are reported for each camera.
    """
    users: dict[Path, list[CameraConfig]] = defaultdict(list)
    for entry in cameras:
        if entry.zones is not None:
            users[entry.zones].append(entry)
    return {entries[0].name: list(_unseen_in(path, entries)) for path, entries in users.items()}


def _unseen_in(path: Path, entries: Sequence[CameraConfig]) -> Iterator[Problem]:
    from cv_engine.pipeline.camera_setup import read_zones

    try:
        zones = read_zones(path, entries[0].timezone)
    except ZoneError:
        return
    cameras = [entry.camera() for entry in entries]
    for zone in zones:
        mine = [each for each in cameras if zone.camera in (None, each.name)]
        where = f"{path}: zone {zone.name}"
        if not mine:
            what = f"the zone is for camera {zone.camera}, which does not use this file"
            advice = "correct the name, or name the file under zones: of that camera"
            yield Problem(where, what, advice, "warning")
        elif not any(_may_see(each, zone) for each in mine):
            names = ", ".join(each.name for each in mine)
            what = f"no camera shows the zone ({names}), by their ground control points"
            advice = (
                "see with cv-engine zones draw where it lies, and correct the zone or the points"
            )
            yield Problem(where, what, advice, "warning")


def _may_see(camera: Camera, zone: Zone) -> bool:
    """Whether a camera may show a zone in the smallest usual picture that has all its points."""
    points = camera.ground_control_points
    if not points:
        return True  # the size of its picture is not known
    right, bottom = max(point.x for point in points), max(point.y for point in points)
    fitting = [size for size in _FRAMES if size[0] >= right and size[1] >= bottom]
    width, height = fitting[0] if fitting else _FRAMES[-1]
    try:
        on_image(zone, camera, width, height)
    except OutOfView:
        return False
    return True
