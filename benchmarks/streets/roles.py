"""Processes of the morning, which are killed: the street, and two that send the notices."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.streets.cars import ASKED_AFTER, DWELL, TIME_ZONE, WALK, Car, cars
from benchmarks.streets.clock import Clock
from benchmarks.streets.gateway import append
from cv_engine.cases import Action, Case, Queue, QueueError, State, open_queue
from cv_engine.cases.looks import record_look
from cv_engine.cases.outbox.digest import Language
from cv_engine.config.registry import RegistryConfig
from cv_engine.notices.gateways.file import FileGateway
from cv_engine.notices.gateways.gateway import Gateway
from cv_engine.notices.gateways.http import HttpGateway
from cv_engine.notices.policy import Policy
from cv_engine.notices.rounds import Rounds, open_rounds
from cv_engine.notices.wording.text import Wording
from zones.schedule import time_zone

_SEEN_EVERY = timedelta(minutes=5)  # as cameras report that a vehicle is still there
_PATROL_AFTER = timedelta(minutes=15)  # until the officer comes to a car without a notice
_LONGEST_STAY = timedelta(minutes=45)
_ENDED = (State.CLOSED, State.CITED, State.WITHDRAWN)
_IDLE_S = 0.005  # between two readings of the clock


@dataclass(frozen=True, slots=True)
class Street:
    """Where the processes work.

    Attributes:
        queue: Path or URL of the queue.
        folder: Folder of the registries and of the messages.
        url: Address of the gateway; ``None`` for a file.
        heeds_keys: Whether the gateway heeds idempotency keys.
        cars: Number of cars.
        clock: The time of the morning.
        done: Time up to which each role has done everything, by its number.
    """

    queue: str
    folder: Path
    url: str | None
    heeds_keys: bool
    cars: int
    clock: Clock
    done: Any

    @property
    def sent(self) -> Path:
        """The file of the messages that were sent."""
        return self.folder / "sent.jsonl"

    @property
    def asked(self) -> Path:
        """The file of the requests that the gateway has taken."""
        return self.folder / "asked.jsonl"

    def open(self) -> Queue:
        """Open the queue."""
        return open_queue(self.queue, clock=self.clock.now)

    def taken(self) -> int:
        """Size of the file that grows when a message is taken, bytes."""
        path = self.sent if self.url is None else self.asked
        return path.stat().st_size if path.exists() else 0

    def messages(self) -> list[dict[str, str]]:
        """The messages that were sent, whole lines only."""
        if not self.sent.exists():
            return []
        lines = self.sent.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def rounds(self, queue: Queue) -> Rounds:
        """The notices of the city."""
        policy = Policy(
            kinds=frozenset({"motor_vehicle_parked"}),
            zone=time_zone(TIME_ZONE),
            surge_least=self.cars,  # a morning without a past
        )
        wording = Wording("City", Language.BOTH, policy.zone)
        registry = RegistryConfig(timezone=TIME_ZONE).open(
            self.folder, {}, partial(record_look, queue.store), self.clock.now, time.monotonic
        )
        return open_rounds(queue, registry, self._gateway(), policy, wording, None, self.clock.now)

    def _gateway(self) -> Gateway:
        if self.url is None:
            return FileGateway(self.sent)
        return HttpGateway(
            url=self.url,
            body={"to": "{to}", "text": "{text}", "key": "{key}"},
            clock=self.clock.now,
            key_header="Idempotency-Key" if self.heeds_keys else None,
            id_pointer="/id",
            report_url=f"{self.url}/{{id}}",
        )


def play_street(street: Street, number: int) -> None:
    """Cars come, are confirmed, are asked, leave or are cited; over and over until killed."""
    of = {car.finding().key: car for car in cars(street.cars)}
    with street.open() as queue:
        while True:
            now = street.clock.now()
            read = _read_messages(street, now)
            known = {case.key: case for case in queue.cases()}
            for key, car in of.items():
                if car.came + DWELL > now:
                    continue
                if key not in known:
                    queue.file(car.finding())
                elif known[key].state not in _ENDED:
                    _play_car(queue, car, known[key], now, read)
            _rest(street, number, now)


def _read_messages(street: Street, now: datetime) -> dict[str, datetime]:
    """When each driver has read the message; kept, so that a kill does not let them read again."""
    path = street.folder / "read.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    read = {row["to"]: datetime.fromisoformat(row["at"]) for row in map(json.loads, lines)}
    for message in street.messages():
        if message["to"] not in read:
            append(path, {"to": message["to"], "at": now.isoformat()})
            read[message["to"]] = now
    return read


def _play_car(queue: Queue, car: Car, case: Case, now: datetime, read: dict[str, datetime]) -> None:
    """Do what is due for a car; what was done before the last kill is not done again."""
    gone = _gone_at(car, read)
    if case.gone_at is None:
        if gone is not None and gone <= now:
            queue.gone(case.key, max(gone, case.observed))
        elif now - case.observed >= _SEEN_EVERY:
            queue.seen(case.key, now)
    with suppress(QueueError):  # the notices were faster
        _act(queue, car, case, now)


def _gone_at(car: Car, read: dict[str, datetime]) -> datetime | None:
    """When the car leaves: soon after the message, or once its driver is done."""
    if car.kind == "leaves":
        return read[car.phone] + WALK if car.phone in read else None
    return car.came + _LONGEST_STAY


def _act(queue: Queue, car: Car, case: Case, now: datetime) -> None:
    """What the officers do."""
    if case.state is State.REPORTED and now >= car.came + ASKED_AFTER:
        queue.confirm(case.id, "Wang")
    elif case.state is State.NOTICED and case.handling.alert is not None:
        queue.move(case.id, Action.CITE, "Li", "still there")
    elif case.state is State.CONFIRMED and case.filed_at + _PATROL_AFTER <= now:
        # The history says by then why no notice was sent.
        queue.move(case.id, Action.CITE, "Li", "seen on patrol")


def send_notices(street: Street, number: int) -> None:
    """Decide, send and follow; over and over until killed."""
    with street.open() as queue:
        rounds = street.rounds(queue)
        while True:
            now = street.clock.now()
            with suppress(QueueError):  # a busy database: the next round
                rounds.run_once()
                _rest(street, number, now)


def _rest(street: Street, number: int, now: datetime) -> None:
    """Say that all was done that was due, and wait for the clock or a moment."""
    street.done[number] = now.timestamp()
    time.sleep(_IDLE_S)


#: The processes, each with its number.
ROLES: tuple[Callable[[Street, int], None], ...] = (play_street, send_notices, send_notices)
