"""The ``notices`` section of the configuration: how drivers are asked to leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from cv_engine.cases.outbox.digest import Language
from cv_engine.config.addresses import check_web_address
from cv_engine.config.secrets import SecretError, check_secret, read_secret
from cv_engine.notices.errors import NoticeError
from cv_engine.notices.gateways.apprise import AppriseGateway
from cv_engine.notices.gateways.file import FileGateway
from cv_engine.notices.gateways.gateway import Gateway
from cv_engine.notices.gateways.http import HttpGateway
from cv_engine.notices.policy import Policy
from cv_engine.notices.wording.car_parks import CarParks
from cv_engine.notices.wording.text import TEMPLATES, Wording, check_template
from cv_engine.section import (
    Count,
    FilePath,
    Fraction,
    Metres,
    Seconds,
    Section,
    Text,
    Unit,
)
from zones.schedule import Schedule, time_zone

_LONGEST_GRACE_S = 24 * 3600.0
#: The rules report a departure 20 seconds after it (`tracking.lost_s`), a slow network later.
_SETTLE = timedelta(minutes=1)

_Grace = Annotated[
    float,
    Field(ge=60, le=_LONGEST_GRACE_S, allow_inf_nan=False, strict=True),
    Unit("a number of seconds from 60 to 86400", "600"),
]
_Factor = Annotated[
    float, Field(gt=1, allow_inf_nan=False, strict=True), Unit("a number above 1", "3.0")
]
_Pointer = Annotated[
    str,
    Field(pattern=r"^(/[^/]*)+$"),
    Unit("a JSON pointer (RFC 6901)", '"/data/id"'),
]


class HttpGatewayConfig(Section):
    """A gateway that takes a message as a POST request with a JSON body."""

    url: SecretStr
    body: Mapping[str, Any]
    headers: Mapping[str, Text] = {}
    token_env: Text | None = None
    token_file: FilePath | None = None
    key_header: Text | None = "Idempotency-Key"
    id_pointer: _Pointer | None = None
    report_url: SecretStr | None = None
    report_pointer: _Pointer = "/status"
    delivered: tuple[Text, ...] = ("delivered",)
    undelivered: tuple[Text, ...] = ("undelivered", "failed", "rejected", "expired")

    @field_validator("url", "report_url")
    @classmethod
    def _usable_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_web_address(url.get_secret_value(), "https://sms.city.example/messages")
        return url

    @field_validator("body")
    @classmethod
    def _whole_body(cls, body: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in ("{to}", "{text}"):
            if name not in str(body):
                raise ValueError(f"the body lacks {name}; write one such as {{to: {{to}}, ...}}")
        return body

    @model_validator(mode="after")
    def _usable(self) -> Self:
        check_secret(self, "token", needed=False)
        if self.report_url is not None:
            if "{id}" not in self.report_url.get_secret_value():
                raise ValueError("report_url lacks {id}, the place of the message's number")
            if self.id_pointer is None:
                raise ValueError("id_pointer is missing: reports are asked for by that number")
        return self

    def open(self, environment: Mapping[str, str], clock: Callable[[], datetime]) -> HttpGateway:
        """The gateway; nothing is connected yet.

        Raises:
            SecretError: The token cannot be read.
        """
        token = read_secret("notices.http.token", self.token_env, self.token_file, environment)
        headers = dict(self.headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        report = self.report_url
        return HttpGateway(
            url=self.url.get_secret_value(),
            body=self.body,
            clock=clock,
            headers=headers,
            key_header=self.key_header,
            id_pointer=self.id_pointer,
            report_url=None if report is None else report.get_secret_value(),
            report_pointer=self.report_pointer,
            delivered=self.delivered,
            undelivered=self.undelivered,
        )


class AppriseGatewayConfig(Section):
    """A text message service that apprise knows."""

    address_env: Text | None = None
    address_file: FilePath | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        check_secret(self, "address", needed=True)
        return self

    def open(self, environment: Mapping[str, str]) -> AppriseGateway:
        """The gateway.

        Raises:
            NoticeError: apprise knows no such address.
            SecretError: The address cannot be read.
        """
        key = "notices.apprise.address"
        address = read_secret(key, self.address_env, self.address_file, environment)
        gateway = AppriseGateway(address or "")
        gateway.check()
        return gateway


class TemplatesConfig(Section):
    """The city's own texts."""

    zh: Text | None = None
    en: Text | None = None
    warning_zh: Text | None = None
    warning_en: Text | None = None

    @field_validator(*TEMPLATES)
    @classmethod
    def _usable_template(cls, text: str | None) -> str | None:
        return None if text is None else check_template(text)

    def given(self) -> dict[str, str]:
        """The texts that are given."""
        return {name: text for name, text in self.model_dump().items() if text is not None}


