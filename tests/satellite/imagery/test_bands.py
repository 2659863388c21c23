from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from structlog.testing import capture_logs

from satellite.errors import SatelliteError
from satellite.imagery import bands as bands_module
from satellite.imagery.bands import Role, identify_bands, role_of_name
from tests.satellite.images import texture, write


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test logs is not left out of the next."""
    monkeypatch.setattr(bands_module, "_said", set())


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
        bands = identify_bands(image, str(path), None)
        assert identify_bands(image, str(path), None) == bands
    assert bands.roles == roles
    assert bands.certain is not guessed
    assert [entry["event"].partition(" (")[0] for entry in log] == (
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


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("name", "red"),
    [
        ("naip/m_4709963_se_14_1_20090818.tif", 1),
        ("naip/m_4709963_se_14_1_20200831.tif", 1),
        ("delhi/A/t1_nov_1_3.tif", 3),  # much water
        ("delhi/B/t2_nov_1_1.tif", 3),
        ("delhi/B/t2_nov_2_2.tif", 3),
    ],
)
def test_red_and_blue_are_told_apart_by_what_the_image_shows(
    shared_data: Path, tmp_path: Path, name: str, red: int, dtype: str, exchanged: bool
) -> None:
    with rasterio.open(shared_data / "satellite" / name) as image:
        values = image.read()
    if dtype != "float32":
        values = values * ((250 if dtype == "uint8" else 9000) / values.max())
    if exchanged:
        values, red = values[[2, 1, 0, 3]], 4 - red
    path = write(tmp_path / "a.tif", values.astype(dtype), photometric="minisblack")
    with capture_logs() as log, rasterio.open(path) as image:
        bands = identify_bands(image, str(path), None)
        identify_bands(image, str(path), None)
    assert bands.roles == {"red": red, "green": 2, "blue": 4 - red, "nir": 4}
    assert bands.certain
    assert len(log) == 1, "said once"
    assert "is measured" in log[0]["event"]


def test_an_order_is_said_once_for_all_images_of_it(tmp_path: Path) -> None:
    with capture_logs() as log:
        for name in ("one.tif", "other.tif"):
            path = write(tmp_path / name, texture(16, 16), photometric="minisblack")
            with rasterio.open(path) as image:
                identify_bands(image, name, None)
    assert [entry["image"] for entry in log] == ["one.tif"]
    assert "--roles" in log[0]["event"]


def test_recorded_bands_come_first_even_if_the_image_contradicts_them(
    shared_data: Path, tmp_path: Path
) -> None:
    with rasterio.open(shared_data / "satellite/naip/m_4709963_se_14_1_20200831.tif") as image:
        values = image.read()[[2, 1, 0, 3]]
    path = write(tmp_path / "a.tif", values, photometric="rgb", alpha="no")
    with capture_logs() as log, rasterio.open(path) as image:
        assert identify_bands(image, str(path), None).roles["red"] == 1
    assert "contradict the recorded bands" in log[0]["event"]
    named = write(tmp_path / "b.tif", values, names=("Blue", "Green", "Red", "NIR"))
    with capture_logs() as log, rasterio.open(named) as image:
        assert identify_bands(image, str(named), None).roles["red"] == 3
    assert log == []
