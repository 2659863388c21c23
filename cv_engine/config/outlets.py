"""The ``outlets`` section of the configuration: the programs and people that receive events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from cv_engine.cases.case import Event
from cv_engine.cases.lifecycle import State
from cv_engine.cases.outbox.digest import Language
from cv_engine.cases.outbox.errors import OutletError
from cv_engine.cases.outbox.mqtt import Mqtt, check_topic
from cv_engine.cases.outbox.outlet import Outlet, Selection
from cv_engine.cases.outbox.people import People
from cv_engine.cases.outbox.webhook import Webhook, read_secrets
from cv_engine.cases.taxonomy import Taxonomy
from cv_engine.config.addresses import check_web_address, split_address
from cv_engine.config.secrets import SecretError, check_secret, read_secret
from cv_engine.section import FilePath, Name, Section, Text, Unit
from zones.schedule import Schedule, time_zone

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LONGEST_EVERY_S = 24 * 3600.0  # a digest a day; below what the relay takes for a clock's error


def _known(names: tuple[str, ...], known: tuple[str, ...], what: str) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            raise ValueError(f"there is no {what} {name!r}; known: {', '.join(known)}")
    return names


_Names = tuple[Text, ...]
_Every = Annotated[
    float,
    Field(ge=1, le=_LONGEST_EVERY_S, allow_inf_nan=False, strict=True),
    Unit("a number of seconds from 1 to 86400", "900"),
]


class OutletConfig(Section):
    """What all outlets have: a name, and the rule that selects their events."""

    name: Name
    kinds: _Names = ()
    zones: _Names = ()
    events: _Names = ()
    states: _Names = ()
    departments: _Names = ()
    hours: Text | None = None
    timezone: Text = "UTC"

    @field_validator("events")
    @classmethod
    def _known_events(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known(names, tuple(Event), "event")

    @field_validator("states")
    @classmethod
    def _known_states(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known(names, tuple(State), "state")

    @model_validator(mode="after")
    def _known_hours(self) -> Self:
        self.selection()
        return self

    def selection(self) -> Selection:
        """The rule that selects the outlet's events.

        Raises:
            zones.errors.ScheduleError: The hours or the time zone are malformed.
        """
        return Selection(
            kinds=self.kinds,
            zones=self.zones,
            events=self.events,
            states=self.states,
            departments=self.departments,
            hours=self.schedule(self.hours),
        )

    def schedule(self, text: str | None) -> Schedule | None:
        """Hours on the clock of the outlet's time zone; ``None`` without any."""
        time_zone(self.timezone)
        return None if text is None else Schedule.parse(text, self.timezone)

    def _secret(
        self, key: str, variable: str | None, file: Path | None, environment: Mapping[str, str]
    ) -> str | None:
        """The text of an environment variable or of a file, without the space around it.

        Raises:
            OutletError: The variable is not set, or the file cannot be read.
        """
        try:
            return read_secret(f"outlet {self.name!r}: {key}", variable, file, environment)
        except SecretError as error:
            raise OutletError(str(error)) from None


class WebhookConfig(OutletConfig):
    """An address that receives each event as a signed HTTP request."""

    url: SecretStr
    secret_env: Text | None = None
    secret_file: FilePath | None = None

    @field_validator("url")
    @classmethod
    def _usable_url(cls, url: SecretStr) -> SecretStr:
        check_web_address(url.get_secret_value(), "https://city.example/cases")
        return url

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        check_secret(self, "secret", needed=True)
        return self

    def open(self, environment: Mapping[str, str], clock: Callable[[], datetime]) -> Webhook:
        """The outlet.

        Raises:
            OutletError: The secret cannot be read or is none.
        """
        text = self._secret("secret", self.secret_env, self.secret_file, environment) or ""
        try:
            keys = read_secrets(text)
        except OutletError as error:
            raise OutletError(f"outlet {self.name!r}: {error}") from None
        return Webhook(self.name, self.url.get_secret_value(), keys, clock, self.selection())


