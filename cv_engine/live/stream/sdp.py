"""The description of a stream (SDP, RFC 8866): where its video is and how it is coded."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from cv_engine.live.stream.bitstream.nal_units import split
from cv_engine.live.stream.errors import UnknownFormatError

_CODECS = {"H264": "h264", "H265": "hevc"}
# The attributes with each codec's parameter sets, in decoding order (RFC 6184, 8.1; RFC 7798, 7.1).
_PARAMETER_SETS = {
    "h264": ("sprop-parameter-sets",),
    "hevc": ("sprop-vps", "sprop-sps", "sprop-pps"),
}
# Settings of H.265 that, unless 0, put numbers of the decoding order into the payloads.
_NUMBERED = ("sprop-max-don-diff", "sprop-depack-buf-nalus")
_PAYLOAD_TYPE = re.compile(r"[0-9]|[1-9][0-9]|1[01][0-9]|12[0-7]")
_RATE = re.compile(r"[0-9]{1,5}(\.[0-9]{1,9})?|[0-9]{1,9}/[0-9]{1,9}")
_USUAL_CLOCK_RATE = 90_000  # of all video (RFC 3551, 5)


@dataclass(frozen=True, slots=True)
class Media:
    """The video of a stream, as its description has it.

    Attributes:
        codec: FFmpeg's name of the codec.
        parameter_sets: Parameter sets in decoding order; empty where the description has none.
        payload_type: RTP payload type.
        clock_rate: Ticks of RTP timestamps in a second.
        rate: Frames per second; ``None`` where the description does not say.
        control: Control URL of the video, relative to the stream's address.
        session_control: Control URL of the whole stream, relative to its address; may be empty.
        is_numbered: Whether RTP payloads contain numbers of the decoding order (RFC 7798, 4.4).
    """

    codec: str
    parameter_sets: tuple[bytes, ...]
    payload_type: int
    clock_rate: int
    rate: Fraction | None
    control: str
    session_control: str
    is_numbered: bool = False


@dataclass(slots=True)
class _Section:
    formats: tuple[str, ...] = ()
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> str:
        """An attribute's value; empty where there is none."""
        return next((value for known, value in self.attributes if known == name), "")

    def of_format(self, name: str, form: str) -> list[str]:
        """The values of an attribute for one format; cameras spread settings over several."""
        values = [value.partition(" ") for known, value in self.attributes if known == name]
        return [rest.strip() for given, _, rest in values if given == form]


def video_of(text: str) -> Media:
    """The first video of a description that is H.264 or H.265.

    Raises:
        UnknownFormatError: There is no video in H.264 or H.265.
    """
    session, *videos = _sections(text)
    for video in videos:
        for form in video.formats:
            name, _, rest = "".join(video.of_format("rtpmap", form)[:1]).partition("/")
            codec = _CODECS.get(name.strip().upper())
            clock_rate = re.match(r"[0-9]{1,9}", rest.strip())
            if codec is not None:
                settings = _settings(video.of_format("fmtp", form))
                return Media(
                    codec,
                    _parameter_sets(codec, settings),
                    int(form),
                    int(clock_rate[0] if clock_rate else 0) or _USUAL_CLOCK_RATE,
                    _rate(video.get("framerate")),
                    video.get("control"),
                    session.get("control"),
                    any(settings.get(name, "0") != "0" for name in _NUMBERED),
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
            section = _Section(tuple(filter(_PAYLOAD_TYPE.fullmatch, forms.split())))
            if media == "video":
                sections.append(section)
        elif kind == "a":
            name, _, rest = value.partition(":")
            section.attributes.append((name.strip().lower(), rest.strip()))
    return sections


def _settings(texts: Sequence[str]) -> dict[str, str]:
    settings = {}
    for setting in ";".join(texts).split(";"):
        name, _, value = setting.strip().partition("=")
        settings[name.strip().lower()] = value.strip(" \"'")
    return settings


def _parameter_sets(codec: str, settings: Mapping[str, str]) -> tuple[bytes, ...]:
    return tuple(
        unit
        for name in _PARAMETER_SETS[codec]
        for text in settings.get(name, "").split(",")
        for unit in split(_decoded(text))
    )


def _decoded(text: str) -> bytes:
    """The bytes of a base64 text, whose padding cameras leave out; empty where it is none."""
    bare = text.strip().rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""  # the stream may carry its own parameter sets


def _rate(text: str) -> Fraction | None:
    if not _RATE.fullmatch(text):
        return None
    try:
        return Fraction(text) or None
    except ZeroDivisionError:
        return None
