"""The queue: all cases behind one entry point, each filed exactly once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy.engine import Connection

from cv_engine.cases.attention import Attended, attend
from cv_engine.cases.case import Case
from cv_engine.cases.changes import LockedCase, add_evidence
from cv_engine.cases.database.store import Store
from cv_engine.cases.dispatch.organisation import Organisation
from cv_engine.cases.errors import QueueError, StaleError
from cv_engine.cases.filing.entering import NewFinding, Together, file_finding, open_new
from cv_engine.cases.filing.filed import Filed
from cv_engine.cases.filing.opening import Opening
from cv_engine.cases.filing.problem import Presence
from cv_engine.cases.filing.search import Search, read_ahead
from cv_engine.cases.filing.sightings import Sighting, check_time, note_sighting
from cv_engine.cases.filing.site import SITE_GAP_M
from cv_engine.cases.filing.splitting import merge, split
from cv_engine.cases.filing.validation import case_row, check_evidence
from cv_engine.cases.lifecycle import Actor
from cv_engine.cases.process import Process
from cv_engine.cases.reading import QueueReader
from cv_engine.cases.rows import case_of, need_case, need_finding
from cv_engine.cases.stages import Limits, NoLimits
from cv_engine.cases.taxonomy import Recurrence, Taxonomy, load_taxonomy
from cv_engine.finding import Finding

_T = TypeVar("_T")


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


class Queue(Process, QueueReader):
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

        Findings of one kind that were at one place at one time are one problem, directly or through
        others (see :mod:`cv_engine.cases.filing.problem`), and every problem is one case, in
        whatever order its findings are filed. A finding that links several open cases makes them
        one, unless people have acted on more than one of them. A problem that is back after its
        case was closed reopens that case by the kind's rule.

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
        return self._file(self._new(finding, missed, gap_m, evidence_sha256))

    def file_all(self, findings: Sequence[Finding]) -> list[Filed]:
        """File findings that are there together, such as those of an import or of a backlog.

        Cases that nothing else belongs to are opened in one transaction, which takes a third of the
        time; each other finding is filed in its own, as by :meth:`file`. If the process ends before
        the method returns, some are filed and some are not: file them again, which changes nothing
        for those that are.

        Args:
            findings: The findings; some tens at a time, since others wait for places meanwhile.

        Returns:
            For each finding what filing it led to.

        Raises:
            QueueError: A finding is invalid, as for :meth:`file`; nothing is filed.
        """
        news = [self._new(finding) for finding in findings]
        together = Together.of(news, self._opening, self._clock())
        opened = self._transact(
            lambda at, connection: open_new(connection, together),
            lambda connection: read_ahead(connection, together.searches),
        )
        filed = []
        for new in news:
            key = new.search.presence.key
            # Of a finding that is given twice, the second is known.
            filed.append(opened.pop(key) if key in opened else self._file(new))
        return filed

    def check(self, finding: Finding) -> None:
        """Refuse a finding that cannot be filed, without filing it.

        Raises:
            QueueError: The finding is invalid, as for :meth:`file`.
        """
        case_row(finding, self._taxonomy)

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
        self._note(Sighting(key, at))

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
        return self._note(Sighting(key, at, left=True, note=note))

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

        def remember(at: datetime, connection: Connection) -> bool:
            row = need_finding(connection, key)
            if row.evidence is not None and row.evidence != name:
                raise QueueError(
                    f"finding {key} has its evidence in {row.evidence!r}: it cannot be {name!r}"
                )
            return add_evidence(connection, row, name, None, at)

        return self._transact(remember)

    def attend(self) -> Attended:
        """Warn of deadlines, escalate those that have passed, and resume what was deferred.

        Any number of processes may call it, at any time; nothing is done twice.
        """
        return attend(self._store, self._limits, self._clock())

    def merge(
        self,
        case_id: int,
        into: int,
        by: str | Actor,
        note: str = "",
        version: int | None = None,
    ) -> Case:
        """Let another case continue with the findings of a case, which ends as merged.

        Args:
            case_id: Number of the case that ends.
            into: Number of the case that continues, of the same kind.
            by: Who decides, recorded in both histories; a name alone is an officer's.
            note: A note for both histories.
            version: Version of the case that ends, as the person has seen it.

        Returns:
            The case that continues.

        Raises:
            ConflictError: Somebody else has changed the case since that version.
            ForbiddenError: The person's role does not allow it.
            QueueError: A case does not exist or is finished, or the two are of different kinds.
        """
        actor = Actor(by) if isinstance(by, str) else by

        def change(at: datetime, connection: Connection) -> Case:
            merge(connection, (case_id, into), actor, note, version, self._limits, at)
            return case_of(need_case(connection, into))

        return self._transact(change)

    def split(
        self,
        case_id: int,
        keys: Collection[str],
        by: str | Actor,
        note: str = "",
        version: int | None = None,
    ) -> Case:
        """Move findings of a case to a new case of their own; also takes a merge back.

        Place, times, confidence and evidence of both cases are computed from what findings they
        have. Later findings of the same problem join one of the two: cases on which people have
        acted are never merged by the program.

        Args:
            case_id: The case's number.
            keys: Keys of the findings; at least one finding stays.
            by: Who decides, recorded in both histories; a name alone is an officer's.
            note: A note for both histories.
            version: Version of the case that the person has seen.

        Returns:
            The new case, which is reported.

        Raises:
            ConflictError: Somebody else has changed the case since that version.
            ForbiddenError: The person's role does not allow it.
            QueueError: The case does not exist or is finished, has no such finding, or would have
                none left.
        """
        actor = Actor(by) if isinstance(by, str) else by

        def change(at: datetime, connection: Connection) -> Case:
            case = LockedCase.of(connection, case_id, at)
            new = split(case, keys, actor, note, version, self._opening)
            return case_of(need_case(connection, new))

        return self._transact(change)

    def _new(
        self,
        finding: Finding,
        missed: timedelta = timedelta(0),
        gap_m: float = SITE_GAP_M,
        evidence_sha256: str | None = None,
    ) -> NewFinding:
        """A finding with all that filing it needs, made before others have to wait."""
        search = Search(Presence.of(finding, missed), self._recurrence(finding.kind), gap_m)
        return NewFinding(case_row(finding, self._taxonomy), search, evidence_sha256)

    def _file(self, new: NewFinding) -> Filed:
        return self._transact(
            lambda at, connection: file_finding(connection, new, self._opening, at),
            lambda connection: read_ahead(connection, [new.search]),
        )

    def _note(self, sighting: Sighting) -> bool:
        """Record news of a filed finding's thing."""

        def note(at: datetime, connection: Connection) -> bool:
            row = need_finding(connection, sighting.key)
            if sighting.left:
                check_time(row, sighting.at)
            rule = self._recurrence(row.kind)
            return note_sighting(connection, sighting, row, rule, self._opening, at)

        return self._transact(note)

    @property
    def _opening(self) -> Opening:
        """The rules for new cases."""
        return Opening(self._limits, lambda row: self._area(dict(row)))

    def _recurrence(self, kind: str) -> Recurrence:
        """The rule of a kind; of one that is no longer in the taxonomy, that of kinds without."""
        try:
            return self._taxonomy.classify(kind).recurrence
        except QueueError:
            return Recurrence()

    def _transact(
        self,
        change: Callable[[datetime, Connection], _T],
        ahead: Callable[[Connection], object] | None = None,
    ) -> _T:
        """Make a change in one transaction, again where another one was faster."""
        while True:
            try:
                with self._store.writing(ahead) as connection:
                    return change(self._clock(), connection)
            except StaleError:
                continue
