"""A month of a small city: what its cameras find and its officers do, hour by hour."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.city.files import SOUTH, STREET_DEG, STREETS, TIME_ZONE, WEST, write_city
from benchmarks.city.recount import Known
from cv_engine.cases import Action, Actor, Case, Queue, QueueError, Role, open_queue
from cv_engine.cases.deadlines import Deadlines, load_calendar
from cv_engine.cases.dispatch import read_organisation
from cv_engine.cases.taxonomy import load_taxonomy
from cv_engine.finding import Finding, Place

FIRST_DAY = datetime(2026, 9, 15, tzinfo=ZoneInfo(TIME_ZONE))
_HOUR = timedelta(hours=1)
_CHIEF = Actor("Chen", Role.SUPERVISOR)
_SPOTS = 60  # places where something is found again and again
_SHARED_SPOTS = 12  # of them: seen by two cameras
_FOUND_PER_HOUR = 4.0
_VEHICLE = "motor_vehicle_parked"
_GOODS = ("street_vendor", "clutter", "exposed_rubbish")
_STAY = timedelta(minutes=40)

# How often things go another way than the straight one, and how long each takes on average.
_REJECTED, _UNDONE, _LEAVES = 0.2, 0.05, 0.6
_NOT_OURS, _RETURNED, _DEFERRED, _EXTENDED, _URGENT = 0.08, 0.15, 0.06, 0.08, 0.03
_APPEALED, _REOPENED, _WITHDRAWN = 0.04, 0.04, 0.02
_VERDICT_H, _DISPATCH_H, _HANDLE_H, _VERIFY_H = 1.5, 0.7, 14.0, 3.0


@dataclass(slots=True)
class Clock:
    """The city's clock, set by the play."""

    now: datetime

    def __call__(self) -> datetime:
        """The present moment."""
        return self.now


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place of the city, and the cameras that see it."""

    lon: float
    lat: float
    street: str
    cameras: tuple[str, ...]


@dataclass
class Month:
    """The play.

    Args:
        where: Path or URL of an empty queue.
        folder: Folder for the city's files.
        seed: Seed of everything that happens.
        days: Days played.

    Attributes:
        known: What was seen of each case, by its number.
        refused: Steps that the queue refused since somebody else had been faster.
        filed_again: Findings that were filed again after the restart.
    """

    where: str | Path
    folder: Path
    seed: int
    days: int
    known: dict[int, Known] = field(default_factory=dict)
    refused: int = 0
    filed_again: int = 0

    def __post_init__(self) -> None:
        files = write_city(self.folder)
        self.clock = Clock(FIRST_DAY.astimezone(UTC))
        self.taxonomy = load_taxonomy(files.taxonomy)
        self.limits = Deadlines(self.taxonomy, load_calendar(files.calendar))
        self.organisation = read_organisation(files.organisation, self.taxonomy.kinds)
        self.chance = random.Random(self.seed)
        self.queue = self._open()
        self._spots = [self._spot(number) for number in range(_SPOTS)]
        self._busy: dict[int, datetime] = {}
        self._todo: list[tuple[datetime, int, int, Callable[[int], None]]] = []
        self._ticket = count()
        self._found: list[Finding] = []

    def _open(self) -> Queue:
        return open_queue(
            self.where,
            clock=self.clock,
            taxonomy=self.taxonomy,
            limits=self.limits,
            organisation=self.organisation,
        )

    def play(self, progress: Callable[[int], None] = lambda day: None) -> None:
        """Play the month; the queue is closed and opened again in its middle."""
        start = self.clock.now
        for hour in range(24 * self.days):
            if hour == 12 * self.days:
                self._restart()
            self._hour(start + hour * _HOUR)
            if hour % 24 == 23:
                progress(hour // 24 + 1)

    def _hour(self, hour: datetime) -> None:
        """What is found in an hour and what is done, in order of time."""
        for _ in range(self._number(_FOUND_PER_HOUR)):
            self._at(hour + self.chance.random() * _HOUR, 0, self._find)
        while self._todo and self._todo[0][0] < hour + _HOUR:
            at, _, case_id, act = heapq.heappop(self._todo)
            self.clock.now = max(self.clock.now, at)
            act(case_id)
        self.clock.now = hour + _HOUR
        for case_id in self.queue.attend().resumed:
            self._note(case_id, Action.RESUME)
            self._after(_DISPATCH_H, case_id, self._dispatch)

    def _restart(self) -> None:
        """The program ends and starts again, and files the last day's findings once more."""
        self.queue.close()
        self.queue = self._open()
        for finding in self._found:
            assert self.queue.file(finding).outcome == "known"
            self.filed_again += 1

    # What the cameras find.

    def _find(self, _: int) -> None:
        free = [n for n in range(_SPOTS) if self._busy.get(n, self.clock.now) <= self.clock.now]
        number = self.chance.choice(free)
        self._busy[number] = self.clock.now + 2 * _STAY
        kind = _VEHICLE if self.chance.random() < 0.5 else self.chance.choice(_GOODS)
        spot, began = self._spots[number], self.clock.now - timedelta(minutes=10)
        for camera in spot.cameras:
            self._file(self._finding(spot, camera, kind, began))
            began += timedelta(seconds=20)  # the other camera sees it a little later

    def _finding(self, spot: _Spot, camera: str, kind: str, began: datetime) -> Finding:
        x = self.chance.uniform(0, 1000)
        return Finding(
            kind=kind,
            source=camera,
            zone="pavement",
            place=Place(
                {"type": "Point", "coordinates": [spot.lon, spot.lat]},
                2.0,
                "homography",
                (x, 100.0, x + 80, 180.0),
            ),
            began=began,
            observed=began + _STAY,
            confidence=0.9,
        )

    def _file(self, finding: Finding) -> None:
        filed = self.queue.file(finding)
        self._found = [*self._found[-100:], finding]
        if filed.outcome == "reopened":  # the goods are back within a day
            self._note(filed.case_id, Action.REOPEN)
            self._after(_DISPATCH_H, filed.case_id, self._dispatch)
        if filed.outcome != "new":
            return
        case, at = self.queue.get(filed.case_id), self.clock.now
        due = self.limits.due(finding.kind, "close", at)
        self.known[case.id] = Known(finding.kind, case.handling.area or "", at, due)
        self._after(_VERDICT_H, case.id, self._judge)

    # What the officers do.

    def _judge(self, case_id: int) -> None:
        if self._happens(_WITHDRAWN):
            self._move(case_id, Action.WITHDRAW, "a camera under repair")
        elif self._happens(_REJECTED):
            if self._move(case_id, Action.REJECT, reason="no_violation"):
                self._perhaps_undo(case_id)
                if self._happens(_APPEALED):
                    self._after(24, case_id, self._appeal)
        elif self._move(case_id, Action.CONFIRM):
            if self._happens(_UNDONE):
                self._perhaps_undo(case_id)
            elif self.known[case_id].kind == _VEHICLE:
                self._after(0.1, case_id, self._notice)
            else:
                self._after(_DISPATCH_H, case_id, self._dispatch)

    def _perhaps_undo(self, case_id: int) -> None:
        if self._happens(_UNDONE):
            self._after(0.3, case_id, self._undo)

    def _undo(self, case_id: int) -> None:
        if self._move(case_id, Action.UNDO, "the wrong case"):
            self._after(_VERDICT_H, case_id, self._judge)

    def _notice(self, case_id: int) -> None:
        if self._move(case_id, Action.NOTICE):
            self._after(0.3, case_id, self._leave if self._happens(_LEAVES) else self._cite)

    def _leave(self, case_id: int) -> None:
        self._move(case_id, Action.CLOSE)

    def _cite(self, case_id: int) -> None:
        if self._move(case_id, Action.CITE):
            self._after(1.0, case_id, self._leave)

    def _dispatch(self, case_id: int) -> None:
        if self._happens(_URGENT):
            self._try(lambda: self.queue.set_priority(case_id, "urgent", _CHIEF, "a wedding"))
            self._note_deadline(case_id)
        if not self._move(case_id, Action.DISPATCH):
            return
        if self._happens(_NOT_OURS):
            self._after(2.0, case_id, self._not_ours)
        elif self._happens(_DEFERRED):
            self._after(2.0, case_id, self._defer)
        else:
            if self._happens(_EXTENDED):
                self._extend(case_id)
            self._after(_HANDLE_H, case_id, self._handle)

    def _not_ours(self, case_id: int) -> None:
        if self._move(case_id, Action.RETURN, reason="not_ours"):
            self._after(_DISPATCH_H, case_id, self._dispatch)

    def _defer(self, case_id: int) -> None:
        until = self.clock.now + timedelta(days=2)
        self._move(case_id, Action.DEFER, "roadworks", until=until)

    def _extend(self, case_id: int) -> None:
        due = self.clock.now + timedelta(days=4)
        self._try(lambda: self.queue.extend(case_id, due, _CHIEF, "a part is missing"))
        self._note_deadline(case_id)

    def _handle(self, case_id: int) -> None:
        if self._move(case_id, Action.HANDLE, "taken away"):
            self._after(_VERIFY_H, case_id, self._verify)

    def _verify(self, case_id: int) -> None:
        if self._happens(_RETURNED):
            if self._move(case_id, Action.RETURN, reason="not_done"):
                self._after(_HANDLE_H / 2, case_id, self._handle)
            return
        if not (self._move(case_id, Action.VERIFY) and self._move(case_id, Action.CLOSE)):
            return
        if self._happens(_REOPENED):
            self._after(30, case_id, self._reopen)

    def _reopen(self, case_id: int) -> None:
        if self._move(case_id, Action.REOPEN, "it is back"):
            self._after(_DISPATCH_H, case_id, self._dispatch)

    def _appeal(self, case_id: int) -> None:
        if self._move(case_id, Action.APPEAL, "the reporter insists"):
            self._after(4, case_id, self._judge)

    # How they do it.

    def _move(
        self,
        case_id: int,
        action: Action,
        note: str = "",
        *,
        reason: str | None = None,
        until: datetime | None = None,
    ) -> bool:
        """Take a step, by the supervisor where an officer may not; whether it was taken."""
        if not self._try(
            lambda: self.queue.move(case_id, action, _CHIEF, note, reason=reason, until=until)
        ):
            return False
        self._note(case_id, action)
        return True

    def _try(self, act: Callable[[], Case]) -> bool:
        try:
            act()
        except QueueError:
            self.refused += 1
            return False
        return True

    def _note(self, case_id: int, action: Action) -> None:
        """Write down what happened, as an observer of the city would."""
        case, known = self.queue.get(case_id), self.known[case_id]
        known.saw(action, case.state, self.clock.now)
        known.department = case.handling.department
        known.close_due = case.handling.close_due_at

    def _note_deadline(self, case_id: int) -> None:
        self.known[case_id].close_due = self.queue.get(case_id).handling.close_due_at

    def _at(self, at: datetime, case_id: int, act: Callable[[int], None]) -> None:
        at = at.replace(microsecond=0)  # the statistics' times are whole seconds
        heapq.heappush(self._todo, (at, next(self._ticket), case_id, act))

    def _after(self, hours: float, case_id: int, act: Callable[[int], None]) -> None:
        """Do something after a time that is exponential with a mean of so many hours."""
        self._at(self.clock.now + self.chance.expovariate(1 / hours) * _HOUR, case_id, act)

    def _happens(self, share: float) -> bool:
        return self.chance.random() < share

    def _number(self, mean: float) -> int:
        """A Poisson number: arrivals within an hour."""
        passed, number = self.chance.expovariate(mean), 0
        while passed < 1.0:
            passed += self.chance.expovariate(mean)
            number += 1
        return number

    def _spot(self, number: int) -> _Spot:
        street = number % len(STREETS)
        lon = WEST + (street + 0.1 + 0.8 * self.chance.random()) * STREET_DEG
        lat = SOUTH + (0.1 + 0.8 * self.chance.random()) * STREET_DEG
        cameras = (f"camera-{number}", f"camera-{number}b")[: 1 + (number < _SHARED_SPOTS)]
        return _Spot(lon, lat, STREETS[street], cameras)
