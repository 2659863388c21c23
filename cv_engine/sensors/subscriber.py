"""Subscriber: the connection to the MQTT broker that the sensors publish to.

The session is persistent: the broker keeps what arrives while the program is away. A message is
acknowledged when its effect is durable; a message that was not is delivered again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from cv_engine.cases.errors import QueueError
from cv_engine.credentials import without_credentials
from cv_engine.errors import Failure
from cv_engine.sensors.errors import SensorError
from cv_engine.sensors.message import Payload
from cv_engine.sensors.report import Delivery

if TYPE_CHECKING:
    from ssl import SSLContext

    from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_QOS: Final = 1  # at least once; 2 would cost two more messages, and duplicates do no harm
_LOOP_S = 0.5  # longest wait for the network, so that a signal to stop is noticed soon
_KEEPALIVE_S = 30  # a dead connection is noticed after one and a half times this
_CONNECT_S = 15.0  # for the broker's answer
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0  # between attempts; each is twice the last
_WAKE_EVERY_S = 1.0  # a fault is filed this late at most
_SETTLE_S = 10.0  # in which the broker delivers what it kept, before time alone says anything
_LARGEST_PACKET = 1 << 20  # bytes; the broker drops larger ones, which would fill the memory

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Broker:
    """How the broker is reached.

    Attributes:
        host: Name or address.
        port: TCP port.
        client_id: Name of the session; two programs with one name disconnect each other.
        user: The user; ``None`` for no authentication.
        password: The user's password.
        tls: Whether the connection is encrypted.
        tls_ca: PEM file of the authority that signed the broker's certificate; ``None`` for those
            of the operating system.
        session_s: Seconds for which the broker keeps messages for a program that is away.
    """

    host: str
    port: int
    client_id: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = True
    tls_ca: Path | None = None
    session_s: int = 604_800

    @property
    def name(self) -> str:
        """The broker, for messages."""
        return f"broker {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic, with wildcards, and the payload of its messages."""

    topic: str
    payload: Payload


class Receiver(Protocol):
    """What is called; :class:`cv_engine.sensors.watcher.Watcher` has it."""

    def receive(self, topic: str, data: bytes, payload: Payload, delivery: Delivery) -> None:
        """Apply a message durably."""

    def listen_from_now(self) -> None:
        """Note that messages before now may have been missed."""

    def wake(self) -> int:
        """Apply the passing of time."""


class _Disconnected(SensorError):
    """There is no connection; the text says why."""

    failure = Failure.UNAVAILABLE


class Subscriber:
    """Receives messages until stopped; all in the thread that calls :meth:`run`.

    Args:
        broker: How the broker is reached.
        subscriptions: The topics; of several that match a message the first counts.
        receiver: What is called.
        monotonic: Returns seconds on a steady clock.
        sleep: Waits for some seconds.

    Raises:
        SensorError: The certificate of the authority cannot be read.
    """

    def __init__(
        self,
        broker: Broker,
        subscriptions: Sequence[Subscription],
        receiver: Receiver,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._broker = broker
        self._subscriptions = tuple(subscriptions)
        self._receiver = receiver
        self._monotonic = monotonic
        self._sleep = sleep
        self._connected_at: float | None = None
        self._problem = ""
        self._client = self._made()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Receive messages; after a failure connect again with growing pauses.

        Args:
            stopped: Whether to end; asked twice a second.

        Raises:
            QueueError: The database refuses what no repetition can change.
        """
        pause_s = _FIRST_PAUSE_S
        try:
            while not stopped():
                try:
                    self._serve(stopped)
                except (OSError, QueueError, _Disconnected) as error:
                    if isinstance(error, QueueError) and error.failure is Failure.WRONG_INPUT:
                        raise
                    if self._connected_at is not None:
                        pause_s = _FIRST_PAUSE_S
                    reason = without_credentials(str(error))
                    _log.warning(
                        "sensors not heard",
                        broker=self._broker.name,
                        reason=reason,
                        pause_s=pause_s,
                    )
                    self._pause(pause_s, stopped)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        finally:
            self._client.disconnect()

    def _serve(self, stopped: Callable[[], bool]) -> None:
        """Connect, and receive messages until the connection breaks off."""
        self._connected_at, self._problem = None, ""
        began = woken = self._monotonic()
        self._client.reconnect()
        while not stopped():
            code = self._client.loop(_LOOP_S)
            if self._problem or code:
                raise _Disconnected(self._problem or f"the connection broke off ({code.name})")
            now = self._monotonic()
            connected_s = self._connected_for(now)
            if connected_s is None and now - began > _CONNECT_S:
                raise _Disconnected("the broker does not answer")
            if (
                connected_s is not None
                and connected_s >= _SETTLE_S
                and now - woken >= _WAKE_EVERY_S
            ):
                woken = now
                self._receiver.wake()

    def _connected_for(self, now: float) -> float | None:
        """Seconds since the broker accepted the connection; ``None`` without one."""
        return None if self._connected_at is None else now - self._connected_at

    def _pause(self, seconds: float, stopped: Callable[[], bool]) -> None:
        until = self._monotonic() + seconds
        while not stopped() and (left := until - self._monotonic()) > 0:
            self._sleep(min(left, _LOOP_S))

    def _made(self) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        broker = self._broker
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set_context(tls_context(broker.tls_ca))
        wanted = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wanted.SessionExpiryInterval = broker.session_s
        wanted.MaximumPacketSize = _LARGEST_PACKET
        client.connect_async(
            broker.host, broker.port, _KEEPALIVE_S, clean_start=False, properties=wanted
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _on_connect(
        self,
        client: Client,
        _: Any,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        from paho.mqtt.subscribeoptions import SubscribeOptions

        if reason.is_failure:
            self._problem = (
                f"the broker refuses the connection ({reason}); check user, password and client_id"
            )
            return
        _log.info("connected", broker=self._broker.name, kept=flags.session_present)
        if not flags.session_present:
            self._receiver.listen_from_now()
        options = SubscribeOptions(qos=_QOS, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        client.subscribe([(each.topic, options) for each in self._subscriptions])
        self._connected_at = self._monotonic()

    def _on_subscribe(
        self,
        client: Client,
        _: Any,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        for each, reason in zip(self._subscriptions, reasons, strict=True):
            if reason.is_failure:
                self._problem = f"the broker refuses topic {each.topic} ({reason})"
        _log.info("subscribed", broker=self._broker.name, topics=len(reasons))

    def _on_disconnect(
        self, client: Client, _: Any, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if not self._problem:
            self._problem = f"the connection broke off: {reason}"

    def _on_message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        from paho.mqtt.client import topic_matches_sub

        delivery = Delivery.AGAIN if message.dup else Delivery.FIRST
        if message.retain:
            delivery = Delivery.RETAINED
        for each in self._subscriptions:
            if topic_matches_sub(each.topic, message.topic):
                data = bytes(message.payload)
                self._receiver.receive(message.topic, data, each.payload, delivery)
                break
        client.ack(message.mid, message.qos)


def tls_context(authorities: Path | None) -> SSLContext:
    """The settings of an encrypted connection to a broker.

    Args:
        authorities: PEM file of the authority that is trusted; ``None`` for those of the operating
            system.

    Raises:
        SensorError: The file cannot be read.
    """
    import ssl

    try:
        return ssl.create_default_context(cafile=authorities)
    except ssl.SSLError:
        raise SensorError(f"{authorities}: the file holds no certificate; give PEM") from None
    except OSError as error:
        raise SensorError(
            f"{authorities}: cannot be read ({error.strerror}); correct sensors.tls_ca"
        ) from None
