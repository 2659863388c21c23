"""Watcher: from messages and time to findings in the queue, each exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from cv_engine.cases.errors import QueueError
from cv_engine.errors import Failure
from cv_engine.sensors.condition import Change
from cv_engine.sensors.device import Device, Outcome, Watching, receive, wake, wake_at
from cv_engine.sensors.effect import Cases, carry_out
from cv_engine.sensors.errors import MessageError
from cv_engine.sensors.findings import with_effects
from cv_engine.sensors.message import ClockBounds, Payload, read_report
from cv_engine.sensors.registry import Registry
from cv_engine.sensors.report import Delivery, Report

_WOKEN_AT_ONCE = 200  # devices between two messages: some tenths of a second
_RETRY = timedelta(seconds=60)  # until effects that the queue refuses are tried again
_NAMED_IN_LOG = 1000  # ids of unknown devices, each logged once

_log = structlog.get_logger(__name__)


class Watcher:
    """Applies messages to devices and files what follows; see docs/sensors.md.

    A message is applied in one transaction, which also writes down what the queue has to do. The
    queue does so afterwards. A program killed at any time repeats the second part, which is
    idempotent, and receives the message again if the first part was not durable.

    Args:
        registry: The devices.
        cases: The queue.
        watching: How devices are watched.
        bounds: How far a device's time may be off.
        clock: Returns the time (timezone-aware).

    Attributes:
        counts: Number of messages by outcome, and of refused ones by reason.
    """

    def __init__(
        self,
        registry: Registry,
        cases: Cases,
        watching: Watching,
        bounds: ClockBounds,
        clock: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._cases = cases
        self._watching = watching
        self._bounds = bounds
        self._clock = clock
        self._unknown: set[str] = set()
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        """Have every device looked at: a killed program may have left something to do."""
        self._registry.wake_all(self._clock())

    def listen_from_now(self) -> None:
        """Count silence from now: the broker kept no messages."""
        self._registry.listen_from(self._clock())

    def receive(
        self, topic: str, data: bytes, payload: Payload, delivery: Delivery = Delivery.FIRST
    ) -> None:
        """Apply a message; its effect is durable when the method returns.

        A message that makes no sense is counted and logged.

        Args:
            topic: The message's topic, for the log.
            data: The message.
            payload: Where the message has what.
            delivery: How the broker delivered the message.

        Raises:
            QueueError: The database cannot be reached; the message must be delivered again.
        """
        try:
            report = read_report(data, payload, self._clock(), self._bounds)
        except MessageError as error:
            self.counts[error.reason] += 1
            _log.warning("message refused", topic=topic, reason=str(error))
            return
        outcome: str = "unknown_device"

        def step(device: Device) -> tuple[Device, datetime | None]:
            nonlocal outcome
            device, changes, outcome = receive(device, report, self._watching, delivery)
            return self._with_effects(device, changes, report.received)

        device = self._registry.update(report.device, step)
        self.counts[outcome] += 1
        if device is None:
            self._log_unknown(topic, report)
            return
        if report.time_from == "receipt" and report.numbered and outcome == Outcome.HELD:
            self.counts["time_of_receipt"] += 1
            _log.info("device's time not used", device=report.device, topic=topic)
        self._carry_out(device)

    def wake(self) -> int:
        """Apply the passing of time to the devices that are due; returns their number.

        Raises:
            QueueError: The database cannot be reached.
        """
        now = self._clock()
        ids = self._registry.due(now, _WOKEN_AT_ONCE)
        for device_id in ids:
            device = self._registry.update(device_id, lambda each: self._woken(each, now))
            if device is not None:
                self._carry_out(device)
        return len(ids)

    def _woken(self, device: Device, now: datetime) -> tuple[Device, datetime | None]:
        device, changes = wake(device, now, self._watching)
        return self._with_effects(device, changes, now)

    def _with_effects(
        self, device: Device, changes: tuple[Change, ...], now: datetime
    ) -> tuple[Device, datetime | None]:
        for change in changes:
            _log.info(
                "condition changed",
                device=device.id,
                before=change.before.value,
                after=change.after.value,
                at=change.at.isoformat(),
            )
        device = with_effects(device, changes, now, self._watching.damping.window_s)
        if device.state.effects:
            return device, now + _RETRY
        return device, wake_at(device, self._watching)

    def _carry_out(self, device: Device) -> None:
        """Have the queue do what a device's changes lead to, and forget what it did."""
        effects = device.state.effects
        if not effects:
            return
        try:
            for effect in effects:
                carry_out(effect, self._cases)
        except QueueError as error:
            if error.failure is not Failure.WRONG_INPUT:
                raise
            self.counts["not_filed"] += 1
            _log.error("finding not filed; tried again later", device=device.id, reason=str(error))
            return

        def forget(each: Device) -> tuple[Device, datetime | None]:
            left = each.state.effects
            if left[: len(effects)] == effects:
                left = left[len(effects) :]
            each = replace(each, state=replace(each.state, effects=left))
            return each, self._clock() if left else wake_at(each, self._watching)

        self._registry.update(device.id, forget)

    def _log_unknown(self, topic: str, report: Report) -> None:
        if report.device in self._unknown or len(self._unknown) >= _NAMED_IN_LOG:
            return
        self._unknown.add(report.device)
        _log.warning(
            "device is not registered; add it with `cv-engine sensors import`",
            device=report.device,
            topic=topic,
        )
