"""Judged regions: their descriptions, their truth, and what the hand-set judge says of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.verification.hand_set import Verdict, judge
from cv_engine.scene.background import Background, Region
from models.verifier.backbone import Backbone
from models.verifier.features import COUNT, describe

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """One region in the empty view and now.

    Attributes:
        row: The region's description.
        kind: ``"thing"``, or what is none.
        clip: The recording that the view comes from.
        fold: The fold of its recording and the one of its things.
        judged: Whether the hand-set judge calls it a thing.
        short_px: Short side of its box, pixels of the small picture.
        weight: How often the pair is shown in one pass of training.
    """

    row: NDArray[np.float16]
    kind: str
    clip: str
    fold: tuple[int, int]
    judged: bool
    short_px: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Pairs:
    """Many pairs, column by column.

    Attributes:
        rows: Descriptions (n, inputs).
        truth: Which are things.
        kinds: What each is.
        clips: Recordings.
        folds: Folds of recordings and of things, (n, 2).
        judged: What the hand-set judge calls things.
        short_px: Short sides of the boxes.
        weights: How often each is shown in one pass of training.
    """

    rows: Floats
    truth: NDArray[np.bool_]
    kinds: NDArray[np.str_]
    clips: NDArray[np.str_]
    folds: NDArray[np.int64]
    judged: NDArray[np.bool_]
    short_px: NDArray[np.int64]
    weights: NDArray[np.int64]

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> Pairs:
        """Collects pairs."""
        listed = list(pairs)
        kinds = np.array([pair.kind for pair in listed], np.str_)
        return cls(
            rows=np.array([pair.row for pair in listed], np.float32).reshape(-1, COUNT),
            truth=np.asarray(kinds == "thing"),
            kinds=kinds,
            clips=np.array([pair.clip for pair in listed], np.str_),
            folds=np.array([pair.fold for pair in listed], np.int64).reshape(-1, 2),
            judged=np.array([pair.judged for pair in listed], np.bool_),
            short_px=np.array([pair.short_px for pair in listed], np.int64),
            weights=np.array([pair.weight for pair in listed], np.int64),
        )

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Pairs:
        return Pairs(
            self.rows[chosen],
            self.truth[chosen],
            self.kinds[chosen],
            self.clips[chosen],
            self.folds[chosen],
            self.judged[chosen],
            self.short_px[chosen],
            self.weights[chosen],
        )

    def __len__(self) -> int:
        return len(self.truth)


def described(
    backbone: Backbone,
    background: Background,
    regions: list[Region],
    kinds: list[str | None],
    clip: str,
    fold: tuple[int, int] = (0, 0),
) -> list[Pair]:
    """The pairs of the regions whose truth is known."""
    chosen = [index for index, kind in enumerate(kinds) if kind is not None]
    known = [regions[index] for index in chosen]
    rows = describe(backbone, background.background, background.latest, known)
    pairs = []
    for index, row in zip(chosen, rows, strict=True):
        region, kind = regions[index], kinds[index]
        assert kind is not None
        x1, y1, x2, y2 = region.box
        judged = judge(background, region) is Verdict.THING
        short = min(x2 - x1, y2 - y1)
        pairs.append(Pair(row.astype(np.float16), kind, clip, fold, judged, short))
    return pairs
