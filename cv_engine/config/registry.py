"""The ``registry`` section of the configuration: tables, key, roles, and a service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import field_validator, model_validator

from cv_engine.cases.lifecycle import Role
from cv_engine.config.addresses import check_web_address
from cv_engine.config.secrets import SecretError, check_secret, read_secret
from cv_engine.registry.errors import RegistryError
from cv_engine.registry.records import Kind
from cv_engine.section import Count, FilePath, Seconds, SecondsOrZero, Section, Text
from zones.schedule import time_zone

if TYPE_CHECKING:
    from cv_engine.cases.looks import Look
    from cv_engine.registry import Registry
    from cv_engine.registry.service.service import ServiceOptions
    from cv_engine.registry.tables.keys import KeySource

_ROLES = tuple(role.value for role in Role if role is not Role.ENGINE)


class RegistryServiceConfig(Section):
    """A registry that another authority serves over HTTP."""

    url: Text | None = None
    kinds: tuple[Text, ...] = (Kind.VEHICLES.value,)
    token_env: Text | None = None
    token_file: FilePath | None = None
    tls_ca: FilePath | None = None
    timeout_s: Seconds = 2.0
    cache_s: SecondsOrZero = 300.0
    cache_entries: Count = 10_000
    failures: Count = 5
    pause_s: Seconds = 30.0

    @field_validator("url")
    @classmethod
    def _usable_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        check_web_address(url, "https://registry.city.example/v1")
        if any(sign in url for sign in "@?#"):
            raise ValueError("the address ends with its path; its token is named by token_env")
        return url

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if kind not in tuple(Kind):
                raise ValueError(f"{kind!r} is no registry; known: {', '.join(Kind)}")
        return kinds

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        check_secret(self, "token", needed=False)
        return self

    def options(self, environment: Mapping[str, str]) -> ServiceOptions | None:
        """How the service is asked; ``None`` if there is none.

        Raises:
            RegistryError: The token cannot be read.
        """
        if self.url is None:
            return None
        from cv_engine.registry.service.service import ServiceOptions

        key = "registry.service.token"
        try:
            token = read_secret(key, self.token_env, self.token_file, environment)
        except SecretError as error:
            raise RegistryError(str(error)) from None
        return ServiceOptions(
            url=self.url,
            token=token,
            tls_ca=self.tls_ca,
            timeout_s=self.timeout_s,
            cache_s=self.cache_s,
            cache_entries=self.cache_entries,
            failures=self.failures,
            pause_s=self.pause_s,
        )


class RegistryConfig(Section):
    """What the city knows of vehicles, merchants, permits and exemptions."""

    folder: FilePath | None = None
    key_file: FilePath | None = None
    key_env: Text | None = None
    timezone: Text = "UTC"
    contact_role: Text = Role.SUPERVISOR.value
    service: RegistryServiceConfig = RegistryServiceConfig()

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, timezone: str) -> str:
        time_zone(timezone)
        return timezone

    @field_validator("contact_role")
    @classmethod
    def _known_role(cls, role: str) -> str:
        if role not in _ROLES:
            raise ValueError(f"{role!r} is no role; known: {', '.join(_ROLES)}")
        return role

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        check_secret(self, "key", needed=False)
        return self

    def based(self, base: Path) -> RegistryConfig:
        """The same with its relative paths starting at a folder."""
        service = {"token_file": self.service.token_file, "tls_ca": self.service.tls_ca}
        own = {"folder": self.folder, "key_file": self.key_file}
        return self.model_copy(
            update={
                **_based(own, base),
                "service": self.service.model_copy(update=_based(service, base)),
            }
        )

    def tables_folder(self, data: Path) -> Path:
        """The folder of the tables.

        Args:
            data: The data folder.
        """
        return self.folder or data / "registry"

    def keys(self, data: Path, environment: Mapping[str, str]) -> KeySource:
        """The keys of the contact data; nothing is read yet.

        Args:
            data: The data folder.
            environment: Environment variables.
        """
        from cv_engine.registry.tables.keys import KeyFile, KeyVariable

        if self.key_env is not None:
            return KeyVariable(self.key_env, environment.get(self.key_env))
        return KeyFile(self.key_file or data / "registry-key")

    def open(
        self,
        data: Path,
        environment: Mapping[str, str],
        log: Callable[[Look], None],
        clock: Callable[[], datetime],
        steady_clock: Callable[[], float],
    ) -> Registry:
        """The registries; nothing is created.

        Args:
            data: The data folder.
            environment: Environment variables.
            log: Receives each access to contact data.
            clock: Returns the present time (timezone-aware).
            steady_clock: Returns steady seconds.

        Raises:
            RegistryError: The token or the certificates of the service cannot be read.
        """
        from cv_engine.registry.registry import Registry
        from cv_engine.registry.source import Source
        from cv_engine.registry.tables.tables import Tables

        tables = Tables(self.tables_folder(data), self.keys(data, environment))
        sources: dict[Kind, Source] = dict.fromkeys(Kind, tables)
        options = self.service.options(environment)
        if options is not None:
            from cv_engine.registry.service.service import Service

            service = Service(options, steady_clock)
            sources.update((Kind(kind), service) for kind in self.service.kinds)
        return Registry(
            sources, log, clock, contact_role=Role(self.contact_role), timezone=self.timezone
        )


def _based(paths: Mapping[str, Path | None], base: Path) -> dict[str, Path]:
    return {key: base / path.expanduser() for key, path in paths.items() if path is not None}
