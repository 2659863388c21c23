"""Image chips: pictures of a changed site at both dates, drawn so that the change is obvious."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import cv2
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image as Pictures
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.windows import Window
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from cv_engine.evidence.media.annotate import BOX_COLOUR, ZONE_COLOUR, strip
from cv_engine.evidence.media.still import Image
from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Picture, Views
from satellite.registration.pair import Pair
from satellite.report.furniture import GroundScale, header

Ring = NDArray[np.int32]

_CONTEXT = (
    2.5  # times the site's longer side: shows the surroundings, and the site fills the middle
)
_LEAST_M = 60.0  # metres; a shed alone is not recognisable, a house with its garden is
_LEAST_PX = 768  # width of a drawn picture: legible beside another one on a screen or a sheet
_MOST_PX = 1536  # more is not visible on one screen, and evidence is kept for years
_FILL = 0.32  # opacity of the filled change, under which the roof stays visible
_HALO_PX = 2  # dark rim on both sides of a line, which stands out on any ground
_PERIOD_MS = 1000  # of each date in the animation: long enough to see, short enough to compare
_ANIMATION_PX = 640  # width, with which the file stays below a megabyte or so
_COLOURS = 256  # of an animation: the most that the format allows


@dataclass(frozen=True)
class Chips:
    """A site and the ground around it at two dates.

    Attributes:
        before: uint8 ``(height, width, bands)``: red, green, blue and any further bands, unchanged.
        after: The same window of the later image.
        transform: From pixels (column, row; corners of pixels) to coordinates of ``crs``.
        crs: Coordinate reference system of the chips.
        polygon: The changed site, in ``crs``.
        before_time: When ``before`` was taken, timezone-aware.
        after_time: When ``after`` was taken.
        aligned: Both pictures after alignment and normalisation, drawn in place of the unchanged
            ones; ``None``: not aligned.
        allowed: Ground of the permits, in ``crs``, if any.

    Raises:
        SatelliteError: The pictures are not RGB, or differ in size.
    """

    before: Picture
    after: Picture
    transform: Affine
    crs: CRS
    polygon: Polygon | MultiPolygon
    before_time: datetime
    after_time: datetime
    aligned: Views | None = None
    allowed: Polygon | MultiPolygon | None = None

    def __post_init__(self) -> None:
        for name, picture in (("before", self.before), ("after", self.after)):
            if picture.ndim != 3 or picture.shape[2] < 3 or picture.dtype != np.uint8:
                raise SatelliteError(
                    f"the picture {name} is {picture.dtype} {picture.shape}: chips are made of "
                    "uint8 (height, width, 3 or more bands)"
                )
        sizes = [self.before.shape[:2], self.after.shape[:2]]
        sizes += [self.aligned.before.shape[:2]] if self.aligned else []
        if len(set(sizes)) > 1:
            raise SatelliteError(
                f"the pictures differ in size, {' and '.join(map(str, sizes))}: "
                "read them on one grid"
            )

    @cached_property
    def ground(self) -> GroundScale:
        """Size of a pixel on the ground, and the direction of north."""
        height, width = self.before.shape[:2]
        return GroundScale.of(self.transform, self.crs, width, height)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The drawn pictures of a site, uint8 (H, W, 3) BGR.

    Attributes:
        before: The earlier date, with the outlines of the later change and of permitted ground.
        after: The later date, with the same outlines.
        overlay: The later date, with the change filled.
        both: Before and after side by side.
        animation: A GIF that alternates between the two dates.
    """

    before: Image
    after: Image
    overlay: Image
    both: Image
    animation: bytes


