from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from structlog.testing import capture_logs

from satellite.errors import SatelliteError
from satellite.imagery.bands import Role, identify_bands, role_of_name
from tests.satellite.images import texture, write


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("red", "red"),
        ("Red", "red"),
        ("B4", "red"),
        ("B04", "red"),
        ("SR_B5", "nir"),
        ("Band 3 - Green (0.56 um)", "green"),
        ("near-infrared", "nir"),
        ("Near Infrared (NIR)", "nir"),
        ("NIR1", "nir"),
        ("nir08", "nir"),
        ("swir16", "swir"),
        ("Shortwave Infrared 1", "swir"),
        ("red edge", None),
        ("RedEdge", None),
        ("rededge1", None),
        ("Coastal Blue", None),
        ("B5", None),
        ("pan", None),
        ("", None),
    ],
)
def test_roles_of_band_names(name: str, role: Role | None) -> None:
    assert role_of_name(name) == role


@pytest.mark.parametrize(
    ("count", "dtype", "names", "options", "roles", "guessed"),
    [
        (3, "uint8", (), {}, {"red": 1, "green": 2, "blue": 3}, False),
        (4, "uint8", (), {}, {"red": 1, "green": 2, "blue": 3, "nir": 4}, False),
        (
            4,
            "uint8",
            (),
            {"photometric": "minisblack"},
            {"red": 1, "green": 2, "blue": 3, "nir": 4},
            True,
        ),
        (4, "uint16", (), {}, {"red": 3, "green": 2, "blue": 1, "nir": 4}, True),
        (4, "float32", (), {}, {"red": 3, "green": 2, "blue": 1, "nir": 4}, True),
        (
            4,
            "uint16",
            (),
            {"photometric": "rgb", "alpha": "no"},
            {"red": 1, "green": 2, "blue": 3, "nir": 4},
            False,
        ),
        (3, "uint16", (), {}, {"red": 1, "green": 2, "blue": 3}, True),
        (1, "uint16", (), {}, {"red": 1, "green": 1, "blue": 1}, False),
        (
            4,
            "uint16",
            ("nir", "red", "green", "blue"),
            {},
            {"red": 2, "green": 3, "blue": 4, "nir": 1},
            False,
        ),
        (
            6,
            "uint16",
            ("B02", "B03", "B04", "B08", "B8A", "B11"),
            {},
            {"red": 3, "green": 2, "blue": 1, "nir": 4, "swir": 6},
            False,
        ),
        (
            5,
            "float32",
            ("Blue", "Green", "Red", "Red edge", "NIR"),
            {},
            {"red": 3, "green": 2, "blue": 1, "nir": 5},
            False,
        ),
    ],
)
def test_roles_are_read_from_the_file(
    tmp_path: Path,
    count: int,
    dtype: str,
    names: tuple[str, ...],
    options: dict[str, Any],
    roles: dict[Role, int],
    guessed: bool,
) -> None:
    values = texture(16, 16, bands=count).astype(dtype)
    path = write(tmp_path / "a.tif", values, names=names, **options)
    with rasterio.open(path) as image, capture_logs() as log:
        assert identify_bands(image, "a.tif", None).roles == roles
    assert [entry["event"].partition(":")[0] for entry in log] == (
        ["the order of the bands is a guess"] if guessed else []
    )


@pytest.mark.parametrize(
    ("given", "roles"),
    [
        ({"red": 3, "green": 2, "blue": 1}, {"red": 3, "green": 2, "blue": 1, "nir": 4}),
        ({"nir": 1, "red": 2, "green": 3, "blue": 4}, {"red": 2, "green": 3, "blue": 4, "nir": 1}),
        ({"swir": 4}, {"red": 1, "green": 2, "blue": 3, "swir": 4}),
    ],
)
def test_given_roles_take_precedence(
    tmp_path: Path, given: dict[Role, int], roles: dict[Role, int]
) -> None:
    path = write(tmp_path / "a.tif", texture(16, 16, bands=4))
    with rasterio.open(path) as image:
        assert identify_bands(image, "a.tif", given).roles == roles


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"red": 5}, "a.tif: band 5 is to show red, but its bands are numbered 1 to 4"),
        ({"red": 0}, "band 0 is to show red"),
        ({"red": True}, "band True is to show red"),
        ({"crimson": 1}, "no band role 'crimson'; the roles are red, green"),
    ],
)
def test_wrong_roles_are_refused(tmp_path: Path, given: Any, says: str) -> None:
    path = write(tmp_path / "a.tif", texture(16, 16, bands=4))
    with rasterio.open(path) as image, pytest.raises(SatelliteError, match=says):
        identify_bands(image, "a.tif", given)


def test_an_alpha_band_has_no_role(tmp_path: Path) -> None:
    values = texture(16, 16, bands=4)
    values[3] = np.where(np.arange(16) < 5, 0, 255)
    path = write(tmp_path / "a.tif", values, alpha="yes")
    with rasterio.open(path) as image:
        bands = identify_bands(image, "a.tif", None)
    assert bands.alpha == 4
    assert "nir" not in bands.roles


def test_a_band_given_as_near_infrared_is_not_used_as_alpha(tmp_path: Path) -> None:
    values = np.full((4, 16, 16), 255, np.uint8)
    path = write(tmp_path / "a.tif", values, alpha="yes")
    with rasterio.open(path) as image:
        bands = identify_bands(image, "a.tif", {"nir": 4})
    assert bands.alpha is None
    assert bands.roles["nir"] == 4
