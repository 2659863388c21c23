"""The ``plates`` section of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from cv_engine.section import Count, Fraction, Section, Switch, Unit
from models.plates.countries import COUNTRIES

OwnProvince = Annotated[
    str, Field(min_length=1, max_length=1), Unit("the character of a province", '"浙"')
]
Country = Annotated[str, Unit(f"one of {', '.join(COUNTRIES)}", "china")]


class PlatesConfig(Section):
    """Number plates of vehicles that are cases."""

    enabled: Switch = True
    country: Country = "china"
    own_province: OwnProvince | None = None
    frames: Count = 5
    sure: Fraction = 0.95

    @field_validator("country")
    @classmethod
    def _is_known(cls, country: str) -> str:
        if country not in COUNTRIES:
            raise ValueError(f"plates of {country!r} cannot be read; write one of {_known()}")
        return country

    @model_validator(mode="after")
    def _province_of_country(self) -> PlatesConfig:
        provinces = COUNTRIES[self.country].provinces
        if self.own_province is not None and self.own_province not in provinces:
            raise ValueError(
                f"own_province {self.own_province!r} is no province on plates of {self.country}; "
                f"write one of {' '.join(provinces) or 'none (null)'}"
            )
        return self


def _known() -> str:
    return ", ".join(COUNTRIES)
