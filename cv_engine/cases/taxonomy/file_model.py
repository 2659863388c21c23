"""The form of a taxonomy file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from cv_engine.cases.errors import QueueError
from cv_engine.cases.taxonomy.model import Retention
from cv_engine.cases.taxonomy.time_limit import TimeLimit
from cv_engine.section import Name, Section, Switch, Text, Unit


def _digits(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return value
    raise ValueError(f'{value!r} is no code; write its digits between quotes, such as "09009"')


def _time_limit(value: object) -> object:
    if not isinstance(value, str):
        value = repr(value)
    try:
        return TimeLimit.parse(value)
    except QueueError as error:
        raise ValueError(str(error)) from None


def _calendar_time(value: object) -> Any:
    limit = _time_limit(value)
    elapsed = limit.elapsed if isinstance(limit, TimeLimit) else None
    if elapsed is None:
        raise ValueError(
            f"{value!r} is working time, which does not count here; write minutes, hours or days"
        )
    return elapsed


Code = Annotated[str, BeforeValidator(_digits)]
Limit = Annotated[TimeLimit, BeforeValidator(_time_limit)]
Duration = Annotated[timedelta, BeforeValidator(_calendar_time)]
Digits = Annotated[int, Field(ge=1, le=20, strict=True), Unit("a number of digits, 1 to 20", "5")]


#: Steps that take a reason: the words of the command line.
ReasonAction = Literal[
    "reject", "withdraw", "undo", "return", "defer", "extend", "appeal", "close", "reopen"
]


class MajorEntry(Section):
    """A major class of a standard."""

    name: Text
    name_zh: Text = ""


class StandardEntry(Section):
    """A standard that numbers the classes."""

    id: Name
    digits: Digits
    major_digits: Annotated[
        int, Field(ge=0, le=20, strict=True), Unit("a number of digits, 0 to 20", "2")
    ] = 0
    provisional: Switch
    provenance: Text
    in_force: Annotated[date, Unit("a date", "2026-07-01")] | None = None
    replaces: Text = ""
    majors: dict[Code, MajorEntry] = Field(default_factory=dict)


class ReasonEntry(Section):
    """Why an officer takes a step."""

    id: Name
    name: Text
    name_zh: Text = ""
    actions: tuple[ReasonAction, ...]


class LimitsEntry(Section):
    """Time limits by stage; see `cv_engine.cases.taxonomy.model.Stage`."""

    confirm: Limit | None = None
    dispatch: Limit | None = None
    handle: Limit | None = None
    verify: Limit | None = None
    close: Limit | None = None


class RecurrenceEntry(Section):
    """What a later finding of the same kind and place does."""

    join_within: Duration | None = None
    reopen_within: Duration | None = None
    may_return: Switch = True


class RetentionEntry(Section):
    """How long evidence is kept; see `cv_engine.cases.taxonomy.model.Retention`."""

    rejected: Duration | None = None
    cited: Duration | None = None
    closed: Duration | None = None

    def values(self) -> Retention:
        """The same for the program."""
        return Retention(self.rejected, self.cited, self.closed)


class ClassEntry(Section):
    """A kind of violation with its code in each standard."""

    kind: Name
    name: Text
    name_zh: Text = ""
    former_name_zh: Text = ""
    law: Text = ""
    codes: Annotated[dict[str, Code], Field(min_length=1)]
    majors: dict[str, Code] = Field(default_factory=dict)
    shared: Switch = False
    inferred: Switch = False
    department: Name | None = None
    priority: Literal["urgent", "normal", "deferrable"] = "normal"
    limits: LimitsEntry = LimitsEntry()
    urgent_limits: LimitsEntry = LimitsEntry()
    recurrence: RecurrenceEntry = RecurrenceEntry()
    retention: RetentionEntry = RetentionEntry()


class TaxonomyFile(Section):
    """The whole file."""

    renamed: ClassVar[Mapping[str, Callable[[Any], str]]] = {
        "departments": lambda _: (
            "departments are listed in the organisation file now (cases.organisation): move them "
            "there; classes still name them by id"
        )
    }

    version: Annotated[str, Field(min_length=1), Unit("a text between double quotes", '"2026.1"')]
    default_standard: Name
    standards: tuple[StandardEntry, ...]
    reasons: tuple[ReasonEntry, ...] = ()
    classes: tuple[ClassEntry, ...]
