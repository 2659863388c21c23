"""One round of the notices: decide, send, ask for reports, follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cv_engine.cases import Queue
from cv_engine.errors import EngineError
from cv_engine.notices.deciding import Decider
from cv_engine.notices.errors import NoticeError
from cv_engine.notices.following import Followed, Follower
from cv_engine.notices.gateways.gateway import Gateway
from cv_engine.notices.judgement import Way
from cv_engine.notices.policy import Policy
from cv_engine.notices.reports import Reporter
from cv_engine.notices.sending import Sender
from cv_engine.notices.wording.car_parks import CarParks
from cv_engine.notices.wording.text import Wording
from cv_engine.registry import Registry

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Round:
    """What a round did.

    Attributes:
        asked: Numbers of the cases whose drivers are to be asked.
        to_officers: Numbers of the cases that go to officers without a notice.
        exempt: Numbers of the cases that were withdrawn, since the vehicle may stand there.
        sent: Number of notices that the gateway has taken.
        reports: Number of final delivery reports.
        left: Numbers of the cases whose vehicle left in time.
        warned: Numbers of the cases that end with a warning.
        escalated: Numbers of the cases that an officer takes over.
    """

    asked: tuple[int, ...] = ()
    to_officers: tuple[int, ...] = ()
    exempt: tuple[int, ...] = ()
    sent: int = 0
    reports: int = 0
    left: tuple[int, ...] = ()
    warned: tuple[int, ...] = ()
    escalated: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return self != Round()


@dataclass(frozen=True, slots=True)
class Rounds:
    """Does what is due for the notices; any number of processes may do so at any time.

    Attributes:
        decider: Decides the way of cases.
        sender: Sends the notices.
        reporter: Asks for delivery reports.
        follower: Follows the cases whose drivers were asked.
    """

    decider: Decider
    sender: Sender
    reporter: Reporter
    follower: Follower

    def run_once(self) -> Round:
        """Do what is due by now.

        Raises:
            NoticeError: A part could not be done, such as with a registry that does not answer;
                the others were done all the same.
        """
        problems: list[EngineError] = []
        ways: list[tuple[int, Way]] = _tried(self.decider.run, problems) or []
        sent: list[int] = _tried(self.sender.run, problems) or []
        reports = _tried(self.reporter.run, problems) or 0
        followed = _tried(self.follower.run, problems) or Followed()
        if problems:
            raise NoticeError(str(problems[0]), problems[0].failure) from problems[0]
        by_way = {way: tuple(number for number, each in ways if each is way) for way in Way}
        return Round(
            asked=tuple(sorted((*by_way[Way.NOTICE], *by_way[Way.ASKED]))),
            to_officers=by_way[Way.OFFICER],
            exempt=by_way[Way.EXEMPT],
            sent=len(sent),
            reports=reports,
            left=followed.left,
            warned=followed.warned,
            escalated=followed.escalated,
        )

    def close(self) -> None:
        """Close the gateway's connection."""
        self.sender.gateway.close()


def open_rounds(
    queue: Queue,
    registry: Registry,
    gateway: Gateway,
    policy: Policy,
    wording: Wording,
    parks: CarParks | None,
    clock: Callable[[], datetime],
) -> Rounds:
    """The rounds of a city's notices.

    Args:
        queue: The cases.
        registry: The vehicles, exemptions and permits.
        gateway: Where the messages go.
        policy: The city's rules.
        wording: How the notices are worded.
        parks: The car parks; ``None``: none are named.
        clock: Returns the present time (timezone-aware).
    """
    return Rounds(
        Decider(queue, registry, policy, clock),
        Sender(queue, registry, gateway, policy, wording, clock, parks),
        Reporter(queue, gateway, clock),
        Follower(queue, policy, clock),
    )


def _tried(part: Callable[[], _T], problems: list[EngineError]) -> _T | None:
    """Do a part; a problem is added to the others."""
    try:
        return part()
    except EngineError as error:
        problems.append(error)
        return None
