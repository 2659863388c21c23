"""The pictures of an MP4 file without index, as a byte stream that FFmpeg reads."""

from __future__ import annotations

import mmap
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from cv_engine.video.recovery.layout import START_CODE, Layout, layout_in_band
from cv_engine.video.recovery.syntax import Head, is_unit_whole

_BOXES = (b"ftyp", b"free", b"skip", b"wide", b"uuid", b"pnot", b"moov", b"mdat")
# Sound between pictures: a unit must be followed by another one within this distance.
_LONGEST_SOUND = 1 << 20
_HEAD = 64
_ZEROS = bytes(1 << 16)
# Units that show how those of a stream begin: over a minute. What fewer begin with is no unit.
_SEEN_UNITS = 4000
_RARE_SHARE = 0.01


class RecoveredStream:
    """A file that FFmpeg can read: H.264 or H.265 with start codes (Annex B).

    NAL units are found by walking from length to length. What is not one, such as sound or a
    damaged stretch, is passed over up to the next bytes that look like one.

    Args:
        path: The file without index.
        layout: The layout of a sound file of the same camera; ``None``: found in the stream.

    Attributes:
        layout: The layout that is used, ``None`` where no pictures can be found.
    """

    def __init__(self, path: Path, layout: Layout | None) -> None:
        self.name = f"the pictures found in {path}"
        self._file = path.open("rb")
        self._data = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self.layout = layout or layout_in_band(self._data)
        self._units = self._stream(self.layout) if self.layout else iter(())
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._units = iter(())
        with suppress(BufferError):  # FFmpeg may still hold the file: freed with it
            self._data.close()
        self._file.close()

    def read(self, size: int) -> bytes:
        """The next bytes of the stream, empty at its end."""
        parts, length = [self._rest], len(self._rest)
        while length < size:
            unit = next(self._units, None)
            if unit is None:
                break
            parts += [START_CODE, unit]
            length += len(START_CODE) + len(unit)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]

    def has_pictures(self) -> bool:
        """Whether any NAL unit is found; nothing must have been read."""
        first = next(self._units, None)
        if first is not None:
            self._rest = START_CODE + first
        return first is not None

    def _stream(self, layout: Layout) -> Iterator[bytes]:
        if not layout.length_bytes:
            units = self._annex_b(layout)
        elif layout.syntax.heads:
            units = iter(_Walk(self._data, layout))
        else:
            heads = _Walk(self._data, layout).heads()
            known = replace(layout, syntax=replace(layout.syntax, heads=heads))
            units = iter(_Walk(self._data, known))
        for number, unit in enumerate(units):
            if number == 0 and layout.header:
                yield layout.header.removeprefix(START_CODE)
            yield unit

    def _annex_b(self, layout: Layout) -> Iterator[bytes]:
        """The NAL units between start codes."""
        begin = None
        for match in re.finditer(rb"\x00\x00\x01", self._data):
            if begin is not None and layout.syntax.begins_unit(self._data[begin : begin + _HEAD]):
                yield self._data[begin : match.start()].rstrip(b"\0")
            begin = match.end()
        if begin is not None and layout.syntax.begins_unit(self._data[begin : begin + _HEAD]):
            yield self._data[begin:]


class _Walk:
    """The NAL units behind their lengths.

    Args:
        data: The file.
        layout: The layout of the stream.
    """

    def __init__(self, data: mmap.mmap, layout: Layout) -> None:
        self._data = data
        self._layout = layout
        first = re.escape(layout.syntax.first_bytes())
        zeros = max(0, layout.length_bytes - (layout.largest.bit_length() + 7) // 8)
        any_bytes = layout.length_bytes - zeros
        pattern = rb"\0{%d}[\s\S]{%d}[%s]" % (zeros, any_bytes, first)
        # A lookahead: candidates may overlap.
        self._candidate = re.compile(b"(?=" + pattern + b")")

    def __iter__(self) -> Iterator[bytes]:
        return (unit for unit, _ in self._units())

    def heads(self) -> frozenset[Head]:
        """How the units of this stream begin, found from those that certainly are ones.

        A unit is one where it lies behind another without a gap, or begins as many others do: bytes
        of sound that look like a unit mostly differ from each other. A picture has a first slice.
        """
        certain: set[Head] = set()
        seen: Counter[Head] = Counter()
        for unit, follows in islice(self._units(), _SEEN_UNITS):
            head = self._layout.syntax.head_of(unit[:_HEAD])
            if head is not None:
                seen[head] += 1
                certain |= {head} if follows else set()
        least = max(2, seen.total() * _RARE_SHARE)
        found = certain | {head for head, count in seen.items() if count >= least}
        return frozenset(head for head in found if _with_first_slice(head) in found)

    def _units(self) -> Iterator[tuple[bytes, bool]]:
        """The NAL units, each with whether it lies behind the one before without a gap."""
        at: int | None = media_begins(self._data)
        follows = False
        while at is not None:
            unit = self._unit_at(at)
            if unit is None:
                at = self._next(self._past_zeros(at + 1), len(self._data))
                follows = False
                continue
            yield unit, follows
            at += self._layout.length_bytes + len(unit)
            follows = True

    def _next(self, begin: int, end: int) -> int | None:
        """The position of the next whole NAL unit within a part of the file."""
        for match in self._candidate.finditer(self._data, begin, end):
            if self._unit_at(match.start()) is not None:
                return match.start()
        return None

    def _past_zeros(self, at: int) -> int:
        """A position behind the zeros of a file that was made longer before it was written."""
        while self._data[at : at + len(_ZEROS)] == _ZEROS:
            at += len(_ZEROS)
        return at

    def _unit_at(self, at: int) -> bytes | None:
        """The whole NAL unit at a position, ``None`` where there is none."""
        size = self._size_at(at)
        if size is None:
            return None
        begin = at + self._layout.length_bytes
        after = begin + size
        unit = self._data[begin:after]
        return unit if is_unit_whole(unit) and self._is_followed(after) else None

    def _is_followed(self, after: int) -> bool:
        """Whether another NAL unit, or the end of what was written, is near."""
        end = after + _LONGEST_SOUND
        if self._size_at(after) is not None or len(self._data) < end:
            return True
        if self._data[end - len(_ZEROS) : end] == _ZEROS:
            return True
        found = self._candidate.finditer(self._data, after, end)
        return any(self._size_at(match.start()) is not None for match in found)

    def _size_at(self, at: int) -> int | None:
        """The size of what a length and a header at a position claim to be a NAL unit."""
        begin = at + self._layout.length_bytes
        size = int.from_bytes(self._data[at:begin], "big")
        if not 0 < size <= min(self._layout.largest, len(self._data) - begin):
            return None
        head = self._data[begin : begin + min(size, _HEAD)]
        return size if self._layout.syntax.begins_unit(head) else None


def _with_first_slice(head: Head) -> Head:
    """How the first slice of a picture begins, given how any of its slices does."""
    return head if len(head) == 1 else (head[0], True, *head[2:])


def media_begins(data: mmap.mmap) -> int:
    """The position at which the media data of an MP4 file begin; 0 where no box says so."""
    at = 0
    while at + 8 <= len(data) and data[at + 4 : at + 8] in _BOXES:
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        header = 16 if size == 1 else 8
        if kind == b"mdat":
            return at + header
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
        if size < header:
            break
        at += size
    return 0
