from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.video.decoder import Decoder
from cv_engine.video.decoding import Log, Pass
from cv_engine.video.demux import Coded
from cv_engine.video.sampler import Plan, Survey, choose
from cv_engine.video.timeline import Timeline

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream


@dataclass
class Known:
    """A recording with a known survey and nothing else."""

    found: Survey
    name: str = "known.mp4"

    def survey(self) -> Survey:
        return self.found


def survey(*keys: float, until: float, reordered: bool = False) -> Survey:
    return Survey(keys, until, True, 100, reordered)


@pytest.mark.parametrize(
    ("found", "decode", "reason"),
    [
        (survey(0, 2, 4, 6, until=8), "key", "at most 2.00 s"),
        (survey(0, 2.5, 5, until=6), "key", "at most 2.50 s"),
        (survey(0, 0.5, 1, until=1.5), "key", "at most 0.50 s"),
        (survey(0, 4, 8, until=12), "all", "up to 4.00 s"),
        (survey(0, 4, 8, until=12, reordered=True), "nonref", "none refers to"),
        (survey(*range(0, 60, 2), 63, *range(65, 100, 2), until=100), "key", "decoded completely"),
        (survey(0, until=30), "all", "up to 30.00 s"),
        (survey(until=30), "all", "no key frame"),
    ],
)
def test_choice(found: Survey, decode: str, reason: str) -> None:
    plan = choose(Known(found), 2.0)
    assert plan.decode == decode
    assert reason in plan.reason


def test_forced_choice() -> None:
    assert choose(Known(survey(0, 2, until=4)), 2.0, "all").decode == "all"


@pytest.mark.parametrize(("sample_s", "decode"), [(0.0, "auto"), (-1.0, "auto"), (2.0, "some")])
def test_wrong_arguments(sample_s: float, decode: str) -> None:
    with pytest.raises(ValueError, match=r"sample_s|decode"):
        choose(Known(survey(until=1)), sample_s, decode)


@dataclass
class Tape:
    """A stub decoder: every packet is one blank picture, so that only the selection counts."""

    alone: int = 0
    is_lenient: bool = False
    frames: list[av.VideoFrame] = field(default_factory=list)

    def decode(self, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
        return [] if packet is None else [blank(packet)]

    def decode_alone(self, packet: Packet[VideoStream]) -> av.VideoFrame | None:
        self.alone += 1
        return blank(packet)

    def recovery(self, packet: Packet[VideoStream]) -> int | None:
        return 0 if packet.is_keyframe else None

    def is_skipped(self, packet: Packet[VideoStream]) -> bool:
        return False

    def restart(self, *, lenient: bool = False) -> None:
        assert not lenient
        self.frames.clear()


def blank(packet: Packet[VideoStream]) -> av.VideoFrame:
    frame = av.VideoFrame(16, 16, "gray")
    frame.pts = packet.pts
    return frame


def pass_over(times_ms: Sequence[int], keys: set[int], plan: Plan) -> tuple[list[float], int]:
    coded = []
    for number, time_ms in enumerate(times_ms):
        packet = cast("Packet[VideoStream]", av.Packet(1))
        packet.pts = packet.dts = time_ms
        packet.is_keyframe = number in keys
        coded.append(Coded(packet, time_ms / 1000, number in keys))
    tape = Tape()
    decoder = cast(Decoder, tape)
    timeline = Timeline(Fraction(1, 1000), 100, zero=0)
    for time_ms in times_ms:
        timeline.repair(time_ms, time_ms, 0)
    walk = Pass(coded, timeline, plan, decoder, lambda: decoder, Log(strict=True))
    return [decoded.media_s for decoded in walk], tape.alone


@settings(max_examples=200)
@given(
    st.integers(1, 400),
    st.sets(st.integers(1, 400)),
    st.floats(0.2, 6.0),
    st.sampled_from(["key", "all"]),
)
def test_every_window_has_a_sample(
    count: int, keys: set[int], sample_s: float, decode: str
) -> None:
    times_ms = [number * 100 for number in range(count)]
    plan = Plan("key" if decode == "key" else "all", sample_s, "")
    samples, _ = pass_over(times_ms, {0, *keys}, plan)
    longest = max(sample_s * (1.25 if decode == "key" else 1.0), 0.1)
    assert samples[0] == 0.0
    assert all(a < b for a, b in pairwise(samples))
    assert max((b - a for a, b in pairwise(samples)), default=0) <= longest + 0.0501
    assert times_ms[-1] / 1000 - samples[-1] <= longest + 0.0501


@given(st.integers(2, 30), st.floats(0.5, 4.0))
def test_evenly_spaced_key_frames_are_enough(gop: int, sample_s: float) -> None:
    """Only key frames are decoded, and no more of them than are due."""
    spacing = gop / 10
    if spacing > sample_s * 1.25:
        return
    samples, alone = pass_over(
        [number * 100 for number in range(400)], set(range(0, 400, gop)), Plan("key", sample_s, "")
    )
    assert alone == len(samples)
    steps = max(1, int((sample_s + 0.05) / spacing))  # key frames from one sample to the next
    assert len(samples) <= 400 // (gop * steps) + 2
