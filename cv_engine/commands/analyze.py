"""The command ``cv-engine analyze``: recorded footage to cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.cases.report import write_found
from cv_engine.commands.cases.tables import as_row, print_cases, zone_of
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import (
    CameraOption,
    ConfigOption,
    DataOption,
    Format,
    FormatOption,
    read_place,
    read_time,
)
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from cv_engine.cases import Case
    from cv_engine.config import Config
    from cv_engine.recorded.analyze import Progress, Summary, VideoReport
    from cv_engine.video.container import ReadSettings


StartOption = Annotated[
    str | None,
    typer.Option("--start", metavar="TIME", help="When the recording began, with its UTC offset."),
]
PositionOption = Annotated[
    str | None, typer.Option("--at", metavar="LAT,LON", help="Position of the camera, WGS 84.")
]
ZonesOption = Annotated[
    Path | None, typer.Option("--zones", metavar="FILE", help="Zones to watch (GeoJSON).")
]
RateOption = Annotated[
    float | None,
    typer.Option(
        "--fps",
        metavar="RATE",
        min=1 / 3600,
        max=1000,
        help="Pictures per second of recordings without times of their own, such as raw H.264.",
    ),
]
TrackOption = Annotated[
    int | None,
    typer.Option(
        "--track", metavar="N", min=0, help="Video track, as FFmpeg counts; its choice if left out."
    ),
]
RepairOption = Annotated[
    Path | None,
    typer.Option(
        "--repair-from",
        metavar="FILE",
        help="Sound MP4 of the same camera, to read MP4s that have lost their index.",
    ),
]


def analyze(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...", help="Files, folders or glob patterns.")
    ],
    camera: CameraOption = None,
    start: StartOption = None,
    at: PositionOption = None,
    zones: ZonesOption = None,
    fps: RateOption = None,
    track: TrackOption = None,
    repair_from: RepairOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Analyse recorded footage and file cases; a repeated or resumed run files none twice."""
    from cv_engine.video.container import ReadSettings

    session = Session(config, data, format)
    summary = analyze_videos(
        session,
        videos,
        camera=camera,
        start=read_start(start, camera, session.config),
        at=read_place(at, "--at"),
        zones=zones,
        reading=ReadSettings(fps, track, repair_from),
    )
    print_result(session, summary)
    if camera is None and zones is None:
        _say_unused_zones(session)
    raise typer.Exit(exit_code(summary))


def analyze_videos(
    session: Session,
    paths: Sequence[str],
    *,
    camera: str | None,
    start: datetime | None,
    at: tuple[float, float] | None,
    zones: Path | None,
    reading: ReadSettings | None = None,
) -> Summary:
    """Analyse recordings with a progress bar on stderr.

    Args:
        session: Configuration and output.
        paths: Files, folders and glob patterns.
        camera: The camera's name.
        start: When the recording began, timezone-aware.
        at: The camera's latitude and longitude in degrees.
        zones: A zones file.
        reading: What the user states about the recordings.

    Returns:
        The outcome of each video, and the cases.
    """
    from cv_engine.recorded import analyze as engine
    from cv_engine.video.container import AS_STATED
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
            reading=reading or AS_STATED,
            progress=progress,
        )


def read_start(text: str | None, camera: str | None, config: Config) -> datetime | None:
    """Read ``--start``; a time without an offset is in the time zone of a configured camera.

    Raises:
        InputError: The text is no time, or has no offset and the camera is not configured.
    """
    if camera is None or all(known.name != camera for known in config.cameras):
        return read_time(text, "--start")
    return read_time(text, "--start", zone=zone_of(camera, config))


def exit_code(summary: Summary) -> ExitCode:
    """0 where every video was analysed, 1 where some failed, 2 where all failed.

    Unsent evidence is no failure: the cases are filed and their packages are complete.
    """
    failed = sum(video.status == "failed" for video in summary.videos)
    if not failed:
        return ExitCode.DONE
    return ExitCode.WRONG_INPUT if failed == len(summary.videos) else ExitCode.FAILED


