from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cv_engine.cases import Event, open_queue
from cv_engine.cases.stages import NoLimits
from tests.cases.made import NEXT_BOX, finding
from tests.commands.program import run_program

_ROOT = Path(__file__).resolve().parents[3]
_PATIENCE_S = 60.0


class _Short(NoLimits):
    """Limits that have passed a day after filing."""

    def due(self, kind: str, stage: str, since: datetime, *, urgent: bool) -> datetime | None:
        return since + timedelta(hours=1)

    def warn_at(self, start: datetime, due: datetime) -> datetime:
        return start


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two cases that should have been judged yesterday."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with open_queue(tmp_path / "queue.db", clock=lambda: yesterday, limits=_Short()) as queue:
        queue.file(finding())
        queue.file(finding(box=NEXT_BOX))
    return tmp_path


def test_what_is_overdue_is_escalated_once(data: Path) -> None:
    first = run_program(data, "cases", "deadlines", "--data", data)
    assert (first.returncode, first.stdout.strip()) == (0, "escalated: 1, 2")
    again = run_program(data, "cases", "deadlines", "--data", data)
    assert (again.stdout, again.stderr.strip()) == ("", "no deadline is near")


def test_programs_read_a_line_per_case(data: Path) -> None:
    done = run_program(data, "cases", "deadlines", "--data", data, "--format", "jsonl")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"case": 1, "event": "escalated"},
        {"case": 2, "event": "escalated"},
    ]


@pytest.mark.parametrize(
    ("format", "printed"),
    [
        ("table", ["escalated: 1, 2\n"]),
        ("jsonl", [f'{{"case": {n}, "event": "escalated"}}\n' for n in (1, 2)]),
    ],
)
def test_following_prints_at_once_and_ends_with_a_signal(
    data: Path, format: str, printed: list[str]
) -> None:
    command = [sys.executable, "-m", "cli", "cases", "deadlines", "--follow", "--format", format]
    with subprocess.Popen(
        [*command, "--data", str(data)], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        guard = threading.Timer(_PATIENCE_S, process.kill)
        guard.start()
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in printed] == printed
        process.send_signal(signal.SIGTERM)
        assert process.wait(_PATIENCE_S) == 0
        guard.cancel()
    with open_queue(data / "queue.db") as queue:
        events = [entry.event for number in (1, 2) for entry in queue.history(number)]
    assert events == 2 * [Event.FILED, Event.ESCALATED]
