from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, timedelta

import pytest

from cv_engine.cases import (
    Action,
    Actor,
    Assignment,
    Case,
    ConflictError,
    Event,
    ForbiddenError,
    Queue,
    QueueError,
    Role,
    State,
    open_queue,
)
from tests.cases.made import NEXT_BOX, Clock, Hours, finding

_CHIEF = Actor("Chen", Role.SUPERVISOR)
_CLEANSING = Assignment("cleansing", "north", "Zhao")
_HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(where: str, clock: Clock) -> Iterator[Queue]:
    """A queue with one reported case and limits."""
    with open_queue(where, clock=clock, limits=Hours()) as opened:
        opened.file(finding())
        yield opened


@pytest.fixture
def take(queue: Queue) -> Callable[..., Case]:
    """Takes the first case through steps, by a supervisor."""

    def steps(*names: str) -> Case:
        for name in names:
            queue.move(
                1, Action(name), _CHIEF, "because", to=_CLEANSING, until=queue._clock() + 24 * _HOUR
            )
        return queue.get(1)

    return steps


def test_the_times_of_the_stages_are_kept(
    queue: Queue, take: Callable[..., Case], clock: Clock
) -> None:
    times = []
    for action in ("confirm", "dispatch", "handle", "verify", "close"):
        clock.now += _HOUR
        times.append(clock.now)
        case = take(action)
    result = case.result
    assert [
        *(result.confirmed_at, result.dispatched_at, result.handled_at),
        *(result.verified_at, result.ended_at),
    ] == times
    assert (case.state, result.outcome) == (State.CLOSED, "handled")
    assert (case.handling.department, case.handling.team) == ("cleansing", "north")
    assert (case.version, len(queue.history(1))) == (6, 6)


@pytest.mark.parametrize(
    ("steps", "hours"),
    [
        ((), 2),
        (("confirm",), 4),
        (("confirm", "dispatch"), 8),
        (("confirm", "dispatch", "handle"), 16),
        (("confirm", "dispatch", "handle", "return"), 8),
        (("confirm", "dispatch", "handle", "verify"), None),
        (("confirm", "notice"), None),
        (("reject",), None),
    ],
)
def test_each_stage_has_its_own_deadline(
    take: Callable[..., Case], clock: Clock, steps: tuple[str, ...], hours: int | None
) -> None:
    handling = take(*steps).handling
    assert handling.due_at == (None if hours is None else clock.now + hours * _HOUR)
    assert handling.close_due_at == clock.now + 48 * _HOUR


@pytest.mark.parametrize("verdict", ["confirm", "reject"])
def test_a_verdict_can_be_taken_back_and_given_again(
    queue: Queue, take: Callable[..., Case], verdict: str
) -> None:
    take(verdict)
    with pytest.raises(QueueError, match="give a reason"):
        queue.move(1, Action.UNDO, "Li")
    case = queue.move(1, Action.UNDO, "Li", "the wrong case")
    assert (case.state, case.result.confirmed_at, case.result.ended_at) == (
        *(State.REPORTED, None, None),
    )
    assert queue.confirm(1, "Li").state is State.CONFIRMED
    assert [entry.note for entry in queue.history(1)][-2:] == ["the wrong case", ""]


def test_work_that_is_not_done_is_returned_and_counted(take: Callable[..., Case]) -> None:
    case = take("confirm", "dispatch", "handle", "return", "handle", "verify", "return")
    assert (case.state, case.result.returns) == (State.DISPATCHED, 2)
    assert (case.result.handled_at, case.result.verified_at) == (None, None)
    assert case.handling.department == "cleansing", "the same department does it again"


def test_a_department_that_is_not_responsible_returns_the_case(take: Callable[..., Case]) -> None:
    case = take("confirm", "dispatch", "return")
    assert (case.state, case.handling.department) == (State.CONFIRMED, None)
    assert case.result.returns == 0, "nothing was done that had to be done again"


def test_the_time_of_a_deferral_does_not_count(
    queue: Queue, take: Callable[..., Case], clock: Clock
) -> None:
    due = take("confirm", "dispatch").handling.close_due_at
    assert due is not None
    waiting = take("defer").handling
    assert (waiting.due_at, waiting.deferred_until) == (None, clock.now + 24 * _HOUR)
    clock.now += 5 * _HOUR
    case = take("resume")
    assert case.handling.close_due_at == due + 5 * _HOUR
    assert (case.handling.deferred_until, case.result.deferrals) == (None, 1)


def test_a_deferral_needs_an_end_in_the_future(queue: Queue, clock: Clock) -> None:
    queue.confirm(1, "Li")
    for until in (None, clock.now, clock.now - _HOUR):
        with pytest.raises(QueueError, match="until when"):
            queue.move(1, Action.DEFER, _CHIEF, "roadworks", until=until)
    with pytest.raises(QueueError, match="no time zone"):
        queue.move(1, Action.DEFER, _CHIEF, "x", until=clock.now.replace(tzinfo=None))


