from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC

from satellite.errors import SatelliteError
from satellite.imagery.raster import Raster, is_remote, without_query
from satellite.imagery.scene import open_scene
from tests.satellite.images import NORTH, UTM50, WEST, texture, write


def _missing(folder: Path) -> Path:
    return folder / "nothing.tif"


def _text(folder: Path) -> Path:
    path = folder / "notes.tif"
    path.write_text("not an image")
    return path


def _no_bytes(folder: Path) -> Path:
    path = folder / "empty.tif"
    path.touch()
    return path


def _unplaced(folder: Path) -> Path:
    return write(folder / "a.tif", texture(8, 8), crs=None, transform=Affine.identity())


def _no_crs(folder: Path) -> Path:
    return write(folder / "a.tif", texture(8, 8), crs=None)


def _flat(folder: Path) -> Path:
    """An image with all pixels on one line."""
    flat = Affine(1, 1, WEST, 1, 1, NORTH)
    return write(folder / "a.tif", texture(8, 8), transform=flat)


def _rpc(folder: Path) -> Path:
    path = write(folder / "a.tif", texture(8, 8), crs=None, transform=Affine.identity())
    line = [0.0] * 20
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "r+") as image:
            image.rpcs = RPC(0, 1, 29, 1, line, [1.0, *line[1:]], 4, 4, 121, 1, line, line, 4, 4)
    return path


def _points(folder: Path) -> Path:
    path = write(folder / "a.tif", texture(8, 8), crs=None, transform=Affine.identity())
    corners = [(0, 0), (0, 8), (8, 0), (8, 8)]
    points = [GroundControlPoint(row, col, WEST + col, NORTH - row) for row, col in corners]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "r+") as image:
            image.gcps = (points, CRS.from_string(UTM50))
    return path


def _palette(folder: Path) -> Path:
    path = write(folder / "a.tif", texture(8, 8, bands=1), photometric="palette")
    with rasterio.open(path, "r+") as image:
        image.write_colormap(1, {value: (value, 0, 0, 255) for value in range(256)})
    return path


def _complex(folder: Path) -> Path:
    return write(folder / "a.tif", np.ones((1, 8, 8), np.complex64))


def _two_bands(folder: Path) -> Path:
    return write(folder / "a.tif", texture(8, 8, bands=2))


def _seven_bands(folder: Path) -> Path:
    return write(folder / "a.tif", texture(8, 8, bands=7).astype(np.uint16))


def _off_earth(folder: Path) -> Path:
    """An image whose metres are declared as degrees."""
    return write(folder / "a.tif", texture(8, 8), crs="EPSG:4326")


def _local(folder: Path) -> Path:
    crs = 'LOCAL_CS["site",UNIT["metre",1]]'
    return write(folder / "a.tif", texture(8, 8), crs=crs)


def _hollow(path: Path, side: int, block: int) -> Path:
    """A file that claims a square of pixels and holds none."""
    profile = {"width": side, "height": side, "count": 1, "dtype": "uint8"}
    place = {"crs": UTM50, "transform": Affine(0.1, 0, WEST, 0, -0.1, NORTH)}
    layout = {"tiled": True, "blockxsize": block, "blockysize": block, "sparse_ok": True}
    with rasterio.open(path, "w", driver="GTiff", bigtiff="yes", **profile, **place, **layout):
        pass
    assert path.stat().st_size < 20_000
    return path


def _bomb(folder: Path) -> Path:
    return _hollow(folder / "a.tif", 300_000, 16_384)


def _endless(folder: Path) -> Path:
    path = folder / "a.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="2000000" rasterYSize="2000000"><SRS>{UTM50}</SRS>'
        f"<GeoTransform>{WEST}, 0.1, 0, {NORTH}, 0, -0.1</GeoTransform>"
        '<VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    )
    return path


def _one_block(folder: Path) -> Path:
    return _hollow(folder / "a.tif", 18_000, 18_000)


def _lost_source(folder: Path) -> Path:
    path = _endless(folder)
    text = path.read_text().replace("2000000", "20")
    source = "<SimpleSource><SourceFilename>gone.tif</SourceFilename></SimpleSource>"
    path.write_text(text.replace('band="1"/>', f'band="1">{source}</VRTRasterBand>'))
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_missing, "no such file"),
        (_text, "cannot be opened as an image.*check the file"),
        (_no_bytes, "cannot be opened as an image"),
        (_unplaced, "has no georeferencing"),
        (_no_crs, "no coordinate reference system.*gdal_edit"),
        (_flat, "has no georeferencing"),
        (_rpc, "not orthorectified.*gdalwarp -rpc -to RPC_DEM="),
        (_points, "ground control points.*gdalwarp -tps"),
        (_palette, "palette.*-expand rgb"),
        (_complex, "bands are complex64"),
        (_two_bands, "has 2 bands.*roles"),
        (_seven_bands, "has 7 bands.*roles"),
        (_off_earth, "no place on Earth"),
        (_local, "no place on Earth|no coordinate reference system"),
        (_bomb, "cannot hold them"),
        (_endless, "more than any image has"),
        (_one_block, "too large to be read in pieces.*-of COG"),
        (_lost_source, r"a\.vrt.*gone\.tif"),
    ],
)
def test_unusable_images_are_refused_with_advice(
    tmp_path: Path,
    make: Callable[[Path], Path],
    says: str,
    recwarn: pytest.WarningsRecorder,
) -> None:
    path = make(tmp_path)
    recwarn.clear()
    with pytest.raises(SatelliteError, match=says) as caught, open_scene(path) as scene:
        scene.picture(scene.native, scene.native.window)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1
    assert not [warning for warning in recwarn if "georef" in str(warning.message)]


def test_sparse_and_highly_compressed_images_are_accepted(tmp_path: Path) -> None:
    values = np.zeros((3, 6000, 6000), np.uint8)
    path = write(tmp_path / "a.tif", values, tiled=True, sparse_ok=True, compress="zstd")
    assert path.stat().st_size < 20_000
    with open_scene(path) as scene:
        assert scene.width == 6000


def test_messages_omit_the_query_of_an_address(tmp_path: Path) -> None:
    raster = Raster.at("https://127.0.0.1:1/a.tif?sig=secret")
    assert raster.address == "/vsicurl/https://127.0.0.1:1/a.tif?sig=secret"
    with pytest.raises(SatelliteError) as caught:
        raster.open()
    assert "secret" not in str(caught.value)
    assert "check the address" in str(caught.value)
    assert without_query("https://host/a.tif?sig=secret") == "https://host/a.tif"


@pytest.mark.parametrize(
    ("source", "remote"),
    [
        ("https://host/a.tif", True),
        ("s3://bucket/a.tif", True),
        ("/vsizip/a.zip/a.tif", True),
        ("a.tif", False),
        ("C:/images/a.tif", False),
        ("/images/a?b.tif", False),
    ],
)
def test_paths_are_told_from_addresses(source: str, remote: bool) -> None:
    assert is_remote(source) is remote
