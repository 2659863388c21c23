"""The commands ``cv-engine cases merge``, ``split`` and ``findings``: what is in which case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.cases.tables import print_cases, zone_of
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import ByOption, ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import empty_table
from cv_engine.wording import local_time

if TYPE_CHECKING:
    from cv_engine.cases import Actor, Queue

CaseArgument = Annotated[int, typer.Argument(metavar="ID", help="The case's number.")]
CasesArgument = Annotated[
    list[int], typer.Argument(metavar="ID...", help="Numbers of the cases that end.")
]
KeysArgument = Annotated[
    list[str], typer.Argument(metavar="KEY...", help="Findings; `cases findings ID` lists them.")
]
IntoOption = Annotated[
    int, typer.Option("--into", metavar="ID", help="Number of the case that continues.")
]
NoteOption = Annotated[str, typer.Option("--note", help="A note in the histories of all cases.")]
_COLUMNS = ("key", "camera", "zone", "began", "last seen", "gone", "evidence")


def merge(
    case: CasesArgument,
    into: IntoOption,
    by: ByOption,
    note: NoteOption = "",
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Merge cases of one problem into one of them, which continues with all findings."""
    session = Session(config, data, format)
    with _acting(session, by) as (queue, actor):
        merged = [queue.merge(number, into, actor, note) for number in case]
    print_cases(session, merged[-1:])


def split(
    case: CaseArgument,
    key: KeysArgument,
    by: ByOption,
    note: NoteOption = "",
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Move findings of a case that are another problem to a new case; also takes a merge back."""
    session = Session(config, data, format)
    with _acting(session, by) as (queue, actor):
        new = queue.split(case, key, actor, note)
        print_cases(session, [queue.get(case), new])


def findings(
    case: CaseArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the findings of a case, in the order of their start."""
    session = Session(config, data, format)
    with session.open_queue() as queue:
        found = queue.findings(case)
    rows = empty_table(_COLUMNS)
    for each in found:
        if format is Format.JSONL:
            session.line(
                {
                    "key": each.key,
                    "source": each.source,
                    "zone": each.zone,
                    "began": each.began.isoformat(),
                    "observed": each.observed.isoformat(),
                    "gone_at": each.gone_at.isoformat() if each.gone_at else None,
                    "confidence": each.confidence,
                    "evidence": each.evidence,
                }
            )
            continue
        zone = zone_of(each.source, session.config)
        times = (local_time(each.began, zone), local_time(each.observed, zone))
        names = (each.key, escaped(each.source), escaped(each.zone))
        gone = "yes" if each.gone_at else "not known"
        rows.add_row(*names, *times, gone, escaped(each.evidence or "none"))
    if format is Format.TABLE and found:
        session.print_table(rows)
    elif not found:
        session.err.print("no findings: they are in the case that this one merged into")


@contextmanager
def _acting(session: Session, by: str) -> Iterator[tuple[Queue, Actor]]:
    """The queue, and the person of a name with the role that the organisation gives.

    Raises:
        ForbiddenError: The organisation lists officers, and none of this name.
    """
    from cv_engine.cases.dispatch import actor_named
    from cv_engine.services import Services

    with Services(session.config) as services:
        yield services.queue, actor_named(services.organisation, by)
