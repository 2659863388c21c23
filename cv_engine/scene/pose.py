"""Where a view lies in a picture of it: shifted, turned and zoomed a little, as a mast sways."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pose:
    """A similarity from points of the view to points of a picture.

    The point ``(x, y)`` lies at ``(a x - b y + dx, b x + a y + dy)``. Turn and zoom are small, so
    that boxes keep their sides upright.

    Attributes:
        a: Zoom times the cosine of the turn.
        b: Zoom times the sine of the turn.
        dx: Shift to the right, pixels.
        dy: Shift down, pixels.
    """

    a: float = 1.0
    b: float = 0.0
    dx: float = 0.0
    dy: float = 0.0

    @property
    def is_identity(self) -> bool:
        """Whether the picture shows the view as it was."""
        return self == IDENTITY

    @property
    def matrix(self) -> Matrix:
        """Matrix of shape (2, 3)."""
        return np.array([[self.a, -self.b, self.dx], [self.b, self.a, self.dy]])

    def after(self, first: Pose) -> Pose:
        """This map applied to the result of another."""
        return Pose(
            self.a * first.a - self.b * first.b,
            self.b * first.a + self.a * first.b,
            self.a * first.dx - self.b * first.dy + self.dx,
            self.b * first.dx + self.a * first.dy + self.dy,
        )

    def inverse(self) -> Pose:
        """The map from the picture back to the view."""
        square = self.a * self.a + self.b * self.b
        a, b = self.a / square, -self.b / square
        return Pose(a, b, -(a * self.dx - b * self.dy), -(b * self.dx + a * self.dy))

    def scaled(self, factor: float) -> Pose:
        """The same map of pictures that are larger by a factor."""
        return Pose(self.a, self.b, self.dx * factor, self.dy * factor)

    def displacement(self, size: tuple[int, int]) -> float:
        """The farthest way of a corner of a picture of a width and height, pixels."""
        corners = [(x, y) for x in (0, size[0]) for y in (0, size[1])]
        return max(
            math.hypot(
                (self.a - 1) * x - self.b * y + self.dx, self.b * x + (self.a - 1) * y + self.dy
            )
            for x, y in corners
        )

    def boxes(self, boxes: Boxes) -> Boxes:
        """Boxes mapped by their middles, shape (n, 4), xyxy."""
        if self.is_identity or not len(boxes):
            return boxes
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2 @ self.matrix[:, :2].T + self.matrix[:, 2]
        half = (boxes[:, 2:] - boxes[:, :2]) / 2 * math.hypot(self.a, self.b)
        return np.asarray(np.hstack([middle - half, middle + half]), np.float32)

    def unwarped(
        self, picture: NDArray[np.uint8], outside: NDArray[np.uint8] | NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        """The view as its first picture would have shown it.

        Args:
            picture: Grey, shape (h, w).
            outside: What is shown where the picture does not reach, shape (h, w).
        """
        if self.is_identity:
            return picture
        height, width = picture.shape
        moved = outside.astype(np.uint8)
        cv2.warpAffine(
            picture,
            self.matrix,
            (width, height),
            dst=moved,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_TRANSPARENT,
        )
        return moved


#: The pose of a camera that has not moved.
IDENTITY = Pose()
