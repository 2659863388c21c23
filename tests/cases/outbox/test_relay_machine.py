"""The relay under any order of filing, failures, crashes, clock jumps and a second relay."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cv_engine.cases import QueueError, open_queue
from cv_engine.cases.outbox.errors import OutletAway, Refused, RetryLater
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.overview import Overview
from cv_engine.cases.outbox.relay import Relay
from tests.cases.made import at, finding
from tests.cases.outbox.receivers import Receiver
from tests.clock import Clock

_DAY_S = 86_400.0


class _Killed(BaseException):
    """The process of a relay ends here."""


class RelayMachine(RuleBasedStateMachine):
    """Two relays serve one outlet, whose next answers are ``answers``, then always yes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cvrelay"))
        self.clock = Clock(at(1_000_000))
        self.queue = open_queue(self.folder / "queue.sqlite", clock=self.clock)
        self.answers: list[str] = []
        self.got: list[str] = []  # keys in the order of their arrival
        self.dropped: set[str] = set()
        self.sending: list[int] = []  # relays whose batch is under way
        self.receiver = Receiver(answer=self._answer)
        self.relays = [self._relay(number) for number in (0, 1)]
        self.cases: list[int] = []

    def teardown(self) -> None:
        self.queue.close()
        shutil.rmtree(self.folder)

    def _relay(self, seed: int) -> Relay:
        relay = Relay(self.queue.store, self.receiver, self.clock, random.Random(seed))
        relay.register()
        return relay

    def _answer(self, events: Sequence[CaseEvent]) -> None:
        answer = self.answers.pop(0) if self.answers else "yes"
        if answer == "other relay":
            self._run(1)
        if answer == "leap and other relay":
            self.clock.advance(_DAY_S)
            self._run(1)
        if answer == "refused":
            raise Refused("no")
        if answer == "later":
            raise RetryLater("busy", 30)
        if answer == "away":
            raise OutletAway("no answer")
        self.got += [event.key for event in events]
        if answer == "killed after sending":
            self._kill(self.sending[-1])

    def _kill(self, number: int) -> None:
        """The process of a relay ends: it records nothing of its batch."""

        def ended(*_: object) -> None:
            raise _Killed

        self.relays[number]._deliveries.record = ended  # type: ignore[method-assign, assignment]
        raise _Killed

    def _run(self, number: int) -> None:
        self.sending.append(number)
        try:
            self.relays[number].run_once()
        except _Killed:
            self.relays[number] = self._relay(number)
        finally:
            self.sending.pop()

    @initialize(at_once=st.sampled_from([1, 3]), every_s=st.sampled_from([0.0, 60.0]))
    def choose(self, at_once: int, every_s: float) -> None:
        self.receiver.at_once, self.receiver.every_s = at_once, every_s

    @rule(zone=st.sampled_from("abc"), began=st.integers(0, 3))
    def file(self, zone: str, began: int) -> None:
        filed = self.queue.file(finding(began * 1000, began * 1000 + 10, zone=zone))
        if filed.outcome == "new":
            self.cases.append(filed.case_id)

    @precondition(lambda self: self.cases)
    @rule(data=st.data())
    def decide(self, data: st.DataObject) -> None:
        case = data.draw(st.sampled_from(self.cases))
        with suppress(QueueError):
            self.queue.confirm(case, "Wang")

    @rule(
        answers=st.lists(
            st.sampled_from(
                [
                    *("yes", "refused", "later", "away", "killed after sending"),
                    *("other relay", "leap and other relay"),
                ]
            ),
            max_size=3,
        )
    )
    def run(self, answers: list[str]) -> None:
        self.answers = answers
        self._run(0)
        self.answers = []

    @rule()
    def run_the_other(self) -> None:
        self._run(1)

    @rule(seconds=st.sampled_from([-400 * _DAY_S, -3600.0, 1.0, 61.0, _DAY_S, 400 * _DAY_S]))
    def move_the_clock(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def resend_dead_letters(self) -> None:
        Overview(self.queue.store).resend()

    @precondition(lambda self: bool(Overview(self.queue.store).dead_letters()))
    @rule()
    def drop_a_dead_letter(self) -> None:
        letter = Overview(self.queue.store).dead_letters()[0]
        self.dropped.add(f"{letter.case_id}-{letter.seq}")
        Overview(self.queue.store).drop([letter.id])

    def _expected(self) -> dict[int, list[str]]:
        """The keys of every case, in order."""
        return {
            case: [f"{case}-{entry.seq}" for entry in self.queue.history(case)]
            for case in self.cases
        }

    @invariant()
    def no_event_arrives_before_an_earlier_one_of_its_case(self) -> None:
        first = list(dict.fromkeys(self.got))
        for case, keys in self._expected().items():
            arrived = [key for key in first if key.startswith(f"{case}-")]
            wanted = [key for key in keys if key in arrived or key not in self.dropped]
            assert arrived == wanted[: len(arrived)]

    @invariant()
    def what_has_not_arrived_still_waits(self) -> None:
        (state,) = Overview(self.queue.store).outlets()
        missing = {
            key
            for keys in self._expected().values()
            for key in keys
            if key not in self.got and key not in self.dropped
        }
        assert len(missing) <= state.waiting + state.dead

    @rule()
    def everything_arrives_in_the_end(self) -> None:
        for _ in range(40):
            Overview(self.queue.store).resend()
            if not Overview(self.queue.store).outlets()[0].waiting:
                break
            self._run(0)
            self.clock.advance(_DAY_S)
        missing = {key for keys in self._expected().values() for key in keys} - set(self.got)
        assert missing <= self.dropped
        (state,) = Overview(self.queue.store).outlets()
        assert (state.waiting, state.dead) == (0, 0)


TestRelayMachine = RelayMachine.TestCase
TestRelayMachine.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
