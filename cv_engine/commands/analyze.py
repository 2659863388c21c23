"""The main job at the terminal: a progress bar while it runs, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cv_engine.commands import cases as presentation
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import Format, read_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from cv_engine.cases import Case
    from cv_engine.commands.session import Session
    from cv_engine.config.settings import Config
    from cv_engine.recorded.analyze import Progress, Summary, VideoReport


def analyze(
    session: Session,
    paths: Sequence[str],
    *,
    camera: str | None,
    start: datetime | None,
    at: tuple[float, float] | None,
    zones: Path | None,
) -> Summary:
    """Analyse recordings with a progress bar on stderr.

    Args:
        session: Configuration and output.
        paths: Files, folders and glob patterns.
        camera: The camera's name.
        start: When the recording began, timezone-aware.
        at: The camera's latitude and longitude in degrees.
        zones: A zones file.

    Returns:
        What became of each video.
    """
    from cv_engine.recorded import analyze as engine
    from cv_engine.video.paths import expand

    videos = expand(paths)
    with _bar(session, videos) as progress:
        return engine.analyze(
            videos,
            config=session.config,
            camera=camera,
            start=start,
            at=at,
            zones=zones,
            progress=progress,
        )


def read_start(text: str | None, camera: str | None, config: Config) -> datetime | None:
    """Read ``--start``; without an offset from UTC it is in the time zone of a configured camera.

    Raises:
        InputError: It is no time, or has no offset and the camera's time zone is not known.
    """
    if camera is None or all(known.name != camera for known in config.cameras):
        return read_time(text, "--start")
    return read_time(text, "--start", zone=presentation.zone_of(camera, config))


def exit_code(summary: Summary) -> ExitCode:
    """0 where every video was analysed, 1 where some failed, 2 where none could be used.

    Evidence that waits to be sent is no failure: the cases are filed, and it is whole where it is.
    """
    failed = sum(video.status == "failed" for video in summary.videos)
    if not failed:
        return ExitCode.DONE
    return ExitCode.WRONG_INPUT if failed == len(summary.videos) else ExitCode.FAILED


def report(session: Session, summary: Summary) -> None:
    """Print what came of a run: the cases on stdout, the rest on stderr."""
    found = cases_of(session, summary)
    if session.format is Format.JSONL:
        for case in found:
            session.line({"type": "case", **presentation.as_row(case)})
        session.line(summary_row(summary))
    elif found:
        session.out.print(presentation.table(found, session.config))
    tell(session, summary)


def cases_of(session: Session, summary: Summary) -> list[Case]:
    """The cases that the videos of ``summary`` led to, in order of their numbers."""
    if not summary.cases:
        return []
    with session.open_queue() as queue:
        return [queue.get(number) for number in sorted(set(summary.cases))]


def tell(session: Session, summary: Summary) -> None:
    """Say on stderr what was done, what was skipped and what failed."""
    for video in summary.videos:
        _tell_video(session, video)
    known = f", {summary.cases_known} known before" if summary.cases_known else ""
    speed = ""
    if summary.cpu_s > 0 and summary.media_s > 0:
        speed = (
            f"; {summary.media_s:.0f} s of video in {summary.cpu_s:.1f} s of CPU time "
            f"({summary.media_s / summary.cpu_s:.0f} times real time)"
        )
    tell_unsent(session, summary.unsent)
    noun = "case" if summary.cases_new == 1 else "cases"
    session.err.print(f"{summary.cases_new} new {noun}{known}{speed}")


def summary_row(summary: Summary) -> dict[str, Any]:
    """The run as one JSON object, the last line of ``--format jsonl``."""
    return {
        "type": "summary",
        "videos": [
            {
                "path": str(video.path),
                "status": video.status,
                "message": video.message,
                "samples": video.samples,
                "detections": video.detections,
                "skipped": list(video.skipped),
                "camera_events": list(video.camera_events),
            }
            for video in summary.videos
        ],
        "cases_new": summary.cases_new,
        "cases_known": summary.cases_known,
        "evidence_unsent": [
            {"package": name, "reason": reason} for name, reason in summary.unsent.items()
        ],
        "media_s": round(summary.media_s, 3),
        "cpu_s": round(summary.cpu_s, 3),
    }


def _tell_video(session: Session, video: VideoReport) -> None:
    name = escaped(str(video.path))
    if video.status == "failed":
        why = video.message.removeprefix(f"{video.path}: ")
        session.err.print(f"[bold red]failed[/] {name}: {escaped(why)}")
        return
    work = f"{video.samples} looks, {video.detections} with detection"
    if video.status == "already done":
        work = "analysed before with these settings"
    said = f"{work}; {video.message}" if video.message else work
    session.err.print(f"[green]{video.status}[/] {name}: {escaped(said)}")
    for line in (*video.skipped, *video.camera_events):
        session.err.print(f"  [yellow]{escaped(str(line))}[/]")


def tell_unsent(session: Session, unsent: Mapping[str, str]) -> None:
    """Say on stderr which evidence packages wait for the store, by name, and why."""
    for reason, count in Counter(unsent.values()).items():
        which = "1 evidence package waits" if count == 1 else f"{count} evidence packages wait"
        session.err.print(
            f"[yellow]{which} in {escaped(str(session.evidence_root))} to be sent; the next run "
            f"tries again: {escaped(reason)}[/]"
        )


@contextmanager
def _bar(session: Session, videos: Sequence[Path]) -> Iterator[Callable[[Progress], None] | None]:
    """Show a bar while the block runs, where stderr is a terminal."""
    if not session.err.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[number]}/{task.fields[count]} {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % · {task.fields[cases]} cases"),
        TimeRemainingColumn(),
    )
    numbers = {path: number for number, path in enumerate(videos, 1)}
    with Bar(*columns, console=session.err, transient=True) as bar:
        task = bar.add_task("", total=None, number=0, count=len(videos), cases=0)

        def update(at: Progress) -> None:
            bar.update(
                task,
                description=escaped(at.video.name),
                total=at.total_s,
                completed=at.done_s,
                number=numbers.get(at.video, 0),
                cases=at.cases,
            )

        yield update
