"""Copy-paste augmentation: buildings of one picture are inserted into others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture
from satellite.training.samples import Mask, Sample

# Areas of inserted buildings: smaller ones are mostly slivers at a tile's edge, larger ones fill a
# crop.
_AREA_M2 = (30.0, 2500.0)
# Margin of a cutout, metres, for its rotation and soft edge.
_ROOM_M = 1.0
_EDGE_M = 0.5  # standard deviation of the soft edge: a hard line would be learned
_SCALE = (0.8, 1.25)  # size of an inserted building relative to the original
_TRIES = 8  # random places that are tried for each building before it is skipped
# Range of the gain that adapts a building's brightness to its new place.
_GAIN = (0.6, 1.6)
# Light that remains in a cast shadow, and length of the shadow, metres: houses at mid-latitudes.
_SHADE, _SHADOW_M = (0.35, 0.75), (1.0, 5.0)

Alpha = NDArray[np.float32]
Place = tuple[slice, slice]


class Presence(Enum):
    """At which dates an inserted building is present."""

    APPEARED = "appeared"
    GONE = "gone"
    STAYED = "stayed"


# Buildings present at both dates teach the network to ignore unchanged buildings.
_PRESENCES = (Presence.APPEARED, Presence.GONE, Presence.STAYED)
_PRESENCE_SHARES = (0.5, 0.1, 0.4)


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A building cut out of a picture.

    Attributes:
        picture: uint8 ``(height, width, 3)`` RGB.
        mask: 1 on the building, else 0.
        light: Mean grey level of the original picture.
        pixel_m: Side of a pixel, metres.
    """

    picture: Picture
    mask: Mask
    light: float
    pixel_m: float


def cutouts(samples: Sequence[Sample]) -> list[Cutout]:
    """Cuts out the labelled buildings that lie wholly within a picture.

    Args:
        samples: Labelled samples.

    Returns:
        The new buildings, and the demolished ones.
    """
    found = []
    for sample in samples:
        for picture, mask in ((sample.after, sample.appeared), (sample.before, sample.gone)):
            found += _cut(picture, mask, sample.pixel_m)
    return found


def _cut(picture: Picture, mask: Mask, pixel_m: float) -> list[Cutout]:
    count, parts, boxes, _ = cv2.connectedComponentsWithStats(mask)
    light, room = _light(picture), max(1, round(_ROOM_M / pixel_m))
    found = []
    for part in range(1, count):
        x, y, width, height, area = (int(value) for value in boxes[part])
        whole = x > 0 and y > 0 and x + width < mask.shape[1] and y + height < mask.shape[0]
        if not whole or not _AREA_M2[0] <= area * pixel_m**2 <= _AREA_M2[1]:
            continue
        rows = slice(max(0, y - room), y + height + room)
        cols = slice(max(0, x - room), x + width + room)
        own = (parts[rows, cols] == part).astype(np.uint8)
        found.append(Cutout(picture[rows, cols].copy(), own, light, pixel_m))
    return found


def inserted(
    sample: Sample, buildings: Sequence[Cutout], mean_count: float, rng: np.random.Generator
) -> Sample:
    """Inserts buildings into a sample: new, demolished, and unchanged ones.

    Args:
        sample: The sample.
        buildings: Cutouts to choose from.
        mean_count: Mean number of buildings that are tried (Poisson distribution).
        rng: Source of all choices.

    Returns:
        The sample with changed pictures and masks, known where a building was inserted; unchanged
        where nothing fits.
    """
    if not buildings:
        return sample
    towards = rng.uniform(0, 2 * np.pi)  # one direction of the sun for the whole picture
    taken = sample.appeared | sample.gone
    for _ in range(rng.poisson(mean_count)):
        presence = _PRESENCES[rng.choice(len(_PRESENCES), p=_PRESENCE_SHARES)]
        original = buildings[int(rng.integers(len(buildings)))]
        building = _turned(original, sample.pixel_m, rng)
        place = _place(taken, building.mask, rng)
        if place is not None:
            taken[place] |= building.mask
            shadow = _shadow(building, towards, rng)
            sample = _painted(sample, building, shadow, place, presence)
    return sample


def _turned(building: Cutout, pixel_m: float, rng: np.random.Generator) -> Cutout:
    """A building at a random angle and scale, in pixels of ``pixel_m``."""
    scale = rng.uniform(*_SCALE) * building.pixel_m / pixel_m
    height, width = building.mask.shape
    middle = (width / 2, height / 2)
    turn = np.array(cv2.getRotationMatrix2D(middle, rng.uniform(0, 360), scale), np.float64)
    side = int(np.ceil(np.hypot(height, width) * scale)) + 2
    turn[:, 2] += side / 2 - np.array(middle)
    picture = cv2.warpAffine(
        building.picture, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101
    )
    mask = cv2.warpAffine(building.mask, turn, (side, side), flags=cv2.INTER_NEAREST)
    return Cutout(
        np.asarray(picture, np.uint8), np.asarray(mask, np.uint8), building.light, pixel_m
    )


def _place(taken: Mask, building: Mask, rng: np.random.Generator) -> Place | None:
    """A random place without labelled or inserted change; ``None`` where none was found."""
    side = len(building)
    rows, cols = (length - side for length in taken.shape)
    for _ in range(_TRIES if min(rows, cols) >= 0 else 0):
        top, left = int(rng.integers(rows + 1)), int(rng.integers(cols + 1))
        place = slice(top, top + side), slice(left, left + side)
        if not (taken[place] & building).any():
            return place
    return None


def _shadow(building: Cutout, towards: float, rng: np.random.Generator) -> Alpha:
    """Share of the light that a building takes from the ground beside it, 0 to 1."""
    length = rng.uniform(*_SHADOW_M) / building.pixel_m
    move = np.array([[1, 0, length * np.cos(towards)], [0, 1, length * np.sin(towards)]])
    cast = cv2.warpAffine(building.mask, move, building.mask.shape[::-1])
    soft = _soft(np.asarray(cast, np.uint8), building.pixel_m)
    return (soft * (1 - rng.uniform(*_SHADE))).astype(np.float32)


def _soft(mask: Mask, pixel_m: float) -> Alpha:
    return np.asarray(
        cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _EDGE_M / pixel_m), np.float32
    )


def _painted(
    sample: Sample, building: Cutout, shadow: Alpha, place: Place, presence: Presence
) -> Sample:
    before, after = sample.before, sample.after
    appeared, gone, known = sample.appeared.copy(), sample.gone.copy(), sample.known.copy()
    known[place] |= building.mask
    if presence is not Presence.APPEARED:
        before = _over(before, building, shadow, place)
    if presence is not Presence.GONE:
        after = _over(after, building, shadow, place)
    if presence is Presence.APPEARED:
        appeared[place] |= building.mask
    if presence is Presence.GONE:
        gone[place] |= building.mask
    return replace(sample, before=before, after=after, appeared=appeared, gone=gone, known=known)


def _over(picture: Picture, building: Cutout, shadow: Alpha, place: Place) -> Picture:
    gain = np.clip(_light(picture) / max(building.light, 1.0), *_GAIN)
    alpha = _soft(building.mask, building.pixel_m)[..., None]
    ground = picture[place] * (1 - shadow[..., None])
    mixed = alpha * np.minimum(gain * building.picture, 255) + (1 - alpha) * ground
    changed = picture.copy()
    changed[place] = mixed.round().astype(np.uint8)
    return changed


def _light(picture: Picture) -> float:
    """Mean grey level; OpenCV's sum is several times as fast as NumPy's."""
    return float(np.mean(cv2.mean(picture)[:3]))
