"""Access units assembled from RTP packets, and the camera's clock from RTCP sender reports.

H.264 by RFC 6184 (single NAL units, STAP-A and FU-A) and H.265 by RFC 7798 (single NAL units, AP
and FU), both sent in decoding order, as every camera does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from cv_engine.live.stream.sdp import START_CODE

_HEAD_BYTES = 12
_VERSION = 2
_PADDED, _EXTENDED = 0x20, 0x10
_MARKER = 0x80  # last packet of an access unit
_head = struct.Struct(">BBHI").unpack_from
_report = struct.Struct(">BBHIIII").unpack_from
_SENDER_REPORT = 200
_SENDER_REPORT_BYTES = 28
_NTP_TO_UNIX_S = 2_208_988_800  # from 1900 to 1970
_WRAP = 1 << 32
# Size beyond which an access unit is discarded, bytes.
_MOST_BYTES = 16 << 20
_BEGINS, _ENDS = 0x80, 0x40  # flags of a fragment of a NAL unit
_RECOVERY_POINT = 6


class _Form(NamedTuple):
    """The header of a codec's NAL units: ``header`` bytes, the type in the first one."""

    shift: int
    mask: int
    header: int
    aggregate: int
    fragment: int
    keys: range
    information: int


_FORMS = {
    "h264": _Form(0, 31, 1, aggregate=24, fragment=28, keys=range(5, 6), information=6),
    "hevc": _Form(1, 63, 2, aggregate=48, fragment=49, keys=range(16, 24), information=-1),
}


Span = tuple[int, int]
"""Start and end of a packet in a buffer."""


class AccessUnit(NamedTuple):
    """A compressed frame: the NAL units with one timestamp.

    Attributes:
        data: The NAL units, each after a start code.
        ticks: Timestamp, which continues where RTP's 32 bits wrap around.
        key: Whether the frame can be decoded alone.
        whole: Whether no part of the frame is known to be missing.
    """

    data: bytes
    ticks: int
    key: bool
    whole: bool


