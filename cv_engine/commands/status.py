"""What is being watched at the moment, at the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cv_engine.commands.exit_codes import ExitCode, escaped

if TYPE_CHECKING:
    from rich.console import JustifyMethod
    from rich.table import Table

    from cv_engine.commands.session import Session
    from cv_engine.live.control.status_board import Board, CameraLine

_LIVE = "live"
_COLOURS = {_LIVE: "green", "connecting": "yellow", "stalled": "yellow", "reconnecting": "yellow"}
_TAIL = 0.95  # share of the looks that were as quick as the latency shown
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
    "cases",
    "worker",
    "message",
)
_TO_THE_RIGHT = frozenset({"for", "samples", "gate", "latency", "reconnects", "dropped", "cases"})


def status(session: Session) -> ExitCode:
    """Print every camera that is, or was last, watched with the data folder.

    Args:
        session: Which data folder, and where output goes.

    Returns:
        0 where all cameras are live, 1 where one is not or nothing is running.
    """
    from cv_engine.live.control.status_board import read_board

    now = time.time()
    board = read_board(session.config.data)
    if board is None:
        session.err.print(
            f"nothing is running, and nothing has been watched with the data folder "
            f"{escaped(str(session.config.data))}: start `cv-engine watch`, or name another folder "
            "with --data"
        )
        return ExitCode.FAILED
    running = not board.stopped and not board.is_stale(now)
    if not running:
        board = _ended(board)
    session.show(table(board, now), [row(line) for line in board.cameras])
    if not running:
        how = "watching was stopped" if board.stopped else "the program ended without a word"
        session.err.print(
            f"nothing is running: {how} {_age(now - board.at)} ago ({_iso(board.at)})"
        )
        return ExitCode.FAILED
    live = sum(line.status.state == _LIVE for line in board.cameras)
    session.err.print(summary(board))
    return ExitCode.DONE if live == len(board.cameras) else ExitCode.FAILED


def row(line: CameraLine) -> dict[str, Any]:
    """A camera as one flat JSON object; ``null`` where something is not known yet."""
    camera = line.status
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
        # Above the last bound of the histogram nothing more is known; JSON has no infinity.
        "latency_p95_s": None if latency is None or math.isinf(latency) else latency,
        "interval_s": camera.interval_s,
        "reconnects": camera.reconnects,
        "dropped": camera.dropped,
        "damaged": camera.damaged,
        "received_bytes": camera.received_bytes,
        "cases": camera.cases,
        "waiting": camera.waiting,
        "sampled_at": None if camera.sampled_at is None else _iso(camera.sampled_at),
        "worker": line.worker or None,
    }


def table(board: Board, now: float, most: int | None = None) -> Table:
    """Cameras for people, those first that are not live.

    Args:
        board: What is watched.
        now: Seconds since 1970.
        most: Rows at most; what is left out is counted in the last line.
    """
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in _COLUMNS:
        justify: JustifyMethod = "right" if name in _TO_THE_RIGHT else "left"
        result.add_column(name, justify=justify, overflow="fold")
    lines = sorted(board.cameras, key=lambda line: (line.status.state == _LIVE, line.status.camera))
    for line in lines[:most]:
        result.add_row(*_cells(line, now))
    if most is not None and len(lines) > most:
        result.add_row(f"and {len(lines) - most} more")
    return result


def summary(board: Board) -> str:
    """The board in one line."""
    cameras = [line.status for line in board.cameras]
    live = sum(camera.state == _LIVE for camera in cameras)
    running = sum(worker.state == "running" for worker in board.workers)
    cases = sum(camera.cases for camera in cameras)
    lost = sum(max(0, worker.starts - 1) for worker in board.workers)
    text = (
        f"{live} of {_counted(len(cameras), 'camera')} live, "
        f"{running} of {_counted(len(board.workers), 'worker')} running, "
        f"{_counted(cases, 'case')} in {_age(board.at - board.began)}"
    )
    return f"{text}; workers replaced: {lost}" if lost else text


def _ended(board: Board) -> Board:
    """The board of a program that is gone: nothing on it is so any more."""
    cameras: Sequence[CameraLine] = [
        replace(line, worker="", status=replace(line.status, state="stopped", since=board.at))
        for line in board.cameras
    ]
    return replace(board, cameras=cameras, workers=[])


def _cells(line: CameraLine, now: float) -> list[str]:
    camera = line.status
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
        str(camera.cases) + (f" (+{camera.waiting})" if camera.waiting else ""),
        escaped(line.worker or "-"),
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
