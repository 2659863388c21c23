"""The demo: a sample clip, the main job on it, and where its cases and evidence lie."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import Format
from cv_engine.commands.session import Session


def demonstrate(data: Path, format: Format) -> ExitCode:
    """Compose the sample in ``data``/sample, analyse it, and print its cases.

    Args:
        data: The demo's data folder.
        format: What goes to stdout.

    Raises:
        DemoError: The sample cannot be set up.
    """
    from cv_engine.commands import analyze as analysis
    from cv_engine.demo.sample import CAMERA, set_up

    err = Session(None, None).err
    with err.status("composing the sample clip from a street photograph (once) ...") as status:
        sample = set_up(
            data / "sample",
            lambda share: status.update(f"composing the sample clip (once) ... {share:.0%}"),
        )
    session = Session(sample.config, data, format)
    err.print(f"analysing {escaped(str(sample.clip))}, a composed street scene")
    summary = analysis.analyze(
        session, [str(sample.clip)], camera=CAMERA, start=None, at=None, zones=None
    )
    analysis.report(session, summary)
    _say_where(session, data, sample.config, summary.cases)
    return analysis.exit_code(summary)


def _say_where(session: Session, data: Path, config: Path, numbers: list[int]) -> None:
    options = f"--config {config} --data {data}"
    with session.open_queue() as queue:
        folders = [session.evidence_root / name for n in numbers for name in queue.evidence(n)]
    say = session.err.print
    say(f"queue:    {escaped(str(session.config.queue))}")
    for folder in folders:
        say(f"evidence: {escaped(str(folder))}")
        for picture in (*folder.glob("shareable/overview-start.jpg"), *folder.glob("**/clip.*")):
            say(f"          open {escaped(str(picture))}")
    program = _program()
    say("next:")
    for number in numbers[:1]:
        say(escaped(f"  {program} cases show {number} {options}"))
        say(escaped(f"  {program} cases confirm {number} {options}"))
    for folder in folders[:1]:
        say(escaped(f"  {program} evidence verify {folder}"))
    say(escaped(f"  {program} analyze YOUR-VIDEO.mp4 --data {data}"))


def _program() -> str:
    """How to call this program again: by its path where its environment is not the active one."""
    return "cv-engine" if shutil.which("cv-engine") else sys.argv[0]
