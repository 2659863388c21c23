"""Reading the queue: cases, their histories, findings and evidence."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.case import Case, Entry, Event
from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import findings, history
from cv_engine.cases.dispatch.attachment import attached_to
from cv_engine.cases.export import export
from cv_engine.cases.filing.filed import FiledEvidence, FiledFinding
from cv_engine.cases.filter import Filter, count_cases, select_cases
from cv_engine.cases.rows import case_of, entry_of, finding_of, findings_of, need_case

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

        What people have added to cases that merged into this one is among them.

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
            added = (
                name
                for number in _with_absorbed(connection, case_id)
                for name in attached_to(connection, number)
            )
            return list(dict.fromkeys([*found, *added]))

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

    def export(self, wanted: Filter | None = None, form: str = "geojson") -> Iterator[str]:
        """The cases that match a filter as pieces of a ``"geojson"`` or ``"csv"`` file."""
        return export(self.each(wanted), form)


def _with_absorbed(connection: Connection, case_id: int) -> list[int]:
    """Numbers of a case and of those that have merged into it, directly or through others."""
    numbers = [case_id]
    for number in numbers:  # which grows meanwhile
        merged = sa.select(history.c.data).where(
            history.c.case_id == number, history.c.event == Event.MERGED.value
        )
        told = connection.execute(merged.order_by(history.c.seq)).scalars()
        numbers += [data["case"] for data in told if data["case"] not in numbers]
    return numbers
