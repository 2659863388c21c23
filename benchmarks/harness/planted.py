"""Footage with a planted event: a crate appears at a known time, stays, and is removed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE = 640, 360, 25
Picture = NDArray[np.float64]

_NOISE_LEVELS = 2.0  # of the sensor, grey levels
# Different ones, in turn; no divisor of a sampling interval, or the picture seems frozen.
_NOISES = 23
# A passer-by, so that the view is not frozen: pixels per second, and size.
_PASSING_PX_S = 90.0
_PASSER = (24, 60)


def film(
    path: Path, *, seed: int, length_s: float, put_s: float, taken_s: float
) -> tuple[int, int, int, int]:
    """Writes a street on which a crate appears at ``put_s`` and is removed at ``taken_s``.

    Args:
        path: The recording to write, losslessly enough (H.264, CRF 10).
        seed: Of paving and crate.
        length_s: Length; the end joins the beginning.
        put_s: When the crate appears, seconds.
        taken_s: When the crate is removed, seconds.

    Returns:
        The crate's box, xyxy in pixels.
    """
    rng = np.random.default_rng(seed)
    street = _texture(rng, WIDTH, HEIGHT, 95, 155, 9)
    x, y = int(rng.integers(120, WIDTH - 220)), int(rng.integers(120, HEIGHT - 140))
    box = (x, y, x + 70, y + 60)
    crate = _texture(rng, 70, 60, 10, 245, 11)
    passer = _texture(rng, *_PASSER, 20, 90, 7)
    noises = [rng.normal(0, _NOISE_LEVELS, (HEIGHT, WIDTH)) for _ in range(_NOISES)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.options = {"preset": "ultrafast", "crf": "18", "bf": "0", "g": "50"}
        for number in range(round(length_s * RATE)):
            time_s = number / RATE
            picture = street.copy()
            if put_s <= time_s < taken_s:
                picture[box[1] : box[3], box[0] : box[2]] = crate
            _walk(picture, passer, time_s)
            grey = np.clip(picture + noises[number % _NOISES], 0, 255).astype(np.uint8)
            frame = VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return box


def _walk(picture: Picture, passer: Picture, time_s: float) -> None:
    """Somebody walks by along the upper edge, out of the picture most of the time."""
    left = round(time_s * _PASSING_PX_S) % (3 * WIDTH) - passer.shape[1]
    if 0 <= left <= WIDTH - passer.shape[1]:
        picture[20 : 20 + passer.shape[0], left : left + passer.shape[1]] = passer


def _texture(
    rng: np.random.Generator, width: int, height: int, low: float, high: float, grain: int
) -> Picture:
    """Patches of ``grain`` pixels, softened by a lens."""
    coarse = rng.uniform(low, high, (height // grain + 1, width // grain + 1))
    fine = np.kron(coarse, np.ones((grain, grain)))[:height, :width]
    return np.asarray(cv2.GaussianBlur(fine, (0, 0), 0.8), np.float64)
