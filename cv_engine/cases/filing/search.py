"""Search: the filed findings, in whatever state their cases are, that show a finding's thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database.prepared import Prepared, run_all
from cv_engine.cases.database.tables import cases, findings
from cv_engine.cases.filing.cells import cell_of, cells_near, lock_numbers, lock_on
from cv_engine.cases.filing.problem import Presence, at_one_place, same_problem
from cv_engine.cases.filing.site import SITE_GAP_M, is_site, reach
from cv_engine.cases.filter import box_conditions
from cv_engine.cases.lifecycle import State
from cv_engine.cases.taxonomy import Recurrence

#: How long after its closing a case is named by a new case of the same place, and how long it may
#: take from the last sighting to the closing: a season ago says little about what is there now.
_EARLIER_WITHIN = timedelta(days=90)
#: Findings of closed cases that are compared, the latest first.
_EARLIER_FINDINGS = 100

_COMPARED = (
    *("key", "case_id", "kind", "source", "zone", "since", "began", "observed", "gone_at"),
    *("geometry", "accuracy_m", "basis", "box_x1", "box_y1", "box_x2", "box_y2"),
    *("evidence", "evidence_sha256"),
)
_COLUMNS = (
    *(findings.c[name] for name in _COMPARED),
    *(cases.c[name] for name in ("state", "version", "ended_at")),
)
_WITH_CASE = findings.join(cases, cases.c.id == findings.c.case_id)


#: A statement, and the values of its parameters.
_Call = tuple[Prepared, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for among the filed findings.

    Attributes:
        presence: Where and when a finding's thing was seen.
        rule: The rule of its kind for what is seen again.
        gap_m: Largest distance of two parts of one building site, in metres.
    """

    presence: Presence
    rule: Recurrence
    gap_m: float = SITE_GAP_M

    @property
    def locks(self) -> set[int]:
        """Numbers of the locks; two findings that can show one thing have one in common."""
        presence = self.presence
        return lock_numbers(presence.kind, presence.source, presence.zone, presence.place)


@dataclass(frozen=True, slots=True)
class Match:
    """A case in which there is a finding of the same thing.

    Attributes:
        case_id: The case's number.
        state: The case's state.
        version: Version of the case when it was read.
        ended_at: When the case reached its final state (UTC).
        same_stay: Whether the finding is of one stay with the other, as far as the times say.
        score: How close the places are: above 0 and up to 1.
    """

    case_id: int
    state: State
    version: int
    ended_at: datetime | None
    same_stay: bool
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """What is filed already.

    Attributes:
        itself: The finding's own row, with the columns ``state`` and ``version`` of its case;
            ``None`` if it was never filed.
        matches: Other findings of the same thing.
    """

    itself: Any | None
    matches: tuple[Match, ...]


def lock_and_find(connection: Connection, searches: Sequence[Search]) -> list[Found]:
    """Find findings themselves, and the findings of the same things at the same time.

    No other process files the same things until this transaction ends. SQLite admits only one
    writer at a time; on PostgreSQL all transactions take the locks of the places in one order, so
    that no two wait for each other: a transaction may call this once.

    Args:
        connection: Connection to the store, in a transaction that writes.
        searches: What is searched for.

    Returns:
        What was found by each search.
    """
    calls = [_present_calls(connection, search) for search in searches]
    first: list[_Call] = []
    if connection.dialect.name == "postgresql":
        first.append(lock_on(set().union(*(search.locks for search in searches))))
    # One round trip: each statement sees what was committed before it, so with the locks, all.
    found = _grouped(connection, [first, *calls])[1:]
    return [_found(search, rows) for search, rows in zip(searches, found, strict=True)]


def read_ahead(connection: Connection, searches: Sequence[Search]) -> None:
    """Read the rows and the parts of indexes that filing some findings will read and change.

    Args:
        connection: Connection to the store.
        searches: Where the findings are; nothing is locked.
    """
    for search in searches:
        calls = [*_present_calls(connection, search), (_NEIGHBOURS, _given(search.presence))]
        if search.rule.reopen_within is not None:
            calls += _closed_calls(connection, search)
        run_all(connection, calls)


