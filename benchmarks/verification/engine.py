"""Regions about which the engine asks the verifier in composed scenes, with what they show.

The engine runs over a scene as it does over footage: what passes by, stands in front, was there at
first or is lit shapes the regions.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.composed.folder import film_scene
from benchmarks.composed.scene import Options, Scene
from benchmarks.composed.sprites import Wardrobe
from benchmarks.harness.engine_cases import short_dwell_config
from benchmarks.verification.materials import fold_of
from benchmarks.verification.pairs import Pair
from cv_engine.pipeline.camera_setup import detect_in
from cv_engine.pipeline.observer import Observer
from cv_engine.rules import registry
from cv_engine.scene.background import Region
from cv_engine.video.sampler import choose
from cv_engine.video.source import open_video
from models.detector import Detector
from models.verifier import Verifier
from models.verifier.features import describe
from zones.zone import whole_frame

Floats = NDArray[np.float32]

# What a pixel shows: nothing new, a thing at rest, a person, or what moves.
_GROUND, _THING, _PERSON, _MOVING = range(4)
_NAMES = {_GROUND: "other", _PERSON: "person", _MOVING: "moving"}
_OPAQUE = 0.5
# Share of a region's pixels from which it shows a thing, and up to which it shows none.
_THING_SHARE, _OTHER_SHARE = 0.6, 0.4
# Of one scene, so that no single one has much weight: things, and others.
_MOST = (30, 60)
#: In place of the fold of a pair's things: scenes show things of all folds.
OF_ENGINE = -1
# How often a pair is shown in one pass of training. These are the regions that matter, so that they
# count more than composed ones; but a part of a person, which the detector leaves unnamed now and
# then, resembles a thing that is carried, and in composed pairs a person is a thing that came.
_WEIGHT, _WEIGHT_OF_PEOPLE = 4, 1
_PEOPLE = ("person", "moving")


def engine_pairs(scene: Scene, detector: Detector, verifier: Verifier, folds: int) -> list[Pair]:
    """The regions of one scene whose truth is clear.

    Args:
        scene: The scene.
        detector: Names persons and vehicles.
        verifier: Judges meanwhile, since what it says changes which regions come next.
        folds: Number of folds that recordings are divided into.
    """
    with tempfile.TemporaryDirectory(prefix="scene-") as scratch:
        asked = _Asked(scene, verifier, fold_of(scene.conditions["view"], folds))
        _observe(film_scene(scene, Path(scratch)), asked, detector)
    rng = np.random.default_rng(scene.seed)
    things = [pair for pair in asked.pairs if pair.kind == "thing"]
    others = [pair for pair in asked.pairs if pair.kind != "thing"]
    return [*_some(things, _MOST[0], rng), *_some(others, _MOST[1], rng)]


def _observe(path: Path, asked: _Asked, detector: Detector) -> None:
    config = short_dwell_config(path.parent / "data", Options().dwell_s)
    video = open_video(path)
    sample_s = config.video.sample_s
    zones = [whole_frame(video.width, video.height, registry.kinds())]
    observer = Observer(
        video.width, video.height, zones, config, sample_s=sample_s, verify=asked, drawn=False
    )
    for sample in video.samples(choose(video, sample_s)):
        asked.time_s = sample.media_s
        at = datetime.fromtimestamp(sample.media_s, UTC)
        observer.observe(sample.media_s, at, sample, partial(detect_in, detector, sample))


class _Asked:
    """A verifier that remembers what it was asked."""

    def __init__(self, scene: Scene, verifier: Verifier, fold: int) -> None:
        self.time_s = 0.0
        self.pairs: list[Pair] = []
        self._truth = _Truth(scene)
        self._clip = scene.conditions["view"]
        self._verifier = verifier
        self._fold = (fold, OF_ENGINE)

    def __call__(self, before: Floats, now: Floats, regions: Sequence[Region]) -> Floats:
        rows = describe(self._verifier.backbone, before, now, regions)
        shown = self._truth.shown(self.time_s, before.shape)
        for region, row in zip(regions, rows, strict=True):
            kind = _kind(shown[region.window][region.mask])
            if kind is not None:
                self.pairs.append(self._pair(region, row, kind))
        return self._verifier.head(rows)

    def _pair(self, region: Region, row: Floats, kind: str) -> Pair:
        x1, y1, x2, y2 = region.box
        weight = _WEIGHT_OF_PEOPLE if kind in _PEOPLE else _WEIGHT
        # The hand-set judge would need the whole model; it is compared on composed pairs.
        return Pair(
            row=row.astype(np.float16),
            kind=kind,
            clip=self._clip,
            fold=self._fold,
            judged=False,
            short_px=min(x2 - x1, y2 - y1),
            weight=weight,
        )


class _Truth:
    """What each pixel of a scene's view shows."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._wardrobe = Wardrobe(scene.view)
        self._last: tuple[float, NDArray[np.uint8]] | None = None

    def shown(self, time_s: float, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """What the pixels of the small picture show, of its shape, where the first one has them."""
        if self._last is None or self._last[0] != time_s:
            canvas = self._canvas(time_s)
            width, height = self._scene.view.size
            moved = cv2.warpAffine(
                canvas, self._scene.camera.matrix(0.0), (width, height), flags=cv2.INTER_NEAREST
            )
            small = cv2.resize(moved, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
            self._last = time_s, np.asarray(small, np.uint8)
        return self._last[1]

    def _canvas(self, time_s: float) -> NDArray[np.uint8]:
        width, height = self._scene.view.size
        canvas = np.full((height, width), _GROUND, np.uint8)
        ground = self._scene.view.ground
        present = [
            (actor, pose)
            for actor in self._scene.actors
            if (pose := actor.pose(time_s, ground)) is not None
        ]
        for actor, pose in sorted(present, key=lambda pair: pair[1].y):
            sprite = self._wardrobe.sprite(actor, pose, time_s)
            left, top = round(pose.x) + sprite.left, round(pose.y - pose.lift) + sprite.top
            what = _PERSON if actor.cutout.group == "person" else _THING
            what = _MOVING if what == _THING and actor.is_moving(time_s) else what
            _stamp(canvas, sprite.alpha[..., 0] > _OPAQUE, left, top, what)
        return canvas


def _stamp(
    canvas: NDArray[np.uint8], mask: NDArray[np.bool_], left: int, top: int, what: int
) -> None:
    x1, y1 = max(0, left), max(0, top)
    x2 = min(canvas.shape[1], left + mask.shape[1])
    y2 = min(canvas.shape[0], top + mask.shape[0])
    if x1 < x2 and y1 < y2:
        canvas[y1:y2, x1:x2][mask[y1 - top : y2 - top, x1 - left : x2 - left]] = what


def _kind(pixels: NDArray[np.uint8]) -> str | None:
    """What a region's pixels show; ``None`` where that is a matter of taste."""
    counts = Counter(pixels.tolist())
    thing = counts.pop(_THING, 0) / max(1, pixels.size)
    if thing >= _THING_SHARE:
        return "thing"
    if thing > _OTHER_SHARE:
        return None
    return _NAMES[max(counts, key=lambda what: counts[what])]


def _some(pairs: Sequence[Pair], most: int, rng: np.random.Generator) -> list[Pair]:
    if len(pairs) <= most:
        return list(pairs)
    return [pairs[int(index)] for index in np.sort(rng.choice(len(pairs), most, replace=False))]
