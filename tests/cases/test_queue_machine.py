"""The queue compared with a simple model, for any order of filing, leaving and deciding."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cv_engine.cases import Action, Actor, Assignment, QueueError, Role, State, open_queue
from cv_engine.cases.lifecycle import OPEN_STATES, STEPS
from cv_engine.finding import Finding
from tests.cases.made import CAR_BOX, NEXT_BOX, at, finding

_SHIFTED = (110.0, 100.0, 210.0, 180.0)  # IoU with CAR_BOX 0.82
_PLACES = {CAR_BOX: 0, _SHIFTED: 0, NEXT_BOX: 1}
_TIMES = st.integers(0, 40)


@dataclass
class _Known:
    began: float
    observed: float
    kind: str
    box: tuple[float, float, float, float]
    left: float | None = None
    state: State = State.REPORTED
    entries: int = 1
    gone: dict[str, float] = field(default_factory=dict)


_AFTER = {(step.action, step.before): step.after for step in STEPS}


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cvqueue"))
        self.queue = open_queue(self.folder / "queue.sqlite")
        self.model: dict[int, _Known] = {}
        self.keys: dict[str, tuple[int, Finding]] = {}

    def teardown(self) -> None:
        self.queue.close()
        shutil.rmtree(self.folder)

    def _expected_case(self, began: int, observed: int, kind: str, box: object) -> int | None:
        overlapping = [
            (0 if known.box == box else 1, number)
            for number, known in self.model.items()
            if known.kind == kind
            and _PLACES[known.box] == _PLACES[box]  # type: ignore[index]
            and known.began <= observed
            and began <= known.observed
            and known.state in OPEN_STATES
        ]
        return min(overlapping)[1] if overlapping else None

    @rule(
        began=_TIMES,
        lasting=st.integers(0, 10),
        box=st.sampled_from(sorted(_PLACES)),
        kind=st.sampled_from(["clutter", "motor_vehicle_parked"]),
    )
    def file(
        self, began: int, lasting: int, box: tuple[float, float, float, float], kind: str
    ) -> None:
        made = finding(began, began + lasting, box=box, kind=kind)
        filed = self.queue.file(made)
        if made.key in self.keys:
            assert (filed.outcome, filed.case_id) == ("known", self.keys[made.key][0])
            return
        expected = self._expected_case(began, began + lasting, kind, box)
        if expected is None:
            assert filed.outcome == "new"
            self.model[filed.case_id] = _Known(began, began + lasting, kind, box)
        else:
            assert (filed.outcome, filed.case_id) == ("joined", expected)
            known = self.model[expected]
            known.began = min(known.began, began)
            known.observed = max(known.observed, began + lasting)
            known.entries += 1
            if known.left is not None and known.left < known.observed:
                known.left = None
        self.keys[made.key] = filed.case_id, made

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), when=_TIMES)
    def leave(self, data: st.DataObject, when: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.keys)))
        number, made = self.keys[key]
        known = self.model[number]
        if at(when) < made.began:
            try:
                self.queue.gone(key, at(when))
            except QueueError:
                return
            raise AssertionError("the thing left before it began")
        news = self.queue.gone(key, at(when))
        assert news == (when > known.gone.get(key, -1))
        if news:
            known.gone[key] = when
            known.observed = max(known.observed, when)
            known.left = known.observed
            known.entries += 1

    @precondition(lambda self: self.model)
    @rule(data=st.data(), action=st.sampled_from(sorted(set(Action) - {Action.MERGE})))
    def decide(self, data: st.DataObject, action: Action) -> None:
        number = data.draw(st.sampled_from(sorted(self.model)))
        known = self.model[number]
        after = _AFTER.get((action, known.state))
        until = datetime.now(UTC) + timedelta(days=1)
        chief, team = Actor("Li", Role.SUPERVISOR), Assignment("cleansing")
        try:
            self.queue.move(number, action, chief, "because", to=team, until=until)
        except QueueError:
            assert after is None
        else:
            assert after is not None
            known.state = after
            known.entries += 1

    @rule()
    def file_everything_again_after_opening_again(self) -> None:
        self.queue.close()
        self.queue = open_queue(self.folder / "queue.sqlite")
        for number, made in reversed(self.keys.values()):
            filed = self.queue.file(made)
            assert (filed.outcome, filed.case_id) == ("known", number)

    @invariant()
    def the_queue_equals_the_model(self) -> None:
        found = {case.id: case for case in self.queue.cases()}
        assert set(found) == set(self.model)
        for number, known in self.model.items():
            case = found[number]
            assert (case.began, case.observed) == (at(known.began), at(known.observed))
            assert case.gone_at == (None if known.left is None else at(known.left))
            assert case.state is known.state
            history = self.queue.history(number)
            assert len(history) == known.entries
            assert [entry.id for entry in history] == sorted(entry.id for entry in history)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
