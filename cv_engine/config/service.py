"""The ``service`` section of the configuration."""

from __future__ import annotations

import ipaddress

from pydantic import field_validator

from cv_engine.config.addresses import check_web_address
from cv_engine.section import Seconds, Section, Switch, Text


class ServiceConfig(Section):
    """The service: whom it trusts, and how long people stay logged in."""

    address: Text | None = None
    trusted_proxies: tuple[Text, ...] = ()
    allow_http: Switch = False
    session_idle_s: Seconds = 3600.0
    session_s: Seconds = 43200.0

    @field_validator("address")
    @classmethod
    def _web_address(cls, address: str | None) -> str | None:
        example = "https://cases.city.example"
        return None if address is None else check_web_address(address, example)

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
