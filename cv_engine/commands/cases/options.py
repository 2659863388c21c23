"""Options that select cases, and how a command takes a whole group of options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from cv_engine.commands.cases import completion
from cv_engine.commands.options import read_box, read_time

if TYPE_CHECKING:
    from cv_engine.cases import Filter
    from cv_engine.cases.export.columns import Column

_PANEL = "Select cases"


def _select(name: str, help: str, complete: Callable[..., Any] | None = None, **more: Any) -> Any:
    """An option that selects cases."""
    return typer.Option(name, help=help, autocompletion=complete, rich_help_panel=_PANEL, **more)


KindOption = Annotated[
    str | None,
    _select("--kind", "Only this violation, such as motor_vehicle_parked.", completion.kinds),
]
ZoneOption = Annotated[str | None, _select("--zone", "Only this zone.")]
SourceOption = Annotated[str | None, _select("--camera", "Only this camera.")]
StateOption = Annotated[
    str | None, _select("--state", "Only this state, such as reported.", completion.states)
]
DepartmentOption = Annotated[
    str | None,
    _select("--department", "Only what this department has to act on.", completion.departments),
]
AreaOption = Annotated[
    str | None, _select("--area", "Only this area of responsibility, such as a street.")
]
OverdueOption = Annotated[bool, _select("--overdue", "Only cases whose deadline has passed.")]
SinceOption = Annotated[
    str | None, _select("--since", "Only cases seen at or after this time.", metavar="TIME")
]
UntilOption = Annotated[
    str | None, _select("--until", "Only cases that began by this time.", metavar="TIME")
]
BoxOption = Annotated[
    str | None, _select("--box", "Only cases in this box of degrees, WGS 84.", metavar="W,S,E,N")
]
TextOption = Annotated[
    str | None,
    _select("--text", "Only places with these words: street, camera, zone, address."),
]
TeamOption = Annotated[str | None, _select("--team", "Only what this team has to act on.")]
OfficerOption = Annotated[
    str | None,
    _select("--officer", "Only what this person has to act on.", completion.officers),
]
LimitOption = Annotated[
    int | None, _select("--limit", "The largest number of cases, the newest first.", min=1)
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="NAME,...",
        autocompletion=completion.columns,
        help="Only these columns, in this order, such as id,camera,began,stay_s,address.",
    ),
]


def read_columns(text: str | None) -> Sequence[Column]:
    """The columns that were asked for; none where nothing was.

    Raises:
        QueueError: A name is unknown.
    """
    if text is None:
        return ()
    from cv_engine.cases.export.columns import columns_named

    return columns_named(text.split(","))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The options that select cases, as typed."""

    kind: KindOption = None
    zone: ZoneOption = None
    camera: SourceOption = None
    state: StateOption = None
    department: DepartmentOption = None
    area: AreaOption = None
    overdue: OverdueOption = False
    since: SinceOption = None
    box: BoxOption = None
    text: TextOption = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed: every case is selected."""
        return all(getattr(self, field.name) == field.default for field in fields(self))

    def read(self) -> Filter:
        """The queue's filter for these options.

        Raises:
            InputError: A time or the box is malformed.
            QueueError: The state is unknown, or the filter contradicts itself.
        """
        from cv_engine.cases import Filter, state_named

        return Filter(
            kind=self.kind,
            zone=self.zone,
            source=self.camera,
            state=None if self.state is None else state_named(self.state),
            department=self.department,
            area=self.area,
            overdue=datetime.now(UTC) if self.overdue else None,
            since=read_time(self.since, "--since"),
            bbox=read_box(self.box, "--box"),
            text=self.text,
        )


@dataclass(frozen=True, kw_only=True)
class TimedSelection(Selection):
    """The same with an end, for commands in which ``--until`` means nothing else."""

    until: UntilOption = None

    def read(self) -> Filter:
        """See :meth:`Selection.read`."""
        return replace(super().read(), until=read_time(self.until, "--until"))


@dataclass(frozen=True, kw_only=True)
class ListOptions(TimedSelection):
    """The same with options that only lists have."""

    team: TeamOption = None
    officer: OfficerOption = None
    limit: LimitOption = None

    def read(self) -> Filter:
        """See :meth:`Selection.read`."""
        wanted = super().read()
        return replace(wanted, team=self.team, officer=self.officer, limit=self.limit)


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command that is a dataclass by one option per field of it.

    Typer reads a command's options from its signature, so the signature is rewritten.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, type[Any]] = {
        each.name: each.annotation
        for each in own
        if isinstance(each.annotation, type) and is_dataclass(each.annotation)
    }

    @functools.wraps(command)
    def run(**given: Any) -> None:
        read = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **read)

    parameters = [
        parameter
        for each in own
        for parameter in (
            _fields(groups[each.name])
            if each.name in groups
            else [each.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
        )
    ]
    run.__dict__["__signature__"] = inspect.Signature(parameters, return_annotation=None)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _fields(group: type[Any]) -> list[inspect.Parameter]:
    """The fields of a dataclass as parameters."""
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
