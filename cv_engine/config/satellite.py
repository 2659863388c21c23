"""The satellite section of the configuration: which areas are compared, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator

from cv_engine.section import (
    Count,
    FilePath,
    Fraction,
    Metres,
    MetresOrZero,
    PixelValue,
    Section,
    SquareMetres,
    Switch,
    Text,
)


class RolesConfig(Section):
    """Which band shows which light, counted from 1, where the images do not tell it."""

    red: Count | None = None
    green: Count | None = None
    blue: Count | None = None
    nir: Count | None = None
    swir: Count | None = None

    @property
    def known(self) -> dict[str, int]:
        """Bands by role, those that are given."""
        return self.model_dump(exclude_none=True)


class AreaConfig(Section):
    """One area that is compared again and again."""

    name: Text
    images: FilePath
    roles: RolesConfig = RolesConfig()
    nodata: PixelValue | None = None
    land: tuple[FilePath, ...] = ()


class SatelliteConfig(Section):
    """Change between images from above."""

    detector: Literal["cascade", "network", "classical"] = "cascade"
    model: Text = "tinycd"
    resolution_m: Metres | None = None
    align: Switch = True
    max_cloud: Fraction = 0.8
    allow_remote: Switch = False
    threshold: Fraction = 0.5
    min_area_m2: SquareMetres = 20.0
    min_width_m: MetresOrZero = 2.5
    join_m: MetresOrZero = 5.0
    change_types: tuple[Literal["new", "extension", "demolition"], ...] = ("new", "extension")
    workers: Count | None = None
    areas: tuple[AreaConfig, ...] = ()

    @field_validator("areas")
    @classmethod
    def _names_once(cls, areas: tuple[AreaConfig, ...]) -> tuple[AreaConfig, ...]:
        seen: set[str] = set()
        for area in areas:
            if area.name in seen:
                raise ValueError(f"two areas are named {area.name!r}; each needs its own name")
            seen.add(area.name)
        return areas

    def based(self, base: Path) -> SatelliteConfig:
        """The same with its relative paths starting at a folder."""
        areas = tuple(
            area.model_copy(
                update={
                    "images": base / area.images.expanduser(),
                    "land": tuple(base / path.expanduser() for path in area.land),
                }
            )
            for area in self.areas
        )
        return self.model_copy(update={"areas": areas})
