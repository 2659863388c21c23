"""Expands files, patterns and folders into a list of recordings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from cv_engine.video.errors import VideoError

# Extensions that cameras, recorders and phones use. A file named by the user is opened with any
# name; the extensions only distinguish recordings from other files of a folder.
# fmt: off
EXTENSIONS = frozenset((
    ".3gp", ".asf", ".avi", ".dav", ".divx", ".flv", ".h264", ".h265", ".264", ".265", ".hevc",
    ".ivf", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".nut", ".ogv", ".ps", ".ts", ".vob", ".webm", ".wmv", ".y4m",
))
# fmt: on
_PATTERN = re.compile(r"[*?\[]")


def expand(named: Iterable[str | Path]) -> list[Path]:
    """Finds the recordings that files, patterns and folders name.

    Folders are searched recursively for files with a known extension; names that begin with a dot
    are skipped. The order is that of the arguments, and natural order (``cam2`` before ``cam10``)
    within a pattern or folder; a recording that is named twice is returned once.

    Args:
        named: Files, patterns (``*``, ``?``, ``[...]``, ``**``) or folders.

    Returns:
        Paths of files. A named file that does not exist is included, so that it is reported with
        the others.

    Raises:
        VideoError: Nothing is named, or a pattern or folder contains no recording.
    """
    found: dict[Path, Path] = {}
    for name in named:
        for path in _expanded(Path(name).expanduser()):
            found.setdefault(path.resolve(), path)
    if not found:
        raise VideoError("no recording is named; give files, patterns or folders")
    return list(found.values())


def _expanded(path: Path) -> list[Path]:
    if path.is_dir():
        return _in_folder(path)
    if path.exists() or not _PATTERN.search(str(path)):
        return [path]
    matches = sorted(_matches(path), key=_natural)
    if not matches:
        raise VideoError(f"{path}: no file matches this pattern")
    files = [match for match in matches if match.is_file()]
    if files:
        return files
    return [inner for match in matches for inner in _in_folder(match)]


def _matches(pattern: Path) -> Iterator[Path]:
    fixed = next(i for i, part in enumerate(pattern.parts) if _PATTERN.search(part))
    return Path(*pattern.parts[:fixed]).glob(str(Path(*pattern.parts[fixed:])))


def _in_folder(folder: Path) -> list[Path]:
    try:
        files = [
            path for path in folder.rglob("*") if _is_recording(path.relative_to(folder), path)
        ]
    except OSError as error:
        raise VideoError(f"{folder}: the folder cannot be read: {error.strerror}") from error
    if not files:
        raise VideoError(f"{folder}: the folder contains no recording (known: {_known()})")
    return sorted(files, key=_natural)


def _is_recording(within: Path, path: Path) -> bool:
    hidden = any(part.startswith(".") for part in within.parts)
    return not hidden and path.suffix.lower() in EXTENSIONS and path.is_file()


def _known() -> str:
    return " ".join(sorted(EXTENSIONS))


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorts digits by their number and the rest by letter, regardless of case."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
