"""Short composed sequences, and the regions that the engine's own background model finds in them.

A sequence is a real empty view, to which things come and in which light changes; it is seen a few
times before and after. The regions of the last sample are labelled by what fills most of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.verification import disturbances, lights, things
from benchmarks.verification.effect import (
    Effect,
    Floats,
    Mask,
    between,
    blurred,
    smooth_noise,
)
from benchmarks.verification.things import Cutout, Placed, placed
from cv_engine.scene.background import Background, Region

# Share of a region's pixels from which it shows a thing, and up to which it shows none; between
# the two the truth is a matter of taste, and the region is left out.
_THING_SHARE = 0.6
_OTHER_SHARE = 0.4
# Share from which a region that shows no thing is of one kind; below it is of no known cause.
_KIND_SHARE = 0.25
OTHER = "other"
_MIN_SIDE_PX = 3.0
# Of one sequence, so that no single one has much weight; the largest and others at random.
_MOST_REGIONS = 10
# Share of the regions that are judged a second time with another outline.
_VARIED_SHARE = 0.3
_CUTOUTS = 6  # drawn for each sequence, which may use fewer
_SMALL_SIDE = 480
# Noise from which each picture takes a window: drawing new noise takes a third of all time.
_GRAIN = np.random.default_rng(0).standard_normal((1024, 1024), np.float32)


@dataclass(frozen=True, slots=True)
class View:
    """A real empty view.

    Attributes:
        clip: The recording that it comes from.
        grey: Grey levels, shape (h, w).
    """

    clip: str
    grey: Floats


@dataclass(frozen=True, slots=True)
class Sequence_:
    """What the background model knows after a composed sequence.

    Attributes:
        background: The model after the last sample.
        regions: What has settled.
        kinds: What each region shows: ``"thing"`` or what is none; ``None`` where unclear.
        classes: Classes of the cut-outs in it.
        clip: Where the view comes from.
    """

    background: Background
    regions: list[Region]
    kinds: list[str | None]
    classes: list[str]
    clip: str


@dataclass(slots=True)
class _Script:
    """What a sequence shows: before, from when on, and what passes by."""

    before: list[Effect] = field(default_factory=list)
    after: list[Effect] = field(default_factory=list)
    whole: Effect | None = None


@dataclass(frozen=True, slots=True)
class _Camera:
    """How pictures come out: noise in grey levels, blur and shake in pixels, JPEG's quality."""

    noise: float
    blur: float
    shake: float
    quality: int
    drift: float

    @classmethod
    def any(cls, rng: np.random.Generator) -> _Camera:
        return cls(
            noise=between(0.4, 9.0, rng),
            blur=float(rng.uniform(0, 1.0)) if rng.random() < 0.5 else 0.0,
            shake=between(0.05, 0.7, rng) if rng.random() < 0.3 else 0.0,
            quality=int(rng.integers(18, 96)),
            drift=0.15 if rng.random() < 0.3 else 0.02,
        )

    def shoot(self, picture: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
        if self.shake:
            dx, dy = rng.normal(0, self.shake, 2)
            matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            picture = np.asarray(
                cv2.warpAffine(
                    picture, matrix, picture.shape[::-1], borderMode=cv2.BORDER_REPLICATE
                ),
                np.float32,
            )
        picture = blurred(picture, self.blur) * np.float32(np.exp(rng.normal(0, self.drift)))
        top, left = rng.integers(_GRAIN.shape[0] - _SMALL_SIDE, size=2)
        grain = _GRAIN[top : top + picture.shape[0], left : left + picture.shape[1]]
        return disturbances.coded(picture + grain * np.float32(self.noise), self.quality)


def compose(
    views: Sequence[View], cutouts: Sequence[Cutout], rng: np.random.Generator
) -> Sequence_:
    """Composes a sequence and runs the background model over it.

    Args:
        views: Empty views to choose from.
        cutouts: Things to choose from.
        rng: All that is drawn comes from it.
    """
    view = views[int(rng.integers(len(views)))]
    picture = _framed(view.grey, rng)
    chosen = _chosen(cutouts, rng)
    script = _script(picture, chosen, views, rng)
    camera = _Camera.any(rng)
    passer = placed(picture, chosen[-1], rng) if rng.random() < 0.25 else None
    background, walked = _observed(picture, script, camera, passer, rng)
    if walked is not None:
        script.after.append(walked)
    regions = _some(background.regions(background.settled, _MIN_SIDE_PX), rng)
    regions += [_varied(region, rng) for region in regions if rng.random() < _VARIED_SHARE]
    truth = _masks(script)
    unknown = OTHER if script.whole is None else script.whole.kind
    kinds = [_kind(region, truth, unknown) for region in regions]
    return Sequence_(background, regions, kinds, [each.kind for each in chosen], view.clip)


def _chosen(cutouts: Sequence[Cutout], rng: np.random.Generator) -> list[Cutout]:
    """Things for one sequence; a class with many cut-outs comes more often, but not as much."""
    counts = Counter(cutout.kind for cutout in cutouts)
    weights = np.array([counts[cutout.kind] ** -0.5 for cutout in cutouts])
    drawn = rng.choice(len(cutouts), _CUTOUTS, p=weights / weights.sum())
    return [cutouts[int(index)] for index in drawn]


def _observed(
    picture: Floats,
    script: _Script,
    camera: _Camera,
    passer: Placed | None,
    rng: np.random.Generator,
) -> tuple[Background, Effect | None]:
    """The background model after the sequence, and what walked by in the last sample."""
    was, now = picture, picture
    for effect in script.before:
        was = effect.paint(was)
    for effect in script.after:
        now = effect.paint(now)
    if script.whole is not None:
        now = script.whole.paint(now)
    time_s, interval_s = 0.0, between(0.4, 4.0, rng)
    background = Background.of(camera.shoot(was, rng), time_s, occlusion_s=60.0)
    looks_before, looks_after = int(rng.integers(0, 4)), int(rng.integers(2, 6))
    walked = None
    step = (rng.normal(0, 40), rng.normal(0, 6))
    for look in range(-looks_before, looks_after):
        shown = was if look < 0 else now
        if passer is not None:
            at = (round(step[0] * look), round(step[1] * look))
            walked = things.again(passer, at).effect()
            shown = walked.paint(shown)
        time_s += interval_s
        background.update(camera.shoot(shown, rng), time_s)
    return background, walked


def _script(
    picture: Floats, cutouts: Sequence[Cutout], views: Sequence[View], rng: np.random.Generator
) -> _Script:
    script = _Script()
    shape = (picture.shape[0], picture.shape[1])
    _furnish(script, picture, cutouts[0], rng)
    if rng.random() < 0.3:
        _uncover(script, picture, cutouts[1], rng)
    if rng.random() < 0.12:
        _both(script, disturbances.texts(shape, rng))
    if rng.random() < 0.12:
        shown = [_framed(views[int(rng.integers(len(views)))].grey, rng) for _ in range(2)]
        _both(script, disturbances.screens(shape, (shown[0], shown[1]), rng))
    for _ in range(int(rng.choice(3, p=(0.3, 0.4, 0.3)))):
        draw = _DISTURBANCES[int(rng.integers(len(_DISTURBANCES)))]
        script.after.append(draw(shape, rng))
    for cutout in cutouts[2 : 2 + int(rng.choice(4, p=(0.2, 0.4, 0.3, 0.1)))]:
        _bring(script, picture, cutout, rng)
    for _ in range(int(rng.choice(4, p=(0.25, 0.35, 0.25, 0.15)))):
        script.after.append(_light(picture, cutouts[5], rng))
    if rng.random() < 0.12:
        script.whole = disturbances.moved(shape, rng)
    return script


_DISTURBANCES: tuple[Callable[[tuple[int, int], np.random.Generator], Effect], ...] = (
    disturbances.foliage,
    disturbances.foliage,
    disturbances.noise,
    disturbances.pumping,
)


def _both(script: _Script, effects: tuple[Effect, Effect]) -> None:
    """Something that is in the picture all the time and changes."""
    script.before.append(effects[0])
    script.after.append(effects[1])


def _furnish(script: _Script, picture: Floats, cutout: Cutout, rng: np.random.Generator) -> None:
    """Now and then a thing stands there all the time."""
    if rng.random() < 0.3:
        stays = placed(picture, cutout, rng).effect("standing")
        script.before.append(stays)
        script.after.append(stays)


def _uncover(script: _Script, picture: Floats, cutout: Cutout, rng: np.random.Generator) -> None:
    """A thing stands there at first, and is gone later; or is pushed a little."""
    gone = placed(picture, cutout, rng)
    script.before.append(gone.effect())
    if rng.random() < 0.5:
        shadow = things.shadow_of(gone, rng)
        script.before.append(shadow)
        script.after.append(Effect("ground", shadow.mask, lambda picture: picture))
    script.after.append(Effect("ground", gone.effect().mask, lambda picture: picture))
    if rng.random() < 0.15:
        shift = (round(rng.normal(0, 12)), round(rng.normal(0, 6)))
        script.after.append(things.again(gone, shift).effect())


def _bring(script: _Script, picture: Floats, cutout: Cutout, rng: np.random.Generator) -> None:
    """A thing comes, with its shadow or its reflection."""
    thing = placed(picture, cutout, rng)
    if rng.random() < 0.4:
        script.after.append(things.shadow_of(thing, rng))
    if rng.random() < 0.15:
        script.after.append(things.reflection_of(thing, rng))
    script.after.append(thing.effect())


def _light(picture: Floats, cutout: Cutout, rng: np.random.Generator) -> Effect:
    shape = (picture.shape[0], picture.shape[1])
    which = float(rng.random())
    if which < 0.45:
        return lights.patch(shape, rng)
    if which < 0.55:
        return lights.silhouette(placed(picture, cutout, rng), rng)
    if which < 0.65:
        return things.reflection_of(placed(picture, cutout, rng), rng)
    if which < 0.77:
        return lights.lamp(shape, rng)
    if which < 0.87:
        return lights.glare(shape, rng)
    return lights.drift(shape, rng) if which < 0.95 else lights.fog(shape, rng)


def _framed(view: Floats, rng: np.random.Generator) -> Floats:
    """A part of a view at the size of the small picture, in any light from dusk to noon."""
    height, width = view.shape
    share = 1 / between(1.0, 2.5, rng) if rng.random() < 0.6 else 1.0
    share = max(share, min(1.0, 200 / width))
    rows, columns = max(32, round(share * height)), max(32, round(share * width))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    part = view[top : top + rows, left : left + columns]
    side = _SMALL_SIDE if rng.random() < 0.7 else int(rng.integers(240, _SMALL_SIDE))
    scale = side / max(part.shape)
    size = (max(16, round(part.shape[1] * scale)), max(16, round(part.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    framed = np.asarray(cv2.resize(part, size, interpolation=how), np.float32)
    if rng.random() < 0.5:
        framed = np.ascontiguousarray(framed[:, ::-1])
    if rng.random() < 0.25:
        gain, gamma = between(0.15, 1.4, rng), between(0.7, 1.5, rng)
        framed = np.asarray(255 * np.clip(framed / 255, 0, 1) ** gamma * gain, np.float32)
    if rng.random() < 0.1:  # rain and snow on the way to the camera
        framed = framed + 6 * smooth_noise((framed.shape[0], framed.shape[1]), 2.0, rng)
    return np.asarray(np.clip(framed, 0, 255), np.float32)


def _some(regions: list[Region], rng: np.random.Generator) -> list[Region]:
    if len(regions) <= _MOST_REGIONS:
        return regions
    half = _MOST_REGIONS // 2
    others = rng.choice(len(regions) - half, _MOST_REGIONS - half, replace=False) + half
    return regions[:half] + [regions[int(index)] for index in np.sort(others)]


def _varied(region: Region, rng: np.random.Generator) -> Region:
    """A region that ends elsewhere: thinner, or only the part on one side of a line.

    The outline depends on how a background model groups its pixels, and is never exact.
    """
    mask = region.mask.astype(np.uint8)
    rows, columns = mask.shape
    if rng.random() < 0.4:
        side = int(rng.integers(2, 2 + max(1, min(rows, columns) // 6)))
        padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        mask = np.asarray(cv2.erode(padded, np.ones((side, side), np.uint8)), np.uint8)[1:-1, 1:-1]
    else:
        angle = rng.uniform(0, 2 * np.pi)
        x, y = rng.uniform(0.3, 0.7) * columns, rng.uniform(0.3, 0.7) * rows
        across, down = np.meshgrid(np.arange(columns) - x, np.arange(rows) - y)
        mask = mask * (across * np.cos(angle) + down * np.sin(angle) > 0)
    left, top, width, height = cv2.boundingRect(np.asarray(mask, np.uint8))
    if min(width, height) < _MIN_SIDE_PX:
        return region
    x1, y1 = region.box[0] + left, region.box[1] + top
    part = mask[top : top + height, left : left + width] > 0
    box = (x1, y1, x1 + width, y1 + height)
    return Region(box, region.since, int(part.sum()), part)


def _masks(script: _Script) -> dict[str, Mask]:
    """Which pixels show what in the end; a region is a pixel wider than what is in it."""
    masks: dict[str, Mask] = {}
    for effect in script.after:
        if effect.kind in masks:
            masks[effect.kind] = masks[effect.kind] | effect.mask
        else:
            masks[effect.kind] = effect.mask
    if "thing" in masks:
        thing = masks["thing"].astype(np.float32)
        if script.whole is not None:
            thing = script.whole.paint(thing)
        masks["thing"] = cv2.dilate((thing > 0.5).astype(np.uint8), np.ones((3, 3))) > 0
    masks.pop("standing", None)
    return masks


def _kind(region: Region, masks: dict[str, Mask], unknown: str) -> str | None:
    shares = {kind: _share(region, mask) for kind, mask in masks.items()}
    thing = shares.pop("thing", 0.0)
    if thing >= _THING_SHARE:
        return "thing"
    if thing > _OTHER_SHARE:
        return None
    best = max(shares, key=lambda kind: shares[kind], default=unknown)
    return best if shares.get(best, 0.0) >= _KIND_SHARE else unknown


def _share(region: Region, mask: Mask) -> float:
    return float(np.mean(mask[region.window][region.mask]))
