"""NAL units from RTP packets, and the camera's clock from RTCP sender reports.

H.264 by RFC 6184 (single NAL units, STAP-A and FU-A) and H.265 by RFC 7798 (single NAL units, AP
and FU), both sent in decoding order, as every camera does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from cv_engine.live.stream.bitstream.nal_units import (
    START_CODE_TAIL,
    SYNTAXES,
    NalUnit,
    split,
)

_HEAD_BYTES = 12
_VERSION = 2
_PADDED, _EXTENDED, _SOURCES = 0x20, 0x10, 0x0F
_EXTRAS = _PADDED | _EXTENDED | _SOURCES
_MARKER = 0x80  # last packet of an access unit
_head = struct.Struct(">BBHI").unpack_from
_report = struct.Struct(">BBHIIII").unpack_from
_SENDER_REPORT = 200
_SENDER_REPORT_BYTES = 28
_NTP_TO_UNIX_S = 2_208_988_800  # from 1900 to 1970
_WRAP = 1 << 32
# Size beyond which a NAL unit is discarded, bytes.
_MOST_BYTES = 16 << 20
_BEGINS, _ENDS = 0x80, 0x40  # flags of a fragment of a NAL unit
_ORDER_BYTES = 2  # of a number of the decoding order (RFC 7798, 4.4.1)
# Types of payloads that are no single NAL unit: several whole ones, or a fragment.
_AGGREGATES = {"h264": 24, "hevc": 48}
_FRAGMENTS = {"h264": 28, "hevc": 49}

Span = tuple[int, int]
"""Start and end of a packet in a buffer."""


class Depacketizer:
    """Extracts NAL units from RTP packets.

    Start codes within a payload separate NAL units: some cameras send a whole access unit as if it
    were one NAL unit.

    Args:
        codec: ``h264`` or ``hevc``.
        payload_type: RTP payload type of the video; other packets are ignored.
        is_numbered: Whether payloads of H.265 contain numbers of the decoding order.
    """

    def __init__(self, codec: str, payload_type: int, *, is_numbered: bool = False) -> None:
        self._payload_type = payload_type
        self._syntax = SYNTAXES[codec]
        self._aggregate, self._fragment = _AGGREGATES[codec], _FRAGMENTS[codec]
        self._order_bytes = _ORDER_BYTES if is_numbered and codec == "hevc" else 0
        self._plain = _VERSION << 14 | payload_type  # first 16 bits of a header without extras
        # Such a header, then the type of the payload and the flags of a fragment.
        self._fragment_head = struct.Struct(f">HHI4xB{self._syntax.header_bytes - 1}xB")
        self._ready: list[NalUnit] = []
        self._parts: list[bytes | memoryview] = []  # of a fragmented NAL unit
        self._bytes = 0
        self._marked = False  # the last packet of the fragmented NAL unit
        self._follows = True  # nothing is missing since the last NAL unit
        self._next: int | None = None  # sequence number
        self._stamp: int | None = None
        self._ticks = 0
        self._arrived_s = 0.0

    def feed(
        self, buffer: bytearray, packets: Iterable[Span], arrived_s: float = 0.0
    ) -> list[NalUnit]:
        """Takes in RTP packets.

        Args:
            buffer: Received data.
            packets: Start and end of each packet in ``buffer``, in the order of arrival.
            arrived_s: When the packets arrived, seconds on a clock that never jumps.

        Returns:
            The NAL units that are complete now, in decoding order.
        """
        head, least = self._fragment_head.unpack_from, self._fragment_head.size
        types, plain, fragment = self._syntax.types, self._plain, self._fragment
        view = memoryview(buffer)
        self._arrived_s = arrived_s
        for start, stop in packets:
            # Nine in ten continue a fragmented NAL unit, and there are hundreds a second.
            if self._parts and stop - start > least:
                kind, sequence, stamp, form, about = head(buffer, start)
                if (
                    sequence == self._next
                    and kind & ~_MARKER == plain
                    and stamp == self._stamp
                    and types[form] == fragment
                    and not about & _BEGINS
                    and self._bytes < _MOST_BYTES
                ):
                    self._next = sequence + 1 & 0xFFFF
                    self._parts.append(view[start + least : stop])
                    self._bytes += stop - start
                    if about & _ENDS:
                        self._marked = kind & _MARKER != 0
                        self._finish()
                    continue
            self._take(view, start, stop)
        if self._parts:
            self._parts = [b"".join(self._parts)]  # the buffer will hold other data
        ready, self._ready = self._ready, []
        return ready

    def flush(self) -> list[NalUnit]:
        """The NAL unit that has come in part: no more of it comes."""
        self._finish(whole=False)
        ready, self._ready = self._ready, []
        return ready

    def _take(self, buffer: memoryview, start: int, stop: int) -> None:
        """Takes in a packet of any kind."""
        if stop - start <= _HEAD_BYTES:
            return
        flags, kind, sequence, stamp = _head(buffer, start)
        if kind & 0x7F != self._payload_type or flags >> 6 != _VERSION:
            return
        at = start + _HEAD_BYTES
        if flags & _EXTRAS:
            at, stop = _payload(buffer, at + 4 * (flags & _SOURCES), stop, flags)
        self._follow(sequence, stamp)
        if at < stop:
            self._add(buffer, at, stop, marked=bool(kind & _MARKER))

    def _follow(self, sequence: int, stamp: int) -> None:
        """Notes whether a packet is missing before this one, and the time of this one."""
        follows = self._next in (None, sequence)
        self._next = sequence + 1 & 0xFFFF
        if not follows or stamp != self._stamp:
            # Some cameras do not flag the last fragment: it is the last one that comes.
            self._finish(whole=follows)
            self._ticks, self._stamp = self.ticks_at(stamp), stamp
        self._follows &= follows

    def ticks_at(self, stamp: int) -> int:
        """An RTP timestamp near the latest one, continued where RTP's 32 bits wrap around."""
        if self._stamp is None:
            return stamp
        ahead = (stamp - self._stamp) % _WRAP
        return self._ticks + (ahead if ahead < _WRAP // 2 else ahead - _WRAP)

    def _add(self, buffer: memoryview, at: int, stop: int, *, marked: bool) -> None:
        """Takes in a packet's payload."""
        syntax = self._syntax
        kind = syntax.types[buffer[at]]
        if kind == self._fragment:
            self._put_fragment(buffer, at, stop, marked=marked)
            return
        self._finish()
        if kind == self._aggregate:
            self._put_several(buffer, at + syntax.header_bytes, stop, marked=marked)
        elif kind < self._aggregate:
            head = at + syntax.header_bytes
            unit = b"".join((buffer[at:head], buffer[head + self._order_bytes : stop]))
            self._put(unit, marked=marked)
        else:
            self._follows = False  # interleaved, not in decoding order: cameras do not send this

    def _put_fragment(self, buffer: memoryview, at: int, stop: int, *, marked: bool) -> None:
        syntax = self._syntax
        begin = at + syntax.header_bytes + 1
        about = buffer[begin - 1] if begin <= stop else 0
        if about & _BEGINS:
            self._finish()
            kind = about & syntax.mask
            first = buffer[at] & ~(syntax.mask << syntax.shift) | kind << syntax.shift
            self._parts = [bytes((first, *buffer[at + 1 : at + syntax.header_bytes]))]
            begin += self._order_bytes
        elif not self._parts:
            self._follows = False  # the start of the NAL unit was lost
            return
        self._parts.append(buffer[begin:stop])
        self._bytes += stop - at
        self._marked = marked
        if self._bytes > _MOST_BYTES:
            self._parts, self._bytes, self._follows = [], 0, False
        elif about & _ENDS:
            self._finish()

    def _put_several(self, buffer: memoryview, at: int, stop: int, *, marked: bool) -> None:
        at += self._order_bytes
        while at + 2 < stop:
            size = buffer[at] << 8 | buffer[at + 1]
            at += 2
            if not size:
                return  # padding
            if size > stop - at:
                self._follows = False
                return
            end = at + size
            self._put(bytes(buffer[at:end]), marked=marked and end >= stop)
            at = end + self._order_bytes // 2

    def _finish(self, *, whole: bool = True) -> None:
        """Finishes the fragmented NAL unit, if there is one."""
        if self._parts:
            unit = b"".join(self._parts)
            self._parts, self._bytes = [], 0
            self._put(unit, whole=whole, marked=self._marked)

    def _put(self, data: bytes, *, whole: bool = True, marked: bool) -> None:
        # More slices of the same picture may follow in a slice's NAL unit. Slices are large, and to
        # search them costs more than all else.
        is_slice = self._syntax.types[data[0]] in self._syntax.slices and data[:2] != b"\0\0"
        if not is_slice and START_CODE_TAIL in data:
            *others, data = list(split(data)) or [b""]
            for other in others:
                self._put(other, marked=False)
        if data:
            unit = NalUnit(data, self._ticks, whole, self._follows, marked, self._arrived_s)
            self._ready.append(unit)
            self._follows = True


def _payload(buffer: memoryview, at: int, stop: int, flags: int) -> Span:
    """Start and end of a payload behind a header with an extension, or with padding behind it."""
    if flags & _EXTENDED and at + 4 <= stop:
        at += 4 + 4 * (buffer[at + 2] << 8 | buffer[at + 3])
    if flags & _PADDED:
        stop -= buffer[stop - 1]
    return at, stop


class SenderReport(NamedTuple):
    """A camera's clock at one RTP timestamp (RFC 3550, 6.4.1).

    Attributes:
        sent_at: Time of the camera's clock, seconds since 1970.
        stamp: RTP timestamp at that time.
    """

    sent_at: float
    stamp: int

    @classmethod
    def of(cls, buffer: bytearray, start: int, stop: int) -> SenderReport | None:
        """The sender report at the start of an RTCP packet; ``None`` where there is none."""
        if stop - start < _SENDER_REPORT_BYTES:
            return None
        _, kind, _, _, seconds, part, stamp = _report(buffer, start)
        if kind != _SENDER_REPORT:
            return None
        return cls(seconds - _NTP_TO_UNIX_S + part / _WRAP, stamp)
