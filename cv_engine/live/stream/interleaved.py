"""What a camera sends over an RTSP connection: messages, with RTP packets between them.

The packets are interleaved as RFC 2326, 10.12 describes.
"""

from __future__ import annotations

import re
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.rtp import Span

#: Reason for a server that does not speak RTSP.
NOT_A_STREAM = "what it sends is not a stream"
# Above the largest interleaved packet, 64 KiB, and above the longest response accepted.
_CAPACITY = 1 << 17
_LONGEST_HEAD = 1 << 14
_INTERLEAVED = 0x24  # "$", followed by the channel and the size of the packet
_FRAME_BYTES = 4
_LINE_ENDS = b"\r\n"
_LEAST_BYTES = 6  # of a frame and the start of its packet
_frame = struct.Struct(">HHH").unpack_from
_VERSION = 2  # of RTP and RTCP
_IDENTITY = 0xC07F  # bits at the start of an RTP packet: version and payload type
_RTP_BYTES = 12  # of a packet's header
_REPORTS = range(192, 224)  # types of RTCP packets (RFC 5761, 4)
_FIRST_LINE = re.compile(rb"RTSP/\d\.\d +\d{3}|[A-Z_]{3,20} \S+ RTSP/\d\.\d")
_LONGEST_LINE = 1 << 10
# The start of one, as far as it has arrived.
_BEGUN = re.compile(
    rb"RTSP(/[\d.]{0,3}( [\x20-\x7e]{0,999})?)?|[A-Z_]{1,20}( [\x21-\x7e ]{0,999})?"
)
_STATUS = re.compile(r"[A-Z]+/\d\.\d +(\d{3})")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FOLLOWS = re.compile(rb"[$A-Z\r\n]")  # the first byte of what may follow an interleaved packet


