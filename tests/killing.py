"""Runs of the real program that are killed, and the data folder that they leave."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cv_engine.cases import open_queue
from cv_engine.evidence.verify import verify

ROOT = Path(__file__).resolve().parents[1]

# The program with more frequent checkpoints: short clips would be done before the first.
_OFTEN = (
    "import cv_engine.recorded.recordings as recordings; recordings.CHECKPOINT_EVERY_S = 0.2; "
    "import cli; cli.main()"
)


def run(
    arguments: Sequence[object], folder: Path, kill_after_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the program in ``folder``; kills it with SIGKILL after ``kill_after_s`` seconds."""
    command = [sys.executable, "-c", _OFTEN, *map(str, arguments)]
    environment = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**_environment(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(kill_after_s if kill_after_s is not None else 300)
        process.kill()
        out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def timed(arguments: Sequence[object], folder: Path) -> float:
    """Runs the program to its end; returns the duration in seconds."""
    began = time.monotonic()
    done = run(arguments, folder)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def outcome(data: Path) -> dict[str, Any]:
    """The results of a run: cases, their histories without times, and sound evidence."""
    with open_queue(data / "queue.db") as queue:
        cases = sorted(queue.cases(), key=lambda case: case.id)
        left = {
            "cases": [_plain(case) for case in cases],
            "history": {
                case.id: [
                    (entry.event, entry.by, entry.note, _comparable(entry.data))
                    for entry in queue.history(case.id)
                ]
                for case in cases
            },
            "evidence of cases": {case.id: queue.evidence(case.id) for case in cases},
        }
    packages = sorted((data / "evidence").glob("*"))  # none where the disk was full before
    left["packages"] = [path.name for path in packages]
    left["problems"] = [str(problem) for path in packages for problem in verify(path)]
    left["partial"] = sorted(str(path) for path in data.rglob("*.partial*"))
    return left


def _comparable(data: Mapping[str, Any]) -> str:
    """Data of a history entry without the digest of evidence, which each folder's key signs."""
    kept = {name: value for name, value in data.items() if name != "evidence_sha256"}
    return json.dumps(kept, sort_keys=True)


def _plain(case: Any) -> dict[str, str]:
    names = [name for name in case.__dataclass_fields__ if name != "filed_at"]
    return {name: repr(getattr(case, name)) for name in names}


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)
