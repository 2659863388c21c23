"""One camera of the server: plays its footage in real time to all who watch.

Runs under the system's Python, which has GStreamer: nothing but the standard library and ``gi``.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gi.repository import GLib, Gst  # type: ignore[import-not-found]

_S = 1_000_000_000  # nanoseconds
# All cameras' pictures that are due are sent together, at this interval: a hundred wake-ups a
# second in all, not 25 per camera, for a jitter that is less than a network's.
_TICK_NS = 10_000_000
# A server that was stopped for longer than this continues with the pictures that are due now: no
# camera sends a long backlog.
_BACKLOG_NS = 1 * _S
# A pipeline's time when its first picture is due: the largest reordering of pictures.
_FIRST_NS = 1 * _S
# RTP counts its time in 32 bits, at 90 kHz for video: a jump back is a jump ahead by the rest.
_STAMPS_NS = (_S << 32) // 90_000
_SLICE = re.compile(rb"\x00\x00\x01[\x01\x21\x41\x61\x05\x25\x45\x65]")  # H.264, table 7-1: 1 and 5
_SLICE_HEAD = 12  # bytes: changes after them damage the picture, not its bookkeeping
_FLIPS = 8  # bytes that are changed in a picture that is corrupted


class SharedFootage:
    """Footage in memory, shared by all cameras that show it.

    Args:
        path: File of access units; its index lies beside it.
    """

    def __init__(self, path: Path) -> None:
        index = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        mapped = GLib.MappedFile.new(str(path), False)
        self._whole = Gst.Buffer.new_wrapped_bytes(mapped.get_bytes())
        self._parameters = bytes.fromhex(index["parameters"])
        self._units = index["units"]
        self.count = len(self._units)
        self.sent_ns = [dts_us * 1000 for *_, dts_us, _ in self._units]
        self.delay_ns = [(pts_us - dts_us) * 1000 for *_, dts_us, pts_us in self._units]
        self.duration_ns = index["duration_us"] * 1000
        self.length_ns = [
            later - sent
            for sent, later in zip(self.sent_ns, [*self.sent_ns[1:], self.duration_ns], strict=True)
        ]
        self.is_key = [bool(is_key) for _, _, is_key, _, _ in self._units]
        self.last_key = max(number for number, is_key in enumerate(self.is_key) if is_key)

    def picture(self, number: int) -> Any:
        """An access unit as a buffer; no byte is copied."""
        offset, size, *_ = self._units[number]
        return self._whole.copy_region(Gst.BufferCopyFlags.MEMORY, offset, size)

    def first_picture(self, number: int) -> Any:
        """An access unit with parameter sets, from which the payloader learns what it sends."""
        picture = self.picture(number)
        if self.is_key[number]:
            return picture
        return Gst.Buffer.new_wrapped(self._parameters).append(picture)

    def corrupted(self, number: int) -> Any:
        """An access unit with some bytes of its slices changed."""
        picture = self.picture(number)
        data = bytearray(picture.extract_dup(0, picture.get_size()))
        found = _SLICE.search(data)
        begin = found.end() + _SLICE_HEAD if found else 0
        for _ in range(_FLIPS if begin < len(data) else 0):
            data[random.randrange(begin, len(data))] ^= random.randrange(1, 256)
        return Gst.Buffer.new_wrapped(bytes(data))


class Mount:
    """One camera.

    Args:
        name: The last part of its address.
        footage: The footage to play.
        mode: ``loop``, ``once`` (ends after the footage) or ``hold`` (repeats the last group of
            pictures after the footage).
        began_s: When the footage's beginning was or is played, epoch seconds; ``None`` is when
            the first client watches.
        tell: Called with the time when the footage's beginning was played, epoch seconds.
        over: Called, perhaps more than once, when footage that plays once is over.
    """

    def __init__(
        self,
        name: str,
        footage: SharedFootage,
        mode: str,
        began_s: float | None,
        tell: Callable[[float], None],
        over: Callable[[], None],
    ) -> None:
        self.name = name
        self.footage = footage
        self.over = over
        self.frozen = False
        self.corrupt_share = 0.0
        self.jumped_ns = 0
        self.lock = threading.RLock()
        self._mode = mode
        self._tell = tell
        self._outlets: list[Outlet] = []
        self._began_ns: int | None = None
        if began_s is not None:
            self._began_ns = time.monotonic_ns() + round(began_s * _S) - time.time_ns()

    @property
    def again(self) -> int | None:
        """The number of the picture after the last one; ``None`` at the end of the footage."""
        return {"loop": 0, "hold": self.footage.last_key, "once": None}[self._mode]

    def open(self, pipeline: Any) -> Outlet:
        """A pipeline for a client that asks what the camera offers."""
        with self.lock:
            outlet = Outlet(self, pipeline)
            self._outlets.append(outlet)
        return outlet

    def close(self, outlet: Outlet) -> None:
        """Removes a pipeline without clients."""
        with self.lock:
            self._outlets.remove(outlet)

    def begin(self, now_ns: int) -> None:
        """Starts the footage now."""
        self._began_ns = now_ns
        self._tell((time.time_ns() - time.monotonic_ns() + now_ns) / _S)

    @property
    def has_begun(self) -> bool:
        """Whether the footage has started."""
        return self._began_ns is not None

    def switch(self, footage: SharedFootage) -> None:
        """Continues with other footage, from its beginning."""
        with self.lock:
            now_ns = time.monotonic_ns()
            self.footage = footage
            self.begin(now_ns)
            for outlet in self._outlets:
                outlet.seek(now_ns)

    def jump(self, ahead_ns: int) -> None:
        """Sets the clock of the timestamps ahead, or back."""
        with self.lock:
            self.jumped_ns = (self.jumped_ns + ahead_ns) % _STAMPS_NS
            for outlet in self._outlets:
                outlet.shift()

    def tick(self, now_ns: int) -> None:
        """Sends the pictures that are due."""
        with self.lock:
            for outlet in self._outlets:
                outlet.tick(now_ns)

    def place(self, now_ns: int) -> tuple[int, int] | None:
        """The number of the picture that shows now, and when it was due; ``None`` after the end."""
        footage, again = self.footage, self.again
        began_ns = now_ns if self._began_ns is None else self._began_ns
        skipped_ns, played_ns = 0, now_ns - began_ns
        if played_ns >= footage.duration_ns:
            if again is None:
                return None
            round_ns = footage.duration_ns - footage.sent_ns[again]
            skipped_ns = (played_ns - footage.sent_ns[again]) // round_ns * round_ns
        number = max(0, bisect_right(footage.sent_ns, played_ns - skipped_ns) - 1)
        return number, began_ns + skipped_ns + footage.sent_ns[number]


class Outlet:
    """One pipeline of a camera, shared by the clients of one server.

    Args:
        mount: The camera.
        pipeline: A pipeline with an ``appsrc`` named source and a payloader named payloader or
            pay0; its first picture is pushed at once.
    """

    def __init__(self, mount: Mount, pipeline: Any) -> None:
        self._mount = mount
        self._source = pipeline.get_by_name("source")
        self._payloader = pipeline.get_by_name("payloader") or pipeline.get_by_name("pay0")
        self._number = 0
        self._due_ns = 0
        self._plays = False
        self._ended = False
        self._owed = {True: 0.0, False: 0.0}  # corrupted pictures, key frames and others
        self.seek(time.monotonic_ns())
        # The pipeline's time is that of the pictures, so that its reports carry their due times.
        self._base_ns = self._due_ns - _FIRST_NS
        pipeline.use_clock(Gst.SystemClock.obtain())
        pipeline.set_start_time(Gst.CLOCK_TIME_NONE)
        pipeline.set_base_time(self._base_ns)
        self.shift()
        if not self._ended:
            # A frozen camera sends its first picture too: the server describes the stream from it.
            self._push(mount.footage.first_picture(self._number))

    def play(self) -> None:
        """Starts playing to the first client; pictures that are due already follow at once."""
        with self._mount.lock:
            if not self._plays and not self._mount.has_begun:
                now_ns = time.monotonic_ns()
                self._mount.begin(now_ns)
                self._due_ns = now_ns + self._mount.footage.length_ns[0]
            self._plays = True

    def shift(self) -> None:
        """Shifts the packets' timestamps to the camera's time, for clients only."""
        self._source.get_static_pad("src").set_offset(self._mount.jumped_ns)
        self._payloader.get_static_pad("src").set_offset(-self._mount.jumped_ns)

    def seek(self, now_ns: int) -> None:
        """Goes to the picture that shows now."""
        place = self._mount.place(now_ns)
        if place is None:
            self._end()
        else:
            self._number, self._due_ns = place

    def tick(self, now_ns: int) -> None:
        """Sends the pictures that are due."""
        if self._plays and now_ns - self._due_ns > _BACKLOG_NS:
            self.seek(now_ns)
        while self._plays and not self._ended and self._due_ns <= now_ns:
            footage = self._mount.footage
            if self._mount.frozen:
                self._step()
            elif self._is_corrupt(footage.is_key[self._number]):
                self._push(footage.corrupted(self._number))
            else:
                self._push(footage.picture(self._number))

    def _is_corrupt(self, is_key: bool) -> bool:
        """Whether the next picture is corrupted.

        The share is spread evenly, over key frames and over the rest: at 0.3 no two key frames in
        a row are corrupted.
        """
        owed = self._owed[is_key] + self._mount.corrupt_share
        self._owed[is_key] = owed % 1.0
        return owed >= 1.0

    def _push(self, picture: Any) -> None:
        picture.pts = self._due_ns - self._base_ns + self._mount.footage.delay_ns[self._number]
        self._source.push_buffer(picture)
        self._step()

    def _step(self) -> None:
        mount, number = self._mount, self._number
        self._due_ns += mount.footage.length_ns[number]
        self._number += 1
        if self._number == mount.footage.count:
            if mount.again is None:
                self._end()
            else:
                self._number = mount.again

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._source.end_of_stream()
            self._mount.over()


class Pacer(threading.Thread):
    """The clock of all cameras."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mounts: dict[str, Mount] = {}

    def run(self) -> None:
        """Ticks for as long as the process lives."""
        while True:
            now_ns = time.monotonic_ns()
            for mount in list(self.mounts.values()):
                mount.tick(now_ns)
            time.sleep((_TICK_NS - time.monotonic_ns() % _TICK_NS) / _S)
