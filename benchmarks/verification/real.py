"""Regions that settle in real clips, with what people and the detector say they are."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from benchmarks.verification.pairs import Pair, described
from cv_engine.pipeline.perception import small_size
from cv_engine.scene.background import Background, Region
from cv_engine.video.frame import Sample
from cv_engine.video.sampler import choose
from cv_engine.video.source import open_video
from models.detector import Detector
from models.verifier.backbone import Backbone

_SAMPLE_S = 0.5
# Ages at which a settled region is taken: once when new, once when about to matter.
_AGES_S = (1.5, 4.0)
_MIN_SIDE_PX = 3.0
# Part of a region inside an event's box, or inside what the detector named, from which it shows
# that; up to the lower share it shows neither.
_INSIDE = 0.6
_OUTSIDE = 0.1
# Part of a box of the truth, or of the detector, that a region must fill to be called the thing.
_FILLS = 0.15
_FILLS_NAMED = 0.35
# Overlap of the detector's boxes in the empty view and now from which they name one thing.
_SAME_IOU = 0.3
_GROWN = 0.12


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the truth: a thing in a box (x1, y1, x2, y2) of the frame for a time."""

    start_s: float
    end_s: float
    box: NDArray[np.float32]


def real_pairs(data: Path, backbone: Backbone, detector: Detector) -> Iterator[Pair]:
    """The regions of all labelled clips whose truth is clear.

    Things are regions inside the box of a thing of ``events.csv``, in its time, or inside what the
    detector names; others are those of clips whose lists of abandoned things and of vehicles are
    complete, far from every event and from all that the detector names. Some of these are still
    things: passers-by whom the detector does not name.

    Args:
        data: Folder with the clips, ``clips.csv`` and ``events.csv``.
        backbone: Describes the regions.
        detector: Names persons, vehicles and goods.
    """
    with (data / "clips.csv").open(newline="", encoding="utf-8") as file:
        clips = list(csv.DictReader(file))
    for clip in clips:
        # A train that stands is a thing, too.
        exhaustive = set(clip["exhaustive"].split(";")) >= {"abandoned", "vehicle"}
        events = _events(data, clip["video"])
        yield from _clip_pairs(data / clip["video"], exhaustive, events, backbone, detector)


def _clip_pairs(
    path: Path, exhaustive: bool, events: Sequence[Event], backbone: Backbone, detector: Detector
) -> Iterator[Pair]:
    video = open_video(path)
    size = small_size(video.width, video.height)
    background: Background | None = None
    for sample in video.samples(choose(video, _SAMPLE_S)):
        picture = sample.small(*size)
        if background is None:
            background = Background.of(picture, sample.media_s, occlusion_s=60.0)
            continue
        since_s = background.time_s
        background.update(picture, sample.media_s)
        regions = [
            region
            for region in background.regions(background.settled, _MIN_SIDE_PX)
            if _comes_of_age(region, since_s, background.time_s)
        ]
        if regions:
            scale = size[0] / video.width
            known = _known(sample, background, scale, exhaustive, events, detector)
            kinds = [known.kind(region) for region in regions]
            yield from described(backbone, background, regions, kinds, path.name)


def _comes_of_age(region: Region, before_s: float, now_s: float) -> bool:
    return any(before_s - region.since < age <= now_s - region.since for age in _AGES_S)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one sample, as boxes in pixels of the small picture.

    Attributes:
        came: Things of the truth that came and are there.
        other: All other boxes of the truth, of any time.
        named: What the detector names now.
        before: What the detector names in the empty view.
        exhaustive: Whether the truth lists every thing that is left.
    """

    came: list[NDArray[np.float32]]
    other: list[NDArray[np.float32]]
    named: list[NDArray[np.float32]]
    before: list[NDArray[np.float32]]
    exhaustive: bool

    def kind(self, region: Region) -> str | None:
        """What a region shows; ``None`` where the truth is silent or unclear."""
        if any(_fills(region, box, _FILLS) for box in self.came):
            return "thing"
        new = [box for box in self.named if not any(_overlap(box, was) for was in self.before)]
        if any(_fills(region, box, _FILLS_NAMED) for box in new):
            return "thing"
        boxes = [*self.came, *self.other, *self.named, *self.before]
        if self.exhaustive and all(_inside(region, _grown(box)) <= _OUTSIDE for box in boxes):
            return "other"
        return None


def _known(
    sample: Sample,
    background: Background,
    scale: float,
    exhaustive: bool,
    events: Sequence[Event],
    detector: Detector,
) -> _Known:
    grey = np.clip(np.rint(background.background), 0, 255).astype(np.uint8)
    empty = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    now, before = detector([sample.image(), empty])
    came: list[NDArray[np.float32]] = []
    other: list[NDArray[np.float32]] = []
    for event in events:
        there = 0 < event.start_s <= sample.media_s <= event.end_s
        (came if there else other).append(event.box * np.float32(scale))
    named = [np.asarray(box, np.float32) for box in now.xyxy * scale]
    return _Known(came, other, named, [np.asarray(b, np.float32) for b in before.xyxy], exhaustive)


def _fills(region: Region, box: NDArray[np.float32], share: float) -> bool:
    """Whether a region lies inside a box and fills a share of it."""
    inside = _inside(region, box)
    area = float((box[2] - box[0]) * (box[3] - box[1]))
    return inside >= _INSIDE and inside * region.area >= share * area


def _overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    return float(sv.box_iou_batch(first[None], second[None])[0, 0]) > _SAME_IOU


def _inside(region: Region, box: NDArray[np.float32]) -> float:
    """Part of a region inside a box, both in pixels of the small picture."""
    x1, y1 = (round(float(low)) - at for low, at in zip(box[:2], region.box[:2], strict=True))
    x2, y2 = (round(float(high)) - at for high, at in zip(box[2:], region.box[:2], strict=True))
    part = region.mask[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)]
    return float(part.sum()) / max(1.0, float(region.mask.sum()))


def _grown(box: NDArray[np.float32]) -> NDArray[np.float32]:
    dx, dy = _GROWN * (box[2] - box[0]) + 1, _GROWN * (box[3] - box[1]) + 1
    return box + np.array([-dx, -dy, dx, dy], np.float32)


def _events(data: Path, video: str) -> list[Event]:
    with (data / "events.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["video"] == video]
    events = []
    for row in rows:
        x, y, width, height = (float(row[name]) for name in ("x", "y", "w", "h"))
        box = np.array([x, y, x + width, y + height], np.float32)
        events.append(Event(float(row["start_s"]), float(row["end_s"]), box))
    return events
