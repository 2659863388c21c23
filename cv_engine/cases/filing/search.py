"""Search: the filed findings, in whatever state their cases are, that show a finding's thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database.prepared import Prepared, run_all
from cv_engine.cases.database.tables import cases, findings
from cv_engine.cases.filing.cells import cell_of, cells_near, lock_on
from cv_engine.cases.filing.problem import Presence, at_one_place, same_problem
from cv_engine.cases.filing.site import is_site, reach
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


def lock_and_find(
    connection: Connection, presence: Presence, rule: Recurrence, gap_m: float
) -> Found:
    """Find a finding itself, and the findings of the same thing at the same time.

    No other process files the same thing until this transaction ends. SQLite admits only one writer
    at a time; on PostgreSQL all transactions take the locks of the place in one order, so that no
    two wait for each other.

    Args:
        connection: Connection to the store, in a transaction that writes.
        presence: The finding.
        rule: The rule of its kind.
        gap_m: Largest distance of two parts of one building site, in metres.
    """
    gap = rule.join_within or timedelta(0)
    given = {
        **_given(presence),
        "earliest": min(presence.since, presence.began - gap),
        "latest": presence.observed + gap,
    }
    if is_site(presence.place):
        statement = Prepared(_present(_on_site(connection, presence, gap_m)))
    else:
        statement = _PRESENT[_form(presence)]
    locks: list[tuple[Prepared, dict[str, Any]]] = []
    if connection.dialect.name == "postgresql":
        locks.append(lock_on(presence.kind, presence.source, presence.zone, presence.place))
    calls = [(statement, given | cells) for cells in _cells(presence)]
    # One round trip: each statement sees what was committed before it, so with the lock, all.
    rows = [row for found in run_all(connection, locks + calls)[len(locks) :] for row in found]
    itself = next((row for row in rows if row.key == presence.key), None)
    # A finding at one place is found in the camera's zone and on the ground.
    others = {row.key: row for row in rows if row.key != presence.key}.values()
    scored = ((row, same_problem(_in(row), presence, rule, gap_m)) for row in others)
    return Found(itself, tuple(_match(row, presence, score) for row, score in scored if score > 0))


def find_closed(
    connection: Connection, presence: Presence, rule: Recurrence, gap_m: float
) -> Match | None:
    """Find the closed case of the same place that was closed last, before or after the finding.

    Args:
        connection: Connection to the store, in a transaction that has locked the place.
        presence: The finding.
        rule: The rule of its kind.
        gap_m: Largest distance of two parts of one building site, in metres.
    """
    oldest = presence.began - max(_EARLIER_WITHIN, rule.reopen_within or timedelta(0))
    given = {
        **_given(presence),
        "oldest": oldest,
        "earliest": oldest - _EARLIER_WITHIN,
        "observed": presence.observed,
    }
    if is_site(presence.place):
        statement = Prepared(_closed(_on_site(connection, presence, gap_m)))
    else:
        statement = _CLOSED[_form(presence)]
    rows = [row for cells in _cells(presence) for row in statement.run(connection, given | cells)]
    for row in sorted(rows, key=lambda row: (row.ended_at, row.key), reverse=True):
        score = at_one_place(_in(row), presence, gap_m)
        if score > 0.0:
            return _match(row, presence, score)
    return None


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


#: Whether the finding has a box, and whether it is located: where others of its thing are.
_Form = tuple[bool, bool]
_PLACES: Mapping[_Form, tuple[_Conditions, ...]] = {
    (False, False): (_IN_ZONE,),
    (False, True): (_IN_ZONE, _ON_GROUND),
    (True, False): (_IN_BOX,),
    (True, True): (_IN_BOX, _ON_GROUND),
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


def _on_site(connection: Connection, presence: Presence, gap_m: float) -> list[_Conditions]:
    """Conditions for the parts of a building site, whatever their dates."""
    near = box_conditions(connection, reach(presence.place.geometry or {}, gap_m))
    return [(_OF_KIND, findings.c.source == sa.bindparam("source", None), *near)]


def _given(presence: Presence) -> dict[str, Any]:
    """The values of a finding in the statements."""
    box = presence.place.image_box or (None,) * 4
    return {
        **{name: getattr(presence, name) for name in ("key", "kind", "source", "zone")},
        **dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
    }


def _in(row: Any) -> Presence:
    return Presence.in_row(row)


def _match(row: Any, presence: Presence, score: float) -> Match:
    # Images from above are months apart: only those of the same dates show the same stay.
    same_stay = not is_site(presence.place) or presence.began <= row.observed
    return Match(row.case_id, State(row.state), row.version, row.ended_at, same_stay, score)
