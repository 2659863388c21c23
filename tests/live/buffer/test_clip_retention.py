"""Which clips are kept for stays that may become cases, and when they are deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cv_engine.finding import CAMERA_BLIND
from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.clip_retention import ClipRetention
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.rules.dwell import Dwell, Limits, Phase
from cv_engine.rules.stays import Candidate, Violation, ZoneDwell
from cv_engine.rules.vehicles import stands_in
from tests.live.encoded_frames import BEGAN_S, HandClock, numbered
from zones.size import MinSize
from zones.zone import whole_frame

_BEFORE_S, _RING_S, _DWELL_S = 2.0, 20.0, 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[EncodedFrame]:
    """Two frames a second, every other one a key frame, for two minutes."""
    return numbered(tmp_path_factory.mktemp("made"), 240, rate=2.0, gop=2)


class _Camera:
    """A stream with its stays, advanced by hand."""

    def __init__(self, folder: Path, made: list[EncodedFrame]) -> None:
        self.folder = folder
        self.ring = RingBuffer(folder, _RING_S, 1 << 30)
        self.retention = ClipRetention(self.ring, _BEFORE_S, _RING_S)
        self.clock: CaptureClock = HandClock().capture()
        zone = whole_frame(192, 96, ["clutter"])
        limits = Limits(_DWELL_S, 20.0)
        self.dwell = ZoneDwell("clutter", zone, limits, stands_in, MinSize(1.0))
        self._made = made
        self._next = 0

    def stands(self, thing: int, began_s: float, phase: Phase = Phase.IN) -> Violation:
        box = np.array([10, 10, 60, 60], np.float32)
        candidate = Candidate(thing, box, BEGAN_S + began_s, True, 0.9)
        now_s = BEGAN_S + self.now_s
        self.dwell.stays[thing] = (Dwell(phase, BEGAN_S + began_s, now_s), candidate)
        return Violation(
            *("clutter", self.dwell.zone.name, thing, (10.0, 10.0, 60.0, 60.0)),
            *(BEGAN_S + began_s, now_s, 0.9),
        )

    def until(self, now_s: float, waiting: list[Violation] | None = None) -> None:
        """The stream continues, with a sample at the end."""
        while self._next < len(self._made) and self._made[self._next].media_s <= now_s:
            encoded = self._made[self._next]
            self.ring.add(BEGAN_S + encoded.media_s, encoded)
            self._next += 1
        self.retention.update(BEGAN_S + now_s, [self.dwell], waiting or [])

    @property
    def now_s(self) -> float:
        return self._made[self._next - 1].media_s if self._next else 0.0

    def held(self, stay: Violation) -> list[Any]:
        """Start and end of the clips kept for a stay, seconds."""
        return [
            (each.began.timestamp() - BEGAN_S, each.ended.timestamp() - BEGAN_S)
            for each in self.retention.footage(stay, self.clock).recordings
        ]


@pytest.fixture
def camera(tmp_path: Path, made: list[EncodedFrame]) -> _Camera:
    return _Camera(tmp_path / "kept", made)


def test_passing_traffic_writes_no_clip(camera: _Camera) -> None:
    camera.until(10.0)
    stay = camera.stands(1, 8.0)
    camera.until(17.5)
    assert camera.held(stay) == []
    del camera.dwell.stays[1]
    camera.until(40.0)
    assert not camera.folder.exists(), "the disk was not touched"


def test_the_start_of_a_stay_is_kept_before_it_is_evicted(camera: _Camera) -> None:
    camera.until(10.0)
    stay = camera.stands(1, 10.0)
    for now_s in (12.0, 19.5, 20.0, 22.0, 30.0):
        camera.until(now_s)
    assert camera.retention.tags
    assert camera.held(stay) == [(8.0, pytest.approx(20.0, abs=0.01))]
    # A clip of the middle as proof of presence: from the key frame to the sample.
    camera.until(41.0)
    assert len(camera.held(stay)) == 2
    assert camera.held(stay)[1][0] == pytest.approx(41.0, abs=1.01)
    camera.until(60.0)
    assert len(camera.held(stay)) == 2


def test_clips_of_a_stay_that_ends_in_time_are_deleted(camera: _Camera) -> None:
    camera.until(10.0)
    stay, other = camera.stands(1, 9.0), camera.stands(2, 10.0)
    for now_s in (20.0, 22.0, 35.0):
        camera.until(now_s)
    assert camera.held(stay)
    camera.stands(1, 9.0, Phase.OUT)
    camera.until(37.0)
    assert camera.held(stay) == []
    assert camera.held(other)


def test_a_long_stay_that_is_due_has_clips_of_its_start_and_end(camera: _Camera) -> None:
    camera.until(10.0)
    for now_s in np.arange(10.0, 70.0, 2.0).tolist():
        camera.stands(1, 10.0)
        camera.until(now_s)
    camera.until(70.0, [])
    due = camera.stands(1, 10.0, Phase.DUE)
    camera.retention.keep(due)
    camera.until(72.0, [due])
    held = camera.held(due)
    assert len(held) == 3
    assert held[0][0] == pytest.approx(8.0)
    assert held[-1][0] <= 70.0 - _BEFORE_S
    assert held[-1][1] == pytest.approx(70.0, abs=0.01)
    # The stay waits to be filed, for as long as that takes.
    camera.until(119.0, [due])
    assert camera.held(due) == held
    camera.retention.release(due)
    assert camera.held(due) == []


def test_a_short_stay_has_one_clip(camera: _Camera) -> None:
    camera.until(30.0)
    due = replace(camera.stands(1, 18.0, Phase.DUE))
    camera.retention.keep(due)
    assert camera.held(due) == [(pytest.approx(16.0), pytest.approx(30.0, abs=0.01))]


def test_a_later_run_keeps_the_same_clips(camera: _Camera, made: list[EncodedFrame]) -> None:
    camera.until(10.0)
    stay = camera.stands(1, 10.0)
    camera.until(20.0)
    camera.until(22.0)
    before = camera.held(stay)
    again = _Camera(camera.folder, made)
    again._next = 60  # the frames meanwhile were not received
    again.stands(1, 10.0)
    again.until(31.0)
    assert again.held(stay) == before, "the end of the ring is not taken for the start of the stay"


def test_a_clip_that_cannot_be_written_stops_nothing(camera: _Camera) -> None:
    camera.folder.write_text("a file stands where the folder should be")
    camera.until(10.0)
    stay = camera.stands(1, 10.0)
    camera.until(20.0)
    camera.until(22.0)
    camera.retention.keep(stay)
    assert camera.held(stay) == []


def test_the_last_seconds_of_a_blind_camera_are_kept(camera: _Camera) -> None:
    camera.until(60.0)
    blind = Violation(
        CAMERA_BLIND, "camera", 0, (0.0, 0.0, 192.0, 96.0), BEGAN_S + 5.0, BEGAN_S + 60.0, 1.0
    )
    camera.retention.keep(blind)
    camera.until(62.0, [blind])
    assert camera.held(blind) == [(pytest.approx(58.0), pytest.approx(60.0, abs=0.01))]
    camera.until(64.0, [])
    assert camera.held(blind) == []
