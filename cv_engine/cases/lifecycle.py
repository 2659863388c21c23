"""The lifecycle of a case: every state, every step between two states, and who may take it.

The table :data:`STEPS` is the whole process. The queue takes no other step, and neither does the
database: its triggers hold the same pairs of states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cv_engine.cases.errors import ForbiddenError, NoStepError, QueueError


class State(StrEnum):
    """State of a case, from its report to its end; the Chinese terms are those of city systems."""

    REPORTED = "reported"  # 上报
    CONFIRMED = "confirmed"  # 立案
    REJECTED = "rejected"  # 不立案
    NOTICED = "noticed"  # the driver was asked to leave
    CITED = "cited"
    DISPATCHED = "dispatched"  # 派遣
    HANDLED = "handled"  # 处置
    VERIFIED = "verified"  # 核查
    CLOSED = "closed"  # 结案
    DEFERRED = "deferred"  # 缓办
    APPEALED = "appealed"  # 申诉
    WITHDRAWN = "withdrawn"  # 作废
    MERGED = "merged"  # 合并: another case continues with its findings


class Action(StrEnum):
    """What somebody does with a case; the words of the command line."""

    CONFIRM = "confirm"
    REJECT = "reject"
    UNDO = "undo"  # takes a verdict back
    NOTICE = "notice"
    CITE = "cite"
    DISPATCH = "dispatch"
    HANDLE = "handle"
    VERIFY = "verify"
    RETURN = "return"  # 返工: one step back
    CLOSE = "close"
    DEFER = "defer"
    RESUME = "resume"
    APPEAL = "appeal"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"
    MERGE = "merge"


class Role(StrEnum):
    """Role of a person, from least to most; each may do what those before it may."""

    VIEWER = "viewer"
    OFFICER = "officer"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"
    ENGINE = "engine"  # the program itself

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts on cases.

    Attributes:
        name: The name that the history records.
        role: What the person may do.
    """

    name: str
    role: Role = Role.OFFICER

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise QueueError("name the officer who decides: the history records the name")
        if "\0" in self.name:
            raise QueueError("names cannot hold a NUL character")

    def need(self, role: Role, what: str) -> None:
        """Refuse what the role does not allow.

        Args:
            role: The least role that may do it.
            what: What is to be done, such as ``"withdraw case 12"``, for the message.

        Raises:
            ForbiddenError: The actor's role does not cover ``role``.
        """
        if not self.role.covers(role):
            raise ForbiddenError(
                f"{self.name} may not {what}: it takes the role {role.value}, "
                f"{self.name} is {self.role.value}"
            )


