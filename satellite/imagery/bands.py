"""Assigns roles (red, green, blue, near and short-wave infrared) to the bands of an image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import structlog
from rasterio.io import DatasetReader

from satellite.errors import SatelliteError
from satellite.imagery.band_order import is_certain, red_score
from satellite.imagery.sampling import sample_windows

Role = Literal["red", "green", "blue", "nir", "swir"]
ROLES: tuple[Role, ...] = get_args(Role)
COLOURS: tuple[Role, ...] = ("red", "green", "blue")

# Band names in delivered files, letters and digits only. "b02" and so on are Sentinel-2's and
# Landsat's names, which agree on the visible bands only; see _SENTINEL2 for the infrared ones.
_NAMES: dict[str, Role] = {
    "red": "red",
    "r": "red",
    "b4": "red",
    "b04": "red",
    "green": "green",
    "g": "green",
    "b3": "green",
    "b03": "green",
    "blue": "blue",
    "b": "blue",
    "b2": "blue",
    "b02": "blue",
    "nir": "nir",
    "n": "nir",
    "nir1": "nir",
    "nir08": "nir",
    "nearinfrared": "nir",
    "swir": "swir",
    "swir1": "swir",
    "swir16": "swir",
    "srb2": "blue",
    "srb3": "green",
    "srb4": "red",
    "srb5": "nir",
    "srb6": "swir",
}
# Infrared bands by number: Sentinel-2 only (Landsat's 8 is panchromatic, its 11 thermal).
_SENTINEL2: dict[str, Role] = {"b8": "nir", "b08": "nir", "b11": "swir"}
_SENTINEL2_ONLY = {"b8a", "b12", "b09", "b05"}
# Words beside a colour's name that make another band of it ("red edge", "coastal blue").
_OTHER = {"edge", "rededge", "coastal", "deep", "infrared", "ir", "yellow"}
# Keys under which formats keep a band's name.
_NAME_TAGS = ("common_name", "bandname", "band_name", "long_name", "name", "description")
# What was said already of the order of bands.
_said: set[tuple[str, tuple[tuple[Role, int], ...]]] = set()
# Least share of a mask band's pixels at its smallest or largest value; a picture has almost none.
_MASK_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Bands:
    """The roles of an image's bands.

    Attributes:
        roles: 1-based band number of each role.
        alpha: 1-based number of the band that marks filled pixels; ``None`` without one.
        certain: Whether the order of red, green and blue is given, recorded or measured, not
            guessed.
    """

    roles: Mapping[Role, int]
    alpha: int | None
    certain: bool = True


def identify_bands(dataset: DatasetReader, label: str, given: Mapping[Role, int] | None) -> Bands:
    """Assigns a role to each band of an image.

    Given roles come first, then the bands' names, then their colour interpretation. Of four bands
    without these, near infrared is the last, and what the image shows tells red from blue
    (:mod:`satellite.imagery.band_order`). Else the usual order for number and type is a guess. What
    is measured or guessed is logged once, for all images of one order.

    Args:
        dataset: The opened image.
        label: The user's name for the image.
        given: Bands by role, from the user.

    Raises:
        SatelliteError: A given band does not exist, or red, green and blue cannot be identified.
    """
    known = _validated_roles(given or {}, dataset.count, label)
    alpha = _alpha_band(dataset, known, label)
    found = _roles_by_name(_band_names(dataset), dataset.count)
    if not found:
        found = _roles_by_colour(dataset, alpha)
        _doubt(dataset, found, known, label)
    roles = {role: band for role, band in found.items() if band not in known.values()} | known
    certain = True
    if not set(COLOURS) <= set(roles):
        usual, certain = _roles_by_order(dataset, alpha, label)
        roles = usual | known
        if not set(COLOURS) <= set(roles):
            raise SatelliteError(
                f"{label}: it has {dataset.count} bands and does not say which of them show red, "
                f"green and blue; give them: --roles red=3,green=2,blue=1,nir=4 (in the "
                "configuration: roles: {red: 3, green: 2, blue: 1, nir: 4})"
            )
    return Bands({role: roles[role] for role in ROLES if role in roles}, alpha, certain)


def role_of_name(name: str) -> Role | None:
    """The role that a band name stands for; ``None`` for other bands and unknown names."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain in _NAMES:
        return _NAMES[plain]
    words = set(re.findall(r"[a-z]+", name.lower()))
    if words & {"infrared", "ir"} and len(reach := words & {"near", "shortwave"}) == 1:
        return "nir" if "near" in reach else "swir"
    if words & _OTHER:
        return None
    matches = [role for role in ROLES if role in words]
    return matches[0] if len(matches) == 1 else None


def _validated_roles(given: Mapping[Role, int], count: int, label: str) -> dict[Role, int]:
    for role, band in given.items():
        if role not in ROLES:
            raise SatelliteError(
                f"{label}: there is no band role {role!r}; the roles are {', '.join(ROLES)}"
            )
        if type(band) is not int or not 1 <= band <= count:
            raise SatelliteError(
                f"{label}: band {band} is to show {role}, but its bands are numbered 1 to {count}; "
                "correct --roles (in the configuration: roles)"
            )
    return dict(given)


