"""Retention: how long the evidence of a case may be kept after the case has ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.database.tables import case_evidence, cases, findings
from cv_engine.cases.lifecycle import State
from cv_engine.cases.taxonomy import Retention, Taxonomy

#: How a case has ended, as the rules distinguish it, and the condition of such cases.
_ENDED: dict[str, sa.ColumnElement[bool]] = {
    "rejected": cases.c.state.in_([State.REJECTED.value, State.WITHDRAWN.value]),
    "cited": sa.and_(cases.c.state == State.CLOSED.value, cases.c.outcome == "cited"),
    "closed": sa.and_(
        cases.c.state == State.CLOSED.value,
        sa.or_(cases.c.outcome.is_(None), cases.c.outcome != "cited"),
    ),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what is kept for how long.

    Attributes:
        ended: How the case has ended: ``"rejected"``, ``"cited"`` or ``"closed"``.
        kept: For how long after the end the evidence is kept.
        kinds: The kinds of cases that the rule is for; ``None``: those with no rule of their own.
    """

    ended: str
    kept: timedelta
    kinds: tuple[str, ...] | None = None

    def __str__(self) -> str:
        days = self.kept / timedelta(days=1)
        whose = "of every class" if self.kinds is None else f"of {', '.join(self.kinds)}"
        return f"{self.ended}, {days:g} days ({whose})"


@dataclass(frozen=True)
class Rules:
    """All retention rules of a city.

    Attributes:
        taxonomy: The classes, with the rules that are their own.
        default: What holds where a class says nothing.
    """

    taxonomy: Taxonomy
    default: Retention

    def all(self) -> Iterator[Rule]:
        """The rules, each with the kinds that it is for."""
        own = {each.kind: each.retention for each in self.taxonomy.classes.values()}
        for ended in (field.name for field in fields(Retention)):
            by_time: dict[timedelta, list[str]] = {}
            for kind, retention in own.items():
                if (kept := getattr(retention, ended)) is not None:
                    by_time.setdefault(kept, []).append(kind)
            for kept, kinds in by_time.items():
                yield Rule(ended, kept, tuple(kinds))
            if (kept := getattr(self.default, ended)) is not None:
                yield Rule(ended, kept)

    def kept_until(self, kind: str, ended: str, at: datetime) -> datetime | None:
        """Until when the evidence of a case is kept.

        Args:
            kind: The violation.
            ended: See :class:`Rule`.
            at: When the case has ended.

        Returns:
            The time; ``None`` where no rule limits it.
        """
        own = Retention()
        if kind in self.taxonomy.kinds:
            own = self.taxonomy.classify(kind).retention
        kept = getattr(own, ended) or getattr(self.default, ended)
        return None if kept is None else at + kept

    def over(self, connection: Connection, rule: Rule, now: datetime, limit: int) -> list[int]:
        """Numbers of the cases whose evidence a rule keeps no longer, the longest ended first.

        Args:
            connection: Connection to the store.
            rule: One of :meth:`all`.
            now: Present time (timezone-aware).
            limit: The largest number of cases.
        """
        statement = sa.select(cases.c.id).where(self._is_over(rule, now))
        statement = statement.order_by(cases.c.ended_at, cases.c.id).limit(limit)
        return list(connection.execute(statement).scalars())

    def count_over(self, connection: Connection, rule: Rule, now: datetime) -> int:
        """The number of cases whose evidence a rule keeps no longer."""
        statement = sa.select(sa.func.count()).select_from(cases).where(self._is_over(rule, now))
        return int(connection.execute(statement).scalar_one())

    def is_over(self, connection: Connection, rule: Rule, now: datetime, case_id: int) -> bool:
        """Whether a rule keeps the evidence of a case no longer."""
        statement = sa.select(cases.c.id).where(cases.c.id == case_id, self._is_over(rule, now))
        return connection.execute(statement).first() is not None

    def _is_over(self, rule: Rule, now: datetime) -> sa.ColumnElement[bool]:
        if rule.kinds is None:
            of_kind = cases.c.kind.not_in(self._kinds_with_own(rule.ended))
        else:
            of_kind = cases.c.kind.in_(rule.kinds)
        return sa.and_(
            cases.c.ended_at <= now - rule.kept,
            cases.c.purged_at.is_(None),
            _ENDED[rule.ended],
            of_kind,
            _has_evidence(),
        )

    def _kinds_with_own(self, ended: str) -> list[str]:
        found = {
            each.kind
            for each in self.taxonomy.classes.values()
            if getattr(each.retention, ended) is not None
        }
        return sorted(found)


def _has_evidence() -> sa.ColumnElement[bool]:
    filed = sa.select(findings.c.key).where(
        findings.c.case_id == cases.c.id, findings.c.evidence.is_not(None)
    )
    added = sa.select(case_evidence.c.name).where(case_evidence.c.case_id == cases.c.id)
    return sa.or_(filed.exists(), added.exists())
