"""Cameras of the network at the terminal: which there are, their streams, and lines to paste."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.models import table
from cv_engine.commands.options import Format, InputError

if TYPE_CHECKING:
    from cv_engine.commands.session import Session
    from cv_engine.discovery import Device, Stream

PASSWORD_VARIABLE = "CV_ENGINE_CAMERA_PASSWORD"
_NOTHING_FOUND = (
    "no camera answered. Check that ONVIF is switched on in the cameras' settings, that they are "
    "in the same network segment as this machine (multicast is not routed), and that no firewall "
    "holds back UDP port 3702; a longer --timeout may help. Cameras that do not answer can still "
    "be configured by their address."
)
_ASK_FOR_STREAMS = "for the addresses of their streams, name a user of theirs with --user"


@dataclass(frozen=True, slots=True)
class Answer:
    """A device, and what it told of its streams.

    Attributes:
        device: As found.
        streams: Its streams; none where it was not asked.
        problem: Why it told none, ``None`` where it was not asked or all is well.
    """

    device: Device
    streams: tuple[Stream, ...] = ()
    problem: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """It as a JSON object."""
        streams = [asdict(stream) for stream in self.streams]
        return {**asdict(self.device), "streams": streams, "problem": self.problem}


def read_password(user: str) -> str:
    """The password of ``user``: from the environment, else asked for without being shown.

    It is no argument of the command line, which every user of the machine can see.

    Raises:
        InputError: It is not in the environment, and nobody is there to be asked.
    """
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise InputError(f"the password of {user} is not known: set {PASSWORD_VARIABLE}")
    from getpass import getpass

    return getpass(f"Password of {user}: ")


def discover(
    session: Session,
    timeout_s: float,
    user: str | None,
    password: str | None,
    *,
    interfaces: Sequence[str] | None = None,
) -> ExitCode:
    """Look for cameras and show them, with their streams where a user is named.

    Args:
        session: Where output goes.
        timeout_s: How long to wait for answers, seconds.
        user: A user of the cameras, ``None`` to ask none for its streams.
        password: That user's password; never shown.
        interfaces: IPv4 addresses of this machine to ask from, ``None`` for all.

    Returns:
        0, also where there are none; 1 where one did not tell its streams.

    Raises:
        DiscoveryError: There is no network, or the extra ``onvif`` is not installed.
    """
    from cv_engine.discovery import discover as found

    with session.err.status(f"waiting {timeout_s:g} s for cameras to answer"):
        devices = found(timeout_s, interfaces=interfaces)
    if not devices:
        session.err.print(_NOTHING_FOUND)
        return ExitCode.DONE
    if user is None or password is None:
        answers = [Answer(device) for device in devices]
    else:
        with session.err.status(f"asking {len(devices)} devices for their streams"):
            answers = _asked(devices, user, password)
    session.show(table(_lines(answers)), [answer.row for answer in answers])
    for answer in answers:
        if answer.problem is not None:
            session.err.print(escaped(answer.problem))
    if session.format is Format.TABLE:
        lines = _ASK_FOR_STREAMS if user is None else snippet(answers, user)
        session.err.print(escaped(lines))
    return ExitCode.FAILED if any(answer.problem for answer in answers) else ExitCode.DONE


def snippet(answers: Sequence[Answer], user: str) -> str:
    """The found cameras as a part of the configuration; of each picture its largest stream."""
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


def _asked(devices: Sequence[Device], user: str, password: str) -> list[Answer]:
    from cv_engine.discovery import DiscoveryError, streams_of

    return [
        Answer(device, problem=str(told))
        if isinstance(told, DiscoveryError)
        else Answer(device, tuple(told))
        for device, told in zip(devices, streams_of(devices, user, password), strict=True)
    ]


def _lines(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """One line of the table per stream, or per device where none is known."""
    lines: list[dict[str, Any]] = []
    for answer in answers:
        device = answer.device
        about = {
            "address": device.address,
            "name": device.name or None,
            "hardware": device.hardware or None,
            "location": device.location or None,
        }
        for stream in answer.streams or (None,):
            lines.append(
                about
                | {
                    "stream": None if stream is None else stream.profile,
                    "picture": None if stream is None else _picture(stream),
                    "url": None if stream is None else stream.url,
                }
            )
    return lines


def _picture(stream: Stream) -> str:
    size = f"{stream.width}x{stream.height}" if stream.width else ""
    rate = f"{stream.rate:g}/s" if stream.rate else ""
    return " ".join(part for part in (stream.codec, size, rate) if part)


def _largest(streams: Sequence[Stream]) -> list[Stream]:
    """The largest stream of each picture: it shows the most, such as plates."""
    largest: dict[str, Stream] = {}
    for stream in streams:
        known = largest.setdefault(stream.source, stream)
        if stream.width * stream.height > known.width * known.height:
            largest[stream.source] = stream
    return list(largest.values())
