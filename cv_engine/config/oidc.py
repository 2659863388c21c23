"""The section ``service.oidc`` of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import field_validator, model_validator

from cv_engine.config.addresses import check_web_address
from cv_engine.config.errors import ConfigError
from cv_engine.config.secrets import SecretError, check_secret, read_secret
from cv_engine.section import FilePath, Section, Text


class OidcConfig(Section):
    """The city's own log-in, by OpenID Connect."""

    issuer: Text
    client_id: Text
    client_secret_env: Text | None = None
    client_secret_file: FilePath | None = None
    name_claim: Text = "preferred_username"

    @field_validator("issuer")
    @classmethod
    def _web_address(cls, issuer: str) -> str:
        return check_web_address(issuer, "https://login.city.example/realms/city")

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        check_secret(self, "client_secret", needed=True)
        return self

    def secret(self, environment: Mapping[str, str]) -> str:
        """The client's secret.

        Raises:
            ConfigError: The secret cannot be read.
        """
        key = "service.oidc.client_secret"
        names = (self.client_secret_env, self.client_secret_file)
        try:
            return read_secret(key, *names, environment) or ""
        except SecretError as error:
            raise ConfigError(str(error)) from None
