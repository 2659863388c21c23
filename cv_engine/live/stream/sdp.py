"""The description of a stream (SDP, RFC 8866): where its video is and how it is coded."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from cv_engine.live.stream.errors import UnknownFormatError

_CODECS = {"H264": "h264", "H265": "hevc"}
# The attributes with each codec's parameter sets, in decoding order (RFC 6184, 8.1; RFC 7798, 7.1).
_HEADERS = {
    "h264": ("sprop-parameter-sets",),
    "hevc": ("sprop-vps", "sprop-sps", "sprop-pps"),
}
#: Start code: precedes each NAL unit in a byte stream of H.264 or H.265 (Annex B).
START_CODE = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class Media:
    """The video of a stream, as its description has it.

    Attributes:
        codec: FFmpeg's name of the codec.
        header: Parameter sets, each after a start code; empty where the description has none.
        payload_type: RTP payload type.
        clock_rate: Ticks of RTP timestamps in a second.
        rate: Frames per second; ``None`` where the description does not say.
        control: Control URL of the video, relative to the stream's address.
        session_control: Control URL of the whole stream, relative to its address; may be empty.
    """

    codec: str
    header: bytes
    payload_type: int
    clock_rate: int
    rate: Fraction | None
    control: str
    session_control: str


@dataclass(slots=True)
class _Section:
    formats: tuple[str, ...] = ()
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str, of: str = "") -> str | None:
        """An attribute's value; where ``of`` names a format, the value for that format."""
        for known, value in self.attributes:
            if known == name and of:
                form, _, rest = value.partition(" ")
                if form == of:
                    return rest.strip()
            elif known == name:
                return value.strip()
        return None


def video_of(text: str) -> Media:
    """The first video of a description that is H.264 or H.265.

    Raises:
        UnknownFormatError: There is no video in H.264 or H.265.
    """
    session, *videos = _sections(text)
    for video in videos:
        for form in video.formats:
            name, _, clock_rate = (video.get("rtpmap", form) or "").partition("/")
            codec = _CODECS.get(name.strip().upper())
            if codec is not None and clock_rate.isdecimal() and int(clock_rate):
                return Media(
                    codec,
                    _header(codec, video.get("fmtp", form) or ""),
                    int(form),
                    int(clock_rate),
                    _rate(video.get("framerate")),
                    video.get("control") or "",
                    session.get("control") or "",
                )
    raise UnknownFormatError


def _sections(text: str) -> list[_Section]:
    """The session's own lines, then those of each video section."""
    sections = [_Section()]
    section = sections[0]
    for line in text.splitlines():
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            media, *_, forms = value.split(" ", 3) if value.count(" ") >= 3 else (value, "")
            section = _Section(tuple(form for form in forms.split() if form.isdecimal()))
            if media == "video":
                sections.append(section)
        elif kind == "a":
            name, _, rest = value.partition(":")
            section.attributes.append((name.strip().lower(), rest))
    return sections


def _header(codec: str, settings: str) -> bytes:
    given = {}
    for setting in settings.split(";"):
        name, _, value = setting.strip().partition("=")
        given[name.lower()] = value
    return b"".join(
        START_CODE + unit for name in _HEADERS[codec] for unit in _units(given.get(name, ""))
    )


def _units(text: str) -> Iterator[bytes]:
    for part in text.split(","):
        try:
            unit = base64.b64decode(part, validate=True)
        except (binascii.Error, ValueError):
            continue  # the stream may carry its own parameter sets
        if unit:
            yield unit


def _rate(text: str | None) -> Fraction | None:
    try:
        rate = Fraction(text or "0")
    except (ValueError, ZeroDivisionError):
        return None
    return rate if rate > 0 else None