class Line(Protocol):
    """A connection: the part of a socket that is used."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Receives data into a buffer; returns its size, 0 where the connection was closed."""
        ...

    def sendall(self, data: bytes, /) -> None:
        """Sends data."""
        ...

    def settimeout(self, value: float, /) -> None:
        """Sets the longest wait, seconds; 0: never wait."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A response or a request.

    Attributes:
        line: First line.
        status: Status code of a response; 0 for a request.
        headers: Names in lower case, and values.
        body: What follows the headers.
    """

    line: str
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes = b""

    @classmethod
    def parsed(cls, head: bytes) -> Message:
        """A message without its body, from its lines."""
        line, *others = head.decode("utf-8", "replace").split("\n")
        status = _STATUS.match(line)
        headers = [other.partition(":") for other in others]
        return cls(
            line.strip(),
            int(status[1]) if status else 0,
            [(name.strip().lower(), value.strip()) for name, colon, value in headers if colon],
        )

    def get(self, name: str) -> str:
        """A header's value; empty where there is none."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for known, value in self.headers if known == name.lower()]


class InterleavedReader:
    """Receives from a connection, and separates messages and packets.

    Args:
        line: The connection.

    Attributes:
        buffer: What has been received; see `packets`.
        discarded: Bytes that belonged to no message and no packet.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self.buffer = bytearray(_CAPACITY)
        self.discarded = 0
        self._view = memoryview(self.buffer)
        self._start = self._end = 0

    def fill(self, wait_s: float) -> bool:
        """Waits for data, and reads what has arrived into the buffer.

        Returns:
            Whether everything that had arrived was read.

        Raises:
            TimeoutError: Nothing arrives in time.
            StreamError: The camera has closed the connection.
            OSError: The network connection fails.
        """
        if wait_s <= 0.0:
            raise TimeoutError
        left = self._end - self._start
        if self._start:
            self._view[:left] = self._view[self._start : self._end]
        self._start, self._end = 0, left
        self._line.settimeout(wait_s)
        if not self._read():
            raise StreamError("the stream has ended")
        self._line.settimeout(0.0)
        while self._end < _CAPACITY:
            try:
                if not self._read():
                    return False  # closed, but what has arrived is processed first
            except (BlockingIOError, ssl.SSLWantReadError):
                return True
        return False

    def _read(self) -> int:
        received = self._line.recv_into(self._view[self._end :])
        self._end += received
        return received

    def message(self) -> Message | None:
        """The next message, skipping packets; ``None`` where none has arrived whole.

        Raises:
            StreamError: What has arrived is not RTSP.
        """
        while self._start < self._end:
            first = self.buffer[self._start]
            if first == _INTERLEAVED:
                if self._end - self._start < _LEAST_BYTES:
                    return None
                stop = self._start + _FRAME_BYTES + _frame(self.buffer, self._start)[1]
                if stop > self._end:
                    return None
                self._start = stop
            elif first in _LINE_ENDS:
                self._start += 1
            else:
                try:
                    return self._message()
                except _NotAMessageError:
                    raise StreamError(NOT_A_STREAM) from None
        return None

    def packets(
        self, channels: tuple[int, int], payload_type: int
    ) -> tuple[list[Span], list[Span], list[Message]]:
        """What has been received whole since the last call.

        Where neither a packet nor a message begins, reading continues with the next of them.

        Args:
            channels: Channels of RTP and RTCP.
            payload_type: RTP payload type of the video.

        Returns:
            Start and end of each packet in ``buffer``, valid until the next `fill`: first those of
            RTP, then those of RTCP; and the messages between them.
        """
        media: list[Span] = []
        reports: list[Span] = []
        messages: list[Message] = []
        spans = dict(zip(channels, (media, reports), strict=True))
        buffer, end, start = self.buffer, self._end, self._start
        video, identity = _INTERLEAVED << 8 | channels[0], _VERSION << 14 | payload_type
        while end - start >= _LEAST_BYTES:
            head, size, about = _frame(buffer, start)
            stop = start + _FRAME_BYTES + size
            # Nearly all are packets of the video, and there are hundreds a second.
            if head == video and about & _IDENTITY == identity and stop <= end:
                media.append((start + _FRAME_BYTES, stop))
                start = stop
                continue
            (mark, channel), (version, kind) = divmod(head, 256), divmod(about, 256)
            if mark == _INTERLEAVED and (
                (kind & 0x7F == payload_type and version >> 6 == _VERSION and channel in spans)
                or self._is_packet(stop, size, version, kind)
            ):
                if stop > end:
                    break
                if channel in spans:
                    spans[channel].append((start + _FRAME_BYTES, stop))
                start = stop
                continue
            if mark in _LINE_ENDS:
                start += 1
                continue
            self._start = start
            try:
                message = self._message()
                if message is None:
                    break
                messages.append(message)
            except _NotAMessageError:
                self._resynchronise(channels, payload_type)
            start = self._start
        self._start = start
        return media, reports, messages

    def _is_packet(self, stop: int, size: int, version: int, kind: int) -> bool:
        """Whether a packet of a channel or payload type that was not asked for is one."""
        if size == 0:
            return True
        if version >> 6 != _VERSION:
            return False
        follows = stop >= self._end or _FOLLOWS.match(self.buffer, stop) is not None
        return follows or kind in _REPORTS

    def _resynchronise(self, channels: tuple[int, int], payload_type: int) -> None:
        """Discards data up to the next packet or message, or all where none has arrived."""
        known = re.compile(
            b"\\$[%s]..[\x80-\xbf][%s]|RTSP/\\d\\.\\d +\\d"
            % (
                re.escape(bytes(channels)),
                re.escape(bytes((payload_type, payload_type | 0x80))) + b"\xc0-\xdf",
            ),
            re.DOTALL,
        )
        found = known.search(self.buffer, self._start + 1, self._end)
        # A packet may begin in the last few bytes.
        rest = max(self._start + 1, self._end - _LEAST_BYTES + 1)
        begin = rest if found is None else found.start()
        self.discarded += begin - self._start
        self._start = begin

    def _message(self) -> Message | None:
        """Parses the message at the start of the buffer; ``None`` where it is not complete yet.

        Raises:
            _NotAMessageError: There is no message.
        """
        line, ended, _ = self._arrived(_LONGEST_LINE).partition(b"\n")
        if not (_FIRST_LINE.match(line) if ended else _BEGUN.fullmatch(line.rstrip(b"\r"))):
            raise _NotAMessageError
        data = self._arrived(_LONGEST_HEAD)
        head_end = _HEAD_END.search(data)
        if head_end is None:
            if len(data) >= _LONGEST_HEAD:
                raise _NotAMessageError
            return None
        message = Message.parsed(data[: head_end.start()])
        begin = self._start + head_end.end()
        stop = begin + _size_of_body(message)
        if stop > self._end:
            return None
        self._start = stop
        return replace(message, body=bytes(self._view[begin:stop]))

    def _arrived(self, most: int) -> bytes:
        """The first bytes of what has arrived."""
        return bytes(self._view[self._start : min(self._end, self._start + most)])


class _NotAMessageError(Exception):
    """What has arrived is neither a response nor a request."""


def _size_of_body(message: Message) -> int:
    text = message.get("Content-Length") or "0"
    size = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else _CAPACITY
    if size >= _CAPACITY - _LONGEST_HEAD:
        raise _NotAMessageError
    return size
