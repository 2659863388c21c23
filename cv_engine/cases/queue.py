"""The queue: all cases behind one entry point, each filed exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import OPEN_STATES, Case, Entry, Event, State, check_transition
from cv_engine.cases.errors import QueueError
from cv_engine.cases.export import export
from cv_engine.cases.filed import Filed, FiledEvidence
from cv_engine.cases.filter import Filter, count_cases, select_cases
from cv_engine.cases.rows import (
    add_evidence,
    case_of,
    entry_of,
    find_finding,
    finding_data,
    grow,
    last_digest,
    lock_case,
    lock_place,
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
from cv_engine.cases.validation import case_row, check_evidence
from cv_engine.finding import Finding

_ENGINE = "cv-engine"  # the name in the history where no officer acted
_ROWS_AT_ONCE = 1000  # of a stream: some megabytes of memory, few round trips
_NEEDS_REASON = frozenset({State.REJECTED, State.WITHDRAWN})


def _now() -> datetime:
    return datetime.now(UTC)


def open_queue(
    where: str | Path,
    *,
    clock: Callable[[], datetime] = _now,
    taxonomy: Taxonomy | None = None,
) -> Queue:
    """Open a queue, create it if missing, and bring its schema up to date.

    Any number of processes may open the same queue, also at the same time.

    Args:
        where: Path of a SQLite file, or a ``postgresql://`` URL.
        clock: Returns the time that histories record (timezone-aware).
        taxonomy: The catalogue of the cases' classes; the packaged one if ``None``.

    Raises:
        QueueError: The queue cannot be opened; the message says why and what to do.
    """
    return Queue(Store(where), clock, load_taxonomy() if taxonomy is None else taxonomy)


class Queue:
    """The cases of a city; made by :func:`open_queue`.

    Every method is one transaction: complete and durable when the method returns, or without
    effect. All methods raise ``QueueError`` if the store fails (disk full, server unreachable).
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
        """Close the store."""
        self._store.close()

    def file(
        self,
        finding: Finding,
        *,
        missed: timedelta = timedelta(0),
        gap_m: float = SITE_GAP_M,
        evidence_sha256: str | None = None,
    ) -> Filed:
        """File a finding: the only entry point of the queue, idempotent by the finding's key.

        A finding joins an open case of the same kind, source and zone if the two overlap in time
        (both were there at one moment) and in place (see
        :func:`~cv_engine.cases.overlap.same_place`); of several cases the closest, then the oldest.
        A building site joins by place alone, and the case grows by the finding's ground (see
        :mod:`cv_engine.cases.site`).

        Args:
            finding: The finding.
            missed: Time without samples before the finding's start, in which the thing may have
                been there. A case last seen within this time, and not known to have left, is then
                taken for a case of the same thing.
            gap_m: Largest distance of two parts of one building site, in metres.
            evidence_sha256: Digest (hex) of the evidence's manifest, which the history keeps: what
                is in the evidence folder later can be compared with what was filed.

        Raises:
            QueueError: The finding is invalid: the kind is not in the taxonomy, the geometry is
                not in degrees, or the attributes are not JSON.
        """
        row = case_row(finding, self._taxonomy)
        with self._store.writing() as connection:
            lock_place(connection, finding)
            known = find_finding(connection, finding.key)
            if known is not None:
                name, at = row["evidence"], self._clock()
                add_evidence(connection, known, name, evidence_sha256, at=at, by=_ENGINE)
                return Filed(known.case_id, "known")
            same = same_case(connection, finding, missed, gap_m)
            data = finding_data(row, evidence_sha256)
            if same is None:
                case_id = self._open_case(connection, row, data)
            else:
                case_id = same.id
                self._join(connection, same, row, data)
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
            at: When the thing was last seen (timezone-aware); a time before the recorded one
                changes nothing.

        Raises:
            QueueError: The key was never filed, or ``at`` has no time zone.
        """
        if at.tzinfo is None:
            raise QueueError("the time at which the thing was seen has no time zone")
        with self._store.writing() as connection:
            case = lock_case(connection, need_finding(connection, key).case_id)
            if at > case.observed:
                set_case(connection, case.id, observed=at)

    def left(self, key: str, at: datetime, note: str = "") -> bool:
        """Record that the thing of a finding is gone, and when it was last seen; idempotent.

        The case's state does not change: the rules decide what follows.

        Args:
            key: The finding's key.
            at: When the thing was last seen (timezone-aware); a later time replaces an earlier one.
            note: How the departure is known; recorded in the history.

        Returns:
            Whether the record changed.

        Raises:
            QueueError: The key was never filed, or ``at`` has no time zone or lies before the
                finding's start.
        """
        if at.tzinfo is None:
            raise QueueError("the time at which the thing left has no time zone")
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
            # The thing is not gone before any finding of the case last saw it.
            gone = max(at, case.observed, case.left_at or at)
            set_case(connection, row.case_id, observed=gone, left_at=gone)
            connection.execute(findings.update().where(findings.c.key == key).values(left_at=at))
            data = {"key": key, "at": time_text(at)}
            self._record(connection, row.case_id, Event.LEFT, note=note, data=data)
            return True

    def remember_evidence(self, key: str, evidence: str) -> bool:
        """Add the evidence folder of a finding that was filed without one; idempotent.

        Args:
            key: The finding's key.
            evidence: The folder's name under the data folder's ``evidence/``.

        Returns:
            Whether the record changed.

        Raises:
            QueueError: The key was never filed, or the finding has another evidence folder.
        """
        name = check_evidence(evidence)
        with self._store.writing() as connection:
            row = need_finding(connection, key)
            if row.evidence is not None and row.evidence != name:
                raise QueueError(
                    f"finding {key} has its evidence in {row.evidence!r}: it cannot be {name!r}"
                )
            return add_evidence(connection, row, name, None, at=self._clock(), by=_ENGINE)

    def evidence_of(self, key: str) -> str | None:
        """The evidence folder of a finding; ``None`` without evidence or if never filed."""
        statement = sa.select(findings.c.evidence).where(findings.c.key == key)
        with self._store.reading() as connection:
            return connection.execute(statement).scalar_one_or_none()

    def filed_evidence(self, key: str) -> FiledEvidence | None:
        """What was filed as the evidence of a finding; ``None`` if the finding was never filed."""
        statement = findings.select().where(findings.c.key == key)
        with self._store.reading() as connection:
            row = connection.execute(statement).one_or_none()
            if row is None:
                return None
            return FiledEvidence(row.case_id, row.evidence, last_digest(connection, row))

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
        """Evidence folders of all findings of a case, in order of the findings' start.

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
        """The cases that match a filter, newest first."""
        return list(self.each(wanted))

    def each(self, wanted: Filter | None = None) -> Iterator[Case]:
        """The cases that match a filter, newest first, read one at a time."""
        with self._store.reading() as connection:
            streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
            for row in streaming.execute(select_cases(connection, wanted or Filter())):
                yield case_of(row)

    def count(self, wanted: Filter | None = None) -> int:
        """Number of cases that match a filter, regardless of its limit and offset."""
        with self._store.reading() as connection:
            return count_cases(connection, wanted or Filter())

    def export(self, wanted: Filter | None = None, form: str = "geojson") -> Iterator[str]:
        """The cases that match a filter as pieces of a ``"geojson"`` or ``"csv"`` file."""
        return export(self.each(wanted), form)

    def confirm(self, case_id: int, by: str, note: str = "") -> Case:
        """Confirm a violation, by an officer; see :meth:`move`."""
        return self.move(case_id, State.CONFIRMED, by, note)

    def reject(self, case_id: int, by: str, reason: str) -> Case:
        """Reject a case, by an officer, with the reason; see :meth:`move`."""
        return self.move(case_id, State.REJECTED, by, reason)

    def move(self, case_id: int, to: State, by: str, note: str = "") -> Case:
        """Change a case's state.

        Args:
            case_id: The case's number.
            to: The new state.
            by: Who changes the state; recorded in the history.
            note: The reason; required to reject and to withdraw.

        Returns:
            The case after the change.

        Raises:
            QueueError: There is no such case, the process does not allow the change, or ``by`` or
                a required reason is missing.
        """
        if not by.strip():
            raise QueueError("name the officer who decides: the history records the name")
        if to in _NEEDS_REASON and not note.strip():
            raise QueueError(f"give a reason: a case becomes {to.value} only with a reason")
        if "\0" in by + note:
            raise QueueError("names and notes cannot hold a NUL character")
        with self._store.writing() as connection:
            now = State(lock_case(connection, case_id).state)
            self._change_state(connection, case_id, now, to, by, note)
            return case_of(need_case(connection, case_id))

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
            row = lock_case(connection, case_id)
            now = State(row.state)
            note = reason(case_of(row)) if now in OPEN_STATES else None
            if not note:
                return False
            self._change_state(connection, case_id, now, State.WITHDRAWN, _ENGINE, note)
            return True

    def _change_state(
        self, connection: Connection, case_id: int, now: State, to: State, by: str, note: str
    ) -> None:
        check_transition(case_id, now, to)
        set_case(connection, case_id, state=to.value)
        states = {"from_state": now.value, "to_state": to.value}
        self._record(connection, case_id, Event.STATE, by=by, note=note, **states)

    def _open_case(self, connection: Connection, row: dict[str, Any], data: dict[str, Any]) -> int:
        insert = cases.insert().values(filed_at=self._clock(), **row).returning(cases.c.id)
        case_id = int(connection.execute(insert).scalar_one())
        state = State.REPORTED.value
        self._record(connection, case_id, Event.FILED, to_state=state, data=data)
        return case_id

    def _join(
        self, connection: Connection, case: Row[Any], row: dict[str, Any], data: dict[str, Any]
    ) -> None:
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
        self._record(connection, case.id, Event.JOINED, data=data)

    def _record(
        self, connection: Connection, case_id: int, event: Event, by: str = _ENGINE, **values: Any
    ) -> None:
        record(connection, case_id, event, at=self._clock(), by=by, **values)