def test_a_reopened_case_has_new_deadlines(take: Callable[..., Case], clock: Clock) -> None:
    take("confirm", "dispatch", "handle", "verify", "close")
    clock.now += 100 * _HOUR
    case = take("reopen")
    assert (case.state, case.result.reopenings) == (State.CONFIRMED, 1)
    assert (case.result.ended_at, case.result.outcome) == (None, None)
    assert case.handling.close_due_at == clock.now + 48 * _HOUR


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        (("confirm", "notice", "close"), "left"),
        (("confirm", "notice", "cite", "close"), "cited"),
        (("confirm", "cite", "close", "appeal", "close"), "cited"),
        (("reject", "appeal", "close"), "dismissed"),
    ],
)
def test_the_outcome_says_how_a_case_ended(
    take: Callable[..., Case], steps: tuple[str, ...], outcome: str
) -> None:
    assert take(*steps).result.outcome == outcome


def test_of_two_officers_one_wins_and_the_other_learns_what_happened(queue: Queue) -> None:
    seen = queue.get(1).version
    queue.reject(1, "Li", "an ambulance")
    with pytest.raises(ConflictError, match=r"rejected by Li at .*nothing was changed"):
        queue.move(1, Action.CONFIRM, "Wang", version=seen)
    assert queue.get(1).state is State.REJECTED


def test_a_version_that_is_still_true_is_accepted(queue: Queue) -> None:
    case = queue.move(1, Action.CONFIRM, "Wang", version=queue.get(1).version)
    assert queue.move(1, Action.CITE, "Wang", version=case.version).state is State.CITED


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OFFICER])
def test_what_a_role_does_not_allow_changes_nothing(queue: Queue, role: Role) -> None:
    with pytest.raises(ForbiddenError, match=f"Wu may not withdraw case 1.*Wu is {role}"):
        queue.move(1, Action.WITHDRAW, Actor("Wu", role), "a test")
    assert (queue.get(1).state, len(queue.history(1))) == (State.REPORTED, 1)


def test_what_a_camera_still_sees_is_verified_by_a_supervisor_alone(
    queue: Queue, take: Callable[..., Case], clock: Clock
) -> None:
    take("confirm", "dispatch", "handle")
    queue.seen(finding().key, clock.now + _HOUR)
    with pytest.raises(QueueError, match=r"saw it at .* after it was handled .*rework"):
        queue.move(1, Action.VERIFY, "Li")
    assert queue.move(1, Action.VERIFY, _CHIEF, "another bag").state is State.VERIFIED


def test_dispatching_needs_a_department(queue: Queue) -> None:
    queue.confirm(1, "Li")
    with pytest.raises(QueueError, match="name the department that case 1"):
        queue.move(1, Action.DISPATCH, "Li")


def test_deadlines_are_warned_of_and_escalated_once(queue: Queue, clock: Clock) -> None:
    queue.file(finding(box=NEXT_BOX))
    queue.confirm(2, "Li")
    seen = []
    for _ in range(20):
        clock.now += _HOUR / 2
        seen.append((queue.attend(), queue.attend()))
    assert [hours / 2 for hours, (done, _) in enumerate(seen, 1) if done.warned] == [1, 2]
    assert [hours / 2 for hours, (done, _) in enumerate(seen, 1) if done.escalated] == [2, 4]
    assert not any(again.warned or again.escalated for _, again in seen)
    for number, stage in ((1, "confirm"), (2, "dispatch")):
        alerts = [e for e in queue.history(number) if e.event in (Event.WARNED, Event.ESCALATED)]
        assert [(entry.event, entry.data["stage"]) for entry in alerts] == [
            *((Event.WARNED, stage), (Event.ESCALATED, stage)),
        ]
        assert queue.get(number).handling.alert == "escalated"


def test_a_deadline_that_passed_while_no_process_looked_is_escalated_at_once(
    queue: Queue, clock: Clock
) -> None:
    clock.now += 100 * _HOUR
    assert queue.attend().escalated == (1,)
    assert queue.attend().escalated == ()


def test_what_was_done_in_time_is_not_escalated(queue: Queue, clock: Clock) -> None:
    queue.reject(1, "Li", "an ambulance")
    clock.now += 100 * _HOUR
    done = queue.attend()
    assert (done.warned, done.escalated) == ((), ())


def test_a_deferred_case_resumes_by_itself(
    queue: Queue, take: Callable[..., Case], clock: Clock
) -> None:
    take("confirm", "defer")
    clock.now += 23 * _HOUR
    assert queue.attend().resumed == ()
    clock.now += _HOUR
    assert queue.attend().resumed == (1,)
    case = queue.get(1)
    assert (case.state, case.handling.due_at) == (State.CONFIRMED, clock.now + 4 * _HOUR)
    assert queue.history(1)[-1].by == "cv-engine"


def test_hundreds_of_cases_are_attended_to_in_one_go(queue: Queue, clock: Clock) -> None:
    for number in range(1, 250):
        queue.file(finding(1000.0 * number, 1000.0 * number + 10))
    clock.now += 10 * _HOUR
    assert len(queue.attend().escalated) == 250
    assert clock.now.tzinfo is UTC
