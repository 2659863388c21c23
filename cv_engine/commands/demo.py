"""The command ``cv-engine demo``: compose a sample clip, analyse it, show its cases."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from cv_engine.commands.analyze import analyze_videos, exit_code, print_result
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import Format, FormatOption
from cv_engine.commands.session import Session


def demo(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="Folder of the sample clip and its cases."),
    ] = Path("demo"),
    format: FormatOption = Format.TABLE,
) -> None:
    """Compose a sample clip, analyse it and show its cases."""
    raise typer.Exit(_demonstrate(data, format))


def _demonstrate(data: Path, format: Format) -> ExitCode:
    """Compose the sample in ``data``/sample, analyse it, and print its cases.

    Args:
        data: The demo's data folder.
        format: What goes to stdout.

    Raises:
        DemoError: The sample cannot be composed.
    """
    from cv_engine.demo.setup import CAMERA, set_up

    err = Session(None, None).err
    with err.status("composing the sample clip from a street photograph (once) ...") as status:
        sample = set_up(
            data / "sample",
            lambda share: status.update(f"composing the sample clip (once) ... {share:.0%}"),
        )
    session = Session(sample.config, data, format)
    err.print(f"analysing {escaped(str(sample.clip))}, a composed street scene")
    summary = analyze_videos(
        session, [str(sample.clip)], camera=CAMERA, start=None, at=None, zones=None
    )
    print_result(session, summary)
    _print_next_steps(session, data, sample.config, summary.cases)
    return exit_code(summary)


def _print_next_steps(session: Session, data: Path, config: Path, numbers: list[int]) -> None:
    options = f"--config {config} --data {data}"
    with session.open_queue() as queue:
        folders = [session.evidence_root / name for n in numbers for name in queue.evidence(n)]
    show = session.err.print
    show(f"queue:    {escaped(str(session.config.queue))}")
    for folder in folders:
        show(f"evidence: {escaped(str(folder))}")
        for picture in (*folder.glob("shareable/overview-start.jpg"), *folder.glob("**/clip.*")):
            show(f"          open {escaped(str(picture))}")
    program = _program()
    show("next:")
    for number in numbers[:1]:
        show(escaped(f"  {program} cases show {number} {options}"))
        show(escaped(f"  {program} cases confirm {number} {options}"))
    for folder in folders[:1]:
        show(escaped(f"  {program} evidence verify {folder}"))
    show(escaped(f"  {program} analyze YOUR-VIDEO.mp4 --data {data}"))


def _program() -> str:
    """The name to call this program by: its path where its environment is not active."""
    return "cv-engine" if shutil.which("cv-engine") else sys.argv[0]
