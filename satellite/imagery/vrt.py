"""GDAL virtual rasters (VRT): many files as one image, described in XML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET

from satellite.imagery.grid import Grid

# GDAL's type names by NumPy's.
_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}
TYPES = tuple(_TYPES)


@dataclass(frozen=True, slots=True)
class VirtualSource:
    """A file in a virtual image.

    Attributes:
        address: Path or URL in GDAL's form.
        width: Width of the file, pixels.
        height: Height of the file, pixels.
        block: Height and width of a block, pixels.
        place: Column, row, width and height in the virtual image, pixels.
        band: 1-based band number, or ``"mask,1"`` for the mask of band 1.
        masked_by: What makes pixels transparent where sources overlap: nodata value or mask.
    """

    address: str
    width: int
    height: int
    block: tuple[int, int]
    place: tuple[int, int, int, int]
    band: int | str
    masked_by: Literal["nodata", "mask"] | None = None


@dataclass(frozen=True, slots=True)
class VirtualBand:
    """A band of a virtual image.

    Attributes:
        sources: The files, the later on top of the earlier.
        dtype: NumPy's name of the pixel type, one of ``TYPES``.
        nodata: Value of empty pixels.
        colour: GDAL's name of the colour interpretation.
        name: The band's description.
    """

    sources: Sequence[VirtualSource]
    dtype: str
    nodata: float | None = None
    colour: str | None = None
    name: str | None = None


def virtual_image(
    grid: Grid, bands: Sequence[VirtualBand], mask: Sequence[VirtualSource] = ()
) -> str:
    """Writes a VRT.

    Args:
        grid: The virtual image's pixel grid.
        bands: The bands.
        mask: Sources of a mask for all bands; outside of them the image is empty.

    Returns:
        The XML text.
    """
    root = ET.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    _text(root, "SRS", grid.crs.to_wkt())
    _text(root, "GeoTransform", ", ".join(f"{value:.17g}" for value in grid.transform.to_gdal()))
    for number, band in enumerate(bands, start=1):
        _add_band(root, band, {"band": str(number)})
    if mask:
        masked_by = VirtualBand(mask, "uint8", nodata=0)
        _add_band(ET.SubElement(root, "MaskBand"), masked_by, {}, is_mask=True)
    return ET.tostring(root, encoding="unicode")


def _add_band(
    parent: ET.Element, band: VirtualBand, attributes: dict[str, str], *, is_mask: bool = False
) -> None:
    kind = _TYPES[band.dtype]
    element = ET.SubElement(parent, "VRTRasterBand", attributes | {"dataType": kind})
    if band.name:
        _text(element, "Description", band.name)
    if band.nodata is not None and not is_mask:
        _text(element, "NoDataValue", f"{band.nodata:.17g}")
    if band.colour:
        _text(element, "ColorInterp", band.colour)
    for vrt_source in band.sources:
        _add_source(element, vrt_source, kind, band.nodata)


def _add_source(
    band: ET.Element, vrt_source: VirtualSource, kind: str, nodata: float | None
) -> None:
    source = ET.SubElement(band, "ComplexSource" if vrt_source.masked_by else "SimpleSource")
    _text(source, "SourceFilename", vrt_source.address, relativeToVRT="0")
    _text(source, "SourceBand", str(vrt_source.band))
    # With these properties GDAL opens a file only when a window touches it.
    ET.SubElement(
        source,
        "SourceProperties",
        RasterXSize=str(vrt_source.width),
        RasterYSize=str(vrt_source.height),
        DataType=kind,
        BlockXSize=str(vrt_source.block[1]),
        BlockYSize=str(vrt_source.block[0]),
    )
    for name, box in (
        ("SrcRect", (0, 0, vrt_source.width, vrt_source.height)),
        ("DstRect", vrt_source.place),
    ):
        sides = zip(("xOff", "yOff", "xSize", "ySize"), map(str, box), strict=True)
        ET.SubElement(source, name, dict(sides))
    if vrt_source.masked_by == "mask":
        _text(source, "UseMaskBand", "true")
    elif vrt_source.masked_by == "nodata" and nodata is not None:
        _text(source, "NODATA", f"{nodata:.17g}")


def _text(parent: ET.Element, name: str, text: str, **attributes: Any) -> None:
    ET.SubElement(parent, name, attributes).text = text
