from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.video.errors import VideoError
from cv_engine.video.paths import expand


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    for name in ("cam10.mp4", "cam2.MKV", "Cam1.avi", "notes.txt", "day/b.ts", ".hidden/a.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["."], ["Cam1.avi", "cam2.MKV", "cam10.mp4", "day/b.ts"]),
        (["cam*.*"], ["cam2.MKV", "cam10.mp4"]),
        (["**/*.ts"], ["day/b.ts"]),
        (["d*"], ["day/b.ts"]),
        (["notes.txt"], ["notes.txt"]),
        (["gone.mp4"], ["gone.mp4"]),
        (["cam10.mp4", ".", "./cam10.mp4"], ["cam10.mp4", "Cam1.avi", "cam2.MKV", "day/b.ts"]),
    ],
)
def test_expand(footage: Path, named: list[str], expected: list[str]) -> None:
    found = expand(footage / name for name in named)
    assert [str(path.relative_to(footage)) for path in found] == expected


@pytest.mark.parametrize(
    ("named", "message"),
    [([], "no recording is named"), (["*.mpg"], "no file matches"), (["empty"], "no recording")],
)
def test_nothing_found_is_an_error(footage: Path, named: list[str], message: str) -> None:
    (footage / "empty").mkdir()
    with pytest.raises(VideoError, match=message):
        expand(footage / name for name in named)


def test_brackets_in_a_name_are_not_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "cam[1].mp4"
    path.write_bytes(b"x")
    assert expand([path]) == [path]