class MqttConfig(OutletConfig):
    """A broker that receives each event as a message."""

    url: Text
    topic: Text = "cv-engine/cases/{zone}/{kind}"
    tls_ca: FilePath | None = None
    user: Text | None = None
    password_env: Text | None = None
    password_file: FilePath | None = None

    @field_validator("url")
    @classmethod
    def _usable_url(cls, url: str) -> str:
        parts = split_address(url)
        if parts is None or parts[0] not in _PORTS or "@" in url or url.count("/") > 2:
            raise ValueError(
                "this is no broker's address; write one such as mqtts://broker.city.example:8883, "
                "and the user in user: and password_env:"
            )
        return url

    @field_validator("topic")
    @classmethod
    def _usable_topic(cls, topic: str) -> str:
        return check_topic(topic)

    @model_validator(mode="after")
    def _usable_login(self) -> Self:
        check_secret(self, "password", needed=False)
        if self.user is None and (self.password_env or self.password_file):
            raise ValueError("user is missing; a password belongs to a user")
        if self.tls_ca is not None and not self.url.startswith("mqtts://"):
            raise ValueError("tls_ca has no effect on this url; TLS is used where it is mqtts://")
        return self

    def open(self, environment: Mapping[str, str]) -> Mqtt:
        """The outlet.

        Raises:
            OutletError: The password or the authority's file cannot be read.
        """
        parts = urlsplit(self.url)
        if self.tls_ca is not None and not self.tls_ca.is_file():
            raise OutletError(f"outlet {self.name!r}: tls_ca: there is no file {self.tls_ca}")
        return Mqtt(
            self.name,
            parts.hostname or "",
            parts.port or _PORTS[parts.scheme],
            self.topic,
            tls=parts.scheme == "mqtts",
            tls_ca=None if self.tls_ca is None else str(self.tls_ca),
            user=self.user,
            password=self._secret("password", self.password_env, self.password_file, environment),
            selection=self.selection(),
        )


class PeopleConfig(OutletConfig):
    """People who are notified by mail or chat."""

    to_env: Text | None = None
    to_file: FilePath | None = None
    every_s: _Every = 900.0
    quiet: Text | None = None
    language: Language = Language.BOTH

    @model_validator(mode="after")
    def _usable_rule(self) -> Self:
        check_secret(self, "to", needed=True)
        self.schedule(self.quiet)
        return self

    def open(self, environment: Mapping[str, str], taxonomy: Taxonomy) -> People:
        """The outlet.

        Raises:
            OutletError: The address cannot be read, or apprise knows none such.
        """
        people = People(
            name=self.name,
            address=self._secret("to", self.to_env, self.to_file, environment) or "",
            taxonomy=taxonomy,
            every_s=self.every_s,
            zone=time_zone(self.timezone),
            quiet=self.schedule(self.quiet),
            language=self.language,
            selection=self.selection(),
        )
        people.check()
        return people


_Outlet = TypeVar("_Outlet", bound=OutletConfig)


class OutletsConfig(Section):
    """The programs and people outside that receive the events of cases."""

    webhooks: tuple[WebhookConfig, ...] = ()
    mqtt: tuple[MqttConfig, ...] = ()
    people: tuple[PeopleConfig, ...] = ()

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        seen: set[str] = set()
        for each in self._all():
            if each.name in seen:
                raise ValueError(f"two outlets are named {each.name!r}; each needs its own name")
            seen.add(each.name)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all outlets."""
        return tuple(each.name for each in self._all())

    def open(
        self,
        environment: Mapping[str, str],
        clock: Callable[[], datetime],
        taxonomy: Taxonomy,
    ) -> list[Outlet]:
        """The outlets; none is connected yet.

        Args:
            environment: Environment variables, for the secrets.
            clock: Returns the present time (timezone-aware).
            taxonomy: The classes of the city's cases.

        Raises:
            OutletError: A secret cannot be read or used, or a kind is not in the taxonomy.
        """
        for outlet in self._all():
            for kind in outlet.kinds:
                if kind not in taxonomy.kinds:
                    known = ", ".join(taxonomy.kinds)
                    raise OutletError(
                        f"outlet {outlet.name!r}: kinds: there is no kind {kind!r} in the "
                        f"taxonomy; known: {known}"
                    )
        return [
            *(each.open(environment, clock) for each in self.webhooks),
            *(each.open(environment) for each in self.mqtt),
            *(each.open(environment, taxonomy) for each in self.people),
        ]

    def based(self, base: Path) -> OutletsConfig:
        """The section with relative paths starting at ``base``."""
        return self.model_copy(
            update={
                "webhooks": _based(self.webhooks, base, "secret_file"),
                "mqtt": _based(self.mqtt, base, "password_file", "tls_ca"),
                "people": _based(self.people, base, "to_file"),
            }
        )

    def _all(self) -> tuple[OutletConfig, ...]:
        return (*self.webhooks, *self.mqtt, *self.people)


def _based(outlets: tuple[_Outlet, ...], base: Path, *keys: str) -> tuple[_Outlet, ...]:
    def moved(outlet: _Outlet) -> _Outlet:
        paths: dict[str, Any] = {key: getattr(outlet, key) for key in keys}
        given = {key: base / path.expanduser() for key, path in paths.items() if path is not None}
        return outlet.model_copy(update=given)

    return tuple(map(moved, outlets))
