"""A city with notices: its cases, its vehicles, its gateway, and a clock that the test sets."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cv_engine.cases import Case, Event, Queue, State
from cv_engine.cases.looks import record_look
from cv_engine.cases.outbox.digest import Language
from cv_engine.notices.gateways.gateway import Gateway, Message, Outcome, Report
from cv_engine.notices.overview import Notice, Overview
from cv_engine.notices.policy import Policy
from cv_engine.notices.rounds import Round, Rounds, open_rounds
from cv_engine.notices.wording.car_parks import CarParks
from cv_engine.notices.wording.text import Wording
from cv_engine.registry import Kind, Registry
from tests.cases.made import at, finding
from tests.clock import Clock
from tests.registry.made import load, tables, write
from zones.schedule import time_zone

PLATE = "浙B12345"
PHONE = "13800000000"
_NOON_S = 4 * 3600.0  # 12:00 in China
POLICY = Policy(kinds=frozenset({"motor_vehicle_parked"}), zone=time_zone("Asia/Shanghai"))
_VEHICLES = (
    f"{PLATE},,,{PHONE}",
    "浙B00001,,,13800000001",
    "浙B00002,,,13800000002",
    "浙B0110警,exempt,police,",
    "浙B44444,,,13800000004",
    "浙B55555,,,13800000005",
    "浙B66666,stolen,,13800000006",
    "浙B77777,,,",
    "浙B88888,deregistered,,13800000008",
)
_PERMITS = ("4,浙B44444,,121.5,29.8,20", "5,浙B55555,pavement,,,")


def import_city(folder: Path) -> Path:
    """Import the city's vehicles and parking permits; returns the folder."""
    vehicles = write(folder / "v.csv", "plate,status,exempt_reason,phone", *_VEHICLES)
    permits = write(folder / "p.csv", "number,plate,zone,longitude,latitude,radius_m", *_PERMITS)
    load(folder, Kind.VEHICLES, vehicles)
    load(folder, Kind.PARKING, permits)
    return folder


def registry_of(folder: Path, queue: Queue, clock: Callable[[], datetime]) -> Registry:
    """The registries of a folder, whose accesses are in the log of the queue."""
    log = partial(record_look, queue.store)
    return Registry(dict.fromkeys(Kind, tables(folder)), log, clock, timezone="Asia/Shanghai")


@dataclass
class Phones:
    """A gateway that keeps what it sends; ``answer`` may raise what a gateway raises."""

    is_idempotent: bool = True
    reports: bool = False
    answer: Callable[[Message], None] = lambda message: None
    messages: list[Message] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    said: Report = field(default_factory=lambda: Report(Outcome.PENDING, "queued"))
    name: str = "phones"

    def send(self, message: Message) -> str | None:
        self.asked.append(message.key)
        self.answer(message)
        return self.take(message)

    def take(self, message: Message) -> str:
        known = [each.key for each in self.messages]
        if not (self.is_idempotent and message.key in known):
            self.messages.append(message)
        return f"m-{message.key}"

    def report(self, message_id: str) -> Report:
        return self.said

    def close(self) -> None:
        pass


@dataclass
class City:
    """A city whose officers and cameras the test plays."""

    queue: Queue
    clock: Clock
    gateway: Gateway
    registry: Registry
    policy: Policy = POLICY
    parks: CarParks | None = None
    places: int = 0

    @property
    def rounds(self) -> Rounds:
        wording = Wording("City", Language.ENGLISH, self.policy.zone)
        rounds = open_rounds(
            self.queue,
            self.registry,
            self.gateway,
            self.policy,
            wording,
            self.parks,
            self.clock,
        )
        rounds.sender.rng = random.Random(1)
        return rounds

    def park(
        self, plate: str | None = PLATE, sure: float = 0.998, dwell_s: float = 300, **more: Any
    ) -> int:
        """A car that has stood for a dwell is filed; returns the case's number."""
        attributes = dict(more.pop("attributes", {}))
        if plate is not None:
            attributes["plate"] = {"text": plate, "confidence": sure, "layout": "blue"}
        now_s = (self.clock.now - at(0)).total_seconds()
        self.places += 1
        box = (self.places * 300.0, 100.0, self.places * 300.0 + 90, 180.0)
        found = finding(now_s - dwell_s, now_s, box=box, attributes=attributes, **more)
        return self.queue.file(found).case_id

    def confirmed(self, plate: str | None = PLATE, sure: float = 0.998, **more: Any) -> int:
        """A car whose case an officer has confirmed."""
        number = self.park(plate, sure, **more)
        self.queue.confirm(number, "Wang")
        return number

    def run(self, after_s: float = 0.0) -> Round:
        self.clock.advance(after_s)
        return self.rounds.run_once()

    def seen(self, number: int) -> None:
        self.queue.seen(self.queue.get(number).key, self.clock.now)

    def gone(self, number: int, before_s: float = 0.0) -> None:
        last = self.clock.now - timedelta(seconds=before_s)
        self.queue.gone(self.queue.get(number).key, last)

    def case(self, number: int) -> Case:
        return self.queue.get(number)

    def state(self, number: int) -> tuple[State, str | None]:
        case = self.queue.get(number)
        return case.state, case.result.outcome

    def notice(self, number: int) -> Notice:
        (found,) = Overview(self.queue.store).notices(case_id=number)
        return found

    def notes(self, number: int, event: Event = Event.NOTICE) -> list[str]:
        return [entry.note for entry in self.queue.history(number) if entry.event is event]

    def with_policy(self, **values: Any) -> City:
        return replace(self, policy=replace(self.policy, **values))


def noon() -> Clock:
    return Clock(at(_NOON_S))
