"""The demo clip: a bus stops in a no-stopping zone, people walk past, the bus leaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from cv_engine.demo import outlines
from cv_engine.demo.layers import Cutout, Floats, SceneLayers
from cv_engine.files import atomic_file

RATE = 10  # frames per second, common for street cameras
DURATION_S = 84.0  # long enough for the engine to be sure that the bus has left
#: When the clip was "recorded": a fixed time, so that every run finds the same cases.
RECORDED = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
_KEY_FRAME_S = 2
_QUALITY = 28  # x264's constant rate factor
# x264's choices depend on uninitialised memory with the macroblock tree, and with several threads
# on their number.
_SAME_BYTES = "threads=1:mbtree=0"
_SEED = 11
_NOISE = 2.2  # grey levels, one standard deviation: a small sensor by day
_NOISE_FIELDS = 12
_DRIFT = 0.018  # share of brightness, like passing thin cloud
_DRIFT_PERIOD_S = 47.0

# The bus is enlarged about the vanishing point as it approaches; at 1 it stands where it was
# photographed.
_FAR, _NEAR = 0.56, 1.80
_ARRIVES_S, _STANDS_S = 5.0, 12.0
_STARTS_S, _GONE_S = 50.0, 57.0


@dataclass(frozen=True)
class Walk:
    """One person's path along the pavement.

    Attributes:
        who: Index into ``SceneLayers.walkers``.
        start_s: Start of the walk, seconds.
        from_x: Pixel column of the feet at the start.
        speed: Pixels per second, negative to the left.
        feet_y: Pixel row of the feet; larger is nearer.
    """

    who: int
    start_s: float
    from_x: float
    speed: float
    feet_y: float


# The photographed people walk to the right; they are mirrored to walk to the left.
_WALKS = (
    Walk(1, 0.0, 420, 95, 866),
    Walk(0, 8.0, -160, 112, 940),
    Walk(1, 17.0, 960, -98, 858),
    Walk(0, 27.0, 980, -118, 965),
    Walk(1, 36.0, -120, 104, 905),
    Walk(0, 45.0, -170, 120, 985),
    Walk(1, 53.0, 950, -101, 880),
    Walk(0, 64.0, 980, -110, 930),
    Walk(1, 73.0, -120, 99, 890),
)
_HIP = 0.60  # position of the hip, as a share of the distance from head to feet
_STEPS_PER_S = 1.7
_SHADE = 0.52  # share of the light lost in a shadow, as in the photograph


def compose(
    layers: SceneLayers,
    out: Path,
    progress: Callable[[float], None] | None = None,
    *,
    seconds: float = DURATION_S,
) -> None:
    """Write the clip as H.264 in MP4; the same layers give the same frames.

    Args:
        layers: The scene's layers.
        out: The file, written whole or not at all.
        progress: Called with the share of completed frames, 0 to 1.
        seconds: Length of the clip, from the start of the scene.
    """
    height, width = layers.street.shape[:2]
    with (
        atomic_file(out) as partial,
        av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        container.metadata["creation_time"] = RECORDED.isoformat().replace("+00:00", "Z")
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        stream.options = {
            "crf": str(_QUALITY),
            "preset": "veryfast",
            "x264-params": f"keyint={_KEY_FRAME_S * RATE}:min-keyint={_KEY_FRAME_S * RATE}:"
            f"scenecut=0:{_SAME_BYTES}",
        }
        frames = round(seconds * RATE)
        for number, picture in enumerate(_pictures(layers, frames)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
            if progress is not None:
                progress((number + 1) / frames)
        container.mux(stream.encode(None))


def _pictures(layers: SceneLayers, frames: int) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(_SEED)
    shape = layers.street.shape
    noise = [rng.normal(0, _NOISE, shape).astype(np.float32) for _ in range(_NOISE_FIELDS)]
    parked = _over(_with_bus(layers, 1.0), layers.bollards)
    empty = _over(layers.street, layers.bollards)
    for number in range(frames):
        t = number / RATE
        scale = _bus_scale(t)
        if scale is None:
            scene = empty.copy()
        elif scale == 1.0:
            scene = parked.copy()
        else:
            scene = _over(_with_bus(layers, scale), layers.bollards)
        for walk in sorted(_WALKS, key=lambda walk: walk.feet_y):
            _walk_through(scene, layers.walkers[walk.who], walk, t)
        light = 1 + _DRIFT * math.sin(2 * math.pi * t / _DRIFT_PERIOD_S)
        grain = noise[rng.integers(_NOISE_FIELDS)]
        noisy = np.asarray(cv2.addWeighted(scene, light, grain, 1, 0), np.float32)
        # The call rounds and clips at 255; negative values are clipped first, since it mirrors
        # them.
        yield np.asarray(cv2.convertScaleAbs(np.maximum(noisy, 0, out=noisy)), np.uint8)


def _bus_scale(t: float) -> float | None:
    """Return the scale of the bus at ``t`` seconds; ``None`` while it is out of the frame."""
    if t < _ARRIVES_S or t >= _GONE_S:
        return None
    if t < _STANDS_S:  # constant braking; the distance to the camera goes with 1 / scale
        left = (_STANDS_S - t) / (_STANDS_S - _ARRIVES_S)
        return 1 / (1 + (1 / _FAR - 1) * left**2)
    if t < _STARTS_S:
        return 1.0
    gone = (t - _STARTS_S) / (_GONE_S - _STARTS_S)
    return 1 / (1 + (1 / _NEAR - 1) * gone**2)


def _with_bus(layers: SceneLayers, scale: float) -> Floats:
    x0, y0 = outlines.VANISHING_POINT
    move = np.array([[scale, 0, x0 * (1 - scale)], [0, scale, y0 * (1 - scale)]], np.float32)
    size = (layers.street.shape[1], layers.street.shape[0])
    image = cv2.warpAffine(layers.bus.image, move, size, flags=cv2.INTER_AREA)
    alpha = cv2.warpAffine(layers.bus.alpha, move, size)
    return (layers.street + (image - layers.street) * alpha[..., None]).astype(np.float32)


def _over(scene: Floats, cutout: Cutout) -> Floats:
    return (scene + (cutout.image - scene) * cutout.alpha[..., None]).astype(np.float32)


def _walk_through(scene: Floats, person: Cutout, walk: Walk, t: float) -> None:
    """Draw one walker with shadow into ``scene``, if within the frame at ``t``."""
    since = t - walk.start_s
    x = walk.from_x + walk.speed * since
    height, width = scene.shape[:2]
    if since < 0 or not -300 <= x <= width + 500:  # a shadow is up to 500 px long
        return
    y0 = outlines.VANISHING_POINT[1]
    # Size is proportional to the distance below the horizon.
    scale = (walk.feet_y - y0) / (person.feet_row - y0)
    bob = 3.0 * scale * abs(math.sin(math.pi * _STEPS_PER_S * since))
    image, alpha = _in_step(person, since, mirrored=walk.speed < 0)
    feet_x, feet_y = person.feet
    place = np.array(
        [[scale, 0, x - feet_x * scale], [0, scale, walk.feet_y - bob - feet_y * scale]],
        np.float32,
    )
    # Sun from the right and behind: the shadow of a point h above the ground lies 1.1 h to the left
    # and 0.2 h nearer.
    cast = np.array(
        [
            [scale, 1.1 * scale, x - (feet_x + 1.1 * feet_y) * scale],
            [0, -0.2 * scale, walk.feet_y - 4 + 0.2 * feet_y * scale],
        ],
        np.float32,
    )
    shade, part = _placed(alpha, cast, (width, height), margin=8)
    if shade.size:
        scene[part] *= 1 - _SHADE * cv2.GaussianBlur(shade, (0, 0), 2.0)[..., None]
    cover, part = _placed(alpha, place, (width, height))
    drawn, _ = _placed(image, place, (width, height))
    scene[part] += (drawn - scene[part]) * cover[..., None]


def _placed(
    image: Floats, move: Floats, size: tuple[int, int], margin: int = 1
) -> tuple[Floats, tuple[slice, slice]]:
    """Warp ``image`` into a frame of ``size`` (width, height); return the part that it covers."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float32)
    moved = corners @ move.T
    left, top = np.clip(np.floor(moved.min(axis=0)).astype(int) - margin, 0, size)
    right, bottom = np.clip(np.ceil(moved.max(axis=0)).astype(int) + margin, 0, size)
    part = (slice(int(top), int(bottom)), slice(int(left), int(right)))
    if right <= left or bottom <= top:
        return np.zeros((int(bottom - top), int(right - left), *image.shape[2:]), np.float32), part
    local = move - np.array([[0, 0, left], [0, 0, top]], np.float32)
    out = cv2.warpAffine(image, local, (int(right - left), int(bottom - top)))
    return out.astype(np.float32, copy=False), part


def _in_step(person: Cutout, since: float, *, mirrored: bool) -> tuple[Floats, Floats]:
    """Open and close the legs below the hip with the step of a walker."""
    height, width = person.alpha.shape
    hip, middle = _HIP * height, person.feet[0]
    stride = 0.35 + 0.65 * abs(math.cos(math.pi * _STEPS_PER_S * since))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    below = np.clip((y - hip) / (height - hip), 0, 1)
    from_x = middle + (x - middle) / (1 - below * (1 - stride))
    if mirrored:
        from_x = from_x[:, ::-1]
    from_x = np.ascontiguousarray(from_x, dtype=np.float32)
    image = cv2.remap(person.image, from_x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.remap(person.alpha, from_x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return image.astype(np.float32), alpha.astype(np.float32)