class Depacketizer:
    """Assembles access units from RTP packets.

    Args:
        codec: ``h264`` or ``hevc``.
        payload_type: RTP payload type of the video; other packets are ignored.
    """

    def __init__(self, codec: str, payload_type: int) -> None:
        self._payload_type = payload_type
        self._form = _FORMS[codec]
        self._plain = _VERSION << 14 | payload_type  # first 16 bits of a header without extras
        self._fragment = struct.Struct(f">HHI4x{self._form.header}xB")  # after such a header
        self._ready: list[AccessUnit] = []
        self._parts: list[bytes | bytearray] = []
        self._bytes = 0
        self._key = False
        self._whole = True
        self._follows = True  # no packet is missing before it
        self._in_unit = False  # a fragmented NAL unit has begun
        self._next: int | None = None  # sequence number
        self._stamp: int | None = None
        self._ticks = 0

    def feed(self, buffer: bytearray, packets: Iterable[Span]) -> list[AccessUnit]:
        """Takes in RTP packets.

        Args:
            buffer: Received data.
            packets: Start and end of each packet in ``buffer``, in the order of arrival.

        Returns:
            The access units that are complete now, in decoding order.
        """
        fragment, least = self._fragment.unpack_from, self._fragment.size
        for start, stop in packets:
            # Nine in ten continue a fragmented NAL unit, and there are hundreds a second.
            if self._in_unit and stop - start > least:
                kind, sequence, stamp, about = fragment(buffer, start)
                if (
                    sequence == self._next
                    and kind == self._plain
                    and stamp == self._stamp
                    and not about & (_BEGINS | _ENDS)
                    and self._bytes < _MOST_BYTES
                ):
                    self._next = sequence + 1 & 0xFFFF
                    self._put(buffer[start + least : stop])
                    continue
            self._take(buffer, start, stop)
        ready, self._ready = self._ready, []
        return ready

    def _take(self, buffer: bytearray, start: int, stop: int) -> None:
        """Takes in a packet of any kind."""
        if stop - start <= _HEAD_BYTES:
            return
        flags, kind, sequence, stamp = _head(buffer, start)
        if kind & 0x7F != self._payload_type or flags >> 6 != _VERSION:
            return
        at = start + _HEAD_BYTES + 4 * (flags & 15)
        if flags & _EXTENDED and at + 4 <= stop:
            at += 4 + 4 * (buffer[at + 2] << 8 | buffer[at + 3])
        if flags & _PADDED:
            stop -= buffer[stop - 1]
        self._follow(sequence, stamp)
        if at < stop:
            self._add(buffer, at, stop)
        if kind & _MARKER:
            self._end()

    def _follow(self, sequence: int, stamp: int) -> None:
        """Notes whether a packet is missing before this one, and starts a new access unit."""
        follows = self._next in (None, sequence)
        self._next = sequence + 1 & 0xFFFF
        if not follows:
            self._whole = self._in_unit = False
        if stamp != self._stamp:
            self._end()
            self._ticks, self._stamp = self.ticks_at(stamp), stamp
            self._follows = follows

    def ticks_at(self, stamp: int) -> int:
        """An RTP timestamp near the latest one, continued where RTP's 32 bits wrap around."""
        if self._stamp is None:
            return stamp
        ahead = (stamp - self._stamp) % _WRAP
        return self._ticks + (ahead if ahead < _WRAP // 2 else ahead - _WRAP)

    def _end(self) -> None:
        """Finishes the access unit: it is complete, or no more of it comes."""
        if self._parts:
            whole = self._whole and not self._in_unit
            # A key frame does not depend on what came before.
            whole = whole and (self._follows or self._key)
            self._ready.append(AccessUnit(b"".join(self._parts), self._ticks, self._key, whole))
        self._parts, self._bytes, self._key = [], 0, False
        self._whole, self._in_unit, self._follows = True, False, True

    def _add(self, buffer: bytearray, at: int, stop: int) -> None:
        """Takes in a packet's payload."""
        form = self._form
        kind = buffer[at] >> form.shift & form.mask
        if self._bytes + stop - at > _MOST_BYTES:
            self._parts, self._bytes, self._whole = [], 0, False
        elif kind == form.fragment:
            self._put_fragment(buffer, at, stop)
        elif kind < form.aggregate:
            self._put_unit(buffer, at, stop)
        elif kind == form.aggregate:
            self._put_several(buffer, at + form.header, stop)
        else:
            self._whole = False  # interleaved, not in decoding order: cameras do not send this

    def _put_fragment(self, buffer: bytearray, at: int, stop: int) -> None:
        form = self._form
        begin = at + form.header + 1
        if begin > stop:
            self._whole = False
            return
        about = buffer[begin - 1]
        if about & _BEGINS:
            kind = about & form.mask
            first = buffer[at] & ~(form.mask << form.shift) | kind << form.shift
            self._key |= kind in form.keys
            self._in_unit = True
            self._put(START_CODE + bytes((first,)) + buffer[at + 1 : at + form.header])
        if self._in_unit:
            self._put(buffer[begin:stop])
        else:
            self._whole = False  # the start of the NAL unit was lost
        if about & _ENDS:
            self._in_unit = False

    def _put_several(self, buffer: bytearray, at: int, stop: int) -> None:
        while at + 2 < stop:
            size = buffer[at] << 8 | buffer[at + 1]
            at += 2
            if not 0 < size <= stop - at:
                self._whole = False
                return
            self._put_unit(buffer, at, at + size)
            at += size

    def _put_unit(self, buffer: bytearray, at: int, stop: int) -> None:
        unit, form = buffer[at:stop], self._form
        kind = unit[0] >> form.shift & form.mask
        self._key |= kind in form.keys
        if kind == form.information:
            self._key |= _is_recovery_point(unit)
        self._put(START_CODE + unit)

    def _put(self, part: bytes | bytearray) -> None:
        self._parts.append(part)
        self._bytes += len(part)


def _is_recovery_point(unit: bytearray) -> bool:
    """Whether supplemental information marks a recovery point (H.264, D.1.8)."""
    at = 1
    while at + 2 < len(unit):
        kind, at = _sum_of_bytes(unit, at)
        size, at = _sum_of_bytes(unit, at)
        if kind == _RECOVERY_POINT:
            return True
        at += size
    return False


def _sum_of_bytes(unit: bytearray, at: int) -> tuple[int, int]:
    """A number coded as bytes of 255 and one smaller byte, and the position after it."""
    total = 0
    while at < len(unit):
        total += unit[at]
        at += 1
        if unit[at - 1] != 0xFF:
            break
    return total, at


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
