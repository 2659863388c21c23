"""Erasure: what is held about a vehicle is removed at a person's request, with proof.

What the city must keep stays, and is named with the reason: a case on which somebody still has to
act, and a citation for as long as the retention rules keep it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection, Row

from cv_engine.cases import Actor, Queue, Role, State
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.lifecycle import OPEN_STATES
from cv_engine.cases.looks import Look, erase_plate_of_looks, record_look
from cv_engine.cases.plates import PLATE, cases_of_plate
from cv_engine.cases.reading import packages_of
from cv_engine.cases.removal.erasing import Eraser, erase_plate
from cv_engine.cases.removal.purging import record_purge, waiting
from cv_engine.cases.removal.retention import Rules
from cv_engine.cases.rows import findings_of, need_case
from cv_engine.privacy.holder import Holder, Kept
from cv_engine.privacy.purge import Deleter, PurgeReport

#: What the access log, and the record of deleted evidence, call an erasure.
ERASURE = "erasure at a person's request"


@dataclass(slots=True)
class ErasureReport:
    """What an erasure did.

    Attributes:
        cases: Numbers of the cases from which the plate was removed.
        evidence: The packages that were deleted, and those whose files are still there.
        looks: Number of accesses from which the plate was removed.
        records: Number of records that each holder removed, by its name.
        kept: What is kept until a later request, and why.
        beyond: What others hold, such as the city's registries, and whose it is.
    """

    cases: list[int] = field(default_factory=list)
    evidence: PurgeReport = field(default_factory=PurgeReport)
    looks: int = 0
    records: dict[str, int] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    beyond: list[Kept] = field(default_factory=list)


@dataclass(frozen=True)
class Erasing:
    """Erases what is held about vehicles.

    Attributes:
        queue: The cases.
        deleter: Deletes their packages.
        rules: Say how long a citation is kept.
        holders: What else holds data about vehicles.
    """

    queue: Queue
    deleter: Deleter
    rules: Rules
    holders: Sequence[Holder] = ()

    def erase(self, plate: str, by: Actor, why: str, now: datetime) -> ErasureReport:
        """Remove what is held about a plate; run again, it removes what has become free since.

        Every case is a transaction of its own: its findings, attributes, notes and history lose
        the plate, and the packages that show the vehicle are deleted. Kind, place and times of the
        case stay: they say nothing about a person.

        Args:
            plate: The plate, as :func:`cv_engine.plate.normal_plate` writes it.
            by: Who erases: a supervisor.
            why: The reason, such as the number of the person's request.
            now: Present time (timezone-aware).

        Raises:
            ForbiddenError: The person's role does not allow it.
            QueueError: No reason is given, or the queue cannot be read or written.
        """
        by.need(Role.SUPERVISOR, "erase what is held about a plate")
        why = Eraser(plate).text(why)
        record_look(self.queue.store, Look(by.name, by.role, ERASURE, why, now))
        report = ErasureReport()
        with self.queue.store.reading() as connection:
            numbers = cases_of_plate(connection, plate)
            left = waiting(connection)
        self.deleter.delete(left, now, report.evidence)
        for number in numbers:
            self._erase_case(number, plate, by, why, now, report)
        for holder in self.holders:
            removed = holder.erase(plate, now)
            report.records[holder.name] = removed.count
            report.kept += removed.kept
            report.beyond += removed.beyond
        if not report.kept:
            with self.queue.store.writing() as connection:
                report.looks = erase_plate_of_looks(connection, plate)
        return report

    def _erase_case(
        self,
        number: int,
        plate: str,
        by: Actor,
        why: str,
        now: datetime,
        report: ErasureReport,
    ) -> None:
        names: list[str] = []
        with self.queue.store.writing() as connection:
            case = LockedCase.of(connection, number, now)
            reason = self._must_keep(connection, case.row, now)
            if reason is not None:
                report.kept.append(Kept(f"case {number}", reason))
                return
            packages, others = self._packages(connection, case.row, plate)
            if not erase_plate(case, plate, by, why):
                return
            report.cases.append(number)
            if packages:
                names = record_purge(case, packages, ERASURE, by, why)
            report.kept += others
        self.deleter.delete(names, now, report.evidence)

    def _must_keep(self, connection: Connection, row: Row[Any], now: datetime) -> str | None:
        """Why a case must be kept as it is; ``None`` if it need not."""
        while row.merged_into is not None:  # the case that continues with its findings
            row = need_case(connection, row.merged_into)
        state = State(row.state)
        if state in OPEN_STATES:
            return f"it is {state.value}: somebody still has to act on it"
        if state is State.CITED:
            return "the citation is open: it is not closed yet"
        if state is State.CLOSED and row.outcome == "cited":
            until = self.rules.kept_until(row.kind, "cited", row.ended_at)
            if until is not None and until > now:
                return f"it was closed with a citation, which is kept until {until:%Y-%m-%d}"
        return None

    def _packages(
        self, connection: Connection, row: Row[Any], plate: str
    ) -> tuple[dict[str, str | None], list[Kept]]:
        """The packages that show the vehicle, and what has to be looked at by a person.

        Where a case also has findings of another plate, only those of this plate show the vehicle
        for certain; what people added may show either.
        """
        filed = findings_of(connection, row.id)
        plates = {each.key: Eraser.value_text(each.attributes.get(PLATE)) for each in filed}
        if plate not in (*plates.values(), Eraser.value_text(row.attributes.get(PLATE))):
            return {}, []  # the case it was split from, which shows another vehicle
        packages = packages_of(connection, row.id)
        if not {text for text in plates.values() if text is not None} - {plate}:
            return {name: self._digest(name, sha256) for name, sha256 in packages.items()}, []
        own = {each.evidence for each in filed if plates[each.key] == plate}
        others = {each.evidence for each in filed} - own
        unsure = [name for name in packages if name not in own | others]
        kept = [
            Kept(
                f"evidence {name}",
                f"an officer added it to case {row.id}, which is about other vehicles as well: "
                "look at it",
            )
            for name in unsure
        ]
        return {name: self._digest(name, packages[name]) for name in packages if name in own}, kept

    def _digest(self, name: str, sha256: str | None) -> str | None:
        return sha256 or self.deleter.digest(name)
