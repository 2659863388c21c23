"""From compressed frames to samples: damage, groups, and streams that change."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import pytest
from av.packet import Packet
from av.video.stream import VideoStream

from cv_engine.live.buffer.sampler import DueSample, LiveSampler
from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.worker.decoding import SampleDecoder
from cv_engine.video.frame import Sample, Scaler
from tests.live.encoded_frames import BEGAN_S, encoded_frames, numbered
from tests.video import interlaced
from tests.video.intra_refresh import refreshed, units_of
from tests.video.recordings import number_of, record, times

_INFORMATION = 6  # type of supplemental information in H.264


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[EncodedFrame]:
    """Twelve seconds with a key frame every two."""
    return numbered(tmp_path_factory.mktemp("made"), 120, gop=20)


def _alone(encoded: EncodedFrame) -> DueSample:
    return DueSample(BEGAN_S + encoded.media_s, (encoded,), True)


def _group(made: list[EncodedFrame], first: int, last: int) -> DueSample:
    """The picture before ``last``, decoded from ``first`` on."""
    taken = tuple(made[first:last])
    return DueSample(BEGAN_S + taken[-1].media_s, taken, taken[0].key)


def _number(sample: Sample | None) -> int | None:
    return None if sample is None else number_of(sample.image())


def _damaged(encoded: EncodedFrame) -> EncodedFrame:
    """The same picture with the second half of its data spoilt."""
    data = bytearray(bytes(encoded.packet))
    # Behind the parameter sets, and never a start code.
    for place in range(len(data) // 2, len(data)):
        data[place] = 0xA5 ^ (place & 0x0F)
    return _with(encoded, bytes(data))


def _cut(encoded: EncodedFrame) -> EncodedFrame:
    """The same picture without its last third."""
    return _with(encoded, bytes(encoded.packet)[: encoded.packet.size * 2 // 3])


def _with(encoded: EncodedFrame, data: bytes) -> EncodedFrame:
    given = encoded.packet
    packet = cast("Packet[VideoStream]", Packet(data))
    packet.pts, packet.dts, packet.time_base = given.pts, given.dts, given.time_base
    packet.is_keyframe = encoded.key
    return encoded._replace(packet=packet)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx264", ".ts"), ("libx264", ".mp4"), ("libx265", ".ts"), ("mjpeg", ".mkv")],
)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_key_frames_are_decoded_alone(
    codec: str, suffix: str, b_frames: int, tmp_path: Path
) -> None:
    if b_frames and codec == "mjpeg":
        pytest.skip("it has none")
    made = numbered(tmp_path, 40, gop=10, codec=codec, suffix=suffix, b_frames=b_frames)
    pictures = SampleDecoder(Scaler())
    keys = [encoded for encoded in made if encoded.key]
    assert len(keys) >= 4
    for encoded in keys:
        sample = pictures.decode(_alone(encoded))
        assert sample is not None
        assert sample.media_s == pytest.approx(BEGAN_S + encoded.media_s)
        assert number_of(sample.image()) == round(encoded.media_s * 10)
        assert (sample.width, sample.height, sample.key_frame) == (192, 96, True)


def test_groups_are_decoded_from_the_last_sample_on(made: list[EncodedFrame]) -> None:
    pictures = SampleDecoder(Scaler())
    assert _number(pictures.decode(_group(made, 20, 26))) == 25
    assert _number(pictures.decode(_group(made, 26, 33))) == 32
    # A key frame that is sampled in between belongs to the next group.
    assert _number(pictures.decode(_alone(made[40]))) == 40
    assert _number(pictures.decode(_group(made, 40, 48))) == 47
    assert _number(pictures.decode(_group(made, 48, 60))) == 59


@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize("gop", [7, 30, 100])
def test_a_due_sample_is_decoded_with_its_time(gop: int, b_frames: int, tmp_path: Path) -> None:
    made = numbered(tmp_path, 150, gop=gop, b_frames=b_frames)
    sampler, pictures, last_s = LiveSampler(2.0), SampleDecoder(Scaler()), 0.0
    samples = []
    for number, encoded in enumerate(made):
        # As the clock would: rising in decoding order.
        last_s = max(last_s + 1e-3, BEGAN_S + encoded.media_s)
        due = sampler.take(last_s, encoded)
        if due is not None:
            sample = pictures.decode(due)
            assert sample is not None, number
            samples.append(sample)
    assert len(samples) >= 7
    for sample in samples:
        shown_s = number_of(sample.image()) / 10
        # With B-frames the time is that of the one shown last, up to what the decoder holds back.
        assert sample.media_s - BEGAN_S == pytest.approx(shown_s, abs=0.35 if b_frames else 0.01)


def test_a_damaged_sample_is_none(made: list[EncodedFrame]) -> None:
    pictures = SampleDecoder(Scaler())
    assert pictures.decode(_alone(_damaged(made[0]))) is None
    assert _number(pictures.decode(_alone(made[20]))) == 20
    spoilt = [*made[20:25], _damaged(made[25]), *made[26:30]]
    assert pictures.decode(_group(spoilt, 0, 10)) is None
    assert _number(pictures.decode(_group(made, 40, 45))) == 44


def test_after_damage_nothing_is_decoded_on(made: list[EncodedFrame]) -> None:
    """What was due already when the damage was found would show the damage."""
    pictures = SampleDecoder(Scaler())
    spoilt = [*made[20:25], _damaged(made[25]), *made[26:30]]
    assert pictures.decode(_group(spoilt, 0, 10)) is None
    assert pictures.decode(_group(made, 30, 35)) is None
    assert _number(pictures.decode(_group(made, 40, 45))) == 44
    assert _number(pictures.decode(_group(made, 45, 50))) == 49


def test_a_sample_marked_as_corrupt_is_none(made: list[EncodedFrame]) -> None:
    given = made[20].packet
    packet = cast("Packet[VideoStream]", Packet(bytes(given)))
    packet.pts, packet.dts, packet.time_base = given.pts, given.dts, given.time_base
    packet.is_keyframe = packet.is_corrupt = True
    pictures = SampleDecoder(Scaler())
    assert pictures.decode(_alone(made[20]._replace(packet=packet))) is None


def test_over_a_bad_line_half_a_picture_is_better_than_none(tmp_path: Path) -> None:
    """Of JPEG pictures; damaged H.264 ones FFmpeg marks, and they are left out all the same."""
    pictures = SampleDecoder(Scaler())
    keys = numbered(tmp_path, 6, codec="mjpeg", suffix=".mkv")
    samples = [pictures.decode(_alone(_cut(key))) for key in keys]
    assert samples[:3] == [None] * 3
    assert all(sample is not None for sample in samples[3:])
    # After thirty samples the decoder tries whether the line is good again.
    for _ in range(26):
        assert pictures.decode(_alone(keys[0])) is not None
    assert pictures.decode(_alone(_cut(keys[0]))) is not None
    assert pictures.decode(_alone(_cut(keys[0]))) is None


def test_strictness_does_not_cut_a_group_in_two(made: list[EncodedFrame]) -> None:
    """The decoder changes with a key frame: no other one has the frames that the rest refers to."""
    pictures = SampleDecoder(Scaler())
    for _ in range(3):
        pictures.decode(_alone(_damaged(made[0])))
    assert _number(pictures.decode(_group(made, 0, 3))) == 2
    for _ in range(28):
        assert pictures.decode(_alone(made[20])) is not None
    assert _number(pictures.decode(_group(made, 20, 23))) == 22  # the 30th sound one
    assert _number(pictures.decode(_group(made, 23, 26))) == 25
    assert _number(pictures.decode(_group(made, 26, 30))) == 29


def test_single_damaged_samples_do_not_make_it_lenient(made: list[EncodedFrame]) -> None:
    pictures = SampleDecoder(Scaler())
    for _ in range(5):
        assert pictures.decode(_alone(_damaged(made[0]))) is None
        assert pictures.decode(_alone(_damaged(made[20]))) is None
        assert pictures.decode(_alone(made[40])) is not None


def test_a_new_connection_may_have_another_codec_and_size(
    made: list[EncodedFrame], tmp_path: Path, shared_data: Path
) -> None:
    pictures = SampleDecoder(Scaler())
    assert _number(pictures.decode(_group(made, 0, 5))) == 4
    jpeg = numbered(tmp_path, 5, codec="mjpeg", suffix=".mkv")
    assert _number(pictures.decode(_alone(jpeg[3]))) == 3
    other = encoded_frames(shared_data / "video" / "lot_leave_arrive.mp4")[0]
    sample = pictures.decode(_alone(other))
    assert sample is not None
    assert (sample.width, sample.height) == (other.format.width, other.format.height) != (192, 96)
    # Of the connection before nothing is decoded on from.
    assert pictures.decode(_group(made, 5, 9)) is None
    assert _number(pictures.decode(_group(made, 20, 25))) == 24


def test_a_camera_may_change_its_size_in_the_same_connection(tmp_path: Path) -> None:
    """Each key frame brings its own parameter sets."""
    small = numbered(tmp_path, 20, gop=10)
    made = []
    for width, height in ((192, 96), (384, 192)):
        path = tmp_path / f"{width}.ts"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=10)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for number in range(5):
                frame = av.VideoFrame(width, height, "yuv420p")
                frame.pts = number
                for packet in stream.encode(frame):
                    out.mux(packet)
            for packet in stream.encode(None):
                out.mux(packet)
        made.append(encoded_frames(path)[0]._replace(format=small[0].format))
    pictures = SampleDecoder(Scaler())
    for encoded, size in zip([*made, made[0]], [(192, 96), (384, 192), (192, 96)], strict=True):
        sample = pictures.decode(_alone(encoded))
        assert sample is not None
        assert (sample.width, sample.height) == size
        assert sample.image().shape == (size[1], size[0], 3)


def test_a_stream_without_a_header_has_it_in_its_frames(made: list[EncodedFrame]) -> None:
    bare = replace(made[0].format, header=b"")
    pictures = SampleDecoder(Scaler())
    assert _number(pictures.decode(_alone(made[20]._replace(format=bare)))) == 20


def _refreshed(
    folder: Path, count: int, first: int = 0, *, codec: str = "libx264", marked: bool = True
) -> list[EncodedFrame]:
    """A stream with periodic intra refresh from its ``first`` picture on."""
    path = refreshed(folder / "r.ts", count, codec=codec, marked=marked)
    return encoded_frames(path)[first:]


def _sampled(made: list[EncodedFrame], interval_s: float = 2.0) -> list[tuple[float, int]]:
    """Times and numbers of the samples that the decoder makes of a stream."""
    sampler, pictures = LiveSampler(interval_s), SampleDecoder(Scaler())
    found = []
    for encoded in made:
        due = sampler.take(BEGAN_S + encoded.media_s, encoded)
        sample = None if due is None else pictures.decode(due)
        if sample is not None:
            found.append((round(sample.media_s - BEGAN_S, 2), number_of(sample.image())))
        elif due is not None and pictures.lost:
            sampler.discard_group()
    return found


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("first", [0, 1, 20, 25, 65])
def test_periodic_intra_refresh_is_sampled_from_any_start(
    first: int, codec: str, tmp_path: Path
) -> None:
    found = _sampled(_refreshed(tmp_path, 160, first, codec=codec))
    assert all(number == round(time_s * 10) for time_s, number in found)
    began_s = first / 10
    # The first whole picture comes with the end of the first refresh.
    assert found[0][0] <= (began_s if first == 0 else began_s + 4.0)
    times_s = [time_s for time_s, _ in found]
    assert max(b - a for a, b in pairwise([*times_s, 16.0])) <= 2.6


def test_the_shared_stream_is_sampled_every_two_seconds(shared_data: Path) -> None:
    made = encoded_frames(shared_data / "odd" / "07-intra-refresh" / "intra.h264")
    # Ten pictures a second; such a file does not say so.
    timed = [encoded._replace(media_s=n / 10) for n, encoded in enumerate(made)]
    sampler, pictures = LiveSampler(2.0), SampleDecoder(Scaler())
    dues = [sampler.take(BEGAN_S + encoded.media_s, encoded) for encoded in timed]
    samples = [pictures.decode(due) for due in dues if due is not None]
    assert None not in samples
    assert len(samples) >= 8


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_after_a_damaged_refresh_the_next_one_is_sampled(codec: str, tmp_path: Path) -> None:
    made = _refreshed(tmp_path, 160, codec=codec)
    made[45].packet.is_corrupt = True
    found = _sampled(made)
    assert all(number == round(time_s * 10) for time_s, number in found)
    gaps = [b - a for (a, _), (b, _) in pairwise(found)]
    assert 2.6 < max(gaps) < 6.0
    assert found[-1][0] > 13.5


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_pictures_that_cannot_be_whole_are_no_samples_and_no_damage(
    codec: str, tmp_path: Path
) -> None:
    """Neither a key frame nor a mark, as far as this connection goes."""
    made = _refreshed(tmp_path, 140, 30, codec=codec, marked=False)
    assert not any(encoded.key for encoded in made)
    sampler, pictures = LiveSampler(2.0), SampleDecoder(Scaler())
    dues = [sampler.take(BEGAN_S + encoded.media_s, encoded) for encoded in made]
    tried = [due for due in dues if due is not None]
    assert len(tried) >= 2
    assert [pictures.decode(due) for due in tried] == [None] * len(tried)
    assert not pictures.lost


def test_key_frames_without_any_mark_are_found_by_the_decoder(tmp_path: Path) -> None:
    """I frames that are no IDR frames, without a recovery point: FFmpeg knows them."""
    path = record(
        tmp_path / "open.h264",
        times(200),
        gop=20,
        b_frames=2,
        encoding={"x264-params": "open-gop=1:keyint=20:scenecut=0"},
    )
    units = (unit for unit in units_of(path.read_bytes()) if unit[0] & 31 != _INFORMATION)
    path.write_bytes(b"".join(b"\0\0\1" + unit for unit in units))
    made = encoded_frames(path)
    assert [encoded.key for encoded in made[1:]] == [False] * (len(made) - 1)
    # The times of such a file are FFmpeg's guesses.
    spaced = [encoded._replace(media_s=n / 10) for n, encoded in enumerate(made[5:], start=5)]
    found = _sampled(spaced)
    assert 5.4 < found[0][0] < 9.0
    assert len(found) >= 5
    assert [number for _, number in found] == sorted({number for _, number in found})


@pytest.mark.parametrize("grouped", [False, True], ids=["key frame", "group"])
def test_an_interlaced_anamorphic_stream_gives_what_its_twin_gives(
    tmp_path: Path, grouped: bool
) -> None:
    images = []
    for name, is_odd in (("odd.ts", True), ("twin.ts", False)):
        made = encoded_frames(interlaced.record(tmp_path / name, interlaced=is_odd))
        sample = SampleDecoder(Scaler()).decode(_group(made, 0, 3) if grouped else _alone(made[0]))
        assert sample is not None
        assert (sample.width, sample.height) == (interlaced.SQUARE_WIDTH, interlaced.HEIGHT)
        images.append(sample.image().astype(int))
    assert abs(images[0] - images[1]).mean() < 3
