"""The ``sensors`` section of the configuration: the broker, the topics and the conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from cv_engine.section import (
    Count,
    FilePath,
    Metres,
    Port,
    Seconds,
    SecondsOrZero,
    Section,
    Switch,
    Text,
    Unit,
)
from cv_engine.sensors.condition import Condition, Damping
from cv_engine.sensors.device import Watching
from cv_engine.sensors.message import FIELDS, ClockBounds, Payload
from cv_engine.sensors.reading import Thresholds

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_EVENTS = sorted({*Condition, "heartbeat"} - {Condition.SILENT})
Degrees = Annotated[
    float,
    Field(gt=0, le=180, allow_inf_nan=False, strict=True),
    Unit("an angle in degrees, above 0 and up to 180", "15"),
]
Acceleration = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, strict=True),
    Unit("an acceleration in g above 0", "1.5"),
]
Factor = Annotated[
    float, Field(gt=0, allow_inf_nan=False, strict=True), Unit("a factor above 0", "100")
]
SessionSeconds = Annotated[
    int,
    Field(ge=0, lt=2**32 - 1, strict=True),  # MQTT has 32 bits, and the last value means for ever
    Unit("a whole number of seconds, 0 or more", "604800"),
]


class TopicConfig(Section):
    """One kind of device: where its messages are, and what they look like."""

    topic: Text
    pointers: dict[Text, Text] | None = None
    events: dict[Text, Text] = Field(default_factory=dict)
    scale: dict[Text, Factor] = Field(default_factory=dict)

    @field_validator("topic")
    @classmethod
    def _valid_filter(cls, topic: str) -> str:
        levels = topic.split("/")
        wild = any(len(each) > 1 and ("+" in each or "#" in each) for each in levels)
        if wild or "#" in levels[:-1] or "\0" in topic:
            raise ValueError(
                f"{topic!r} is no topic of MQTT; + stands for one level and # for the last ones, "
                "as in city/manhole/+/up"
            )
        return topic

    @field_validator("pointers", "scale")
    @classmethod
    def _known_fields(cls, by_field: Mapping[str, object] | None) -> Mapping[str, object] | None:
        for name in by_field or {}:
            if name not in FIELDS:
                raise ValueError(f"{name!r} is no field of a message; known: {', '.join(FIELDS)}")
        return by_field

    @field_validator("pointers")
    @classmethod
    def _json_pointers(cls, pointers: dict[str, str] | None) -> dict[str, str] | None:
        if pointers is None:
            return None
        for name, pointer in pointers.items():
            if not _POINTER.fullmatch(pointer):
                raise ValueError(
                    f"{name}: {pointer!r} is no JSON pointer; write one such as /object/tilt"
                )
        if "device" not in pointers:
            raise ValueError("device is missing; say where the device's id is, such as /devEui")
        return pointers

    @field_validator("events")
    @classmethod
    def _known_events(cls, events: dict[str, str]) -> dict[str, str]:
        for name, event in events.items():
            if event not in _EVENTS:
                raise ValueError(f"{name}: {event!r} is not one of {', '.join(_EVENTS)}")
        return events

    @property
    def payload(self) -> Payload:
        """Where the payload has what."""
        pointers = FIELDS if self.pointers is None else self.pointers
        return Payload(pointers, self.events, self.scale)


class SensorsConfig(Section):
    """Sensors on manhole covers and the like, by MQTT."""

    host: Text | None = None
    port: Port = 8883
    tls: Switch = True
    tls_ca: FilePath | None = None
    user: Text | None = None
    password_env: Text | None = None
    password_file: FilePath | None = None
    client_id: Text = "cv-engine"
    session_s: SessionSeconds = 604_800
    clock_ahead_s: SecondsOrZero = ClockBounds().ahead_s
    clock_behind_s: SecondsOrZero = ClockBounds().behind_s
    reorder_s: SecondsOrZero = Watching().reorder_s
    silent_s: Seconds = Watching().silent_s
    enter_s: SecondsOrZero = Damping().enter_s
    enter_reports: Count = Damping().enter_reports
    window_s: Seconds = Damping().window_s
    quiet_s: Seconds = Damping().quiet_s
    tilt_deg: Degrees = Thresholds().tilt_deg
    tilt_clear_deg: Degrees = Thresholds().tilt_clear_deg
    moved_m: Metres = Thresholds().moved_m
    moved_clear_m: Metres = Thresholds().moved_clear_m
    lost_m: Metres = Thresholds().lost_m
    bounce_g: Acceleration = Thresholds().bounce_g
    bounce_clear_g: Acceleration = Thresholds().bounce_clear_g
    topics: tuple[TopicConfig, ...] = ()

    @model_validator(mode="after")
    def _hysteresis(self) -> SensorsConfig:
        for clear, enter in (
            ("tilt_clear_deg", "tilt_deg"),
            ("moved_clear_m", "moved_m"),
            ("moved_m", "lost_m"),
            ("bounce_clear_g", "bounce_g"),
        ):
            if getattr(self, clear) > getattr(self, enter):
                raise ValueError(f"{clear} is larger than {enter}; a fault would end as it begins")
        if self.password_env is not None and self.password_file is not None:
            raise ValueError("password_env and password_file are both there; one of them is enough")
        return self

    def based(self, base: Path) -> SensorsConfig:
        """The same with its relative paths starting at a folder."""
        paths = {"tls_ca": self.tls_ca, "password_file": self.password_file}
        return self.model_copy(
            update={
                name: base / path.expanduser() for name, path in paths.items() if path is not None
            }
        )

    @property
    def watching(self) -> Watching:
        """How devices are watched."""
        return Watching(
            Damping(self.enter_s, self.enter_reports, self.window_s, self.quiet_s),
            Thresholds(
                self.tilt_deg,
                self.tilt_clear_deg,
                self.moved_m,
                self.moved_clear_m,
                self.lost_m,
                self.bounce_g,
                self.bounce_clear_g,
            ),
            self.reorder_s,
            self.silent_s,
        )

    @property
    def clock_bounds(self) -> ClockBounds:
        """How far a device's time may be off."""
        return ClockBounds(self.clock_ahead_s, self.clock_behind_s)
