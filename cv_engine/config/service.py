"""The ``service`` section of the configuration."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import field_validator, model_validator

from cv_engine.config.addresses import check_web_address
from cv_engine.config.oidc import OidcConfig
from cv_engine.section import Seconds, Section, Switch, Text


class ServiceConfig(Section):
    """The service: whom it trusts, and how long people stay logged in."""

    address: Text | None = None
    trusted_proxies: tuple[Text, ...] = ()
    allow_http: Switch = False
    session_idle_s: Seconds = 3600.0
    session_s: Seconds = 43200.0
    oidc: OidcConfig | None = None

    def based(self, base: Path) -> ServiceConfig:
        """The same with its relative paths starting at a folder."""
        file = None if self.oidc is None else self.oidc.client_secret_file
        if self.oidc is None or file is None:
            return self
        oidc = self.oidc.model_copy(update={"client_secret_file": base / file.expanduser()})
        return self.model_copy(update={"oidc": oidc})

    @field_validator("address")
    @classmethod
    def _web_address(cls, address: str | None) -> str | None:
        example = "https://cases.city.example"
        return None if address is None else check_web_address(address, example)

    @model_validator(mode="after")
    def _address_for_oidc(self) -> Self:
        if self.oidc is not None and self.address is None:
            raise ValueError(
                "address is missing; with oidc, browsers have to find their way to it, such as "
                "address: https://cases.city.example"
            )
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise ValueError(
                    f"{proxy!r} is no address; write the proxy's, such as 10.0.0.5, or its "
                    "network, such as 10.0.0.0/24"
                ) from None
        return proxies