def _band_names(dataset: DatasetReader) -> list[str]:
    """The name of each band; empty where a band has none."""
    names = []
    for band, description in zip(dataset.indexes, dataset.descriptions, strict=True):
        tags = {key.lower(): value for key, value in dataset.tags(band).items()}
        tagged = (tags[key] for key in _NAME_TAGS if key in tags)
        names.append(description or next(tagged, ""))
    return names


def _roles_by_name(names: Sequence[str], count: int) -> dict[Role, int]:
    """Roles by name; empty unless red, green and blue are among them."""
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    sentinel2 = bool(_SENTINEL2_ONLY & set(plain))
    found: dict[Role, int] = {}
    for band, name in enumerate(names, start=1):
        role = role_of_name(name)
        if role is None and sentinel2:
            role = _SENTINEL2.get(plain[band - 1])
        if role is not None:
            found.setdefault(role, band)
    if count == 1 or not set(COLOURS) <= set(found):
        return {}
    return found


def _roles_by_colour(dataset: DatasetReader, alpha: int | None) -> dict[Role, int]:
    """Roles by colour interpretation; empty unless red, green and blue are among them."""
    found: dict[Role, int] = {}
    for band, colour in zip(dataset.indexes, dataset.colorinterp, strict=True):
        for role in ROLES:
            if colour.name == role:
                found.setdefault(role, band)
    if not set(COLOURS) <= set(found):
        return {}
    rest = set(dataset.indexes) - set(found.values()) - {alpha}
    if dataset.count == 4 and len(rest) == 1:
        found.setdefault("nir", rest.pop())  # a fourth band beside red, green and blue
    return found


def _roles_by_order(
    dataset: DatasetReader, alpha: int | None, label: str
) -> tuple[dict[Role, int], bool]:
    """Roles by what the image shows, or by the usual order; may be empty. And whether certain."""
    count = dataset.count - (alpha is not None)
    if count == 1:
        return dict.fromkeys(COLOURS, 1), True  # panchromatic
    if count not in (3, 4):
        return {}, False
    rising: dict[Role, int] = {"red": 1, "green": 2, "blue": 3}  # aerial pictures
    if count == 3:
        _say(label, "the order of the bands is a guess", tuple(rising.items()))
        return rising, False
    falling: dict[Role, int] = {"red": 3, "green": 2, "blue": 1}  # by wavelength, as of satellites
    score = red_score(dataset, (1, 2, 3, 4))
    certain = is_certain(score)
    first_is_red = score > 0 if certain else dataset.dtypes[0] == "uint8"
    roles = {**(rising if first_is_red else falling), "nir": 4}
    how = "measured by vegetation and bright land" if certain else "a guess"
    _say(label, f"the order of the bands is {how}", tuple(roles.items()))
    return roles, certain


def _doubt(
    dataset: DatasetReader, found: Mapping[Role, int], known: Mapping[Role, int], label: str
) -> None:
    """Warns where an image does not show the order that its metadata record.

    Many programs record red, green and blue for any four bands.
    """
    if known or "nir" not in found:
        return
    bands = [found[role] for role in (*COLOURS, "nir")]
    score = red_score(dataset, bands)
    if score < 0 and is_certain(score):
        _say(
            label, "vegetation and bright land contradict the recorded bands", tuple(found.items())
        )


def _say(label: str, what: str, roles: tuple[tuple[Role, int], ...]) -> None:
    """Warns once of an order, for however many images it holds."""
    if (what, roles) in _said:
        return
    _said.add((what, roles))
    structlog.get_logger(__name__).warning(
        f"{what} (said once for all images of this order): if it is wrong, give --roles "
        "(in the configuration: roles)",
        image=label,
        bands=dict(roles),
    )


def _alpha_band(dataset: DatasetReader, known: Mapping[Role, int], label: str) -> int | None:
    """The band that marks filled pixels."""
    colours = [colour.name for colour in dataset.colorinterp]
    if "alpha" not in colours or (band := colours.index("alpha") + 1) in known.values():
        return None
    # By default GDAL declares the fourth band of every picture alpha, so that many aerial images
    # carry near infrared in an alpha band.
    if dataset.count == 4 and not _is_mask(dataset, band):
        structlog.get_logger(__name__).warning(
            "the band that is declared alpha holds a picture: used as near infrared",
            image=label,
            band=band,
        )
        return None
    return band


def _is_mask(dataset: DatasetReader, band: int) -> bool:
    """Whether nearly all of a band's values are its smallest or its largest."""
    values = np.concatenate(
        [
            dataset.read(band, window=part).ravel()
            for part in sample_windows(dataset.width, dataset.height)
        ]
    )
    extreme = (values == values.min()) | (values == values.max())
    return bool(extreme.mean() >= _MASK_SHARE)
