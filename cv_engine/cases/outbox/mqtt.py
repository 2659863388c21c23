"""MQTT: events as messages to a broker, each acknowledged by it (MQTT 5, QoS 1)."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING, Any

from cv_engine.cases.outbox.errors import OutletAway, OutletError, Refused
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.outlet import EVERYTHING, Selection

if TYPE_CHECKING:
    from paho.mqtt.client import Client

#: The parts of a topic that come from the event.
TOPIC_FIELDS = ("source", "zone", "kind", "case", "event", "state")
_ANSWER_S = 10.0  # for the connection, and for each acknowledgement; far below the relay's lease
_CHECK_S = 0.5  # between two checks of whether the connection still stands
_KEEPALIVE_S = 60  # a connection that broke without a word is noticed within 1.5 times this time
_QOS = 1  # at least once
_NOT_IN_TOPICS = re.compile(r"[/+#\0]")
#: Reasons of MQTT 5 (table 2-6) for which the same message would be refused again: payload format
#: invalid, packet too large, topic name invalid.
_REFUSED = frozenset({0x90, 0x95, 0x99})


def check_topic(template: str) -> str:
    """The template of a topic, unchanged.

    Raises:
        OutletError: The template is empty, or has a wildcard or an unknown field.
    """
    known = ", ".join(f"{{{name}}}" for name in TOPIC_FIELDS)
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise OutletError(f"the topic {template!r} is not a template: {error}") from None
    for text, name, form, conversion in parts:
        if name is not None and (name not in TOPIC_FIELDS or form or conversion):
            raise OutletError(f"the topic has an unknown field {{{name}}}; known: {known}")
        if "+" in text or "#" in text or "\0" in text:
            raise OutletError("a topic to publish to has no wildcards (+ and #)")
    if not template:
        raise OutletError(f"the topic is empty; write one such as cv-engine/{known}")
    return template


@dataclass
class Mqtt:
    """A broker that receives each event as a message.

    The connection opens with the first message, stays open, and is opened again by the next message
    after it broke. Nothing waits in this process: what the broker did not acknowledge is sent again
    from the database.

    Attributes:
        name: Name of the outlet.
        host: The broker's host.
        port: The broker's port.
        topic: Template of the topic, with fields of :data:`TOPIC_FIELDS` in braces.
        tls: Whether the connection is encrypted, and the broker's certificate verified.
        tls_ca: PEM file of the authorities that are trusted; ``None``: those of the system.
        user: User of the broker; ``None``: none.
        password: The user's password.
        selection: Which events it receives.
    """

    name: str
    host: str
    port: int
    topic: str
    tls: bool = False
    tls_ca: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    selection: Selection = EVERYTHING
    at_once: int = 1
    every_s: float = 0.0
    _client: Client | None = field(default=None, init=False, repr=False)
    _refusals: dict[int, Any] = field(default_factory=dict, init=False, repr=False)

    def is_open(self, now: datetime) -> bool:
        """``True``: a program takes events at any hour."""
        return True

    def send(self, events: Sequence[CaseEvent]) -> None:
        """Publish each event; see :class:`~cv_engine.cases.outbox.outlet.Outlet`."""
        for event in events:
            try:
                self._publish(event)
            except BaseException:
                self.close()  # with whatever waits in the client, which is sent again
                raise

    def close(self) -> None:
        """Disconnect, and forget what was not acknowledged."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _publish(self, event: CaseEvent) -> None:
        from paho.mqtt.client import MQTT_ERR_SUCCESS
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        if self._client is None or not self._client.is_connected():
            self.close()
            self._client = self._connected()
        about = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        about.ContentType = "application/json"
        about.UserProperty = [("id", event.key), ("type", event.type)]
        sent = self._client.publish(
            topic_of(self.topic, event), event.body(), qos=_QOS, properties=about
        )
        if sent.rc != MQTT_ERR_SUCCESS:
            raise OutletAway(f"{self._address}: the connection broke ({sent.rc})")
        for _ in range(math.ceil(_ANSWER_S / _CHECK_S)):
            sent.wait_for_publish(_CHECK_S)
            if sent.is_published() or not self._client.is_connected():
                break
        if not sent.is_published():
            raise OutletAway(f"{self._address}: the broker did not acknowledge a message")
        reason = self._refusals.pop(sent.mid, None)
        if reason is not None and reason.value in _REFUSED:
            raise Refused(str(reason))
        if reason is not None:
            raise OutletAway(f"{self._address}: the broker refused a message ({reason})")

    @property
    def _address(self) -> str:
        return f"{self.host}:{self.port}"

    def _connected(self) -> Client:
        from paho.mqtt.client import Client, MQTTv5
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, reconnect_on_failure=False)
        client.connect_timeout = _ANSWER_S
        if self.user is not None:
            client.username_pw_set(self.user, self.password)
        answered, answers = Event(), list[Any]()

        def connected(_: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
            answers.append(reason)
            answered.set()

        def acknowledged(_: Any, __: Any, number: int, reason: Any, ___: Any) -> None:
            if reason.is_failure:
                self._refusals[number] = reason

        client.on_connect, client.on_publish = connected, acknowledged
        self._refusals.clear()
        try:
            if self.tls:
                client.tls_set(ca_certs=self.tls_ca)
            client.connect(self.host, self.port, keepalive=_KEEPALIVE_S)
            client.loop_start()
            answered.wait(_ANSWER_S)
        except OSError as error:
            raise OutletAway(f"{self._address}: no connection ({error})") from error
        if not answers or answers[0].is_failure:
            client.disconnect()
            client.loop_stop()
            why = f"refused the connection ({answers[0]})" if answers else "does not answer"
            raise OutletAway(f"{self._address}: the broker {why}")
        return client


def topic_of(template: str, event: CaseEvent) -> str:
    """The topic of an event; signs with a meaning in topics become ``-`` in names.

    Args:
        template: The template.
        event: The event.
    """
    case = event.case
    values = (case.source, case.zone, case.kind, case.id, event.entry.event.value, case.state.value)
    plain = (_NOT_IN_TOPICS.sub("-", str(value)) for value in values)
    return template.format(**dict(zip(TOPIC_FIELDS, plain, strict=True)))
