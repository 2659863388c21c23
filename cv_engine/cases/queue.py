"""Queue: cases behind one door, each filed exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases import validation as door
from cv_engine.cases.case import OPEN_STATES, Case, Entry, Event, State, check_transition
from cv_engine.cases.errors import QueueError
from cv_engine.cases.export import export
from cv_engine.cases.filter import Filter, count_cases, select_cases
from cv_engine.cases.rows import (
    case_of,
    entry_of,
    find_finding,
    finding_data,
    grow,
    hold_place,
    lock_case,
    need_case,
    need_finding,
    record,
    same_case,
    set_case,
    time_text,
)
from cv_engine.cases.site import SITE_GAP_M
from cv_engine.cases.store import Store
from cv_engine.cases.tables import cases, findings, history
from cv_engine.cases.taxonomy import Taxonomy, load_taxonomy
from cv_engine.finding import Finding

_ENGINE = "cv-engine"  # who did what no officer did
_ROWS_AT_ONCE = 1000  # of a stream: some megabytes of memory, few round trips
_NEEDS_REASON = frozenset({State.REJECTED, State.WITHDRAWN})


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of a finding.

    Attributes:
        case_id: The case's number.
        outcome: ``"new"``: it opened the case; ``"joined"``: it was added to an open case of the
            same thing; ``"known"``: it had been filed before, nothing changed.
    """

    case_id: int
    outcome: Literal["new", "known", "joined"]


def _now() -> datetime:
    return datetime.now(UTC)


def open_queue(
    where: str | Path,
    *,
    clock: Callable[[], datetime] = _now,
    taxonomy: Taxonomy | None = None,
) -> Queue:
    """Open a queue, make it where it is missing, and bring its schema up to date.

    Any number of processes may have the same queue open, and open it at once.

    Args:
        where: Path of a SQLite file, or a ``postgresql://`` URL.
        clock: Gives the time that histories record (timezone-aware).
        taxonomy: The catalogue that cases are classed by; the packaged one where ``None``.

    Raises:
        QueueError: It cannot be opened; the message says why and what to do.
    """
    return Queue(Store(where), clock, load_taxonomy() if taxonomy is None else taxonomy)