#: The program, where no person acted.
ENGINE = Actor("cv-engine", Role.ENGINE)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the process.

    Attributes:
        action: What is done.
        before: State before.
        after: State after.
        role: The least role that may take the step.
        needs_reason: Whether a reason must be given.
    """

    action: Action
    before: State
    after: State
    role: Role = Role.OFFICER
    needs_reason: bool = False


#: States in which somebody still has to act; findings join only these cases.
OPEN_STATES = frozenset(
    {
        State.REPORTED,
        State.CONFIRMED,
        State.NOTICED,
        State.DISPATCHED,
        State.HANDLED,
        State.VERIFIED,
        State.DEFERRED,
        State.APPEALED,
    }
)

_SUPERVISOR = Role.SUPERVISOR
_OPEN = tuple(state for state in State if state in OPEN_STATES)

STEPS: tuple[Step, ...] = (
    # The verdict, and how it is taken back.
    Step(Action.CONFIRM, State.REPORTED, State.CONFIRMED),
    Step(Action.REJECT, State.REPORTED, State.REJECTED, needs_reason=True),
    Step(Action.UNDO, State.CONFIRMED, State.REPORTED, needs_reason=True),
    Step(Action.UNDO, State.REJECTED, State.REPORTED, needs_reason=True),
    # The parked driver is first asked to leave; who has left is not fined.
    Step(Action.NOTICE, State.CONFIRMED, State.NOTICED),
    Step(Action.CITE, State.CONFIRMED, State.CITED),
    Step(Action.CITE, State.NOTICED, State.CITED),
    Step(Action.CLOSE, State.NOTICED, State.CLOSED),
    Step(Action.CLOSE, State.CITED, State.CLOSED),
    # The rest is dispatched, handled, verified and closed.
    Step(Action.DISPATCH, State.CONFIRMED, State.DISPATCHED),
    Step(Action.DISPATCH, State.NOTICED, State.DISPATCHED),
    Step(Action.HANDLE, State.DISPATCHED, State.HANDLED),
    Step(Action.VERIFY, State.HANDLED, State.VERIFIED),
    Step(Action.CLOSE, State.VERIFIED, State.CLOSED),
    # One step back: the department is not responsible, or the work is not done.
    Step(Action.RETURN, State.DISPATCHED, State.CONFIRMED, needs_reason=True),
    Step(Action.RETURN, State.HANDLED, State.DISPATCHED, needs_reason=True),
    Step(Action.RETURN, State.VERIFIED, State.DISPATCHED, needs_reason=True),
    # What has to wait does not count against the deadlines; it is dispatched again afterwards.
    Step(Action.DEFER, State.CONFIRMED, State.DEFERRED, _SUPERVISOR, needs_reason=True),
    Step(Action.DEFER, State.DISPATCHED, State.DEFERRED, _SUPERVISOR, needs_reason=True),
    Step(Action.RESUME, State.DEFERRED, State.CONFIRMED),
    # An appeal is decided like a report, or dismissed.
    Step(Action.APPEAL, State.REJECTED, State.APPEALED, needs_reason=True),
    Step(Action.APPEAL, State.CITED, State.APPEALED, needs_reason=True),
    Step(Action.APPEAL, State.CLOSED, State.APPEALED, needs_reason=True),
    Step(Action.CONFIRM, State.APPEALED, State.CONFIRMED, _SUPERVISOR),
    Step(Action.REJECT, State.APPEALED, State.REJECTED, _SUPERVISOR, needs_reason=True),
    Step(Action.CLOSE, State.APPEALED, State.CLOSED, _SUPERVISOR, needs_reason=True),
    # A closed problem that is back.
    Step(Action.REOPEN, State.CLOSED, State.CONFIRMED, _SUPERVISOR, needs_reason=True),
    Step(Action.WITHDRAW, State.CITED, State.WITHDRAWN, _SUPERVISOR, needs_reason=True),
    *(
        Step(Action.WITHDRAW, state, State.WITHDRAWN, _SUPERVISOR, needs_reason=True)
        for state in _OPEN
    ),
    *(Step(Action.MERGE, state, State.MERGED) for state in _OPEN),
)

_BY_ACTION: Mapping[tuple[Action, State], Step] = {(s.action, s.before): s for s in STEPS}


def step_of(case_id: int, action: Action, now: State) -> Step:
    """The step that an action takes from a state.

    Args:
        case_id: The case's number, for the message.
        action: What is to be done.
        now: The state of the case.

    Raises:
        NoStepError: The process has no such step; the message lists those that it has.
    """
    step = _BY_ACTION.get((action, now))
    if step is not None:
        return step
    allowed = ", ".join(actions_in(now)) or "none, this state is final"
    raise NoStepError(
        f"case {case_id} is {now.value}: it cannot take the step {action.value}; "
        f"possible steps: {allowed}"
    )


def actions_in(now: State) -> tuple[Action, ...]:
    """The actions that are possible in a state, in the order of :class:`Action`."""
    return tuple(action for action in Action if (action, now) in _BY_ACTION)


def state_named(name: str) -> State:
    """The state of a name as a user types it.

    Raises:
        QueueError: There is no such state; the message lists all states.
    """
    try:
        return State(name.strip().lower())
    except ValueError as error:
        raise QueueError(f"there is no state {name!r}; known: {', '.join(State)}") from error
