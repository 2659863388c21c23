"""The taxonomy as values: standards, majors, classes and reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property

from cv_engine.cases.errors import QueueError
from cv_engine.cases.taxonomy.time_limit import TimeLimit


class Priority(StrEnum):
    """How soon the cases of a class are handled."""

    URGENT = "urgent"
    NORMAL = "normal"
    DEFERRABLE = "deferrable"


class Stage(StrEnum):
    """A part of a case's way that may have a time limit."""

    CONFIRM = "confirm"  # from the report to the verdict
    DISPATCH = "dispatch"  # from the verdict to the dispatch
    HANDLE = "handle"  # from the dispatch until the case is handled
    VERIFY = "verify"  # from then to the verification
    CLOSE = "close"  # from the report to the closing: the whole case


@dataclass(frozen=True, slots=True)
class Standard:
    """A standard that numbers the classes.

    Attributes:
        id: The standard's number, such as ``"GB/T 47678.5-2026"``.
        digits: Number of digits of a code.
        major_digits: How many of them, from the left, number the major class; 0 where the code
            does not show it.
        provisional: Whether the codes were never checked against the standard itself.
        provenance: Where the codes come from.
        in_force: First day of its validity, where known.
        replaces: Number of the standard before it; may be empty.
    """

    id: str
    digits: int
    major_digits: int
    provisional: bool
    provenance: str
    in_force: date | None = None
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Major:
    """A major class of a standard, to which its classes belong.

    Attributes:
        standard: The standard's number.
        code: The major's code, such as ``"09"``.
        name: English name; empty where the taxonomy does not list the standard's majors.
        name_zh: Chinese name; may be empty.
    """

    standard: str
    code: str
    name: str = ""
    name_zh: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an officer takes a step.

    Attributes:
        id: The name in files and on the command line, such as ``"no_violation"``.
        name: English name.
        name_zh: Chinese name; may be empty.
        actions: Steps that the reason is for, such as ``"reject"``.
    """

    id: str
    name: str
    name_zh: str
    actions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Recurrence:
    """What a later finding of the same kind and place does.

    Attributes:
        join_within: Longest gap after which the finding still joins the open case; ``None``: only
            a finding that overlaps in time joins.
        reopen_within: Longest time after the closing within which the finding reopens the case;
            ``None``: the finding is always a new case.
        may_return: Whether a thing that is known to have left may be back within ``join_within``,
            as goods behind a lorry may; a vehicle that parks where one has left is another.
    """

    join_within: timedelta | None = None
    reopen_within: timedelta | None = None
    may_return: bool = True


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the evidence of a case is kept after the case has ended; ``None``: no limit.

    Attributes:
        rejected: Of a case that was rejected or withdrawn: nothing was wrong.
        cited: Of a case that was closed with a citation.
        closed: Of a case that was closed otherwise.
    """

    rejected: timedelta | None = None
    cited: timedelta | None = None
    closed: timedelta | None = None


@dataclass(frozen=True, slots=True)
class CaseClass:
    """One class, keyed by (standard, kind, code).

    Attributes:
        standard: The standard's number.
        kind: The violation's name in this program.
        code: The code in that standard.
        major: Code of the major class.
        name: English name.
        name_zh: Chinese name; may be empty.
        provisional: Whether the code still has to be checked against the standard.
        inferred: Whether the code was inferred rather than read in a copy.
        shared: Whether the standard gives the code to several kinds.
        former_name_zh: Chinese name in the standard before; may be empty.
        department: Id of the department that handles its cases, of the organisation where there is
            one; ``None`` where none is set.
        priority: How soon its cases are handled.
        limits: Time limits by stage; a stage without one has no deadline.
        urgent_limits: The same for urgent cases; a stage without one has the limit of ``limits``.
        recurrence: What a later finding of the same kind and place does.
        law: The provision that is violated, in the city's words; may be empty.
        retention: How long the evidence is kept, as far as the class has rules of its own.
    """

    standard: str
    kind: str
    code: str
    major: str
    name: str
    name_zh: str
    provisional: bool
    inferred: bool
    shared: bool
    former_name_zh: str = ""
    department: str | None = None
    priority: Priority = Priority.NORMAL
    limits: Mapping[Stage, TimeLimit] = field(default_factory=dict)
    urgent_limits: Mapping[Stage, TimeLimit] = field(default_factory=dict)
    recurrence: Recurrence = Recurrence()
    law: str = ""
    retention: Retention = Retention()

    def limit(self, stage: Stage, *, urgent: bool = False) -> TimeLimit | None:
        """The time limit of a stage, ``None`` where it has none.

        Args:
            stage: The stage.
            urgent: Whether the case is urgent.
        """
        ordinary = self.limits.get(stage)
        return self.urgent_limits.get(stage, ordinary) if urgent else ordinary


