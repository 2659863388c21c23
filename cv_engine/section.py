"""What the sections of the configuration are made of: their base and the types of their values.

Each type says in words what is wanted and gives an example, which error messages show.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


@dataclass(frozen=True)
class Unit:
    """What a value is, in words, and an example; both appear in error messages."""

    what: str
    example: str


_LONGEST_S = 1e9  # 31 years; times this far from now can still be written
Seconds = Annotated[
    float,
    Field(gt=0, le=_LONGEST_S, allow_inf_nan=False, strict=True),
    Unit("a number of seconds above 0", "300"),
]
SecondsOrZero = Annotated[
    float,
    Field(ge=0, le=_LONGEST_S, allow_inf_nan=False, strict=True),
    Unit("a number of seconds, 0 or more", "5"),
]
ClockErrorSeconds = Annotated[
    float,
    Field(ge=-_LONGEST_S, le=_LONGEST_S, allow_inf_nan=False, strict=True),
    Unit("a number of seconds, above 0 where the clock is fast", "-1.5"),
]
PicturesPerSecond = Annotated[
    float,
    Field(ge=1 / 3600, le=1000, allow_inf_nan=False, strict=True),
    Unit("a number of pictures per second, up to 1000", "12.5"),
]
FrameShare = Annotated[
    float,
    Field(gt=0, lt=1, allow_inf_nan=False, strict=True),
    Unit("a share of the frame's height, above 0 and below 1", "0.025"),
]
PixelPosition = Annotated[
    float,
    Field(allow_inf_nan=False, strict=True),
    Unit("a position in pixels", "640"),
]
Metres = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, strict=True),
    Unit("a number of metres above 0", "2"),
]
MetresOrZero = Annotated[
    float,
    Field(ge=0, allow_inf_nan=False, strict=True),
    Unit("a number of metres, 0 or more", "5"),
]
SquareMetres = Annotated[
    float,
    Field(ge=0, allow_inf_nan=False, strict=True),
    Unit("a number of square metres, 0 or more", "20"),
]
PixelValue = Annotated[
    float,
    Field(allow_inf_nan=True, strict=True),
    Unit("a pixel's value", "0"),
]
Fraction = Annotated[
    float,
    Field(ge=0, le=1, allow_inf_nan=False, strict=True),
    Unit("a number from 0 to 1", "0.25"),
]
Latitude = Annotated[
    float,
    Field(ge=-90, le=90, allow_inf_nan=False, strict=True),
    Unit("a latitude in degrees, -90 to 90", "29.8683"),
]
Longitude = Annotated[
    float,
    Field(ge=-180, le=180, allow_inf_nan=False, strict=True),
    Unit("a longitude in degrees, -180 to 180", "121.5440"),
]
Count = Annotated[int, Field(ge=1, strict=True), Unit("a whole number, 1 or more", "1")]
Switch = Annotated[bool, Field(strict=True), Unit("true or false", "true")]
Text = Annotated[str, Field(min_length=1), Unit("a text", '"market-street"')]
_UNPRINTABLE = ("Cc", "Cs")  # Unicode's control characters, and halves of characters


def _printable(name: str) -> str:
    if any(unicodedata.category(character) in _UNPRINTABLE for character in name):
        raise ValueError("the name holds a control character; remove it")
    return name


Name = Annotated[
    str,
    Field(min_length=1, max_length=200),
    AfterValidator(_printable),
    Unit("a name of at most 200 characters", '"market-street"'),
]
Port = Annotated[int, Field(ge=1, le=65535, strict=True), Unit("a port number, 1 to 65535", "9108")]
Megabytes = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, strict=True),
    Unit("a number of MiB above 0", "8"),
]


def _with_known_home(path: Path) -> Path:
    try:
        path.expanduser()
    except RuntimeError:
        raise ValueError(
            f"{path.parts[0]} is no user's home folder; write the folder out"
        ) from None
    return path


FilePath = Annotated[
    Path, AfterValidator(_with_known_home), Unit("a path", '"zones/market.geojson"')
]


class Section(BaseModel):
    """Base of every section: unknown keys are errors, values do not change once loaded.

    Attributes:
        renamed: Keys of earlier releases, each with what makes the message about its value.
    """

    renamed: ClassVar[Mapping[str, Callable[[Any], str]]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_section_is_default(cls, data: Any) -> Any:
        """A section whose keys are all commented out reads as null; it means the defaults."""
        if data is None:
            return {}
        if not isinstance(data, dict):
            return data
        return {
            key: value
            for key, value in data.items()
            if value is not None
            or key not in cls.model_fields
            or not isinstance(cls.model_fields[key].get_default(call_default_factory=True), Section)
        }
