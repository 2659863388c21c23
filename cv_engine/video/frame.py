"""Samples: decoded pictures of a recording, whose pixels are converted on demand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from struct import unpack
from typing import cast

import cv2
import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# FFmpeg's AVColorSpace numbers for "not stated"; such streams follow the convention of players:
# BT.709 from this height upward, BT.601 below.
_COLORSPACE_UNSTATED = (0, 2, 3)
_HD_HEIGHT = 720
_SWS_OF_COLORSPACE = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
# Pixel formats whose first plane is 8-bit luma, one byte per pixel, which is read without a copy.
_LUMA_FIRST = frozenset(
    f"{kind}{layout}"
    for kind in ("yuv", "yuvj")
    for layout in ("420p", "422p", "444p", "440p", "411p", "410p")
) | {"nv12", "nv21", "gray"}
_FULL_RANGE_FORMATS = ("yuvj", "gray")
_RANGE_FULL = 2  # AVCOL_RANGE_JPEG


def _full_range_table() -> Image:
    levels = (np.arange(256, dtype=np.float64) - 16) * 255 / 219
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


# Limited-range luma (16 to 235) to full range, so that grey levels mean the same for every camera.
_TO_FULL_RANGE = _full_range_table()


@dataclass(frozen=True, slots=True)
class Turn:
    """The rotation that turns the stored picture upright.

    Attributes:
        quarter_turns: Quarter turns clockwise, 0 to 3.
        mirrored: Whether the picture is first mirrored left to right.
    """

    quarter_turns: int = 0
    mirrored: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Turn:
        """Reads the display matrix that phones and some cameras write."""
        side_data = frame.side_data.get("DISPLAYMATRIX")
        if side_data is None:
            return cls()
        a, b, _, c, d, *_ = unpack("=9i", bytes(cast(Buffer, side_data)))
        mirrored = a * d - b * c < 0
        if mirrored:
            a, b = -a, -b
        if abs(a) >= abs(b):
            return cls(0 if a >= 0 else 2, mirrored)
        return cls(1 if b > 0 else 3, mirrored)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after turning; the inverse is the same function."""
        return (height, width) if self.quarter_turns % 2 else (width, height)

    def apply(self, image: Image) -> Image:
        """Turns an image of shape (H, W) or (H, W, 3) upright; C-contiguous."""
        if self.mirrored:
            image = np.asarray(cv2.flip(image, 1), dtype=np.uint8)
        if self.quarter_turns:
            code = (
                cv2.ROTATE_90_CLOCKWISE,
                cv2.ROTATE_180,
                cv2.ROTATE_90_COUNTERCLOCKWISE,
            )[self.quarter_turns - 1]
            image = np.asarray(cv2.rotate(image, code), dtype=np.uint8)
        return image


def shrink(image: Image, width: int, height: int) -> Image:
    """Scales down by averaging: by halving as often as possible, then bilinearly.

    Halving is exact averaging and vectorised in OpenCV: 1920 x 1080 to 320 x 180 takes a quarter of
    the time of a single step of area averaging, and differs by a grey level or two.

    Args:
        image: (H, W) uint8, not necessarily contiguous.
        width: Width of the result in pixels.
        height: Height of the result in pixels.
    """
    while image.shape[1] >= 2 * width and image.shape[0] >= 2 * height:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    if image.shape[:2] != (height, width):
        image = np.asarray(cv2.resize(image, (width, height)), np.uint8)
    return image


