"""The progress of commands that count rows, bytes or cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cv_engine.commands.session import Session


@contextmanager
def counting(session: Session) -> Iterator[Callable[[str, int, int], None]]:
    """Show the progress of what is counted, where stderr is a terminal."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeRemainingColumn(),
    )
    shown = session.err.is_terminal
    with Progress(*columns, console=session.err, transient=True, disable=not shown) as bar:
        tasks: dict[str, TaskID] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield update
