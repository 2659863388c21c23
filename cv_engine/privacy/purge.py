"""The purge: deletes evidence that the retention rules keep no longer, and leaves proof of it.

Each case is recorded in a transaction of its own, then its files are deleted. What a run that was
killed, or a store that was away, has left is deleted by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cv_engine.cases import Actor, Queue, Role
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.reading import packages_of
from cv_engine.cases.removal.purging import note_deleted, record_purge, waiting
from cv_engine.cases.removal.retention import Rule, Rules
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.storage.store import LocalStore, Store
from cv_engine.evidence.verify import manifest_sha256

_CASES_AT_ONCE = 200  # of one read

#: Called with the number of cases that are done.
Progress = Callable[[int], None]


@dataclass(slots=True)
class PurgeReport:
    """What a purge did.

    Attributes:
        cases: Number of cases whose evidence was recorded as deleted, by rule.
        deleted: Names of the packages whose files are gone.
        left: Names of the packages that are recorded as deleted and whose files are still there,
            each with the reason; the next run tries again.
    """

    cases: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


class Deleter:
    """Deletes packages wherever they are: in the store, and in the folder where they wait for it.

    Args:
        queue: Records what was deleted.
        store: The store.
        spool: The folder that packages are written to.
    """

    def __init__(self, queue: Queue, store: Store, spool: Path) -> None:
        self._queue = queue
        self._spool = spool
        self._places = [LocalStore(spool)] if store.in_place else [LocalStore(spool), store]

    def digest(self, name: str) -> str | None:
        """The digest of a package that is still here; ``None`` if it is not."""
        return manifest_sha256(self._spool / name)

    def delete(self, names: Iterable[str], at: datetime, report: PurgeReport) -> None:
        """Delete the files of packages whose deletion is recorded.

        Args:
            names: The packages.
            at: Present time (timezone-aware).
            report: Receives what was deleted, and what was not.
        """
        for name in names:
            try:
                is_gone = [place.remove(name) for place in self._places]  # of every place
            except EvidenceError as error:
                report.left[name] = str(error)
                continue
            if not all(is_gone):
                report.left[name] = "another process holds the package now"
                continue
            with self._queue.store.writing() as connection:
                note_deleted(connection, name, at)
            report.deleted.append(name)


def purge(
    queue: Queue,
    deleter: Deleter,
    rules: Rules,
    by: Actor,
    now: datetime,
    progress: Progress = lambda done: None,
) -> PurgeReport:
    """Delete all evidence that the rules keep no longer.

    Args:
        queue: The cases.
        deleter: Deletes their packages.
        rules: The retention rules.
        by: Who runs the purge: a supervisor, or the program.
        now: Present time (timezone-aware).
        progress: Receives the number of cases that are done.

    Raises:
        ForbiddenError: The person's role does not allow it.
        QueueError: The queue cannot be read or written.
    """
    by.need(Role.SUPERVISOR, "delete evidence by the retention rules")
    report = PurgeReport()
    with queue.store.reading() as connection:
        left = waiting(connection)
    deleter.delete(left, now, report)
    for rule in rules.all():
        for number in _over(queue, rules, rule, now):
            names = _record(queue, deleter, rules, rule, by, now, number)
            if names is None:
                continue
            report.cases[str(rule)] = report.cases.get(str(rule), 0) + 1
            deleter.delete(names, now, report)
            progress(sum(report.cases.values()))
    return report


def due(queue: Queue, rules: Rules, now: datetime) -> dict[str, int]:
    """How many cases a purge would delete the evidence of, by rule; nothing is changed."""
    with queue.store.reading() as connection:
        counts = {str(rule): rules.count_over(connection, rule, now) for rule in rules.all()}
    return {rule: count for rule, count in counts.items() if count}


def _over(queue: Queue, rules: Rules, rule: Rule, now: datetime) -> Iterable[int]:
    """The cases of a rule, read in batches: those that are done are not read again."""
    while True:
        with queue.store.reading() as connection:
            batch = rules.over(connection, rule, now, _CASES_AT_ONCE)
        if not batch:
            return
        yield from batch


def _record(
    queue: Queue,
    deleter: Deleter,
    rules: Rules,
    rule: Rule,
    by: Actor,
    now: datetime,
    number: int,
) -> list[str] | None:
    """Record that a case's evidence is deleted; ``None`` if the rule no longer applies to it."""
    with queue.store.writing() as connection:
        case = LockedCase.of(connection, number, now)
        if not rules.is_over(connection, rule, now, number):
            return None
        packages = {
            name: sha256 or deleter.digest(name)
            for name, sha256 in packages_of(connection, number).items()
        }
        return record_purge(case, packages, str(rule), by)