def print_result(session: Session, summary: Summary) -> None:
    """Print the cases of a run on stdout, what happened to each video on stderr, and the report."""
    found, report = _found(session, summary)
    if session.format is Format.JSONL:
        for case in found:
            session.line({"type": "case", **as_row(case)})
        session.line(summary_row(summary) | {"report": None if report is None else str(report)})
    elif found:
        print_cases(session, found)
    print_summary(session, summary)
    if report is not None:
        session.err.print(f"report: {escaped(str(report))}")


def _found(session: Session, summary: Summary) -> tuple[list[Case], Path | None]:
    """The cases found in the videos of ``summary``, by number, and the report on them."""
    if not summary.cases:
        return [], None
    with session.open_queue() as queue:
        found = [queue.get(number) for number in summary.cases]
        try:
            return found, write_found(session, queue, found)
        except InputError as error:  # a full disk: the cases are kept
            session.err.print(f"[yellow]no report: {escaped(str(error))}[/]")
            return found, None


def _say_unused_zones(session: Session) -> None:
    """Say that the whole frame was watched although the configuration has zones."""
    names = [camera.name for camera in session.config.cameras if camera.zones is not None]
    if names:
        session.err.print(
            f"[yellow]no --camera was given, so the zones of {escaped(', '.join(names))} were not "
            "used: the whole frame was watched[/]"
        )


def print_summary(session: Session, summary: Summary) -> None:
    """Print on stderr what was done, what was skipped and what failed."""
    for video in summary.videos:
        _print_video(session, video)
    known = f", {summary.cases_known} filed before" if summary.cases_known else ""
    speed = ""
    if summary.cpu_s > 0 and summary.media_s > 0:
        speed = (
            f"; {summary.media_s:.0f} s of video in {summary.cpu_s:.1f} s of CPU time "
            f"({summary.media_s / summary.cpu_s:.0f} times real time)"
        )
    print_unsent(session, summary.unsent)
    noun = "case" if summary.cases_new == 1 else "cases"
    session.err.print(f"{summary.cases_new} new {noun}{known}{speed}")
    session.err.print(f"queue: {escaped(session.queue_name)}")


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
                "why_none": list(video.why_none),
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


def _print_video(session: Session, video: VideoReport) -> None:
    name = escaped(str(video.path))
    if video.status == "failed":
        why = video.message.removeprefix(f"{video.path}: ")
        session.err.print(f"[bold red]failed[/] {name}: {escaped(why)}")
        return
    work = f"{video.samples} samples, {video.detections} with detection"
    if video.status == "already done":
        work = "analysed before with these settings"
    said = f"{work}; {video.message}" if video.message else work
    session.err.print(f"[green]{video.status}[/] {name}: {escaped(said)}")
    for line in (*video.skipped, *video.camera_events):
        session.err.print(f"  [yellow]{escaped(str(line))}[/]")
    for reason in video.why_none:
        session.err.print(f"  no cases: {escaped(reason)}")


def print_unsent(session: Session, unsent: Mapping[str, str]) -> None:
    """Print on stderr how many evidence packages are unsent, by reason.

    Args:
        session: Where output goes.
        unsent: For each package the reason why the object store did not take it.
    """
    for reason, count in Counter(unsent.values()).items():
        packages = "1 evidence package" if count == 1 else f"{count} evidence packages"
        session.err.print(
            f"[yellow]{packages} in {escaped(str(session.evidence_root))} not sent yet; the next "
            f"run retries: {escaped(reason)}[/]"
        )


@contextmanager
def _bar(session: Session, videos: Sequence[Path]) -> Iterator[Callable[[Progress], None] | None]:
    """Show a progress bar while the block runs, where stderr is a terminal."""
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