class CarParksConfig(Section):
    """The car parks that a notice names."""

    path: FilePath
    within_m: Metres = 1000.0
    most: Count = 2

    def open(self) -> CarParks:
        """The car parks; the file is read when it is needed."""
        return CarParks(self.path, self.within_m, self.most)


class NoticesConfig(Section):
    """How drivers of parked vehicles are asked to leave."""

    file: FilePath | None = None
    http: HttpGatewayConfig | None = None
    apprise: AppriseGatewayConfig | None = None
    kinds: tuple[Text, ...] = ("motor_vehicle_parked",)
    plate_confidence: Fraction = 0.99
    grace_s: _Grace = 600.0
    fresh_s: Seconds = 900.0
    once_per_s: Seconds = 14400.0
    repeat_after: Count | None = 3
    repeat_days: Count = 90
    give_up_s: Seconds = 3600.0
    quiet: Text | None = None
    timezone: Text = "UTC"
    language: Language = Language.BOTH
    sender: Text = "cv-engine"
    templates: TemplatesConfig = TemplatesConfig()
    car_parks: CarParksConfig | None = None
    confirmed_first: Count = 20
    surge_factor: _Factor = 3.0
    surge_least: Count = 10

    @model_validator(mode="after")
    def _usable(self) -> Self:
        given = [name for name in ("file", "http", "apprise") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} are both there; notices go one way")
        self.policy()
        return self

    @property
    def is_on(self) -> bool:
        """Whether notices are sent at all."""
        return any((self.file, self.http, self.apprise))

    def policy(self) -> Policy:
        """The city's rules.

        Raises:
            zones.errors.ScheduleError: The hours or the time zone are malformed.
        """
        zone = time_zone(self.timezone)
        return Policy(
            kinds=frozenset(self.kinds),
            zone=zone,
            plate_confidence=self.plate_confidence,
            grace=timedelta(seconds=self.grace_s),
            settle=_SETTLE,
            fresh=timedelta(seconds=self.fresh_s),
            once_per=timedelta(seconds=self.once_per_s),
            repeat_after=self.repeat_after,
            repeat_within=timedelta(days=self.repeat_days),
            give_up=timedelta(seconds=self.give_up_s),
            quiet=None if self.quiet is None else Schedule.parse(self.quiet, self.timezone),
            proof=self.confirmed_first,
            surge_factor=self.surge_factor,
            surge_least=self.surge_least,
        )

    def wording(self) -> Wording:
        """How notices are worded."""
        return Wording(self.sender, self.language, time_zone(self.timezone), self.templates.given())

    def open(self, environment: Mapping[str, str], clock: Callable[[], datetime]) -> Gateway:
        """The gateway; nothing is connected yet.

        Args:
            environment: Environment variables, for the secrets.
            clock: Returns the present time (timezone-aware).

        Raises:
            NoticeError: There is no gateway, or it cannot be used.
        """
        try:
            if self.http is not None:
                return self.http.open(environment, clock)
            if self.apprise is not None:
                return self.apprise.open(environment)
        except SecretError as error:
            raise NoticeError(str(error)) from None
        if self.file is None:
            raise NoticeError(
                "no notices are sent: name a gateway under notices: in the configuration, such as "
                "file: notices.jsonl for a trial"
            )
        return FileGateway(self.file)

    def based(self, base: Path) -> NoticesConfig:
        """The section with relative paths starting at ``base``."""

        def moved(path: Path | None) -> Path | None:
            return None if path is None else base / path.expanduser()

        http, apprise, parks = self.http, self.apprise, self.car_parks
        if http is not None:
            http = http.model_copy(update={"token_file": moved(http.token_file)})
        if apprise is not None:
            apprise = apprise.model_copy(update={"address_file": moved(apprise.address_file)})
        if parks is not None:
            parks = parks.model_copy(update={"path": moved(parks.path)})
        return self.model_copy(
            update={
                "file": moved(self.file),
                "http": http,
                "apprise": apprise,
                "car_parks": parks,
            }
        )
