"""Reading the queue: cases, their histories, findings and evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.case import Case, Entry, Event
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import findings, history
from cv_engine.cases.dispatch.attachment import attached_to
from cv_engine.cases.filing.filed import FiledEvidence, FiledFinding
from cv_engine.cases.filter import Filter, count_cases, select_cases
from cv_engine.cases.lifecycle import State
from cv_engine.cases.removal.purging import Purged, find_purged
from cv_engine.cases.rows import case_of, entry_of, finding_of, findings_of, need_case

# States from which a step to confirmed or rejected is a verdict, not another step of the process.
_UNDECIDED = frozenset({State.REPORTED, State.APPEALED})
_ROWS_AT_ONCE = 1000  # of a stream: some megabytes of memory, few round trips


class QueueReader:
    """What a queue tells; every method reads one state of the database."""

    _store: Store

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

        What people added to a case that has merged since is listed where the first finding of that
        case is now: a split that takes the merge back takes the photos back, too.

        Raises:
            QueueError: There is no such case.
        """
        with self._store.reading() as connection:
            need_case(connection, case_id)
            return list(packages_of(connection, case_id))

    def purged(self, name: str) -> Purged | None:
        """What is left of an evidence package that was deleted; ``None`` if it was not."""
        with self._store.reading() as connection:
            return find_purged(connection, name)

    def findings(self, case_id: int) -> list[FiledFinding]:
        """The findings of a case, in order of their start.

        Raises:
            QueueError: There is no such case.
        """
        with self._store.reading() as connection:
            need_case(connection, case_id)
            return [finding_of(row) for row in findings_of(connection, case_id)]

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

    def verdicts(self, numbers: Sequence[int]) -> dict[int, Entry]:
        """The last verdict on each of some cases: confirmed or rejected, and not taken back.

        Args:
            numbers: Numbers of cases, some hundreds at a time.

        Returns:
            The entry of the history by the case's number; none for cases without a verdict.
        """
        steps = (State.CONFIRMED, State.REJECTED, State.REPORTED)
        statement = history.select().where(
            history.c.case_id.in_(list(numbers)),
            history.c.event == Event.STATE.value,
            history.c.to_state.in_([step.value for step in steps]),
        )
        found: dict[int, Entry] = {}
        with self._store.reading() as connection:
            for row in connection.execute(statement.order_by(history.c.case_id, history.c.seq)):
                entry = entry_of(row)
                if entry.to_state is State.REPORTED:
                    found.pop(entry.case_id, None)
                elif entry.from_state in _UNDECIDED:
                    found[entry.case_id] = entry
        return found


def packages_of(connection: Connection, case_id: int) -> dict[str, str | None]:
    """The evidence packages of a case, as :meth:`QueueReader.evidence` lists them.

    Returns:
        The digest of each package's manifest by its name; ``None`` where none was recorded.
    """
    filed = findings_of(connection, case_id)
    found = {row.evidence: row.evidence_sha256 for row in filed if row.evidence is not None}
    for number in _absorbed(connection, case_id, {row.key for row in filed}):
        for name, sha256 in attached_to(connection, number):
            found.setdefault(name, sha256)
    return found


def _absorbed(connection: Connection, case_id: int, keys: Set[str]) -> list[int]:
    """Numbers of a case and of the merged ones whose first finding the case has."""
    told, absorbed = [case_id], [case_id]
    for number in told:  # which grows meanwhile
        entries = sa.select(history.c.event, history.c.data).where(
            history.c.case_id == number,
            history.c.event.in_([Event.FILED.value, Event.MERGED.value]),
        )
        for event, data in connection.execute(entries.order_by(history.c.seq)):
            if event == Event.MERGED:
                other = data["case"]
                if other not in absorbed and keys >= set(data["keys"][:1]):
                    absorbed.append(other)
            else:
                other = data.get("split_from")  # whose merges may be of these findings
            if other is not None and other not in told:
                told.append(other)
    return absorbed
