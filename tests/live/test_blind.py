"""Cameras whose pictures arrive and cannot be used: never live in silence."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from benchmarks.oddities.pictures import Picture, pictures
from benchmarks.oddities.rtsp_server import OddCameras
from cv_engine.live.stream.bitstream.nal_units import split
from cv_engine.live.stream.sample_watch import UNDECODABLE
from tests.live.streams import STALL_S, Watching, configured
from tests.video.intra_refresh import refreshed

pytestmark = pytest.mark.real_time

_RATE = 10.0
_COUNT = 600
_SAMPLES = 6


def _without_key_frame() -> list[Picture]:
    """The parameter sets, and pictures that all refer to the one before."""
    first, second, *others = pictures("h264", _COUNT, every=_COUNT)
    return [(*first[:-1], *second), *others]


def _from_the_middle(folder: Path) -> list[Picture]:
    """A stream with periodic intra refresh, joined between two recovery points."""
    path = refreshed(folder / "r.h264", _COUNT)
    with av.open(str(path)) as container:
        found = [tuple(split(bytes(packet))) for packet in container.demux(video=0) if packet.size]
    sets = tuple(unit for unit in found[0] if unit[0] & 31 in (7, 8))
    return [(*sets, *found[25]), *found[26:]]


def test_a_stream_that_cannot_be_decoded_is_blind_and_a_case(tmp_path: Path) -> None:
    # The paths of cameras with one slice, and of those with three.
    films = {1: _without_key_frame(), 3: _from_the_middle(tmp_path)}
    with OddCameras("h264", films, _RATE) as cameras:
        entries = [
            {"name": "keyless", "url": cameras.url("plain")},
            {"name": "refreshed", "url": cameras.url("marked")},
        ]
        config = configured(tmp_path / "data", entries, blind_s=2 * STALL_S)
        with Watching(config) as watching:
            watching.until_state("blind", "keyless")
            assert watching.cameras["keyless"].message == UNDECODABLE
            watching.until_filed("keyless")
            watching.until_sampled("refreshed", _SAMPLES)
            status = watching.cameras
            assert (status["keyless"].samples, status["keyless"].view) == (0, "")
            assert status["keyless"].state != "live"
            assert (status["refreshed"].state, status["refreshed"].view) == ("live", "good")
            assert status["refreshed"].damaged == 0
            (case,) = watching.cases("keyless")
            assert (case.kind, case.attributes["reason"]) == ("camera_blind", UNDECODABLE)
            assert watching.cases("refreshed") == []
    assert not cameras.failures
