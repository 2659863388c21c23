"""The queue: all cases behind one entry point, each filed exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from cv_engine.cases.attention import Attended, attend
from cv_engine.cases.case import Case, Entry, Event
from cv_engine.cases.changes import LockedCase, add_evidence, open_case
from cv_engine.cases.database.prepared import Prepared
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import findings, history
from cv_engine.cases.dispatch.attachment import attached_to
from cv_engine.cases.dispatch.organisation import Organisation
from cv_engine.cases.errors import QueueError
from cv_engine.cases.export import export
from cv_engine.cases.filing.filed import Filed, FiledEvidence
from cv_engine.cases.filing.joining import grown, lock_place, same_case
from cv_engine.cases.filing.site import SITE_GAP_M
from cv_engine.cases.filing.validation import case_row, check_evidence
from cv_engine.cases.filter import Filter, count_cases, select_cases
from cv_engine.cases.lifecycle import State
from cv_engine.cases.process import Process
from cv_engine.cases.rows import (
    case_of,
    entry_of,
    find_finding,
    finding_data,
    need_case,
    need_finding,
    time_text,
)
from cv_engine.cases.stages import Limits, NoLimits, entered
from cv_engine.cases.taxonomy import Priority, Stage, Taxonomy, load_taxonomy
from cv_engine.finding import Finding

_ROWS_AT_ONCE = 1000  # of a stream: some megabytes of memory, few round trips

_INSERT_FINDING = Prepared(findings.insert(), [column.name for column in findings.columns])


def _now() -> datetime:
    return datetime.now(UTC)


def open_queue(
    where: str | Path,
    *,
    clock: Callable[[], datetime] = _now,
    taxonomy: Taxonomy | None = None,
    limits: Limits | None = None,
    organisation: Organisation | None = None,
) -> Queue:
    """Open a queue, create it if missing, and bring its schema up to date.

    Any number of processes may open the same queue, also at the same time.

    Args:
        where: Path of a SQLite file, or a ``postgresql://`` URL.
        clock: Returns the time that histories record (timezone-aware).
        taxonomy: The catalogue of the cases' classes; the packaged one if ``None``.
        limits: The time limits of the stages; none if ``None``.
        organisation: Departments and areas of responsibility; none if ``None``.

    Raises:
        QueueError: The queue cannot be opened; the message says why and what to do.
    """
    taxonomy = load_taxonomy() if taxonomy is None else taxonomy
    return Queue(Store(where), clock, taxonomy, limits or NoLimits(), organisation)


class Queue(Process):
    """The cases of a city; made by :func:`open_queue`.

    Every method is one transaction: complete and durable when the method returns, or without
    effect. All methods raise ``QueueError`` if the store fails (disk full, server unreachable).
    """

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
        :func:`~cv_engine.cases.filing.overlap.same_place`); of several cases the closest, then the
        oldest. A building site joins by place alone, and the case grows by the finding's ground
        (see :mod:`cv_engine.cases.filing.site`).

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
            known, at = find_finding(connection, finding.key), self._clock()
            if known is not None:
                add_evidence(connection, known, row["evidence"], evidence_sha256, at)
                return Filed(known.case_id, "known")
            same = same_case(connection, finding, missed, gap_m)
            data = finding_data(row, evidence_sha256)
            if same is None:
                row |= {"area": self._area(row), **self._deadlines(row, at)}
                case_id = open_case(connection, row, data, at)
            else:
                case_id = same.id
                _join(LockedCase(connection, same, at), row, data)
            kept = {name: row[name] for name in ("key", "began", "observed", "evidence")}
            kept |= {"case_id": case_id, "gone_at": None, "evidence_sha256": evidence_sha256}
            _INSERT_FINDING.run(connection, kept)
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
            case_id = need_finding(connection, key).case_id
            case = LockedCase.of(connection, case_id, self._clock())
            if at > case.row.observed:
                case.set(observed=at)

    def gone(self, key: str, at: datetime, note: str = "") -> bool:
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
            if row.gone_at is not None and row.gone_at >= at:
                return False
            connection.execute(findings.update().where(findings.c.key == key).values(gone_at=at))
            case = LockedCase.of(connection, row.case_id, self._clock())
            # The thing is not gone before any finding of the case last saw it.
            gone = max(at, case.row.observed, case.row.gone_at or at)
            data = {"key": key, "at": time_text(at)}
            case.record(Event.GONE, note=note, data=data, observed=gone, gone_at=gone)
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
            return add_evidence(connection, row, name, None, self._clock())

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
            return FiledEvidence(row.case_id, row.evidence, row.evidence_sha256)

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
        statement = history.select().where(history.c.case_id == case_id).order_by(history.c.seq)
        with self._store.reading() as connection:
            need_case(connection, case_id)
            return [entry_of(row) for row in connection.execute(statement)]

    def evidence(self, case_id: int) -> list[str]:
        """Evidence folders of a case: those of its findings by their start, then people's own.

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
            found = connection.execute(statement).scalars()
            return list(dict.fromkeys([*found, *attached_to(connection, case_id)]))

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

    def attend(self) -> Attended:
        """Warn of deadlines, escalate those that have passed, and resume what was deferred.

        Any number of processes may call it, at any time; nothing is done twice.
        """
        return attend(self._store, self._limits, self._clock())

    def _deadlines(self, row: dict[str, Any], at: datetime) -> dict[str, Any]:
        """The deadlines of a new case, as columns of table ``cases``."""
        kind, urgent = row["kind"], row["priority"] == Priority.URGENT
        return {
            **entered(self._limits, kind, State.REPORTED, at, urgent=urgent),
            "close_due_at": self._limits.due(kind, Stage.CLOSE, at, urgent=urgent),
        }


def _join(case: LockedCase, row: dict[str, Any], data: dict[str, Any]) -> None:
    """Let a case grow by a finding."""
    known = case.row
    observed = max(known.observed, row["observed"])
    back = known.gone_at is not None and known.gone_at < observed
    case.record(
        Event.JOINED,
        data=data,
        began=min(known.began, row["began"]),
        observed=observed,
        gone_at=None if back else known.gone_at,
        confidence=max(known.confidence, row["confidence"]),
        evidence=known.evidence or row["evidence"],
        **grown(case.connection, known, row),
    )