@dataclass(slots=True)
class Scaler:
    """Keeps FFmpeg's scaling contexts between pictures: setting one up costs more than using it."""

    _contexts: dict[tuple[int, int, str], VideoReformatter] = field(default_factory=dict)

    def scale(self, frame: VideoFrame, width: int, height: int, pixel_format: str) -> Image:
        """Converts a picture in one pass.

        Args:
            frame: The decoded picture.
            width: Width of the result in pixels, before any turn.
            height: Height of the result in pixels, before any turn.
            pixel_format: ``"bgr24"`` or ``"gray"`` (full range).

        Returns:
            uint8 (height, width, 3) or (height, width), C-contiguous.
        """
        context = self._contexts.setdefault((width, height, pixel_format), VideoReformatter())
        smaller = width < frame.width or height < frame.height
        converted = context.reformat(
            frame,
            width,
            height,
            pixel_format,
            src_colorspace=_colorspace(frame),
            src_color_range=ColorRange.JPEG if _is_full_range(frame) else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA if smaller else Interpolation.BICUBIC,
            threads=1,
        )
        return np.ascontiguousarray(converted.to_ndarray(), dtype=np.uint8)


def _colorspace(frame: VideoFrame) -> Colorspace:
    if frame.colorspace in _COLORSPACE_UNSTATED:
        return Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
    return _SWS_OF_COLORSPACE.get(frame.colorspace, Colorspace.ITU709)


def _is_full_range(frame: VideoFrame) -> bool:
    name = frame.format.name
    return frame.color_range == _RANGE_FULL or name.startswith(_FULL_RANGE_FORMATS)


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of a recording that is chosen for processing.

    Attributes:
        media_s: Media time in seconds; 0 is the recording's first picture.
        key_frame: Whether the picture is a key frame.
        frame: The picture as decoded by FFmpeg, not turned upright.
        turn: The rotation that turns the picture upright.
        stored_size: (width, height) of the recording before the turn; pictures of another size,
            after a change within the file, are scaled to this size, so that boxes stay valid.
        scaler: Scaling contexts shared by the pictures of one recording.
    """

    media_s: float
    key_frame: bool
    frame: VideoFrame
    turn: Turn
    stored_size: tuple[int, int]
    scaler: Scaler = field(default_factory=Scaler, repr=False, compare=False)

    @property
    def width(self) -> int:
        """Width of the upright picture in pixels."""
        return self.turn.size(*self.stored_size)[0]

    @property
    def height(self) -> int:
        """Height of the upright picture in pixels."""
        return self.turn.size(*self.stored_size)[1]

    def image(self) -> Image:
        """The whole picture, upright: BGR uint8 (height, width, 3)."""
        return self.turn.apply(self.scaler.scale(self.frame, *self.stored_size, "bgr24"))

    def crop(self, box: NDArray[np.float32]) -> Image:
        """The part of the upright picture under a box, at full resolution.

        Args:
            box: ``(x1, y1, x2, y2)`` in pixels of the upright picture; clipped to the picture.

        Returns:
            BGR uint8 (h, w, 3), C-contiguous.
        """
        x1, y1 = (max(0, math.floor(value)) for value in box[:2])
        x2, y2 = (max(0, math.ceil(value)) for value in box[2:])
        return np.ascontiguousarray(self.image()[y1:y2, x1:x2])

    def image_at(self, width: int, height: int) -> Image:
        """The upright picture, scaled and converted to BGR in a single pass.

        Args:
            width: Width of the result in pixels.
            height: Height of the result in pixels.

        Returns:
            BGR uint8 (height, width, 3).
        """
        stored = self.turn.size(width, height)
        return self.turn.apply(self.scaler.scale(self.frame, *stored, "bgr24"))

    def small(self, width: int, height: int) -> Image:
        """The upright picture's luma, scaled down by averaging, in full range (0 to 255).

        Args:
            width: Width of the result in pixels.
            height: Height of the result in pixels.

        Returns:
            Grey uint8 (height, width).
        """
        stored = self.turn.size(width, height)
        if self.frame.format.name not in _LUMA_FIRST:
            return self.turn.apply(self.scaler.scale(self.frame, *stored, "gray"))
        plane = self.frame.planes[0]
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(
            plane.height, abs(plane.line_size)
        )
        if plane.line_size < 0:
            luma = luma[::-1]
        scaled = shrink(luma[:, : plane.width], *stored)
        if not _is_full_range(self.frame):
            scaled = np.asarray(cv2.LUT(scaled, _TO_FULL_RANGE), dtype=np.uint8)
        return self.turn.apply(scaled)
