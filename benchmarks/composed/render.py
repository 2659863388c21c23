"""Frames of a scene: actors drawn into the empty view, then light, camera, weather and sensor."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.composed.actors import Actor, Pose
from benchmarks.composed.scene import Scene
from benchmarks.composed.sprites import Floats, Wardrobe
from benchmarks.composed.weather import Noise

Picture = NDArray[np.uint8]
_NOISE_SEED = 7_919


def frames(scene: Scene) -> Iterator[Picture]:
    """Every frame, uint8 ``(height * 3 / 2, width)`` in I420."""
    painter = Painter(scene)
    for number in range(scene.frames):
        yield painter.frame(number)


class Painter:
    """Draws the frames of one scene; what rests is drawn once."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._wardrobe = Wardrobe(scene.view)
        self._noise = Noise(scene.sensor, scene.view.size)
        self._resting: tuple[object, ...] | None = None
        self._rested = scene.view.image

    def frame(self, number: int) -> Picture:
        """One frame, I420."""
        scene = self.scene
        time_s = number / float(scene.rate)
        width, height = scene.view.size
        planes = np.asarray(cv2.cvtColor(self.canvas(time_s), cv2.COLOR_BGR2YUV_I420), np.uint8)
        luma = planes[:height]
        for effect in scene.effects:
            luma = effect.apply(luma, time_s)
        planes[:height] = luma
        if scene.camera.moves:
            _move(planes, scene.camera.matrix(time_s), width, height)
        luma = planes[:height]
        rng = np.random.default_rng((_NOISE_SEED, scene.seed, number))
        if scene.fall is not None:
            luma = scene.fall.add(luma, rng)
        luma = self._noise.add(luma, rng)
        if scene.pumping is not None:
            luma = scene.pumping.apply(luma, time_s)
        if scene.clock is not None:
            luma = scene.clock.draw(luma, time_s)
        planes[:height] = luma
        return planes

    def canvas(self, time_s: float) -> Picture:
        """The view with its actors, BGR, before light, camera and sensor."""
        present = [
            (actor, pose)
            for actor in self.scene.actors
            if (pose := actor.pose(time_s, self.scene.view.ground)) is not None
        ]
        present.sort(key=lambda pair: pair[1].y)
        moving = [pair for pair in present if pair[0].is_moving(time_s)]
        still = [pair for pair in present if not pair[0].is_moving(time_s)]
        # Who moves behind something at rest is drawn before it: then nothing can be kept.
        if moving and any(self._is_behind(moved, rested) for moved in moving for rested in still):
            canvas = self.scene.view.image.copy()
            self._draw(canvas, present, time_s)
            return canvas
        resting = tuple((id(actor), pose) for actor, pose in still)
        if resting != self._resting:
            self._rested = self.scene.view.image.copy()
            self._draw(self._rested, still, time_s)
            self._resting = resting
        canvas = self._rested.copy()
        self._draw(canvas, moving, time_s)
        return canvas

    def _is_behind(self, moved: tuple[Actor, Pose], rested: tuple[Actor, Pose]) -> bool:
        if moved[1].y > rested[1].y:
            return False
        x0, y0, x1, y1 = moved[0].box(moved[1])
        a0, b0, a1, b1 = rested[0].box(rested[1])
        near = 2 + 0.1 * (y1 - y0)
        return x0 - near < a1 and a0 < x1 + near and y0 - near < b1 and b0 < y1 + near

    def _draw(self, canvas: Picture, drawn: list[tuple[Actor, Pose]], time_s: float) -> None:
        for actor, pose in drawn:
            sprite = self._wardrobe.sprite(actor, pose, time_s)
            x, y = round(pose.x), round(pose.y - pose.lift)
            if self.scene.view.wet:
                self._reflect(canvas, sprite.image, sprite.alpha, x + sprite.left, round(pose.y))
            _shade(canvas, sprite.shadow, x + sprite.shadow_left, round(pose.y) + sprite.shadow_top)
            _paint(canvas, sprite.image, sprite.alpha, x + sprite.left, y + sprite.top)

    def _reflect(self, canvas: Picture, image: Floats, alpha: Floats, left: int, foot: int) -> None:
        fading = np.linspace(self.scene.view.wet, 0.0, alpha.shape[0], dtype=np.float32)
        mirrored = alpha[::-1] * fading[:, None, None]
        _paint(canvas, image[::-1], mirrored, left, foot)


def _paint(canvas: Picture, image: Floats, alpha: Floats, left: int, top: int) -> None:
    place, part = _overlap(canvas, alpha, left, top)
    if place is not None:
        there = canvas[place].astype(np.float32)
        there += (image[part] - there) * alpha[part]
        canvas[place] = there.astype(np.uint8)


def _shade(canvas: Picture, shadow: Floats, left: int, top: int) -> None:
    place, part = _overlap(canvas, shadow, left, top)
    if place is not None:
        canvas[place] = (canvas[place] * (1 - shadow[part])).astype(np.uint8)


Slices = tuple[slice, slice]


def _overlap(
    canvas: Picture, drawn: Floats, left: int, top: int
) -> tuple[Slices, Slices] | tuple[None, None]:
    """Where something drawn lies on the canvas, and which part of it does."""
    x0, y0 = max(0, left), max(0, top)
    x1 = min(canvas.shape[1], left + drawn.shape[1])
    y1 = min(canvas.shape[0], top + drawn.shape[0])
    if x0 >= x1 or y0 >= y1:
        return None, None
    place = slice(y0, y1), slice(x0, x1)
    return place, (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def _move(planes: Picture, matrix: NDArray[np.float64], width: int, height: int) -> None:
    """Moves all three planes as the camera moves."""
    flat = planes.reshape(-1)
    whole, half = width * height, width * height // 4
    parts = [(0, width, height, 1.0)]
    parts += [(whole + n * half, width // 2, height // 2, 0.5) for n in range(2)]
    for begin, wide, high, share in parts:
        plane = flat[begin : begin + wide * high].reshape(high, wide)
        scaled = matrix.copy()
        scaled[:, 2] *= share
        moved = cv2.warpAffine(
            plane, scaled, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        plane[:] = moved