def find_closed(connection: Connection, searches: Sequence[Search]) -> list[Match | None]:
    """Find closed cases of the same places.

    Args:
        connection: Connection to the store, in a transaction that has locked the places.
        searches: What is searched for.

    Returns:
        For each search the case that was closed last, before or after the finding.
    """
    calls = [_closed_calls(connection, search) for search in searches]
    found = _grouped(connection, calls)
    return [_latest_at_place(search, rows) for search, rows in zip(searches, found, strict=True)]


def _present_calls(connection: Connection, search: Search) -> list[_Call]:
    """The statements that find a finding itself, and others at its time."""
    presence = search.presence
    gap = search.rule.join_within or timedelta(0)
    given = {
        **_given(presence),
        "earliest": min(presence.since, presence.began - gap),
        "latest": presence.observed + gap,
    }
    if is_site(presence.place):
        statement = Prepared(_present(_on_site(connection, search)))
    else:
        statement = _PRESENT[_form(presence)]
    return [(statement, given | cells) for cells in _cells(presence)]


def _found(search: Search, rows: Sequence[Any]) -> Found:
    presence = search.presence
    itself = next((row for row in rows if row.key == presence.key), None)
    # A finding at one place is found in the camera's zone and on the ground.
    others = {row.key: row for row in rows if row.key != presence.key}.values()
    scored = (
        (row, same_problem(Presence.in_row(row), presence, search.rule, search.gap_m))
        for row in others
    )
    return Found(itself, tuple(_match(row, presence, score) for row, score in scored if score > 0))


def _closed_calls(connection: Connection, search: Search) -> list[_Call]:
    """The statements that find the closed cases of the last months at a place."""
    presence = search.presence
    oldest = presence.began - max(_EARLIER_WITHIN, search.rule.reopen_within or timedelta(0))
    given = {
        **_given(presence),
        "oldest": oldest,
        "earliest": oldest - _EARLIER_WITHIN,
        "observed": presence.observed,
    }
    if is_site(presence.place):
        statement = Prepared(_closed(_on_site(connection, search)))
    else:
        statement = _CLOSED[_form(presence)]
    return [(statement, given | cells) for cells in _cells(presence)]


def _latest_at_place(search: Search, rows: Sequence[Any]) -> Match | None:
    for row in sorted(rows, key=lambda row: (row.ended_at, row.key), reverse=True):
        score = at_one_place(Presence.in_row(row), search.presence, search.gap_m)
        if score > 0.0:
            return _match(row, search.presence, score)
    return None


def _grouped(connection: Connection, groups: Sequence[Sequence[_Call]]) -> list[list[Any]]:
    """Run groups of statements in one round trip; returns the rows of each group."""
    found = iter(run_all(connection, [call for group in groups for call in group]))
    return [[row for _ in group for row in next(found)] for group in groups]


#: The cells of one statement: more than four are near only in the far north and south.
_CELLS = ("cell_1", "cell_2", "cell_3", "cell_4")
# The statements are built once and filled with values: to build them takes longer than to run them.
_Conditions = tuple[sa.ColumnElement[bool], ...]
_OF_KIND = findings.c.kind == sa.bindparam("kind", None)
_IN_ZONE: _Conditions = (
    *(_OF_KIND, findings.c.source == sa.bindparam("source", None)),
    *(
        findings.c.zone == sa.bindparam("zone", None),
        findings.c.observed >= sa.bindparam("earliest", None),
    ),
)
_IN_BOX: _Conditions = (
    *_IN_ZONE,
    sa.or_(
        findings.c.box_x1.is_(None),
        sa.and_(
            *(
                findings.c.box_x1 <= sa.bindparam("x2", None),
                findings.c.box_x2 >= sa.bindparam("x1", None),
            ),
            *(
                findings.c.box_y1 <= sa.bindparam("y2", None),
                findings.c.box_y2 >= sa.bindparam("y1", None),
            ),
        ),
    ),
)
_ON_GROUND: _Conditions = (
    _OF_KIND,
    findings.c.cell.in_([sa.bindparam(name, None) for name in _CELLS]),
    findings.c.observed >= sa.bindparam("earliest", None),
)


