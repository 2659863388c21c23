"""Where a camera's redirects lead, and whether they are followed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import StreamError, UnknownFormatError
from cv_engine.live.stream.rtsp import Session
from cv_engine.live.stream.sdp import Media


def redirected(address: Address, url: str) -> Address:
    """The address that an RTSP camera names instead.

    Raises:
        StreamError: The address is on a host that is not allowed, or drops TLS: the password would
            be revealed.
    """
    try:
        parts = urlsplit(urljoin(address.url, url))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise StreamError("the camera names an address that is none") from None
    if not address.allows(host):
        raise StreamError(
            f"the camera names an address on another host, {host}; set url to it, or list the host "
            "under allow_hosts"
        )
    if parts.scheme not in ("rtsp", "rtsps") or (address.scheme, parts.scheme) == ("rtsps", "rtsp"):
        raise StreamError(f"the camera names an address that is not {address.scheme}")
    name = f"[{host}]" if ":" in host else host
    netloc = name if port is None else f"{name}:{port}"
    return replace(address, url=parts._replace(netloc=netloc).geturl())


def check_redirect(address: Address, timeout_s: float) -> None:
    """Asks an RTSP camera for its description, as FFmpeg follows redirects with the password.

    Args:
        address: Address of the stream.
        timeout_s: Longest time until the camera has answered, seconds.

    Raises:
        RedirectError: The camera names another address.
    """
    # Whatever else is wrong, FFmpeg may read the stream, and else says what is wrong itself.
    with suppress(UnknownFormatError, StreamError, OSError, ValueError):
        _Description(address, timeout_s)


class _Description(Session):
    """A session that ends once the camera has described its stream."""

    def _set_up(self, until_s: float) -> Media:
        self._describe(until_s)
        raise UnknownFormatError
