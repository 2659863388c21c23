"""The oddities of cameras that speak RTSP, each by the name of its path."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.oddities.packetizer import Packetizer
from benchmarks.oddities.pictures import Picture

TICKS = 9000  # of RTP from one picture to the next: ten pictures a second

Make = Callable[[Packetizer, Picture, int], list[bytes]]
"""Makes the packets of a picture with a timestamp."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """What is odd about a camera.

    Attributes:
        make: Makes the packets of a picture.
        sets: Where parameter sets are: in the description, with every key frame (``band``), with
            the first one only (``once``), or nowhere.
        sprop: Replaces what the description says of parameter sets.
        number: Which number (CSeq) a response has, where the request has the given one.
        between: Sent after each picture, given its number.
        slices: Slices of each picture.
        ends: Whether the last fragment of a NAL unit is flagged.
        still: Whether all pictures have the same timestamp.
        login: Algorithm of the digest that the camera asks for.
        status: The response to each method, where it is not 200 OK.
        answers_late: Whether the camera gives the response to PLAY after the first pictures.
        plays: Whether the camera plays: else it closes the connection after the response to PLAY.
        line_end: What ends the lines of messages.
    """

    make: Make = Packetizer.sound
    sets: frozenset[Literal["description", "band", "once"]] = frozenset(("description", "band"))
    sprop: Callable[[str], str] = lambda text: text
    number: Callable[[str], str | None] = lambda number: number
    between: Callable[[int], bytes] = lambda number: b""
    slices: Literal[1, 3] = 1
    ends: bool = True
    still: bool = False
    login: str = ""
    status: Sequence[tuple[str, str]] = ()
    answers_late: bool = False
    plays: bool = True
    line_end: bytes = b"\r\n"


def _separate(packetizer: Packetizer, picture: Picture, stamp: int) -> list[bytes]:
    return packetizer.separate(picture, stamp, stamp - TICKS)


def _started(packetizer: Packetizer, picture: Picture, stamp: int) -> list[bytes]:
    return packetizer.joined(picture, stamp, b"\0\0\0\1")


def _garbage(number: int) -> bytes:
    """Bytes of any value after every third picture."""
    return random.Random(number).randbytes(200) if number % 3 == 2 else b""


def _requests(number: int) -> bytes:
    return b"OPTIONS * RTSP/1.0\r\nCSeq: %d\r\n\r\n" % number


def _responses(number: int) -> bytes:
    return b"\r\nRTSP/1.0 200 OK\r\nCSeq: %d\r\nContent-Length: 4\r\n\r\n$abc" % number


_IN_BAND = Oddity(sets=frozenset(("band",)))
_ONCE = Oddity(sets=frozenset(("once",)))

#: Each oddity by its name.
ODDITIES: dict[str, Oddity] = {
    "plain": Oddity(),
    "marked": Oddity(Packetizer.marked, slices=3),
    "marked-in-band": replace(_IN_BAND, make=Packetizer.marked, slices=3),
    "unmarked": Oddity(Packetizer.unmarked, slices=3),
    "unmarked-in-band": replace(_IN_BAND, make=Packetizer.unmarked),
    "still": Oddity(still=True),
    "still-unmarked": Oddity(Packetizer.unmarked, still=True),
    "separate-sets": Oddity(_separate),
    "separate-sets-in-band": replace(_IN_BAND, make=_separate, slices=3),
    "joined": Oddity(Packetizer.joined, slices=3),
    "joined-in-band": replace(_IN_BAND, make=Packetizer.joined),
    "started-in-band": replace(_IN_BAND, make=_started),
    "aggregated": replace(_IN_BAND, make=Packetizer.aggregated),
    "no-end-of-fragments": Oddity(ends=False, slices=3),
    "sets-in-band": _IN_BAND,
    "sets-once": _ONCE,
    "sets-once-marked": replace(_ONCE, make=Packetizer.marked),
    "sets-in-description": Oddity(sets=frozenset(("description",))),
    "sprop-empty": Oddity(sprop=lambda text: ","),
    "sprop-unpadded": Oddity(
        sets=frozenset(("description",)), sprop=lambda text: text.replace("=", "")
    ),
    "sprop-nonsense": Oddity(sprop=lambda text: "6WdC,6QE=,%%%,Zw=="),
    "number-0": Oddity(number=lambda number: "0"),
    "number-of-before": Oddity(number=lambda number: str(int(number) - 1)),
    "number-nonsense": Oddity(number=lambda number: f"x{number}x"),
    "no-number": Oddity(number=lambda number: None),
    "garbage": Oddity(between=_garbage),
    "blank-lines": Oddity(between=lambda number: b"\r\n"),
    "requests": Oddity(between=_requests),
    "responses": Oddity(between=_responses),
    "other-channel": Oddity(between=lambda number: b"$\x06\0\x14\x80\x61" + bytes(18)),
    "pictures-first": Oddity(answers_late=True),
    "line-feeds": Oddity(line_end=b"\n"),
    "no-options": Oddity(status=(("OPTIONS", "501 Not Implemented"),)),
    "md5": Oddity(login="MD5"),
    "md5-sess": Oddity(login="MD5-sess"),
    "sha-256": Oddity(login="SHA-256"),
    "sha-256-sess": Oddity(login="SHA-256-sess"),
    # Those that no reader can play.
    "no-sets": Oddity(sets=frozenset()),
    "sha-999": Oddity(login="SHA-999"),
    "udp-only": Oddity(status=(("SETUP", "461 Unsupported transport"),)),
    "closes": Oddity(plays=False),
    "moved": Oddity(status=(("DESCRIBE", "302 Moved"),)),
}


def is_about_packets(oddity: Oddity) -> bool:
    """Whether an oddity is in the packets or parameter sets, rather than in the session."""
    plain = ODDITIES["plain"]
    return any(
        getattr(oddity, name) is not getattr(plain, name)
        for name in ("make", "sets", "sprop", "ends", "still")
    )
