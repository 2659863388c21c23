"""Changes of several cases: chosen by number or by filter, each in a transaction of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.cases.options import Selection
from cv_engine.commands.cases.tables import as_row, print_cases, table
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import (
    ByOption,
    ConfigOption,
    DataOption,
    Format,
    FormatOption,
)
from cv_engine.commands.session import Session
from cv_engine.errors import EngineError, Failure

if TYPE_CHECKING:
    from cv_engine.cases import Actor, Case
    from cv_engine.evidence.media.photo import Photo
    from cv_engine.services import Services

_SHOWN = 5  # cases of a selection, before the question

CasesArgument = Annotated[
    list[int] | None,
    typer.Argument(metavar="ID", help="The cases' numbers; or select cases by the options below."),
]


@dataclass(frozen=True, kw_only=True)
class ChangeOptions:
    """The options of every command that changes cases."""

    by: ByOption
    if_version: Annotated[
        int | None,
        typer.Option(
            "--if-version",
            metavar="N",
            help="Only if the case is still at this version, as `cases show` gives it.",
        ),
    ] = None
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before selected cases are changed.")
    ] = False
    config: ConfigOption = None
    data: DataOption = None
    format: FormatOption = Format.TABLE


@dataclass(frozen=True)
class Change:
    """One change of one or several cases.

    Attributes:
        verb: The command's name, such as ``"confirm"``.
        numbers: The cases' numbers as typed.
        selection: The options that select cases in place of numbers.
        options: The options of every change.
        photos: Photos that join the evidence of each case.
    """

    verb: str
    numbers: Sequence[int]
    selection: Selection
    options: ChangeOptions
    photos: Sequence[Photo] = ()

    def run(
        self,
        act: Callable[[Services, Actor, int], Case],
        is_possible: Callable[[Case], bool],
    ) -> None:
        """Change the cases, print them, and exit with the code that tells whether all went well.

        Args:
            act: Changes the case of a number, and returns it.
            is_possible: Whether the change is one for a case: others are not selected.

        Raises:
            InputError: No case is named, or the options contradict each other.
            EngineError: The only case that was named cannot be changed.
        """
        from cv_engine.cases.dispatch import actor_named
        from cv_engine.services import Services

        self._check()
        session = Session(self.options.config, self.options.data, self.options.format)
        with Services(session.config) as services:
            by = actor_named(services.organisation, self.options.by)
            if self.numbers:
                numbers = list(dict.fromkeys(self.numbers))
            else:
                numbers = self._selected(session, services, is_possible)
            if len(numbers) == 1:
                print_cases(session, [act(services, by, numbers[0])])
                code = ExitCode.DONE
            else:
                code = _change_each(session, numbers, lambda number: act(services, by, number))
            if self.photos and session.config.evidence.store is not None:
                _send_evidence(session, services)
        raise typer.Exit(code)

    def _check(self) -> None:
        if self.numbers and not self.selection.is_empty:
            raise InputError("name cases by their numbers or select them by options, not both")
        if not self.numbers and self.selection.is_empty:
            raise InputError(
                f"which cases? Name numbers, as in `cv-engine cases {self.verb} 12`, or select "
                "cases with --kind, --camera, --state and the other options; nothing was changed"
            )
        if self.options.if_version is not None and len(set(self.numbers)) != 1:
            raise InputError("--if-version is for one case: name its number")

    def _selected(
        self, session: Session, services: Services, is_possible: Callable[[Case], bool]
    ) -> list[int]:
        """The numbers of the selected cases, after a question to the person at the terminal."""
        numbers: list[int] = []
        first: list[Case] = []
        others = 0
        for case in services.queue.each(self.selection.read()):
            if not is_possible(case):
                others += 1
                continue
            numbers.append(case.id)
            if len(first) < _SHOWN:
                first.append(case)
        left = f"; {others} more cannot take the step {self.verb}" if others else ""
        if not numbers:
            session.err.print(f"no cases to {self.verb}{left}")
            raise typer.Exit(ExitCode.DONE)
        if self.options.yes:
            return numbers
        session.err.print(table(first, session.config, datetime.now(UTC)))
        if len(numbers) > len(first):
            session.err.print(f"... and {len(numbers) - len(first)} more")
        what = f"{self.verb} {_counted(len(numbers))}{left}"
        if not sys.stdin.isatty():
            raise InputError(
                f"{what}: there is no terminal to ask at; add --yes. Nothing was changed"
            )
        if not typer.confirm(f"{what}?", err=True):
            session.err.print("nothing was changed")
            raise typer.Exit(ExitCode.FAILED)
        return numbers


def _change_each(session: Session, numbers: Sequence[int], act: Callable[[int], Case]) -> ExitCode:
    """Change one case after the other, and print what was done and what was not."""
    done: list[Case] = []
    failed: dict[int, EngineError] = {}
    for number in numbers:
        try:
            done.append(act(number))
        except EngineError as error:
            failed[number] = error
            if error.failure is not Failure.WRONG_INPUT:
                break  # the queue or the disk is away: the others would fail as well
            continue
        if session.format is Format.JSONL:
            session.line(as_row(done[-1]))
    if session.format is Format.TABLE and done:
        print_cases(session, done)
    if not failed:
        return ExitCode.DONE
    for number, reason in failed.items():
        if session.format is Format.JSONL:
            session.line({"id": number, "error": str(reason)})
        session.err.print(f"[bold red]case {number}:[/] {escaped(str(reason))}")
    left = len(numbers) - len(done) - len(failed)
    not_tried = f", {left} not tried" if left else ""
    session.err.print(f"{_counted(len(done))} changed, {len(failed)} not changed{not_tried}")
    return ExitCode.FAILED if done else ExitCode(max(each.exit_code for each in failed.values()))


def _send_evidence(session: Session, services: Services) -> None:
    """Send the evidence that waits to the store; what the store does not take now waits on."""
    unsent = services.send_evidence()
    for reason in dict.fromkeys(unsent.values()):
        session.err.print(f"evidence is not sent yet; the next run retries: {escaped(reason)}")


def _counted(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"
