"""Clips hold the camera's own pictures, in order, from the right key frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from cv_engine.evidence.errors import ClipError
from cv_engine.evidence.media.clip import ClipSource, cut
from cv_engine.video.container import ReadSettings
from cv_engine.video.sampler import Plan
from cv_engine.video.source import open_video
from tests.evidence.media.scenes import frames
from tests.video.recordings import number_of, record, times


def _times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time or 0.0) for frame in container.decode(video=0)]


def _colour_range(path: Path) -> int:
    with av.open(str(path)) as container:
        return int(next(container.decode(video=0)).color_range)


def _same_as_source(clip: Path, source: Path, first: int) -> int:
    """Counts the clip's pictures; each must be the source's, from number ``first`` on."""
    got = frames(clip)
    all_of_source = frames(source, first + len(got))
    assert got
    for number, picture in enumerate(got):
        assert np.array_equal(picture, all_of_source[first + number]), f"picture {number} differs"
    return len(got)


@pytest.mark.parametrize(
    ("name", "start_s", "end_s", "suffix", "first", "begins_s"),
    [
        pytest.param("aboda_video4.avi", 9.0, 9.5, ".mp4", 250, 8.375, id="xvid with B pictures"),
        pytest.param("highway_curve.avi", 1.0, 2.0, ".mp4", 0, 0.04, id="packed xvid"),
        pytest.param("candela_m1_10.mp4", 5.0, 6.0, ".mp4", 144, 4.8, id="mpeg4 in mp4"),
        pytest.param("pets09_s2l1_vtest.avi", 30.0, 31.0, ".mkv", 250, 25.0, id="msmpeg4 v3"),
        pytest.param("intel_car-detection.mp4", 10.0, 11.0, ".mp4", 120, 9.6, id="h264 and sound"),
        pytest.param("us_street_intersection.mp4", 9.0, 9.5, ".mp4", 250, 8.3417, id="h264 with B"),
        pytest.param("candela_m1_10.mp4", -3.0, 0.5, ".mp4", 0, 0.0, id="before the beginning"),
        pytest.param("candela_m1_10.mp4", 11.0, 99.0, ".mp4", 324, 10.8, id="beyond the end"),
    ],
)
def test_pictures_are_the_sources(
    video: Path,
    tmp_path: Path,
    name: str,
    start_s: float,
    end_s: float,
    suffix: str,
    first: int,
    begins_s: float,
) -> None:
    info = cut(video / name, start_s, end_s, tmp_path / "clip")
    assert info.path.suffix == suffix
    assert info.start_s == pytest.approx(begins_s, abs=1e-3)
    assert info.pictures == _same_as_source(info.path, video / name, first)
    assert info.end_s == pytest.approx(min(end_s, info.end_s), abs=0.2)
    assert info.stopped is None
    times = _times(info.path)
    assert times[0] == 0.0
    assert all(earlier < later for earlier, later in pairwise(times))
    assert times[-1] == pytest.approx(info.end_s - info.start_s, abs=2e-3)
    with av.open(str(info.path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def _copied(source: Path, out: Path, *, pictures: int = 100, keep_times: bool = True) -> Path:
    """Copies packets into another container, as recorders do, some of them without times."""
    with av.open(str(source)) as container, av.open(str(out), "w") as output:
        stream = container.streams.video[0]
        copied = output.add_stream_from_template(stream, opaque=True)
        if not keep_times:
            copied.time_base = Fraction(1, 25)
        for number, packet in enumerate(container.demux(stream)):
            if packet.size == 0 or number >= pictures:
                break
            if not keep_times:
                packet.time_base, packet.dts, packet.pts = Fraction(1, 25), number, None
            packet.stream = copied
            output.mux(packet)
    return out


@pytest.mark.parametrize("kind", ["h264", "avi", "ts", "mkv"])
def test_recorders_containers(video: Path, tmp_path: Path, kind: str) -> None:
    """Raw streams have no times at all, AVI no presentation times, Matroska few decoding times."""
    source = video / "us_street_intersection.mp4"
    if kind == "avi":
        source = _copied(source, tmp_path / "raw.h264")
        source = _copied(source, tmp_path / "source.avi", keep_times=False)
    else:
        source = _copied(source, tmp_path / f"source.{kind}")
    info = cut(source, 1.2, 2.9, tmp_path / "clip")
    assert info.path.suffix == ".mp4"
    assert info.pictures == _same_as_source(info.path, source, 0)
    times = _times(info.path)
    assert np.diff(times) == pytest.approx(np.diff(times)[0], abs=2e-3)


@pytest.mark.parametrize(("name", "b_frames"), [("a.h264", 0), ("a.h264", 2), ("a.mjpeg", 0)])
def test_a_raw_stream_is_cut_at_its_stated_rate(tmp_path: Path, name: str, b_frames: int) -> None:
    making = {"codec": "mjpeg", "pixel_format": "yuvj420p"} if name == "a.mjpeg" else {}
    source = record(tmp_path / name, times(120), gop=20, b_frames=b_frames, **making)  # type: ignore[arg-type]
    info = cut(source, 4.2, 6.0, tmp_path / "clip", ReadSettings(rate=10))
    video = open_video(info.path)
    shown = [number_of(sample.image()) for sample in video.samples(Plan("all", 0.01, ""))]
    assert (shown[0], info.start_s) == ((42, 4.2) if name == "a.mjpeg" else (40, 4.0))
    assert shown == list(range(shown[0], shown[0] + len(shown)))
    assert 60 <= shown[-1] <= 63
    assert video.rate.per_second == 10


def test_a_raw_stream_with_odd_parameter_sets_is_cut(tmp_path: Path, shared_data: Path) -> None:
    for name in ("norate.h264", "norate.h265"):
        source = shared_data / "odd" / "01-raw-stream-without-rate" / name
        info = cut(source, 2.0, 4.0, tmp_path / name, ReadSettings(rate=10))
        assert (info.start_s, info.pictures, info.stopped) == (2.0, 21, None)
        assert len(_times(info.path)) == 21


@pytest.fixture
def usual_priority() -> Iterator[None]:
    """Undoes the real-time priority that SVT-AV1 gives to the thread that opens the encoder."""
    yield
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.mark.usefixtures("usual_priority")
@pytest.mark.parametrize(
    ("encoder", "container", "suffix"),
    [
        ("libx265", "mp4", ".mp4"),
        ("libsvtav1", "mp4", ".mp4"),
        ("libvpx-vp9", "webm", ".mp4"),
        ("libvpx", "webm", ".mkv"),
        ("mjpeg", "avi", ".mkv"),
        ("mpeg2video", "ts", ".mkv"),
    ],
)
def test_other_codecs_with_varying_rate(
    video: Path, tmp_path: Path, encoder: str, container: str, suffix: str
) -> None:
    source = tmp_path / f"source.{container}"
    gaps = [0, 1, 2, 3, 4, 8, 9, 10, 14, 15, 16, 17, 18, 19, 25, 26, 27, 28, 29, 30]
    steady = container in ("avi", "ts")
    with av.open(str(source), "w") as output:
        stream = output.add_stream(
            encoder, rate=10, options={"g": "5", "x265-params": "log-level=0"}
        )
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 352, 288, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        full = encoder == "mjpeg"
        stream.codec_context.color_range = ColorRange.JPEG if full else ColorRange.MPEG
        pictures = frames(video / "candela_m1_10.mp4", len(gaps))
        for number, (picture, time) in enumerate(zip(pictures, gaps, strict=True)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number if steady else time, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    info = cut(source, 0.9, 1.6, tmp_path / "clip")
    assert info.path.suffix == suffix
    assert _colour_range(info.path) == _colour_range(source)
    whole, got = _times(source), _times(info.path)
    origin = whole[0]
    first = int(np.argmin(np.abs(np.array(whole) - origin - info.start_s)))
    assert whole[first] - origin <= 0.9 + 0.11  # AVI and TS start their clocks a picture early
    assert info.pictures == _same_as_source(info.path, source, first)
    assert np.diff(got) == pytest.approx(np.diff(whole[first : first + len(got)]), abs=2e-3)


def test_clip_is_reproducible_and_starts_fast(video: Path, tmp_path: Path) -> None:
    clips = [cut(video / "candela_m1_10.mp4", 2, 3, tmp_path / name).path for name in "ab"]
    data = clips[0].read_bytes()
    assert data == clips[1].read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_clip_keeps_rotation(video: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    with av.open(str(video / "candela_m1_10.mp4")) as container, av.open(str(turned), "w") as out:
        stream = container.streams.video[0]
        copied = out.add_stream_from_template(stream, opaque=True)
        copied.set_display_rotation(90)
        for packet in container.demux(stream):
            if packet.size:
                packet.stream = copied
                out.mux(packet)
    with av.open(str(cut(turned, 2, 3, tmp_path / "clip").path)) as container:
        assert next(container.decode(video=0)).rotation in (90, -90)
    with av.open(str(turned)) as container:
        assert next(container.decode(video=0)).rotation in (90, -90)


def test_readable_part_of_a_truncated_source_is_cut(video: Path, tmp_path: Path) -> None:
    source = tmp_path / "truncated.avi"
    source.write_bytes((video / "pets09_s2l1_vtest.avi").read_bytes()[:3_000_000])
    whole = cut(video / "pets09_s2l1_vtest.avi", 26, 60, tmp_path / "whole")
    info = cut(source, 26, 60, tmp_path / "clip")
    assert 0 < info.pictures < whole.pictures
    assert np.array_equal(frames(info.path)[0], frames(whole.path)[0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no clip, there is no such file", id="missing"),
        pytest.param(b"", "no clip, the file is empty", id="empty"),
        pytest.param(b"no video at all\n" * 50, "no clip, is text", id="text"),
    ],
)
def test_unreadable_source(tmp_path: Path, content: bytes | None, message: str) -> None:
    source = tmp_path / "broken.mp4"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(ClipError, match=message):
        cut(source, 0, 1, tmp_path / "clip")
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize(("start_s", "end_s"), [(500.0, 501.0), (3.0, 2.0), (0.0, float("nan"))])
def test_spans_without_pictures(video: Path, tmp_path: Path, start_s: float, end_s: float) -> None:
    if start_s < 400:
        with pytest.raises(ClipError, match="no length"):
            cut(video / "candela_m1_10.mp4", start_s, end_s, tmp_path / "clip")
        return
    with pytest.raises(ClipError, match="no readable picture"):
        cut(video / "candela_m1_10.mp4", start_s, end_s, tmp_path / "clip")
    assert list(tmp_path.iterdir()) == []


def test_audio_only_file_has_no_clip(tmp_path: Path) -> None:
    source = tmp_path / "sound.wav"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        for packet in [*stream.encode(sound), *stream.encode(None)]:
            output.mux(packet)
    with pytest.raises(ClipError, match="has only sound"):
        cut(source, 0, 1, tmp_path / "clip")


@pytest.mark.parametrize(
    ("start_s", "end_s", "spans"),
    [
        (12.0, 20.0, {"clip": (7.0, 25.0)}),
        (2.0, 20.0, {"clip": (0.0, 25.0)}),
        (100.0, 4000.0, {"clip-start": (95.0, 395.0), "clip-end": (3705.0, 4005.0)}),
    ],
)
def test_long_stay_is_shown_by_its_ends(
    start_s: float, end_s: float, spans: dict[str, tuple[float, float]]
) -> None:
    assert ClipSource(Path("a.mp4"), start_s, end_s).spans() == spans


def test_clock_that_falls_back_is_continued(video: Path, tmp_path: Path) -> None:
    """Recorders that restart append to their file: the clock starts again in the middle."""
    once = _copied(video / "us_street_intersection.mp4", tmp_path / "once.ts")
    source = tmp_path / "twice.ts"
    source.write_bytes(once.read_bytes() * 2)
    info = cut(source, 0.0, 60.0, tmp_path / "clip")
    assert info.pictures == len(frames(info.path)) == 2 * len(frames(once))
    times = _times(info.path)
    assert all(earlier < later for earlier, later in pairwise(times))
    assert times[-1] == pytest.approx(6.64, abs=0.2)
    late = cut(source, 4.0, 5.0, tmp_path / "late")  # the file's own clock never reaches this time
    assert late.start_s == pytest.approx(3.34, abs=0.2)
    assert np.array_equal(frames(late.path)[0], frames(once, 1)[0])


_SIDES: tuple[Literal["start"], Literal["end"]] = ("start", "end")


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_the_moments_are_chapters(tmp_path: Path, codec: str) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    source = record(tmp_path / "source.mkv", times(300), codec=codec, gop=10, pixel_format=pixels)
    moments = {"stay begins": 10.0, "limit reached": 14.5, "last seen": 19.0, "elsewhere": 29.0}
    info = cut(source, 5.0, 22.0, tmp_path / "clip", chapters=moments)
    begins_s = {"before": 0.0, "stay begins": 5.0, "limit reached": 9.5, "last seen": 14.0}
    assert info.chapters == pytest.approx(begins_s)
    with av.open(str(info.path)) as container:
        chapters = [
            (each["metadata"]["title"], *(each[side] * (each["time_base"] or 1) for side in _SIDES))
            for each in container.chapters()
        ]
        assert len(container.streams.video) == 1
    assert [title for title, _, _ in chapters] == list(begins_s)
    starts = [float(start) for _, start, _ in chapters]
    assert starts == pytest.approx(list(begins_s.values()), abs=2e-3)
    assert [float(end) for _, _, end in chapters[:-1]] == pytest.approx(starts[1:], abs=2e-3)
    assert info.pictures == _same_as_source(info.path, source, 50)


def test_a_clip_of_a_span_without_moments_has_no_chapter(tmp_path: Path) -> None:
    source = record(tmp_path / "source.mp4", times(100), gop=10)
    info = cut(source, 1.0, 5.0, tmp_path / "clip", chapters={"stay begins": 7.0})
    assert info.chapters == {}
    with av.open(str(info.path)) as container:
        assert container.chapters() == []