def window_around(grid: Grid, polygon: Polygon | MultiPolygon) -> Window:
    """Chooses the part of a grid that shows a site and its surroundings.

    The window is a square on the ground around the site. At the edge of the grid the window is
    moved inwards, and it is smaller only where the grid is.

    Args:
        grid: The grid on which both dates are read.
        polygon: The site, in the grid's coordinates.
    """
    west, south, east, north = polygon.bounds
    left, top = ~grid.transform @ (west, north)
    right, bottom = ~grid.transform @ (east, south)
    here = grid.transform @ Affine.translation(left, top)
    ground = GroundScale.of(
        here, grid.crs, max(1, round(right - left)), max(1, round(bottom - top))
    )
    longest_m = max((right - left) * ground.across_m, (bottom - top) * ground.down_m)
    side_m = max(_CONTEXT * longest_m, _LEAST_M)
    width = min(round(side_m / ground.across_m), grid.width)
    height = min(round(side_m / ground.down_m), grid.height)
    x = min(max(round((left + right - width) / 2), 0), grid.width - width)
    y = min(max(round((top + bottom - height) / 2), 0), grid.height - height)
    return Window(x, y, width, height)


def read_chips(
    pair: Pair, polygon: Polygon | MultiPolygon, before_time: datetime, after_time: datetime
) -> Chips:
    """Reads a site's pictures, both unchanged and as they were compared.

    Args:
        pair: The two images.
        polygon: The site, in coordinates of the pair's grid.
        before_time: When the earlier image was taken, timezone-aware.
        after_time: When the later image was taken.

    Raises:
        SatelliteError: A file cannot be read.
    """
    window = window_around(pair.grid, polygon)
    before, after = (
        scene.picture(pair.grid, window, nir=pair.bands == 4)[0]
        for scene in (pair.before, pair.after)
    )
    return Chips(
        before=before,
        after=after,
        transform=pair.grid.transform_of(window),
        crs=pair.grid.crs,
        polygon=polygon,
        before_time=before_time,
        after_time=after_time,
        aligned=pair.read(window),
    )


def draw(chips: Chips, caption: Sequence[str]) -> Drawn:
    """Draws a site's pictures.

    Date, scale bar and north arrow are above each picture and the caption is below, where they hide
    nothing.

    Args:
        chips: The site; not changed.
        caption: Lines of text; the first is the title. No lines: no strip below the pictures.
    """
    shown = chips.aligned or chips
    before, after = _canvas(chips, shown.before), _canvas(chips, shown.after)
    canvas = before.shape[1] / chips.before.shape[1], before.shape[0] / chips.before.shape[0]
    rings = _rings(chips, chips.polygon, canvas)
    permit = [] if chips.allowed is None else _rings(chips, chips.allowed, canvas)
    overlay = _filled(after, rings)
    tags = [
        f"BEFORE · {_date(chips.before_time)}",
        f"AFTER · {_date(chips.after_time)}",
        f"CHANGED SINCE {_date(chips.before_time)}",
    ]
    pictures = []
    for picture, tag in zip((before, after, overlay), tags, strict=True):
        _outline(picture, permit, ZONE_COLOUR.as_bgr())
        _outline(picture, rings, BOX_COLOUR.as_bgr())
        pixel_m = chips.ground.across_m / canvas[0]
        band = header(picture.shape[1], tag, pixel_m, chips.ground.north)
        pictures.append(np.vstack([band, picture]))
    frames = [_captioned(_narrowed(picture), caption) for picture in pictures[:2]]
    before, after, overlay = (_captioned(picture, caption) for picture in pictures)
    return Drawn(
        before=before,
        after=after,
        overlay=overlay,
        both=_captioned(_side_by_side(*pictures[:2]), caption),
        animation=animation(frames),
    )


def animation(frames: Sequence[Image], period_ms: int = _PERIOD_MS) -> bytes:
    """Makes an endless GIF of pictures.

    All frames share one palette, so that unchanged ground does not flicker.

    Args:
        frames: uint8 (H, W, 3) BGR, all of one size.
        period_ms: How long each frame is shown.
    """
    rgb = [np.ascontiguousarray(frame[:, :, ::-1]) for frame in frames]
    # A quarter of the pixels is enough to choose the colours.
    seen = np.ascontiguousarray(np.vstack(rgb)[::2, ::2])
    palette = Pictures.fromarray(seen).quantize(_COLOURS, Pictures.Quantize.MEDIANCUT)
    shown = [Pictures.fromarray(frame).quantize(palette=palette) for frame in rgb]
    buffer = io.BytesIO()
    shown[0].save(buffer, "GIF", save_all=True, append_images=shown[1:], duration=period_ms, loop=0)
    return buffer.getvalue()


