"""The command ``cv-engine status``: the state of the cameras that are being watched."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import empty_table

if TYPE_CHECKING:
    from rich.table import Table

    from cv_engine.live.control.status_snapshot import CameraEntry, StatusSnapshot

_LIVE = "live"
_COLOURS = {_LIVE: "green", "connecting": "yellow", "stalled": "yellow", "reconnecting": "yellow"}
_TAIL = 0.95  # the latency shown is this quantile over the samples
_COLUMNS = (
    "camera",
    "state",
    "for",
    "view",
    "samples",
    "gate",
    "latency",
    "reconnects",
    "dropped",
    "damaged",
    "cases",
    "worker",
    "message",
)
_RIGHT_ALIGNED = frozenset(_COLUMNS) - {"camera", "state", "view", "worker", "message"}


def status(
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show the state of the cameras that are being watched."""
    raise typer.Exit(show_status(Session(config, data, format)))


def show_status(session: Session) -> ExitCode:
    """Print the state of each camera that is, or was last, watched with the data folder.

    Args:
        session: Configuration and output.

    Returns:
        0 where all cameras are live, 1 where one is not or nothing is running.
    """
    from cv_engine.live.control.status_snapshot import read_snapshot

    now = time.time()
    snapshot = read_snapshot(session.config.data)
    if snapshot is None:
        session.err.print(
            "no cameras are being watched, and none have been watched with the data folder "
            f"{escaped(str(session.config.data))}: start `cv-engine watch`, or name another folder "
            "with --data"
        )
        return ExitCode.FAILED
    running = not snapshot.stopped and not snapshot.is_stale(now)
    if not running:
        snapshot = _ended(snapshot)
    session.show(table(snapshot, now), [row(entry) for entry in snapshot.cameras])
    if not running:
        how = "watching was stopped" if snapshot.stopped else "the program ended unexpectedly"
        session.err.print(
            f"nothing is running: {how} {_age(now - snapshot.at)} ago ({_iso(snapshot.at)})"
        )
        return ExitCode.FAILED
    live = sum(entry.status.state == _LIVE for entry in snapshot.cameras)
    session.err.print(summary(snapshot))
    return ExitCode.DONE if live == len(snapshot.cameras) else ExitCode.FAILED


def row(entry: CameraEntry) -> dict[str, Any]:
    """A camera as one flat JSON object; values that are not known yet are ``null``."""
    camera = entry.status
    gate, latency = camera.gate_rate, camera.latency.quantile(_TAIL)
    return {
        "camera": camera.camera,
        "state": str(camera.state),
        "since": _iso(camera.since) if camera.since else None,
        "message": camera.message,
        "view": str(camera.view) or None,
        "clock": camera.clock or None,
        "samples": camera.samples,
        "asked": camera.asked,
        "gate_rate": None if gate is None else round(gate, 4),
        # Latencies above the histogram's last bound have no upper limit; JSON has no infinity.
        "latency_p95_s": None if latency is None or math.isinf(latency) else latency,
        "interval_s": camera.interval_s,
        "reconnects": camera.reconnects,
        "dropped": camera.dropped,
        "damaged": camera.damaged,
        "received_bytes": camera.received_bytes,
        "cases": camera.cases,
        "joined": camera.joined,
        "waiting": camera.waiting,
        "sampled_at": None if camera.sampled_at is None else _iso(camera.sampled_at),
        "worker": entry.worker or None,
    }


def table(snapshot: StatusSnapshot, now: float, most: int | None = None) -> Table:
    """A table of cameras; those that are not live come first.

    Args:
        snapshot: The cameras and workers.
        now: Seconds since 1970.
        most: The largest number of rows; one more row counts the cameras left out.
    """
    result = empty_table(_COLUMNS, _RIGHT_ALIGNED)
    entries = sorted(
        snapshot.cameras, key=lambda entry: (entry.status.state == _LIVE, entry.status.camera)
    )
    for entry in entries[:most]:
        result.add_row(*_cells(entry, now))
    if most is not None and len(entries) > most:
        result.add_row(f"and {len(entries) - most} more")
    return result


def summary(snapshot: StatusSnapshot) -> str:
    """The snapshot in one entry."""
    cameras = [entry.status for entry in snapshot.cameras]
    live = sum(camera.state == _LIVE for camera in cameras)
    running = sum(worker.state == "running" for worker in snapshot.workers)
    cases = sum(camera.cases for camera in cameras)
    lost = sum(max(0, worker.starts - 1) for worker in snapshot.workers)
    text = (
        f"{live} of {_counted(len(cameras), 'camera')} live, "
        f"{running} of {_counted(len(snapshot.workers), 'worker')} running, "
        f"{_counted(cases, 'case')} in {_age(snapshot.at - snapshot.began)}"
    )
    return f"{text}; workers replaced: {lost}" if lost else text


def _ended(snapshot: StatusSnapshot) -> StatusSnapshot:
    """The snapshot of a program that has ended: every camera is stopped."""
    from msgspec.structs import replace

    cameras = tuple(
        replace(entry, worker="", status=replace(entry.status, state="stopped", since=snapshot.at))
        for entry in snapshot.cameras
    )
    return replace(snapshot, cameras=cameras, workers=())


def _cells(entry: CameraEntry, now: float) -> list[str]:
    camera = entry.status
    gate, latency = camera.gate_rate, camera.latency.quantile(_TAIL)
    colour = _COLOURS.get(camera.state, "red")
    return [
        escaped(camera.camera),
        f"[{colour}]{camera.state}[/]",
        _age(now - camera.since) if camera.since else "-",
        str(camera.view) or "-",
        str(camera.samples),
        "-" if gate is None else f"{gate:.0%}",
        "-" if latency is None else _at_most(latency),
        str(camera.reconnects),
        str(camera.dropped),
        str(camera.damaged),
        str(camera.cases) + (f" (+{camera.waiting})" if camera.waiting else ""),
        escaped(entry.worker or "-"),
        escaped(camera.message),
    ]


def _at_most(latency_s: float) -> str:
    from cv_engine.live.status import LATENCY_BOUNDS_S

    return f">{LATENCY_BOUNDS_S[-1]:g} s" if math.isinf(latency_s) else f"{latency_s:g} s"


def _age(seconds: float) -> str:
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds // length_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
