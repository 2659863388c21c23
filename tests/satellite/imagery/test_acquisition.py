from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import rasterio

from satellite.imagery.acquisition import acquisition_time
from tests.satellite.images import texture, write


@pytest.mark.parametrize(
    ("tags", "name", "expected"),
    [
        ({}, "m_4709963_se_14_1_20090818", datetime(2009, 8, 18)),
        ({}, "S2A_MSIL2A_20240131T023911_N0510", datetime(2024, 1, 31)),
        ({}, "ningbo-2024-02-29", datetime(2024, 2, 29)),
        ({}, "ningbo_2024_02_30", None),
        ({}, "id_120240131", None),
        ({}, "image", None),
        ({"TIFFTAG_DATETIME": "2024:05:17 02:33:10"}, "a", datetime(2024, 5, 17, 2, 33, 10)),
        (
            {"TIFFTAG_DATETIME": "2024:05:17 02:33:10"},
            "a_20240517",
            datetime(2024, 5, 17, 2, 33, 10),
        ),
        ({"TIFFTAG_DATETIME": "2024:06:20 11:00:00"}, "a_20240517", datetime(2024, 5, 17)),
        ({"TIFFTAG_DATETIME": "yesterday"}, "a_20240517", datetime(2024, 5, 17)),
    ],
)
def test_acquisition_time_from_tags_and_names(
    tmp_path: Path, tags: dict[str, str], name: str, expected: datetime | None
) -> None:
    path = write(tmp_path / "a.tif", texture(4, 4), tags=tags)
    with rasterio.open(path) as image:
        found = acquisition_time(image, name)
    assert found == (None if expected is None else expected.replace(tzinfo=UTC))


def test_the_acquisition_tag_takes_precedence(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tif", texture(4, 4), tags={"TIFFTAG_DATETIME": "2024:06:20 11:00:00"}
    )
    with rasterio.open(path, "r+") as image:
        image.update_tags(ns="IMAGERY", ACQUISITIONDATETIME="2024-05-16 02:40:01")
    with rasterio.open(path) as image:
        assert acquisition_time(image, "a_20240101") == datetime(2024, 5, 16, 2, 40, 1, tzinfo=UTC)
