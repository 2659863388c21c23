"""The ``evidence`` section of the configuration."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from cv_engine.config.addresses import check_web_address
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.storage.address import read_address
from cv_engine.section import FilePath, SecondsOrZero, Section, Switch, Text, Unit


class TimestampConfig(Section):
    """The timestamping authority (RFC 3161) that says when a package was sealed."""

    url: Text | None = None
    certificate: FilePath | None = None

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        return None if url is None else check_web_address(url, "http://timestamp.city.example")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.url is None) != (self.certificate is None):
            missing = "certificate" if self.certificate is None else "url"
            raise ValueError(
                f"{missing} is missing; a timestamping authority needs its url and the PEM file "
                "of the certificate that it is verified by"
            )
        return self


class CredentialsConfig(Section):
    """The content credentials (C2PA) of shareable pictures."""

    enabled: Switch = True
    certificate: FilePath | None = None
    key: FilePath | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            missing = "certificate" if self.certificate is None else "key"
            raise ValueError(f"{missing} is missing; the city's certificate needs its key, in PEM")
        return self


class EvidenceConfig(Section):
    """What is kept with a case."""

    before_s: SecondsOrZero = 5.0
    after_s: SecondsOrZero = 5.0
    jpeg_quality: Annotated[
        int,
        Field(ge=1, le=100, strict=True),
        Unit("a whole number from 1 to 100", "92"),
    ] = 92
    redact: Switch = True
    playable: Switch = False
    store: Text | None = None
    timestamp: TimestampConfig = TimestampConfig()
    credentials: CredentialsConfig = CredentialsConfig()
    profiles: FilePath | None = None

    @field_validator("store")
    @classmethod
    def _in_object_storage(cls, store: str | None) -> str | None:
        if store is not None:
            try:
                read_address(store)
            except EvidenceError as error:
                raise ValueError(f"{error}; null keeps evidence in the data folder") from None
        return store
