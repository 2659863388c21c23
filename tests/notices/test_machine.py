"""Never twice, never none: kills, failures, departures and two processes in any order."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cv_engine.cases import Actor, State, open_queue
from cv_engine.cases.audit import audit
from cv_engine.cases.outbox.errors import OutletAway, Refused, RetryLater
from cv_engine.notices.errors import InDoubt
from cv_engine.notices.gateways.gateway import Message
from cv_engine.notices.overview import Overview
from cv_engine.registry import Kind
from tests.notices.made import City, Phones, noon, registry_of
from tests.registry.made import load, write

_PHONES = {"浙A1": "1381", "浙A2": "1382", "浙A3": "1383"}
_PLATES = tuple(_PHONES)
_ANSWERS = (
    *("yes", "refused", "later", "away", "lost before", "lost after"),
    *("killed before", "killed after", "other process"),
)


class _Killed(BaseException):
    """A process ends here."""


class NoticeMachine(RuleBasedStateMachine):
    """Two processes send the notices of one city; no operator sends doubtful ones again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cvnotices"))
        clock = noon()
        self.phones = Phones(answer=self._answer)
        self.queue = open_queue(self.folder / "queue.db", clock=clock)
        rows = [f"{plate},{phone}" for plate, phone in _PHONES.items()]
        load(self.folder, Kind.VEHICLES, write(self.folder / "v.csv", "plate,phone", *rows))
        self.registry = registry_of(self.folder, self.queue, clock)
        self.city = City(self.queue, clock, self.phones, self.registry)
        self.city = self.city.with_policy(surge_least=1000, repeat_after=None)
        self.rounds = [self.city.rounds, self.city.rounds]
        self.answers: list[str] = []
        self.dwells: dict[str, int] = {}  # dwells of each plate, in which it may be asked once
        self.open: dict[str, list[int]] = {}  # cases of the present dwell

    def teardown(self) -> None:
        with self.queue.store.snapshot() as connection:
            problems = [str(each) for each in audit(connection) if not each.remark]
        self.registry.close()
        self.queue.close()
        shutil.rmtree(self.folder)
        assert problems == []

    @initialize(heeds_keys=st.booleans())
    def choose(self, heeds_keys: bool) -> None:
        self.phones.is_idempotent = heeds_keys

    def _answer(self, message: Message) -> None:
        answer = self.answers.pop(0) if self.answers else "yes"
        if answer.endswith("after"):
            self.phones.take(message)
        if answer.startswith("killed"):
            raise _Killed
        if answer.startswith("lost"):
            raise InDoubt("no answer")
        if answer == "refused":
            raise Refused("no")
        if answer == "later":
            raise RetryLater("busy", 20)
        if answer == "away":
            raise OutletAway("no answer")
        if answer == "other process":
            self._run(1)

    def _run(self, number: int) -> None:
        try:
            self.rounds[number].run_once()
        except _Killed:
            self.rounds[number] = self.city.rounds

    @rule(plate=st.sampled_from(_PLATES), zone=st.sampled_from("ab"))
    def park(self, plate: str, zone: str) -> None:
        if plate not in self.open:
            self.dwells[plate] = self.dwells.get(plate, 0) + 1
            self.open[plate] = []
        self.open[plate].append(self.city.confirmed(plate, zone=zone, dwell_s=1))

    @rule(answers=st.lists(st.sampled_from(_ANSWERS), max_size=4))
    def run(self, answers: list[str]) -> None:
        self.answers = answers
        self._run(0)
        self.answers = []

    @rule(seconds=st.sampled_from([2.0, 10.0, 61.0, 300.0]))
    def wait(self, seconds: float) -> None:
        self.city.clock.advance(seconds)
        for numbers in self.open.values():
            for number in numbers:
                self.city.seen(number)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        plate = data.draw(st.sampled_from(sorted(self.open)))
        for number in self.open.pop(plate):
            self.city.gone(number)
        self.city.clock.advance(5)

    @rule()
    def resend_dead_letters(self) -> None:
        Overview(self.queue.store).resend(None, Actor("Li"), self.city.clock.now)

    @invariant()
    def no_driver_is_asked_twice_in_a_dwell(self) -> None:
        sent = Counter(message.to for message in self.phones.messages)
        assert all(sent[phone] <= self.dwells.get(plate, 0) for plate, phone in _PHONES.items())
        keys = Counter(message.key for message in self.phones.messages)
        assert all(count == 1 for count in keys.values())

    @rule()
    def in_the_end_no_driver_who_stays_lacks_a_message(self) -> None:
        for _ in range(12):
            self.wait(61.0)
            with suppress(_Killed):
                self._run(0)
        keys = {message.key for message in self.phones.messages}
        for plate, numbers in self.open.items():
            found = [self.city.notice(number) for number in numbers]
            asking = [each for each in found if each.way == "notice"]
            # Asked, or listed for an operator.
            assert all(each.state in ("sent", "dead", "doubtful") for each in asking), plate
            assert {self.city.case(number).state for number in numbers} <= {
                *(State.NOTICED, State.CLOSED),
            }
        for each in Overview(self.queue.store).notices(["sent"]):
            key = f"{self.city.case(each.case_id).key}-0"
            assert key in keys


TestNoticeMachine = NoticeMachine.TestCase
TestNoticeMachine.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