def geotiff(picture: Picture, transform: Affine, crs: CRS, time: datetime) -> bytes:
    """Encodes a window as GeoTIFF with all bands, its place and its time.

    Args:
        picture: uint8 ``(height, width, bands)``.
        transform: From the picture's pixels to coordinates of ``crs``.
        crs: The picture's coordinate reference system.
        time: When the picture was taken, timezone-aware.

    Returns:
        The file's bytes; the same input gives the same bytes.
    """
    height, width, bands = picture.shape
    profile = {"driver": "GTiff", "compress": "deflate", "predictor": 2, "dtype": "uint8"}
    size = {"width": width, "height": height, "count": bands}
    with MemoryFile() as memory:
        with memory.open(**profile, **size, crs=crs, transform=transform) as file:
            file.write(np.ascontiguousarray(np.moveaxis(picture, 2, 0)))
            file.update_tags(TIFFTAG_DATETIME=f"{time.astimezone(UTC):%Y:%m:%d %H:%M:%S}")
        return bytes(memory.read())


def _canvas(chips: Chips, picture: Picture) -> Image:
    """One date's picture, BGR, with square pixels on the ground and a legible width."""
    height, width = picture.shape[:2]
    wide = min(max(width, _LEAST_PX), _MOST_PX)
    high = round(wide * (height * chips.ground.down_m) / (width * chips.ground.across_m))
    bgr = np.ascontiguousarray(picture[:, :, 2::-1])
    how = cv2.INTER_CUBIC if wide >= width else cv2.INTER_AREA
    return np.asarray(cv2.resize(bgr, (wide, max(1, high)), interpolation=how), np.uint8)


def _rings(chips: Chips, polygon: BaseGeometry, canvas: tuple[float, float]) -> list[Ring]:
    """A polygon's rings in whole pixels of a canvas; ``canvas`` is its scale across and down."""
    to_canvas = Affine.translation(-0.5, -0.5) @ Affine.scale(*canvas) @ ~chips.transform
    rings = []
    for part in shapely.get_parts(polygon):
        for ring in (part.exterior, *part.interiors):
            x, y = to_canvas @ np.asarray(ring.coords, np.float64)[:, :2].T
            rings.append(np.column_stack([x, y]).round().astype(np.int32))
    return rings


def _line_px(image: Image) -> int:
    width: int = image.shape[1]
    return max(2, width // 300)


def _outline(image: Image, rings: Sequence[Ring], colour: tuple[int, int, int]) -> None:
    width = _line_px(image)
    cv2.polylines(image, rings, True, (0, 0, 0), width + 2 * _HALO_PX, cv2.LINE_AA)
    cv2.polylines(image, rings, True, colour, width, cv2.LINE_AA)


def _filled(image: Image, rings: Sequence[Ring]) -> Image:
    filled = image.copy()
    cv2.fillPoly(filled, rings, BOX_COLOUR.as_bgr())  # even-odd: holes stay clear
    return np.asarray(cv2.addWeighted(filled, _FILL, image, 1 - _FILL, 0), np.uint8)


def _narrowed(image: Image) -> Image:
    height, width = image.shape[:2]
    size = _ANIMATION_PX, max(1, round(height * _ANIMATION_PX / width))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _side_by_side(one: Image, other: Image) -> Image:
    gap = np.full((one.shape[0], max(4, one.shape[1] // 100), 3), 255, np.uint8)
    return np.hstack([one, gap, other])


def _captioned(image: Image, caption: Sequence[str]) -> Image:
    return np.vstack([image, strip(image.shape[1], caption)]) if caption else image


def _date(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"
