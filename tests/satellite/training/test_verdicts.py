from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_geom

from satellite.errors import SatelliteError
from satellite.training.verdicts import read_verdicts

UTM = CRS.from_epsg(32651)
WEST, NORTH, PIXEL_M = 340_000.0, 3_310_000.0, 2.0


def _square(col: int, row: int, side: int) -> dict[str, Any]:
    """A square of pixels as WGS 84."""
    x, y = WEST + col * PIXEL_M, NORTH - row * PIXEL_M
    d = side * PIXEL_M
    ring = [(x, y), (x + d, y), (x + d, y - d), (x, y - d), (x, y)]
    return dict(transform_geom(UTM, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}))


def _feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": {"pair": "may", **properties}}


def _write(folder: Path, features: list[Any], *, crs: Any = UTM, shift: int = 0) -> Path:
    for part, offset in (("A", 0), ("B", shift)):
        (folder / part).mkdir(parents=True)
        transform = Affine(PIXEL_M, 0, WEST + offset, 0, -PIXEL_M, NORTH)
        profile = {"width": 200, "height": 150, "count": 3, "dtype": "uint8"}
        path = folder / part / "may.tif"
        with rasterio.open(path, "w", **profile, crs=crs, transform=transform) as target:
            rows, cols = np.mgrid[:150, :200]
            target.write(np.stack([rows, cols, rows * 0 + 7]).astype(np.uint8))
    text = json.dumps({"type": "FeatureCollection", "features": features})
    (folder / "verdicts.geojson").write_text(text, encoding="utf-8")
    return folder


def test_labels_of_confirmed_and_rejected_cases(tmp_path: Path) -> None:
    cases = [
        _feature(_square(100, 70, 10), verdict="confirmed"),
        _feature(_square(120, 70, 8), verdict="rejected"),
        _feature(_square(100, 90, 6), verdict="confirmed", change="gone"),
    ]
    first, second, third = read_verdicts(_write(tmp_path / "v", cases))
    assert first.name == "may/1"
    assert first.before.shape == (64, 64, 3)  # 128 m around the case
    assert first.pixel_m == pytest.approx(2.0, rel=0.01)
    # Each sample contains all cases around it.
    for sample in (first, second, third):
        assert sample.appeared.sum() == 100
        assert sample.gone.sum() == 36
        assert sample.known.sum() == 100 + 64 + 36
    # Band 1 holds the row, band 2 the column: the masks are at the places of the cases.
    rows, cols = first.before[..., 0], first.before[..., 1]
    inside = first.appeared > 0
    assert (rows[inside].min(), rows[inside].max()) == (70, 79)
    assert (cols[inside].min(), cols[inside].max()) == (100, 109)


def test_a_case_at_the_edge_has_a_smaller_sample(tmp_path: Path) -> None:
    folder = _write(tmp_path / "v", [_feature(_square(0, 140, 10), verdict="rejected")])
    (sample,) = read_verdicts(folder)
    assert sample.known.sum() == 100
    assert sample.before.shape == (37, 37, 3)
    assert sample.before[-1, 0, 0] == 149


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (_feature(_square(9, 9, 9)), "feature 1: its verdict is None: write confirmed or rejected"),
        (_feature(_square(9, 9, 9), verdict="yes"), "its verdict is 'yes'"),
        (_feature(_square(9, 9, 9), verdict="rejected", change="moved"), "its change is 'moved'"),
        (_feature(_square(9, 9, 9), verdict="rejected", pair="../x"), "its pair is '../x'"),
        (_feature(_square(9, 9, 9), verdict="rejected", pair="june"), "not readable"),
        (_feature(None, verdict="rejected"), "has no polygon"),
        (_feature({"type": "Point", "coordinates": [1, 2]}, verdict="rejected"), "has no polygon"),
        (_feature(_square(900, 9, 9), verdict="rejected"), r"feature 1 lies outside may\.tif"),
        ("text", "its verdict is None"),
    ],
)
def test_unusable_cases_are_refused_by_number(tmp_path: Path, feature: Any, message: str) -> None:
    with pytest.raises(SatelliteError, match=message):
        read_verdicts(_write(tmp_path / "v", [feature]))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"crs": None}, "has no CRS"), ({"shift": 2}, "does not lie on the pixels of")],
)
def test_unusable_images_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    case = _feature(_square(9, 9, 9), verdict="rejected")
    with pytest.raises(SatelliteError, match=message):
        read_verdicts(_write(tmp_path / "v", [case], **options))


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not GeoJSON"), ("[]", "holds no features"), ('{"features": []}', "holds no features")],
)
def test_a_file_without_a_feature_collection_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "verdicts.geojson").write_text(text, encoding="utf-8")
    with pytest.raises(SatelliteError, match=message):
        read_verdicts(tmp_path)
    with pytest.raises(SatelliteError, match="cannot be read"):
        read_verdicts(tmp_path / "nowhere")
