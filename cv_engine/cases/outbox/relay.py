"""The relay: sends the events that wait for an outlet, at least once and in order per case."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from cv_engine.cases.database.store import Store
from cv_engine.cases.outbox.backoff import Backoff
from cv_engine.cases.outbox.deliveries import Deliveries, Failed, Rest, Waiting
from cv_engine.cases.outbox.errors import OutletAway, Refused, RetryLater
from cv_engine.cases.outbox.outlet import Outlet
from cv_engine.credentials import without_credentials

#: One event that is not taken: from seconds, for a program that restarts, to hours.
EVENT_BACKOFF = Backoff(first_s=5.0, longest_s=6 * 3600.0)
#: After so many attempts an event is a dead letter: at least 65 hours after the first and 130 at
#: most, so that what fails on a Friday evening is still tried on Monday morning.
MOST_ATTEMPTS = 34
#: An outlet that is away is tried again for as long as it takes, and noticed soon when it is back.
OUTLET_BACKOFF = Backoff(first_s=1.0, longest_s=300.0)
#: The longest pause that an outlet may ask for, seconds.
LONGEST_ASKED_S = 24 * 3600.0

# Events that are sent between two commits: they are sent again after a crash.
_BATCH = 50
# Seconds after which a batch is recorded even if it is not done; well below the lease.
_BATCH_S = 10.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run of the relay did.

    Attributes:
        sent: Events that were acknowledged.
        skipped: Events that the outlet's rule leaves out.
        retried: Events that were not taken, and are tried again later.
        dead: Events that became dead letters.
    """

    sent: int = 0
    skipped: int = 0
    retried: int = 0
    dead: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.sent + other.sent,
            self.skipped + other.skipped,
            self.retried + other.retried,
            self.dead + other.dead,
        )

    def __bool__(self) -> bool:
        return self != Counts()


class Relay:
    """Sends the events of one outlet.

    Any number of relays, in any processes, may serve one outlet: a lease in the database lets one
    of them send at a time. A batch is sent, then recorded: a relay that is killed in between leaves
    events that are sent again, with the same idempotency keys. An event that the outlet does not
    take holds back the later events of its case, and of no other, until it is taken or dropped.

    Args:
        store: The queue's database.
        outlet: Where the events go.
        clock: Returns the present time (timezone-aware).
        rng: Source of the jitter between attempts.
    """

    def __init__(
        self,
        store: Store,
        outlet: Outlet,
        clock: Callable[[], datetime],
        rng: random.Random | None = None,
    ) -> None:
        self.outlet = outlet
        self._clock = clock
        self._rng = rng or random.Random()
        self._deliveries = Deliveries(store, outlet.name, uuid4().hex)

    def register(self) -> None:
        """Let the outlet receive every event from now on.

        Raises:
            QueueError: The database cannot be written.
        """
        self._deliveries.register(self._clock())

    def run_once(self) -> Counts:
        """Send one batch of what is due.

        Returns:
            What was done; nothing where nothing is due, the outlet rests, or another relay has it.

        Raises:
            QueueError: The database cannot be read or written.
        """
        now, most = self._clock(), max(_BATCH, self.outlet.at_once)
        if not self.outlet.is_open(now) or not self._deliveries.due(now, 1):
            return Counts()
        rest = self._deliveries.claim(now)
        if rest is None:
            return Counts()
        batch = _Batch(self.outlet, self._clock, self._rng, rest)
        try:
            # Read again: another relay may have sent them before this one had the lease.
            batch.send(self._deliveries.due(now, most))
        finally:
            self._deliveries.record(batch.done, batch.failed, batch.rest)
        return batch.counts


@dataclass
class _Batch:
    """Some events that are being sent, and what became of them."""

    outlet: Outlet
    clock: Callable[[], datetime]
    rng: random.Random
    rest: Rest
    done: list[int] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def send(self, waiting: Sequence[Waiting]) -> None:
        """Send as many events as the batch's time allows."""
        began = self.clock()
        stuck: set[int] = set()  # cases with an event that was not taken
        for message in self._messages(waiting):
            message = [each for each in message if each.event.case.id not in stuck]
            if not message:
                continue
            if not timedelta(0) <= self.clock() - began < timedelta(seconds=_BATCH_S):
                return
            if not self._send(message):
                stuck |= {each.event.case.id for each in message}
            if self.rest.until is not None:
                return

    def _messages(self, waiting: Sequence[Waiting]) -> Iterator[list[Waiting]]:
        """The events by message, without those that the outlet does not receive."""
        message: list[Waiting] = []
        for each in waiting:
            if not self.outlet.selection.includes(each.event):
                self.done.append(each.id)
                self.counts += Counts(skipped=1)
                continue
            message.append(each)
            if len(message) == self.outlet.at_once:
                yield message
                message = []
        if message:
            yield message

    def _send(self, message: list[Waiting]) -> bool:
        """Send one message; returns whether it was acknowledged."""
        try:
            self.outlet.send([each.event for each in message])
        except Refused as error:
            self._fail(message, str(error), 0.0, dead=True)
        except OutletAway as error:
            self._away(message, error)
        except RetryLater as error:
            self._fail(message, str(error), error.after_s)
        except Exception as error:  # a bug in an outlet must not stop the others
            structlog.get_logger(__name__).warning("outlet failed", exc_info=error)
            self._fail(message, f"{type(error).__name__}: {error}", 0.0)
        else:
            self.done += [each.id for each in message]
            self.counts += Counts(sent=len(message))
            self.rest = Rest(until=self._next_message())
            return True
        return False

    def _away(self, message: list[Waiting], error: OutletAway) -> None:
        """Let the outlet rest. No attempt of the events counts, since none was judged.

        Other cases come first next time: an event that alone makes the outlet fail blocks no other.
        """
        failures = self.rest.failures + 1
        pause = max(OUTLET_BACKOFF.pause_s(failures, self.rng), _asked(error.after_s))
        at, text = self.clock() + timedelta(seconds=pause), without_credentials(str(error))
        self.rest = Rest(failures, at, text)
        self.failed += [Failed(each.id, each.attempts, at, text) for each in message]
        self.counts += Counts(retried=len(message))
        if failures == 1:
            self._warn("outlet away, its events wait", message, text)

    def _fail(
        self, message: list[Waiting], reason: str, after_s: float, *, dead: bool = False
    ) -> None:
        now, text = self.clock(), without_credentials(reason)
        # One pause for the whole message: what was sent together is tried again together.
        failures = 1 + max(each.attempts for each in message)
        pause = max(EVENT_BACKOFF.pause_s(failures, self.rng), _asked(after_s))
        for each in message:
            attempts = each.attempts + 1
            ended = dead or attempts >= MOST_ATTEMPTS
            at = now if ended else now + timedelta(seconds=pause)
            self.failed.append(Failed(each.id, attempts, at, text, ended))
            self.counts += Counts(dead=1) if ended else Counts(retried=1)
            if ended:
                self._warn("dead letter, later events of its case wait", [each], text)
        self.rest = Rest(until=self._next_message(), error=text)

    def _next_message(self) -> datetime | None:
        """When the next message may be sent; a digest that failed was a message, too."""
        pause = timedelta(seconds=self.outlet.every_s)
        return self.clock() + pause if pause else None

    def _warn(self, what: str, message: list[Waiting], reason: str) -> None:
        structlog.get_logger(__name__).warning(
            what, outlet=self.outlet.name, event_id=message[0].event.key, reason=reason
        )


def _asked(after_s: float) -> float:
    return min(after_s, LONGEST_ASKED_S)
