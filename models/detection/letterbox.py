"""Fitting of images into a network's input, and mapping of boxes back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Fit = Literal["centre", "corner", "stretch"]

_PAD_VALUE = 114  # grey level around letterboxed images in the training of YOLO networks
STRIDE_PX = 32  # stride of the coarsest feature map; input sides are multiples of it


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Placement of an image within a network's input.

    Attributes:
        image_width: Width of the image, pixels.
        image_height: Height of the image, pixels.
        width: Width of the input, pixels.
        height: Height of the input, pixels.
        left: Column of the input at which the scaled image begins.
        top: Row of the input at which the scaled image begins.
        scaled_width: Width of the scaled image, pixels.
        scaled_height: Height of the scaled image, pixels.
    """

    image_width: int
    image_height: int
    width: int
    height: int
    left: int
    top: int
    scaled_width: int
    scaled_height: int

    def place(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale an image into the input, the rest grey.

        Args:
            image: ``(image_height, image_width, 3)``.

        Returns:
            ``(height, width, 3)``, a new array.
        """
        canvas = np.empty((self.height, self.width, 3), np.uint8)
        right, bottom = self.left + self.scaled_width, self.top + self.scaled_height
        canvas[: self.top] = _PAD_VALUE
        canvas[bottom:] = _PAD_VALUE
        canvas[self.top : bottom, : self.left] = _PAD_VALUE
        canvas[self.top : bottom, right:] = _PAD_VALUE
        size = (self.scaled_width, self.scaled_height)
        scaled = image if size == (self.image_width, self.image_height) else cv2.resize(image, size)
        canvas[self.top : bottom, self.left : right] = scaled
        return canvas

    def to_image(self, boxes: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map boxes ``(n, 4)`` xyxy from pixels of the input to the image, clipped to it."""
        scale = [self.image_width / self.scaled_width, self.image_height / self.scaled_height] * 2
        moved = (boxes - np.array([self.left, self.top] * 2)) * np.array(scale)
        limit = np.array([self.image_width, self.image_height] * 2)
        clipped: NDArray[np.float32] = np.clip(moved, 0, limit).astype(np.float32)
        return clipped

    def to_input(self, boxes: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map boxes ``(n, 4)`` xyxy from pixels of the image to the input."""
        scale = [self.scaled_width / self.image_width, self.scaled_height / self.image_height] * 2
        moved = boxes * np.array(scale) + np.array([self.left, self.top] * 2)
        placed: NDArray[np.float32] = moved.astype(np.float32)
        return placed


def fit(image_width: int, image_height: int, width: int, height: int, how: Fit) -> Letterbox:
    """Fit an image into an input of a given size.

    Args:
        image_width: Width of the image, pixels, at least 1.
        image_height: Height of the image, pixels, at least 1.
        width: Width of the input, pixels.
        height: Height of the input, pixels.
        how: ``"centre"`` and ``"corner"`` keep the proportions, with grey around the image or to
            the right and below; ``"stretch"`` fills the input.
    """
    if how == "stretch":
        return Letterbox(image_width, image_height, width, height, 0, 0, width, height)
    ratio = min(width / image_width, height / image_height)
    scaled_width = min(width, max(1, round(image_width * ratio)))
    scaled_height = min(height, max(1, round(image_height * ratio)))
    left, top = (width - scaled_width) // 2, (height - scaled_height) // 2
    if how == "corner":
        left = top = 0
    return Letterbox(
        image_width, image_height, width, height, left, top, scaled_width, scaled_height
    )


def smallest_input(image_width: int, image_height: int, side: int) -> tuple[int, int]:
    """Return the smallest input that holds an image scaled to fit a square.

    Args:
        image_width: Width of the image, pixels.
        image_height: Height of the image, pixels.
        side: Side of the square, a multiple of :data:`STRIDE_PX`.

    Returns:
        Width and height, multiples of :data:`STRIDE_PX`: 640 x 384 for 16:9 footage at side 640.
    """
    ratio = side / max(image_width, image_height)
    width, height = (
        min(side, STRIDE_PX * math.ceil(max(1, round(length * ratio)) / STRIDE_PX))
        for length in (image_width, image_height)
    )
    return width, height
