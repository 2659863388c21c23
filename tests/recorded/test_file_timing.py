"""When one camera's files began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cv_engine.recorded.file_timing import FileTiming
from cv_engine.video.demux import Length
from cv_engine.video.errors import VideoError
from cv_engine.video.frame import Turn
from cv_engine.video.rate import USUAL_RATE, Rate
from cv_engine.video.source import Video

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
PATTERN = "cam_%Y%m%d_%H%M%S"


def _video(name: str, created: datetime | None = None) -> Video:
    return Video(
        Path(name),
        width=64,
        height=48,
        codec="h264",
        container_format="mov",
        rate=Rate(USUAL_RATE, "assumed"),
        length=Length(300.0, exact=True),
        creation_time=created,
        turn=Turn(),
    )


def test_the_first_begins_at_the_start_and_the_next_where_it_ended() -> None:
    files = FileTiming(START, None, UTC)
    first = files.begin(_video("a.mp4"))
    assert (first.at, first.basis) == (START, "the start given")
    files.ended(first.at, 300.25)
    second = files.begin(_video("b.mp4"))
    assert second.at == START + timedelta(seconds=300.25)
    assert second.doubt is None
    files.ended(second.at, 10.0)
    assert files.begin(_video("c.mp4")).at == START + timedelta(seconds=310.25)


def test_a_start_without_an_offset_is_in_the_cameras_time_zone() -> None:
    files = FileTiming(datetime(2026, 5, 1, 16), None, ZoneInfo("Asia/Shanghai"))
    assert files.begin(_video("a.mp4")).at == START


@pytest.mark.parametrize(
    ("names", "began"),
    [
        # The names say how much later the second is, whatever the camera's clock shows.
        (("cam_20260501_080000.mp4", "cam_20260501_090000.mp4"), START + timedelta(hours=1)),
        (("cam_20200101_000000.mp4", "cam_20200101_000500.mp4"), START + timedelta(minutes=5)),
        # A first file without a time in its name: the second one's is used.
        (("first.mp4", "cam_20260501_090000.mp4"), START + timedelta(hours=1)),
        # A second file without a time in its name follows on.
        (("cam_20260501_080000.mp4", "second.mp4"), START + timedelta(seconds=300)),
    ],
)
def test_names_by_the_cameras_pattern_give_the_times(
    names: tuple[str, str], began: datetime
) -> None:
    files = FileTiming(START, PATTERN, UTC)
    first = files.begin(_video(names[0]))
    assert first.at == START
    files.ended(first.at, 300.0)
    assert files.begin(_video(names[1])).at == began


def test_without_a_start_each_file_has_its_own() -> None:
    files = FileTiming(None, PATTERN, UTC)
    assert files.begin(_video("cam_20260501_080000.mp4")).at == START
    with pytest.raises(VideoError, match="does not follow the camera's pattern"):
        files.begin(_video("other.mp4"))
    created = START + timedelta(days=1)
    assert FileTiming(None, None, UTC).begin(_video("x.mp4", created)).at == created


def test_after_an_unreadable_file_the_times_are_in_doubt() -> None:
    files = FileTiming(START, None, UTC)
    files.ended(files.begin(_video("a.mp4")).at, 300.0)
    files.missed(Path("b.mp4"))
    third = files.begin(_video("c.mp4"))
    assert third.at == START + timedelta(seconds=300)
    assert third.doubt == "timed as if b.mp4, which cannot be read, had no length"


def test_an_unreadable_first_file_still_begins_at_the_start() -> None:
    files = FileTiming(START, PATTERN, UTC)
    files.missed(Path("cam_20260501_080000.mp4"))
    second = files.begin(_video("cam_20260501_081000.mp4"))
    assert second.at == START + timedelta(minutes=10)
    assert second.doubt is None
