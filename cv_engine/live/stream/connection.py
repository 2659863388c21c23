"""An open stream: its encoded frames as they arrive."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator

import av

from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.demuxed import DemuxedStream
from cv_engine.live.stream.direct import DirectStream
from cv_engine.live.stream.errors import RedirectError, StreamError, UnknownFormatError
from cv_engine.live.stream.redirects import check_redirect, redirected

# Longest wait for the answer to an attempt, seconds.
OPEN_S = 15.0
_MOST_REDIRECTS = 5


class Connection:
    """One connection to a stream.

    Args:
        address: Address of the stream.
        stall_s: Longest wait for the next frame, seconds.
        by_ffmpeg: Whether FFmpeg reads the stream, of whatever kind it is.

    Raises:
        StreamError: The stream cannot be opened.
    """

    def __init__(self, address: Address, stall_s: float, *, by_ffmpeg: bool = False) -> None:
        self._address = address
        began_s = time.monotonic()
        try:
            self._stream = _opened(address, stall_s, by_ffmpeg=by_ffmpeg)
        except (av.FFmpegError, OSError, ValueError) as error:
            if time.monotonic() - began_s >= OPEN_S:
                raise StreamError("no answer in time") from None
            raise StreamError(_reason(error, address)) from None

    def __iter__(self) -> Iterator[EncodedFrame]:
        """Yields frames as they arrive.

        Raises:
            StreamError: No more frames come.
        """
        try:
            yield from self._stream
        except (av.FFmpegError, OSError, ValueError) as error:
            raise StreamError(_reason(error, self._address)) from None

    def close(self) -> None:
        """Closes the connection."""
        self._stream.close()


def _opened(address: Address, stall_s: float, *, by_ffmpeg: bool) -> DirectStream | DemuxedStream:
    """Opens a stream, and follows where the camera names another address for it.

    Raises:
        StreamError: The camera refuses, or names an address that is not followed.
    """
    is_rtsp = address.scheme in ("rtsp", "rtsps")
    for _ in range(_MOST_REDIRECTS):
        try:
            if is_rtsp and not by_ffmpeg and address.transport != "udp":
                return DirectStream(address, OPEN_S, stall_s)
            if is_rtsp:
                check_redirect(address, OPEN_S)
        except UnknownFormatError:
            pass  # FFmpeg knows more formats
        except RedirectError as error:
            address = redirected(address, error.url)
            continue
        return DemuxedStream(address, OPEN_S, stall_s)
    raise StreamError("the camera names one other address after the other")


def _reason(error: Exception, address: Address) -> str:
    """What went wrong, as a message for people."""
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "the camera refuses user or password"
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return "no answer in time"
    if isinstance(error, av.error.InvalidDataError):
        return "what it sends is not a stream"
    unreachable = getattr(error, "errno", None) == errno.EIO and not _is_known(address.host)
    if unreachable or isinstance(error, socket.gaierror):
        return f"there is no host named {address.host}, or the name service does not answer"
    text = getattr(error, "strerror", None) or str(error)
    return address.hide(text)


def _is_known(host: str) -> bool:
    """Whether a name resolves to an address; FFmpeg only reports an input/output error."""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True