#: On the ground for a finding with a box: in the views of its own camera, the picture decides.
_BY_OTHERS: _Conditions = (*_ON_GROUND, findings.c.source != sa.bindparam("source", None))


#: Whether the finding has a box, and whether it is located: where others of its thing are.
_Form = tuple[bool, bool]
_PLACES: Mapping[_Form, tuple[_Conditions, ...]] = {
    (False, False): (_IN_ZONE,),
    (False, True): (_IN_ZONE, _ON_GROUND),
    (True, False): (_IN_BOX,),
    (True, True): (_IN_BOX, _BY_OTHERS),
}


def _select(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(*_COLUMNS).select_from(_WITH_CASE).where(*conditions)


def _present(places: Iterable[_Conditions]) -> sa.CompoundSelect[Any]:
    """The statement for the finding itself, and for all that may be of the same thing."""
    itself = _select(findings.c.key == sa.bindparam("key", None))
    return itself.union_all(*(_select(*place) for place in places))


def _closed(places: Iterable[_Conditions]) -> sa.Select[Any]:
    """The statement for findings of closed cases, the latest first."""
    recently = (
        cases.c.state == State.CLOSED.value,
        cases.c.ended_at >= sa.bindparam("oldest", None),
        cases.c.began <= sa.bindparam("observed", None),
    )
    rows = sa.union_all(*(_select(*recently, *place) for place in places)).subquery()
    ordered = sa.select(rows).order_by(rows.c.ended_at.desc(), rows.c.key.desc())
    return ordered.limit(_EARLIER_FINDINGS)


def _latest_with(condition: sa.ColumnElement[bool], column: sa.Column[Any]) -> Any:
    before = cases.c.began <= sa.bindparam("began", None)
    latest = sa.select(column).where(condition, before)
    return latest.order_by(cases.c.began.desc(), cases.c.id.desc()).limit(1).scalar_subquery()


#: The newest cases of a finding's camera, place and zone, and the case of its key: beside these a
#: new case enters the indexes that have too many ends to be all in memory.
_AT_CAMERA = _latest_with(cases.c.source == sa.bindparam("source", None), cases.c.place_id)
_NEIGHBOURS = Prepared(
    sa.select(
        sa.select(cases.c.id).where(cases.c.key == sa.bindparam("key", None)).scalar_subquery(),
        _latest_with(cases.c.zone == sa.bindparam("zone", None), cases.c.id),
        _latest_with(cases.c.place_id == _AT_CAMERA, cases.c.id),
    )
)

_PRESENT = {
    form: Prepared(
        _present([(*place, findings.c.since <= sa.bindparam("latest", None)) for place in places])
    )
    for form, places in _PLACES.items()
}
_CLOSED = {form: Prepared(_closed(places)) for form, places in _PLACES.items()}


def _cells(presence: Presence) -> list[dict[str, int | None]]:
    """The cells near a finding, some at a time; far in the north a cell is narrow."""
    near: list[int | None] = [*cells_near(presence.place)] or [None]
    return [
        dict(zip_longest(_CELLS, near[start : start + len(_CELLS)]))
        for start in range(0, len(near), len(_CELLS))
    ]


def _form(presence: Presence) -> _Form:
    return presence.place.image_box is not None, cell_of(presence.place) is not None


def _on_site(connection: Connection, search: Search) -> list[_Conditions]:
    """Conditions for the parts of a building site, whatever their dates."""
    near = box_conditions(connection, reach(search.presence.place.geometry or {}, search.gap_m))
    return [(_OF_KIND, findings.c.source == sa.bindparam("source", None), *near)]


def _given(presence: Presence) -> dict[str, Any]:
    """The values of a finding in the statements."""
    box = presence.place.image_box or (None,) * 4
    return {
        **{name: getattr(presence, name) for name in ("key", "kind", "source", "zone", "began")},
        **dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
    }


def _match(row: Any, presence: Presence, score: float) -> Match:
    # Images from above are months apart: only those of the same dates show the same stay.
    same_stay = not is_site(presence.place) or presence.began <= row.observed
    return Match(row.case_id, State(row.state), row.version, row.ended_at, same_stay, score)
