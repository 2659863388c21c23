"""Merging and splitting by hand, and the parts into which a case is divided."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection, Row

from cv_engine.cases.case import Event
from cv_engine.cases.changes import LockedCase, NewCase, open_cases, rows_of
from cv_engine.cases.database.tables import findings
from cv_engine.cases.errors import QueueError
from cv_engine.cases.filing.facts import EARLIER, Facts, columns_of
from cv_engine.cases.filing.joining import Growing
from cv_engine.cases.filing.opening import Opening
from cv_engine.cases.lifecycle import OPEN_STATES, Action, Actor, Role, State, step_of
from cv_engine.cases.moves import check_note, check_version
from cv_engine.cases.rows import findings_of, lock_cases, need_case
from cv_engine.cases.stages import Limits

_KEY_LENGTH = 16  # characters, as the keys of findings


def merge(
    connection: Connection,
    pair: tuple[int, int],
    by: Actor,
    note: str,
    version: int | None,
    limits: Limits,
    at: datetime,
) -> None:
    """Let one case continue with the findings of another, which ends as merged.

    Args:
        connection: Connection to the store.
        pair: Numbers of the case that ends, and of the one that continues.
        by: Who decides.
        note: The person's note.
        version: Version of the case that ends, as the person has seen it; ``None``: whatever it is.
        limits: The limits of the stages.
        at: The time of the change (timezone-aware).

    Raises:
        ConflictError: Somebody else has changed the case since that version.
        ForbiddenError: The person's role does not allow it.
        QueueError: The two are one case or of two kinds, or one of them is finished.
    """
    number, into = pair
    by.need(Role.OFFICER, f"merge case {number} into case {into}")
    if number == into:
        raise QueueError(f"case {number} cannot be merged into itself: name another case")
    for each in pair:
        need_case(connection, each)
    locked = {row.id: LockedCase(connection, row, at) for row in lock_cases(connection, pair)}
    ending, staying = locked[number], locked[into]
    check_version(ending, version)
    step_of(number, Action.MERGE, ending.state)
    _need_open(staying, "takes no findings")
    if ending.row.kind != staying.row.kind:
        raise QueueError(
            f"case {number} is of kind {ending.row.kind}, case {into} of kind {staying.row.kind}: "
            "only cases of one kind can be one problem"
        )
    Growing(staying, Facts.of(staying.row)).absorb(ending, limits, by, note)


def split(
    case: LockedCase,
    keys: Collection[str],
    by: Actor,
    note: str,
    version: int | None,
    opening: Opening,
) -> int:
    """Move some findings of a case to a new case of their own.

    Args:
        case: The case.
        keys: Keys of the findings.
        by: Who decides.
        note: The person's note.
        version: Version of the case that the person has seen; ``None``: whatever it is.
        opening: The rules for new cases.

    Returns:
        The new case's number.

    Raises:
        ConflictError: Somebody else has changed the case since that version.
        ForbiddenError: The person's role does not allow it.
        QueueError: The case is finished, has no such finding, or would have none left, or the note
            has a NUL character.
    """
    number = case.row.id
    by.need(Role.OFFICER, f"split case {number}")
    check_note(note)
    check_version(case, version)
    _need_open(case, "cannot be split")
    known = {row.key for row in findings_of(case.connection, number)}
    strange = sorted(set(keys) - known)
    if strange:
        raise QueueError(
            f"case {number} has no finding {', '.join(strange)}: its findings are "
            + ", ".join(sorted(known))
        )
    if not keys or known <= set(keys):
        which = "no finding is" if not keys else "all findings are"
        raise QueueError(
            f"{which} named: name those of case {number} that are another problem, and leave at "
            "least one"
        )
    return part(case, sorted(set(keys)), by, note, opening)


def part(case: LockedCase, keys: Sequence[str], by: Actor, note: str, opening: Opening) -> int:
    """Move some findings of a case to a new one, and compute the facts of both from what they have.

    Args:
        case: The case.
        keys: Keys of the findings, some of its own.
        by: Who acts.
        note: Why.
        opening: The rules for new cases.

    Returns:
        The new case's number.
    """
    connection, old = case.connection, case.row
    rows = findings_of(connection, old.id)
    moved = [row for row in rows if row.key in keys]
    row = _new_case(case, moved)
    new_case = NewCase(
        {**row, **opening.columns(row, case.at)},
        {"split_from": old.id, "keys": [row.key for row in moved]},
        by=by,
        note=note,
    )
    (new,) = open_cases(connection, [rows_of(new_case, case.at)])
    chosen = findings.c.key.in_([row.key for row in moved])
    connection.execute(findings.update().where(chosen).values(case_id=new))
    left = columns_of([row for row in rows if row.key not in keys], old.key)
    left["attributes"] = {**left["attributes"], **_earlier(old)}
    left["area"] = opening.area_of({"kind": old.kind, **left})
    data = {"case": new, "keys": [row.key for row in moved]}
    case.record(Event.SPLIT, by, note, data=data, **left)
    return new


def _new_case(case: LockedCase, moved: Sequence[Row[Any]]) -> dict[str, Any]:
    """The row of the case that takes some findings of another."""
    old = case.row
    # The key of its first finding may be that of another case, which has merged with this one.
    text = f"{old.key} split {case.version}"
    key = hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]
    same = {name: getattr(old, name) for name in ("kind", "standard", "code", "priority")}
    return {**same, "key": key, "state": State.REPORTED.value, **columns_of(moved, None)}


def _earlier(old: Row[Any]) -> dict[str, Any]:
    return {EARLIER: old.attributes[EARLIER]} if EARLIER in old.attributes else {}


def _need_open(case: LockedCase, what: str) -> None:
    """Refuse a finished case.

    Raises:
        QueueError: Nothing is to be done with the case any more.
    """
    if case.state in OPEN_STATES:
        return
    into = f" into case {case.row.merged_into}" if case.state is State.MERGED else ""
    raise QueueError(f"case {case.row.id} is {case.state.value}{into}: it {what}")
