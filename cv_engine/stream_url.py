"""Addresses of streams as people write them: what is wrong with one, without repeating it.

An address may hold a password, so no message here repeats any part of an address that is wrong.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, quote, urlsplit

#: Protocols of streams.
STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")

_AUTHORITY = re.compile(r"(?i)[a-z][a-z0-9+.-]*://(?P<authority>[^/?#]*)(?P<tail>.*)")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
# What follows the @ behind a password: an IP address, a name with a dot, or a name with a port.
_HOST = re.compile(r"@(\[[0-9a-fA-F:.]+\]|[\w-]+(\.[\w-]+)+|[\w-]+:\d+)(?=[/?#]|:\d|$)")


def split_url(url: str) -> SplitResult:
    """The parts of a stream's address.

    Raises:
        ValueError: The address cannot be used; the text says why and what to write.
    """
    if _UNPRINTABLE.search(url):
        raise ValueError("the address holds a space or a control character; write a space as %20")
    match = _AUTHORITY.match(url)
    sign = None if match is None else _unescaped(match["authority"], match["tail"])
    if sign is not None:
        raise ValueError(
            f"the password or the user's name holds a {sign}, which ends the name of the host; "
            f"write it as {quote(sign, safe='')} (percent-encoding), or give the password as "
            f"password: or password_env:. In a path, write an @ as %40"
        )
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(
            "[ and ] only stand around an IPv6 address; in a password write %5B and %5D"
        ) from None
    if not parts.hostname:
        raise ValueError("the address names no host")
    try:
        has_port = parts.port != 0
    except ValueError:
        has_port = False
    if not has_port:
        raise ValueError("the port is no number from 1 to 65535; correct it or leave it out")
    return parts


def has_ambiguous_password(url: str) -> bool:
    """Whether the password holds an @ as it is: the last one ends it, as FFmpeg reads it too."""
    match = _AUTHORITY.match(url)
    return match is not None and match["authority"].count("@") > 1


def _unescaped(authority: str, tail: str) -> str | None:
    """The sign of a password, one of ``/?#``, that ends the address's authority too early."""
    if "@" in authority or "@" not in tail:
        return None
    host, colon, port = authority.rpartition(":")
    if tail[0] == "#" or (colon and not authority.endswith("]") and not port.isdecimal()):
        return tail[0]
    # A password whose beginning is a number looks like a port: rtsp://user:12/34@10.0.0.5/x
    looks_like_user = bool(colon) and not re.search(r"[.\]]|^localhost$", host)
    return tail[0] if looks_like_user and _HOST.search(tail) else None
