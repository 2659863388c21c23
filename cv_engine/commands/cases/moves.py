"""The commands of ``cv-engine cases`` that change cases: the steps of the process, and notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.cases import completion
from cv_engine.commands.cases.bulk import CasesArgument, Change, ChangeOptions
from cv_engine.commands.cases.options import Selection, TimedSelection, expanded
from cv_engine.commands.cases.tables import sighting_text
from cv_engine.commands.cases.values import read_photos
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import escaped, say
from cv_engine.commands.options import read_time

if TYPE_CHECKING:
    from cv_engine.cases import Actor, Assignment, Case
    from cv_engine.cases.dispatch.attachment import Attachment
    from cv_engine.services import Services

NoteOption = Annotated[str, typer.Option("--note", help="A note in the case's history.")]
ReasonOption = Annotated[
    str | None,
    typer.Option(
        "--reason",
        help="Why: the name of one of the taxonomy's reasons, or a text of your own.",
        autocompletion=completion.reasons,
    ),
]
PhotoOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--photo",
        metavar="FILE",
        help="A photo (JPEG or PNG) that joins the evidence; repeat it for more.",
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="DEPARTMENT",
        help="The department, by id or name; the responsible one if left out.",
        autocompletion=completion.departments,
    ),
]
ToTeamOption = Annotated[str | None, typer.Option("--team", help="A team of the department.")]
ToOfficerOption = Annotated[
    str | None,
    typer.Option("--officer", help="A person.", autocompletion=completion.officers),
]

#: Steps that need nothing but a note or a reason, each with its help.
_PLAIN = {
    "confirm": "Confirm that cases are violations.",
    "reject": "Reject cases that are no violations; give a reason.",
    "undo": "Take a verdict back; give a reason.",
    "notice": "Note that the driver was asked to leave.",
    "cite": "Note that the violator was cited.",
    "return": "Return cases one step: not the department's, or not done; give a reason.",
    "close": "Close cases that were verified, noticed or cited.",
    "resume": "Resume deferred cases.",
    "appeal": "Note that somebody objects; give a reason.",
    "reopen": "Reopen closed cases whose problem is back; give a reason.",
    "withdraw": "Withdraw cases that should not exist; give a reason.",
}


def register(group: typer.Typer) -> None:
    """Add the commands to the group ``cases``."""
    for verb in ("confirm", "reject", "undo", "notice", "cite"):
        group.command(verb, help=_PLAIN[verb])(_plain(verb))
    group.command()(dispatch)
    group.command()(assign)
    group.command()(handle)
    group.command()(verify)
    for verb in ("return", "close"):
        group.command(verb, help=_PLAIN[verb])(_plain(verb))
    group.command()(defer)
    group.command()(extend)
    for verb in ("resume", "appeal", "reopen", "withdraw"):
        group.command(verb, help=_PLAIN[verb])(_plain(verb))
    group.command()(priority)
    group.command()(note)


def _plain(verb: str) -> Callable[..., None]:
    """The command of a step that needs nothing but a note or a reason."""

    @expanded
    def command(
        *,
        cases: CasesArgument = None,
        note: NoteOption = "",
        reason: ReasonOption = None,
        options: ChangeOptions,
        selection: TimedSelection,
    ) -> None:
        _step(Change(verb, cases or (), selection, options), _Given(note, reason))

    return command


@expanded
def dispatch(
    *,
    cases: CasesArgument = None,
    to: ToOption = None,
    team: ToTeamOption = None,
    officer: ToOfficerOption = None,
    note: NoteOption = "",
    options: ChangeOptions,
    selection: TimedSelection,
) -> None:
    """Dispatch confirmed cases to the responsible department, or to another."""
    change = Change("dispatch", cases or (), selection, options)
    if to is None and (team or officer):
        raise InputError("name the department of the team or person with --to; nothing was changed")
    _step(change, _Given(note, to=_assignment(to, team, officer)))


@expanded
def assign(
    *,
    cases: CasesArgument = None,
    to: ToOption = None,
    team: ToTeamOption = None,
    officer: ToOfficerOption = None,
    note: NoteOption = "",
    options: ChangeOptions,
    selection: TimedSelection,
) -> None:
    """Give open cases to another department, team or person; the state stays the same."""

    def act(services: Services, by: Actor, number: int) -> Case:
        case = services.queue.get(number)
        whom = services.queue.next_assignment(case, to, team, officer)
        version = case.version if options.if_version is None else options.if_version
        return services.queue.assign(number, whom, by, note, version=version)

    if not (to or team or officer):
        raise InputError("say who gets the cases with --to, --team or --officer")
    Change("assign", cases or (), selection, options).run(act, _is_open)


@expanded
def handle(
    *,
    cases: CasesArgument = None,
    note: NoteOption = "",
    photo: PhotoOption = None,
    options: ChangeOptions,
    selection: TimedSelection,
) -> None:
    """Note that dispatched cases were handled, with photos of the place."""
    _step(Change("handle", cases or (), selection, options, read_photos(photo)), _Given(note))


@expanded
def verify(
    *,
    cases: CasesArgument = None,
    note: NoteOption = "",
    photo: PhotoOption = None,
    options: ChangeOptions,
    selection: TimedSelection,
) -> None:
    """Verify that handled cases are done; says what the camera knows of it."""
    change = Change("verify", cases or (), selection, options, read_photos(photo))
    _step(change, _Given(note), before=_say_sighting)


@expanded
def defer(
    *,
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="When the cases are resumed.")
    ],
    cases: CasesArgument = None,
    note: NoteOption = "",
    reason: ReasonOption = None,
    options: ChangeOptions,
    selection: Selection,
) -> None:
    """Defer cases that have to wait; their deadlines wait, too; give a reason."""
    change = Change("defer", cases or (), selection, options)
    _step(change, _Given(note, reason, until=read_time(until, "--until")))


@expanded
def extend(
    *,
    due: Annotated[
        str, typer.Option("--due", metavar="TIME", help="The new deadline of the present stage.")
    ],
    cases: CasesArgument = None,
    note: NoteOption = "",
    reason: ReasonOption = None,
    options: ChangeOptions,
    selection: TimedSelection,
) -> None:
    """Give cases a later deadline."""
    at = read_time(due, "--due")
    assert at is not None

    from cv_engine.cases.taxonomy.reasons import read_reason

    def act(services: Services, by: Actor, number: int) -> Case:
        name, text = read_reason(services.taxonomy, "extend", reason, note)
        text = ": ".join(part for part in (name, text) if part)
        return services.queue.extend(number, at, by, text, version=options.if_version)

    Change("extend", cases or (), selection, options).run(act, _is_open)


@expanded
def priority(
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="PRIORITY",
            help="urgent, normal or deferrable.",
            autocompletion=completion.priorities,
        ),
    ],
    cases: CasesArgument = None,
    note: NoteOption = "",
    options: ChangeOptions,
    selection: TimedSelection,
) -> None:
    """Make open cases more or less urgent; their deadlines follow."""

    def act(services: Services, by: Actor, number: int) -> Case:
        return services.queue.set_priority(number, to, by, note, version=options.if_version)

    Change("priority", cases or (), selection, options).run(act, _is_open)


@expanded
def note(
    *,
    cases: CasesArgument = None,
    note: NoteOption = "",
    photo: PhotoOption = None,
    options: ChangeOptions,
    selection: TimedSelection,
) -> None:
    """Add a note, photos or both to cases in any state."""
    change = Change("note", cases or (), selection, options, read_photos(photo))

    def act(services: Services, by: Actor, number: int) -> Case:
        def record(package: Attachment | None) -> Case:
            version = options.if_version
            return services.queue.note(number, by, note, evidence=package, version=version)

        return _attached(services, change, by, number, note, record)

    change.run(act, lambda case: True)


@dataclass(frozen=True, slots=True)
class _Given:
    """What was typed for a step.

    Attributes:
        note: The note.
        reason: The reason, as typed.
        to: To whom the case is dispatched.
        until: Until when the case is deferred.
    """

    note: str = ""
    reason: str | None = None
    to: Assignment | None = None
    until: datetime | None = None


def _step(
    change: Change,
    given: _Given,
    before: Callable[[Services, int], None] = lambda services, number: None,
) -> None:
    """Take a step of the process with the cases of a change.

    Args:
        change: The cases.
        given: What was typed.
        before: Called with each case's number before its step.
    """
    from cv_engine.cases.lifecycle import Action, actions_in
    from cv_engine.cases.taxonomy.reasons import read_reason

    action = Action(change.verb)

    def act(services: Services, by: Actor, number: int) -> Case:
        reason, note = read_reason(services.taxonomy, action.value, given.reason, given.note)
        before(services, number)

        def move(package: Attachment | None) -> Case:
            return services.queue.move(
                *(number, action, by, note),
                reason=reason,
                to=given.to,
                until=given.until,
                evidence=package,
                version=change.options.if_version,
            )

        return _attached(services, change, by, number, note, move)

    change.run(act, lambda case: action in actions_in(case.state))


def _attached(
    services: Services,
    change: Change,
    by: Actor,
    number: int,
    note: str,
    record: Callable[[Attachment | None], Case],
) -> Case:
    """Seal the photos of a change, if there are any, and record the change with their package."""
    if not change.photos:
        return record(None)
    from cv_engine.evidence.attaching import STEPS

    step, at = STEPS[change.verb], datetime.now(UTC)
    return services.attacher.attach(number, step, by, note, change.photos, at, record)


def _is_open(case: Case) -> bool:
    from cv_engine.cases.lifecycle import OPEN_STATES

    return case.state in OPEN_STATES


def _assignment(to: str | None, team: str | None, officer: str | None) -> Assignment | None:
    from cv_engine.cases import Assignment

    return None if to is None else Assignment(to, team, officer)


def _say_sighting(services: Services, number: int) -> None:
    """Say on stderr what the camera knows of a case's thing."""
    case, sighting = services.queue.get(number), services.queue.sighting(number)
    say(escaped(f"case {number}: {sighting_text(sighting, case, services.config)}"))