@dataclass(frozen=True)
class Taxonomy:
    """A version of the catalogue.

    Attributes:
        version: The catalogue's own version.
        default_standard: The standard of new cases.
        standards: Standards by number.
        majors: Major classes by (standard, code); every class has its major here.
        classes: Classes by (standard, kind, code).
        reasons: Reasons by id, in the order of the catalogue.

    Example:
        >>> load_taxonomy().classify("clutter").code
        '06036'
    """

    version: str
    default_standard: str
    standards: Mapping[str, Standard]
    majors: Mapping[tuple[str, str], Major] = field(repr=False)
    classes: Mapping[tuple[str, str, str], CaseClass] = field(repr=False)
    reasons: Mapping[str, Reason] = field(repr=False)

    @cached_property
    def _by_kind(self) -> Mapping[str, Mapping[str, CaseClass]]:
        """Classes by kind and standard."""
        found: dict[str, dict[str, CaseClass]] = {}
        for each in self.classes.values():
            found.setdefault(each.kind, {})[each.standard] = each
        return found

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of violation, in the order of the catalogue."""
        return tuple(self._by_kind)

    @cached_property
    def departments(self) -> tuple[str, ...]:
        """Ids of the departments that classes name, in the order of the catalogue."""
        named = (each.department for each in self.classes.values())
        return tuple(dict.fromkeys(id for id in named if id is not None))

    def classify(self, kind: str, standard: str | None = None) -> CaseClass:
        """The class of a kind of violation.

        Args:
            kind: The violation's name.
            standard: The standard's number; ``None``: the default standard, or the first one with
                a class for this kind if the default has none.

        Raises:
            QueueError: The kind or the standard is not in the catalogue, or the standard has no
                class for this kind.
        """
        wanted = self.default_standard if standard is None else self._known(standard)
        of_kind = self._by_kind.get(kind)
        if of_kind is None:
            raise QueueError(
                f"kind {kind!r} is not in the taxonomy: add a class for this kind; known: "
                + ", ".join(self.kinds)
            )
        if wanted in of_kind:
            return of_kind[wanted]
        if standard is None:
            return next(iter(of_kind.values()))
        raise QueueError(f"{wanted} has no class for kind {kind!r} in this taxonomy")

    def crosswalk(self, standard: str, code: str, to: str) -> tuple[CaseClass, ...]:
        """Translate a code to another standard.

        Args:
            standard: The code's standard.
            code: The code.
            to: The other standard.

        Returns:
            The classes of the other standard: none, one, or several if kinds share the code.

        Raises:
            QueueError: A standard is not in the catalogue.
        """
        pair = (self._known(standard), code)
        kinds = {c.kind for c in self.classes.values() if (c.standard, c.code) == pair}
        to = self._known(to)
        return tuple(c for c in self.classes.values() if c.standard == to and c.kind in kinds)

    def tree(self, standard: str | None = None) -> Mapping[Major, tuple[CaseClass, ...]]:
        """The classes of a standard by major, both in the order of their codes.

        Args:
            standard: The standard's number; ``None``: the default standard.

        Raises:
            QueueError: The standard is not in the catalogue.
        """
        wanted = self.default_standard if standard is None else self._known(standard)
        majors = sorted(code for of, code in self.majors if of == wanted)
        classes = [each for each in self.classes.values() if each.standard == wanted]
        classes.sort(key=lambda each: each.code)
        return {
            self.majors[wanted, code]: tuple(c for c in classes if c.major == code)
            for code in majors
        }

    def reason(self, id: str) -> Reason:
        """The reason of an id.

        Raises:
            QueueError: There is none; the message lists the known ones.
        """
        if id in self.reasons:
            return self.reasons[id]
        known = ", ".join(self.reasons) or "none"
        raise QueueError(f"the taxonomy has no reason {id!r}; known: {known}")

    def reasons_for(self, action: str) -> tuple[Reason, ...]:
        """The reasons that an officer may give for a step, in the order of the catalogue."""
        return tuple(each for each in self.reasons.values() if action in each.actions)

    def _known(self, standard: str) -> str:
        if standard in self.standards:
            return standard
        known = ", ".join(self.standards)
        raise QueueError(f"the taxonomy has no standard {standard!r}; known: {known}")
