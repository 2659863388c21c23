"""The ``evidence`` section of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.storage.address import read_address
from cv_engine.section import SecondsOrZero, Section, Switch, Text, Unit


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
    store: Text | None = None

    @field_validator("store")
    @classmethod
    def _in_object_storage(cls, store: str | None) -> str | None:
        if store is not None:
            try:
                read_address(store)
            except EvidenceError as error:
                raise ValueError(f"{error}; null keeps evidence in the data folder") from None
        return store
