"""What people do with cases: the officers' part of the queue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Row

from cv_engine.cases import adjustments
from cv_engine.cases.case import Case
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.store import Store
from cv_engine.cases.dispatch.assignment import area_of, checked, responsible
from cv_engine.cases.dispatch.attachment import Attachment, attach, find_attachment
from cv_engine.cases.dispatch.organisation import Organisation
from cv_engine.cases.dispatch.sighting import Sighting, sighting_of
from cv_engine.cases.errors import QueueError
from cv_engine.cases.filing.filed import FiledEvidence
from cv_engine.cases.lifecycle import ENGINE, OPEN_STATES, Action, Actor
from cv_engine.cases.moves import Assignment, Move, check_note, check_version, take_step
from cv_engine.cases.rows import case_of, lock_case, need_case
from cv_engine.cases.stages import Limits
from cv_engine.cases.taxonomy import Priority, Taxonomy


class Process:
    """The steps of the process, and what else people change in a case.

    Every method is one transaction, as described for :class:`~cv_engine.cases.queue.Queue`, which
    inherits them.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        taxonomy: Taxonomy,
        limits: Limits,
        organisation: Organisation | None = None,
    ) -> None:
        self._store = self.store = store  # public for the outbox
        self._clock = clock
        self._taxonomy = taxonomy
        self._limits = self.limits = limits  # public for the notices
        self._organisation = organisation

    def now(self) -> datetime:
        """The present time of the queue's clock, timezone-aware."""
        return self._clock()

    def confirm(self, case_id: int, by: str | Actor, note: str = "") -> Case:
        """Confirm a violation, by an officer; see :meth:`move`."""
        return self.move(case_id, Action.CONFIRM, by, note)

    def reject(self, case_id: int, by: str | Actor, reason: str) -> Case:
        """Reject a case, by an officer, with the reason; see :meth:`move`."""
        return self.move(case_id, Action.REJECT, by, reason)

    def move(
        self,
        case_id: int,
        action: Action,
        by: str | Actor,
        note: str = "",
        *,
        reason: str | None = None,
        to: Assignment | None = None,
        until: datetime | None = None,
        evidence: Attachment | None = None,
        version: int | None = None,
    ) -> Case:
        """Take a case one step further.

        Args:
            case_id: The case's number.
            action: What is done; see :data:`~cv_engine.cases.lifecycle.STEPS`.
            by: Who acts, recorded in the history; a name alone is an officer's.
            note: A note for the history.
            reason: The reason's name in the taxonomy. A step that needs a reason takes a note, too.
            to: To whom the case is dispatched; ``None``: to the responsible department.
            until: Until when the case is deferred (timezone-aware).
            evidence: A finished package that joins the case's evidence.
            version: Version of the case that the person has seen; ``None``: whatever the version.

        Returns:
            The case after the step.

        Raises:
            ConflictError: Somebody else has changed the case since that version.
            ForbiddenError: The person's role does not allow the step.
            QueueError: There is no such case, the process has no such step, or something that the
                step needs is missing or unknown.
        """
        to = None if to is None else checked(to, self._organisation)
        if reason is not None:
            self._taxonomy.reason(reason)

        def change(case: LockedCase) -> None:
            given = to
            if given is None and action is Action.DISPATCH:
                given = self._responsible(case.row)
            move = Move(
                action=action,
                by=_actor(by),
                note=note,
                reason=reason,
                to=given,
                until=until,
                version=version,
                data={} if evidence is None else evidence.data(),
            )
            take_step(case, move, self._limits)

        return self._change(case_id, change, evidence=evidence)

    def assign(
        self,
        case_id: int,
        to: Assignment,
        by: str | Actor,
        note: str = "",
        *,
        version: int | None = None,
    ) -> Case:
        """Give an open case to another department, team or officer; its state stays the same.

        Args:
            case_id: The case's number.
            to: Who has to act on it.
            by: Who assigns it.
            note: A note for the history.
            version: See :meth:`move`.

        Raises:
            ConflictError, ForbiddenError, QueueError: See :meth:`move`.
        """
        to = checked(to, self._organisation)
        return self._change(
            case_id, lambda case: adjustments.assign(case, to, _actor(by), note), note, version
        )

    def extend(
        self,
        case_id: int,
        due: datetime,
        by: str | Actor,
        note: str = "",
        *,
        version: int | None = None,
    ) -> Case:
        """Give the present stage of a case a later deadline; that of the whole case moves with it.

        Args:
            case_id: The case's number.
            due: The new deadline (timezone-aware).
            by: Who extends it: a supervisor.
            note: Why.
            version: See :meth:`move`.

        Raises:
            ConflictError, ForbiddenError, QueueError: See :meth:`move`.
        """
        return self._change(
            case_id,
            lambda case: adjustments.extend(case, due, _actor(by), note, self._limits),
            note,
            version,
        )

    def note(
        self,
        case_id: int,
        by: str | Actor,
        text: str = "",
        *,
        evidence: Attachment | None = None,
        version: int | None = None,
    ) -> Case:
        """Add a note, a package of evidence or both to a case in any state.

        Args:
            case_id: The case's number.
            by: Who writes it.
            text: The note.
            evidence: A finished package that joins the case's evidence.
            version: See :meth:`move`.

        Raises:
            ConflictError, ForbiddenError, QueueError: See :meth:`move`.
        """
        data = {} if evidence is None else evidence.data()
        return self._change(
            case_id,
            lambda case: adjustments.note(case, _actor(by), text, data),
            text,
            version,
            evidence,
        )

    def set_priority(
        self,
        case_id: int,
        priority: str,
        by: str | Actor,
        note: str = "",
        *,
        version: int | None = None,
    ) -> Case:
        """Make a case more or less urgent; its deadlines move with the limits.

        Args:
            case_id: The case's number.
            priority: ``"urgent"``, ``"normal"`` or ``"deferrable"``.
            by: Who decides.
            note: Why.
            version: See :meth:`move`.

        Raises:
            ConflictError, ForbiddenError, QueueError: See :meth:`move`.
        """
        try:
            chosen = Priority(priority)
        except ValueError:
            known = ", ".join(Priority)
            raise QueueError(f"there is no priority {priority!r}; known: {known}") from None
        return self._change(
            case_id,
            lambda case: adjustments.set_priority(case, chosen, _actor(by), note, self._limits),
            note,
            version,
        )

    def withdraw(self, case_id: int, reason: Callable[[Case], str | None]) -> bool:
        """Withdraw an open case without an officer, if there is a reason.

        Args:
            case_id: The case's number.
            reason: Returns why the case is withdrawn, or ``None``; called while the case is locked.

        Returns:
            Whether the case was withdrawn; ``False`` if it was not open, or without a reason.

        Raises:
            QueueError: There is no such case.
        """
        with self._store.writing() as connection:
            case = LockedCase(connection, lock_case(connection, case_id), self._clock())
            note = reason(case_of(case.row)) if case.state in OPEN_STATES else None
            if not note:
                return False
            take_step(case, Move(action=Action.WITHDRAW, by=ENGINE, note=note), self._limits)
            return True

    def suggest(self, case_id: int) -> Assignment | None:
        """The department and the team that are responsible for a case by its class and place.

        Returns:
            The assignment; ``None`` where neither the class nor an area names a department.

        Raises:
            QueueError: There is no such case.
        """
        with self._store.reading() as connection:
            return self._responsible(need_case(connection, case_id))

    def next_assignment(
        self, case: Case, to: str | None, team: str | None = None, officer: str | None = None
    ) -> Assignment:
        """Who gets a case: what was given, completed by who has it, else by who is responsible.

        Args:
            case: The case.
            to: The department, if one was given.
            team: The team, if one was given.
            officer: The person, if one was given.

        Raises:
            QueueError: No one has the case, and no one is responsible.
        """
        if to is not None:
            return Assignment(to, team, officer)
        now = case.handling
        if now.department is not None:
            return Assignment(now.department, team or now.team, officer)
        found = self.suggest(case.id)
        if found is None:
            raise QueueError(f"case {case.id} has no department, and none is responsible: name one")
        return Assignment(found.department, team or found.team, officer)

    def sighting(self, case_id: int) -> Sighting:
        """What the camera of a case knows of its thing, for the verification.

        Raises:
            QueueError: There is no such case.
        """
        with self._store.reading() as connection:
            return sighting_of(connection, need_case(connection, case_id))

    def attachment(self, name: str) -> FiledEvidence | None:
        """What was recorded of a package that a person added; ``None`` if no case names it."""
        with self._store.reading() as connection:
            return find_attachment(connection, name)

    def _change(
        self,
        case_id: int,
        change: Callable[[LockedCase], None],
        note: str = "",
        version: int | None = None,
        evidence: Attachment | None = None,
    ) -> Case:
        """Change a case in one transaction, and return it."""
        check_note(note)
        with self._store.writing() as connection:
            case = LockedCase.of(connection, case_id, self._clock())
            check_version(case, version)
            change(case)
            if evidence is not None:
                attach(case, evidence)
            return case_of(need_case(connection, case_id))

    def _responsible(self, row: Row[Any]) -> Assignment | None:
        return responsible(
            self._organisation,
            row.kind,
            self._department(row.kind),
            row.geometry,
            zone=row.zone,
            source=row.source,
        )

    def _area(self, row: dict[str, Any]) -> str | None:
        """Name of the area of responsibility of a new case, from its row of table ``cases``."""
        if self._organisation is None:
            return None
        area = area_of(
            self._organisation,
            row["kind"],
            self._department(row["kind"]),
            row["geometry"],
            zone=row["zone"],
            source=row["source"],
        )
        return None if area is None else area.name

    def _department(self, kind: str) -> str | None:
        """Department of a kind's class; ``None`` for a kind that the taxonomy no longer has."""
        return self._taxonomy.classify(kind).department if kind in self._taxonomy.kinds else None


def _actor(by: str | Actor) -> Actor:
    return Actor(by) if isinstance(by, str) else by
