"""The clips of an evidence package, and the numbers of their pictures."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cv_engine.evidence.errors import ClipError
from cv_engine.evidence.manifest import file_entry
from cv_engine.evidence.media.clip import ClipInfo, ClipSource, cut
from cv_engine.evidence.media.playable import is_playable, transcode
from cv_engine.evidence.staging import write_file

_SAME = timedelta(milliseconds=5)  # a still and a picture of the clip this close are one


@dataclass(frozen=True, slots=True)
class FrameNumbers:
    """The number of the picture that was taken at a time, and the clip that has it.

    Attributes:
        clips: For each clip its file's name and the times of its pictures, in order.
    """

    clips: tuple[tuple[str, tuple[datetime, ...]], ...] = ()

    def of(self, time: datetime) -> str | None:
        """The picture of a time in words, such as ``"frame 12 of clip.mp4"``, if a clip has it."""
        for name, times in self.clips:
            after = bisect_left(times, time)
            for index in (after - 1, after):
                if 0 <= index < len(times) and abs(times[index] - time) <= _SAME:
                    return f"frame {index + 1} of {name}"
        return None


@dataclass(slots=True)
class Cuts:
    """The clips of a package.

    Attributes:
        files: Entries of the manifest, for each file that was written.
        notes: Notes of the manifest on each clip, those that could not be cut included.
        times: For each clip its file's name and the times of its pictures.
    """

    files: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    times: list[tuple[str, tuple[datetime, ...]]] = field(default_factory=list)

    @property
    def frames(self) -> FrameNumbers:
        """The numbers of the clips' pictures."""
        return FrameNumbers(tuple(self.times))


def cut_clips(
    folder: Path, inside: str, sources: Sequence[ClipSource], *, playable: str | None = None
) -> Cuts:
    """Cuts the clips of a package.

    Args:
        folder: The package.
        inside: The folder in it for the clips, which exists.
        sources: The parts of recordings to keep.
        playable: The folder for copies in H.264 of clips that browsers do not play; ``None``: no
            copies are made.

    Raises:
        OSError: The disk cannot be written.
    """
    cuts = Cuts()
    for source in sources:
        for name, span in source.spans().items():
            _cut(cuts, folder, inside, source, name, span)
    if playable is not None:
        for clip in [file["path"] for file in cuts.files if file["view"] == "clip"]:
            _add_copy(cuts, folder, clip, playable)
    return cuts


def _cut(
    cuts: Cuts,
    folder: Path,
    inside: str,
    source: ClipSource,
    name: str,
    span: tuple[float, float],
) -> None:
    note: dict[str, Any] = {"name": name, "asked_start_s": span[0], "asked_end_s": span[1]}
    cuts.notes.append(note)
    try:
        info = cut(source.path, *span, folder / inside / name, source.settings, source.chapters)
    except ClipError as error:
        note |= {"path": None, "missing": str(error)}
        return
    path = f"{inside}/{info.path.name}"
    note |= _noted(info, path)
    cuts.files.append(_entry_of(folder, path, "clip"))
    if source.zero is not None:
        frames, data = f"{inside}/{name}-frames.csv", info.frame_list(source.zero)
        write_file(folder / frames, data)
        cuts.files.append(_entry_of(folder, frames, "frames"))
        note["frames"] = frames
        zero = source.zero
        times = tuple(zero + timedelta(seconds=time_s) for time_s in info.times_s)
        cuts.times.append((info.path.name, times))


def _add_copy(cuts: Cuts, folder: Path, clip: str, inside: str) -> None:
    """Adds a copy of a clip that browsers do not play."""
    if is_playable(folder / clip):
        return
    (folder / inside).mkdir(exist_ok=True)
    path = f"{inside}/{Path(clip).stem}.mp4"
    transcode(folder / clip, folder / path)
    cuts.files.append(_entry_of(folder, path, "clip-playable") | {"copy_of": clip})


def _entry_of(folder: Path, path: str, view: str) -> dict[str, Any]:
    with (folder / path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return file_entry(path, (folder / path).stat().st_size, digest, view)


def _noted(info: ClipInfo, path: str) -> dict[str, Any]:
    return {
        "path": path,
        "codec": info.codec,
        "start_s": info.start_s,
        "end_s": info.end_s,
        "pictures": info.pictures,
        "mended_timestamps": info.repaired,  # codespell:ignore
        "stopped": info.stopped,
        "chapters": [{"title": name, "start_s": at_s} for name, at_s in info.chapters.items()],
    }