class Queue:
    """The cases of a city; made by :func:`open_queue`.

    Every method is one transaction: done and durable when it returns, or not done at all. All
    raise ``QueueError`` where the store fails (disk full, server gone).
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], taxonomy: Taxonomy) -> None:
        self._store = store
        self._clock = clock
        self._taxonomy = taxonomy

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the store go."""
        self._store.close()

    def file(
        self,
        finding: Finding,
        *,
        missed: timedelta = timedelta(0),
        gap_m: float = SITE_GAP_M,
    ) -> Filed:
        """File a finding: the only way into the queue, and idempotent by the finding's key.

        A finding that overlaps an open case of its kind, source and zone in time (both were there
        at one moment) and in place (see :func:`~cv_engine.cases.overlap.same_place`) joins it; of
        several the closest, then the oldest. Its key is remembered. A building site joins by place
        alone, and its case grows by it (see :mod:`cv_engine.cases.site`).

        Args:
            finding: What was found.
            missed: How long before the finding's start nobody was looking: it stood there already
                when the looking began, so that a case last seen up to so long before, and not known
                to have left, is of the same thing.
            gap_m: How far apart parts of one building site may lie, in metres.

        Raises:
            QueueError: The finding is unfit: its kind is not in the taxonomy, its geometry is not
                in degrees, its attributes are no JSON.
        """
        row = door.case_row(finding, self._taxonomy)
        with self._store.writing() as connection:
            hold_place(connection, finding)
            known = find_finding(connection, finding.key)
            if known is not None:
                self._add_evidence(connection, known, row["evidence"])
                return Filed(known.case_id, "known")
            same = same_case(connection, finding, missed, gap_m)
            if same is None:
                case_id = self._open_case(connection, row)
            else:
                case_id = same.id
                self._join(connection, same, row)
            connection.execute(
                findings.insert().values(
                    case_id=case_id,
                    **{name: row[name] for name in ("key", "began", "observed", "evidence")},
                )
            )
            return Filed(case_id, "new" if same is None else "joined")

    def seen(self, key: str, at: datetime) -> None:
        """Record that the thing of a finding is still there; idempotent, and not in the history.

        Args:
            key: The finding's key.
            at: When it was last seen (timezone-aware); an earlier time than is known changes nothing.

        Raises:
            QueueError: The key was never filed, or ``at`` has no time zone.
        """
        if at.tzinfo is None:
            raise QueueError("the time of seeing has no time zone")
        with self._store.writing() as connection:
            case = lock_case(connection, need_finding(connection, key).case_id)
            if at > case.observed:
                set_case(connection, case.id, observed=at)

    def left(self, key: str, at: datetime, note: str = "") -> bool:
        """Record that the thing of a finding is gone and when it was last seen; idempotent.

        The case's state does not change: what follows from it is the rules' business.

        Args:
            key: The finding's key.
            at: When it was last seen (timezone-aware); a later time replaces an earlier one.
            note: How that is known; goes into the history.

        Returns:
            Whether this was news.

        Raises:
            QueueError: The key was never filed, or ``at`` has no time zone or lies before the
                finding's start.
        """
        if at.tzinfo is None:
            raise QueueError("the time of leaving has no time zone")
        with self._store.writing() as connection:
            row = need_finding(connection, key)
            if at < row.began:
                raise QueueError(
                    f"finding {key} cannot have left at {at.isoformat()}: it began later, at "
                    f"{row.began.isoformat()}"
                )
            if row.left_at is not None and row.left_at >= at:
                return False
            case = lock_case(connection, row.case_id)
            # Gone at the earliest when any finding of the case last saw it.
            gone = max(at, case.observed, case.left_at or at)
            set_case(connection, row.case_id, observed=gone, left_at=gone)
            connection.execute(findings.update().where(findings.c.key == key).values(left_at=at))
            data = {"key": key, "at": time_text(at)}
            self._record(connection, row.case_id, Event.LEFT, note=note, data=data)
            return True

    def remember_evidence(self, key: str, evidence: str) -> bool:
        """Name the evidence folder of a finding that was filed without one; idempotent.

        Args:
            key: The finding's key.
            evidence: The folder's name under the data folder's ``evidence/``.

        Returns:
            Whether this was news.

        Raises:
            QueueError: The key was never filed, or the finding has another evidence folder.
        """
        name = door.check_evidence(evidence)
        with self._store.writing() as connection:
            row = need_finding(connection, key)
            if row.evidence is not None and row.evidence != name:
                raise QueueError(
                    f"finding {key} has its evidence in {row.evidence!r}: it cannot be {name!r}"
                )
            return self._add_evidence(connection, row, name)

    def evidence_of(self, key: str) -> str | None:
        """The evidence folder of a finding; ``None`` if it has none, or was never filed."""
        statement = sa.select(findings.c.evidence).where(findings.c.key == key)
        with self._store.reading() as connection:
            return connection.execute(statement).scalar_one_or_none()

    def get(self, case_id: int) -> Case:
        """The case of a number.

        Raises:
            QueueError: There is no such case.
        """
        with self._store.reading() as connection:
            return case_of(need_case(connection, case_id))

    def history(self, case_id: int) -> list[Entry]:
        """Everything that happened to a case, oldest first.

        Raises:
            QueueError: There is no such case.
        """
        statement = history.select().where(history.c.case_id == case_id).order_by(history.c.id)
        with self._store.reading() as connection:
            need_case(connection, case_id)
            return [entry_of(row) for row in connection.execute(statement)]

    def evidence(self, case_id: int) -> list[str]:
        """Evidence folders of all findings of a case, by when the findings began.

        Raises:
            QueueError: There is no such case.
        """
        statement = (
            sa.select(findings.c.evidence)
            .where(findings.c.case_id == case_id, findings.c.evidence.is_not(None))
            .order_by(findings.c.began, findings.c.key)
        )
        with self._store.reading() as connection:
            need_case(connection, case_id)
            return list(dict.fromkeys(connection.execute(statement).scalars()))

    def cases(self, wanted: Filter | None = None) -> list[Case]:
        """The cases that a filter asks for, newest first."""
        return list(self.each(wanted))

    def each(self, wanted: Filter | None = None) -> Iterator[Case]:
        """The cases that a filter asks for, newest first, without holding them all in memory."""
        with self._store.reading() as connection:
            streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
            for row in streaming.execute(select_cases(connection, wanted or Filter())):
                yield case_of(row)

    def count(self, wanted: Filter | None = None) -> int:
        """How many cases a filter matches, whatever its limit and offset."""
        with self._store.reading() as connection:
            return count_cases(connection, wanted or Filter())

    def export(self, wanted: Filter | None = None, form: str = "geojson") -> Iterator[str]:
        """The cases that a filter asks for as pieces of a ``"geojson"`` or ``"csv"`` file."""
        return export(self.each(wanted), form)

    def confirm(self, case_id: int, by: str, note: str = "") -> Case:
        """An officer confirms that it is a violation; see :meth:`move`."""
        return self.move(case_id, State.CONFIRMED, by, note)

    def reject(self, case_id: int, by: str, reason: str) -> Case:
        """An officer says that it is none, and why; see :meth:`move`."""
        return self.move(case_id, State.REJECTED, by, reason)

    def move(self, case_id: int, to: State, by: str, note: str = "") -> Case:
        """Turn a case into another state.

        Args:
            case_id: The case's number.
            to: The new state.
            by: Who does it; goes into the history.
            note: Why; needed to reject and to withdraw.

        Returns:
            The case as it is afterwards.

        Raises:
            QueueError: There is no such case, the process does not allow it, or ``by`` or a
                needed reason is missing.
        """
        if not by.strip():
            raise QueueError("say who does it: the history names the officer")
        if to in _NEEDS_REASON and not note.strip():
            raise QueueError(f"say why: a case becomes {to.value} with a reason only")
        if "\0" in by + note:
            raise QueueError("names and notes cannot hold a NUL character")
        with self._store.writing() as connection:
            now = State(lock_case(connection, case_id).state)
            self._turn(connection, case_id, now, to, by, note)
            return case_of(need_case(connection, case_id))

    def withdraw(self, case_id: int, reason: Callable[[Case], str | None]) -> bool:
        """Withdraw an open case, if there is a reason to, without an officer.

        Args:
            case_id: The case's number.
            reason: Says why the case falls, or ``None``; asked while nobody can change the case.

        Returns:
            Whether it was withdrawn; ``False`` where it was not open, or there was no reason.

        Raises:
            QueueError: There is no such case.
        """
        with self._store.writing() as connection:
            row = lock_case(connection, case_id)
            now = State(row.state)
            note = reason(case_of(row)) if now in OPEN_STATES else None
            if not note:
                return False
            self._turn(connection, case_id, now, State.WITHDRAWN, _ENGINE, note)
            return True

    def _turn(
        self, connection: Connection, case_id: int, now: State, to: State, by: str, note: str
    ) -> None:
        check_transition(case_id, now, to)
        set_case(connection, case_id, state=to.value)
        states = {"from_state": now.value, "to_state": to.value}
        self._record(connection, case_id, Event.STATE, by=by, note=note, **states)

    def _open_case(self, connection: Connection, row: dict[str, Any]) -> int:
        insert = cases.insert().values(filed_at=self._clock(), **row).returning(cases.c.id)
        case_id = int(connection.execute(insert).scalar_one())
        state, data = State.REPORTED.value, finding_data(row)
        self._record(connection, case_id, Event.FILED, to_state=state, data=data)
        return case_id

    def _join(self, connection: Connection, case: Row[Any], row: dict[str, Any]) -> None:
        observed = max(case.observed, row["observed"])
        back = case.left_at is not None and case.left_at < observed
        set_case(
            connection,
            case.id,
            began=min(case.began, row["began"]),
            observed=observed,
            left_at=None if back else case.left_at,
            confidence=max(case.confidence, row["confidence"]),
            evidence=case.evidence or row["evidence"],
        )
        grow(connection, case, row)
        self._record(connection, case.id, Event.JOINED, data=finding_data(row))

    def _add_evidence(self, connection: Connection, known: Row[Any], name: str | None) -> bool:
        if name is None or known.evidence is not None:
            return False
        case = lock_case(connection, known.case_id)
        connection.execute(
            findings.update().where(findings.c.key == known.key).values(evidence=name)
        )
        if case.evidence is None:
            set_case(connection, case.id, evidence=name)
        data = {"key": known.key, "evidence": name}
        self._record(connection, case.id, Event.EVIDENCE, data=data)
        return True

    def _record(
        self, connection: Connection, case_id: int, event: Event, by: str = _ENGINE, **values: Any
    ) -> None:
        record(connection, case_id, event, at=self._clock(), by=by, **values)
