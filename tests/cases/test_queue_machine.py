"""The queue under any order of filing, news, decisions, merging and splitting."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cv_engine.cases import (
    Action,
    Actor,
    Assignment,
    Case,
    FiledFinding,
    QueueError,
    Role,
    State,
    open_queue,
)
from cv_engine.cases.audit import audit
from cv_engine.cases.filing.problem import Presence, problems, same_problem
from cv_engine.cases.filing.site import SITE_GAP_M
from cv_engine.cases.lifecycle import ENGINE, STEPS
from cv_engine.cases.taxonomy import load_taxonomy
from cv_engine.finding import Finding
from tests.cases.filing.worlds import Thing, is_whole, things
from tests.cases.made import at

_AFTER = {(step.action, step.before): step.after for step in STEPS}
_CHIEF = Actor("Li", Role.SUPERVISOR)
_TIMES = st.integers(0, 12).map(lambda minutes: 250.0 * minutes)


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cvqueue"))
        self.queue = open_queue(self.folder / "queue.sqlite")
        self.filed: dict[str, Thing] = {}

    def teardown(self) -> None:
        self.queue.close()
        shutil.rmtree(self.folder)

    def _number(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from([case.id for case in reversed(self.queue.cases())]))

    @rule(thing=things(), evidence=st.booleans())
    def file(self, thing: Thing, evidence: bool) -> None:
        made = thing.finding
        known = self.filed.get(made.key)
        if known is not None:
            before = self.queue.count()
            assert self.queue.file(known.finding).outcome == "known"
            assert self.queue.count() == before
            return
        name = f"of-{made.key}" if evidence else None
        made = Finding(**{each: getattr(made, each) for each in _FIELDS}, evidence=name)
        self.queue.file(made, missed=thing.missed)
        self.filed[made.key] = Thing(made, thing.missed)

    @precondition(lambda self: self.filed)
    @rule(data=st.data(), when=_TIMES, left=st.booleans())
    def note(self, data: st.DataObject, when: float, left: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.filed)))
        thing = self.filed[key]
        if at(when) < thing.finding.began:
            return
        if left:
            self.queue.gone(key, at(when))
        else:
            self.queue.seen(key, at(when))
        seen, gone = max(thing.seen or at(when), at(when)), thing.gone
        gone = max(gone or at(when), at(when)) if left else gone
        self.filed[key] = Thing(thing.finding, thing.missed, seen, gone)

    @precondition(lambda self: self.filed)
    @rule(data=st.data(), action=st.sampled_from(sorted(set(Action) - {Action.MERGE})))
    def decide(self, data: st.DataObject, action: Action) -> None:
        number = self._number(data)
        before = self.queue.get(number).state
        after = _AFTER.get((action, before))
        until = datetime.now(UTC) + timedelta(days=1)
        team = Assignment("cleansing")
        move = lambda: self.queue.move(  # noqa: E731
            number, action, _CHIEF, "because", to=team, until=until
        )
        if self._is_done(move):
            assert self.queue.get(number).state is after
        else:
            assert after is None
            assert self.queue.get(number).state is before

    @precondition(lambda self: self.filed)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        one, other = self._number(data), self._number(data)
        cases = self.queue.get(one), self.queue.get(other)
        both = {each.key for number in {one, other} for each in self.queue.findings(number)}
        if self._is_done(lambda: self.queue.merge(one, other, _CHIEF, "one pile")):
            assert cases[0].kind == cases[1].kind
            assert self.queue.get(one).result.merged_into == other
            assert {each.key for each in self.queue.findings(other)} == both

    @precondition(lambda self: self.filed)
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        number = self._number(data)
        keys = [each.key for each in self.queue.findings(number)]
        if not keys:
            return
        some = data.draw(st.lists(st.sampled_from(keys), unique=True))
        done: list[Case] = []
        if self._is_done(lambda: done.append(self.queue.split(number, some, _CHIEF, "two"))):
            assert {each.key for each in self.queue.findings(done[0].id)} == set(some)
            assert {each.key for each in self.queue.findings(number)} == set(keys) - set(some)

    @rule()
    def open_again(self) -> None:
        self.queue.close()
        self.queue = open_queue(self.folder / "queue.sqlite")

    @staticmethod
    def _is_done(change: Callable[[], object]) -> bool:
        try:
            change()
        except QueueError:
            return False
        return True

    @invariant()
    def every_finding_is_in_one_case_and_no_evidence_is_lost(self) -> None:
        found = [each for case in self.queue.cases() for each in self.queue.findings(case.id)]
        assert sorted(each.key for each in found) == sorted(self.filed)
        names = {name for case in self.queue.cases() for name in self.queue.evidence(case.id)}
        assert names == {t.finding.evidence for t in self.filed.values() if t.finding.evidence}

    @invariant()
    def every_case_has_the_facts_of_its_findings(self) -> None:
        for case in self.queue.cases():
            found = self.queue.findings(case.id)
            assert (not found) == (case.state is State.MERGED)
            if found:
                self._check_facts(case, found)

    def _check_facts(self, case: Case, found: list[FiledFinding]) -> None:
        finals = [self.filed[each.key].final() for each in found]
        last = max(each.observed for each in finals)
        gone = last if any(each.gone_at == last for each in finals) else None
        assert (case.observed, case.gone_at) == (last, gone)
        assert case.began == min(each.began for each in finals)
        assert case.confidence == max(each.confidence for each in found)
        assert case.evidence in {None, *(each.evidence for each in found)}

    @invariant()
    def every_history_is_whole(self) -> None:
        assert all(is_whole(self.queue, case.id) for case in self.queue.cases())
        with self.queue.store.reading() as connection:
            assert [each for each in audit(connection) if not each.remark] == []

    @invariant()
    def without_decisions_every_problem_is_one_case(self) -> None:
        alone: list[tuple[int, Presence]] = []
        for case in self.queue.cases():
            entries = self.queue.history(case.id)
            if case.state is not State.REPORTED or any(e.by != ENGINE.name for e in entries):
                continue
            finals = [self.filed[each.key].final() for each in self.queue.findings(case.id)]
            rule = load_taxonomy().classify(case.kind).recurrence
            assert len(problems(finals, rule, SITE_GAP_M)) == 1
            for number, other in alone:
                if other.kind == case.kind:
                    assert number == case.id or not any(
                        same_problem(other, each, rule, SITE_GAP_M) for each in finals
                    )
            alone += [(case.id, each) for each in finals]


_FIELDS = ("kind", "source", "zone", "place", "began", "observed", "confidence", "attributes")

TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
