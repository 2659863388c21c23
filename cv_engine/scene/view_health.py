"""The camera's own state: moved, covered, dark or frozen, each an event and never a silent miss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from cv_engine.scene.median import median
from cv_engine.scene.pyramid import Pyramid
from cv_engine.scene.registration import aligned, gradient

# Mean grey level under which nothing can be separated from noise, and the share of the reference's
# contrast under which a view without its edges counts as covered.
_DARK_LEVEL = 12.0
_COVERED_CONTRAST = 0.25
# A view that differs this little from the last good one, in grey levels on average, is the same
# without a closer comparison.
_SAME_LEVELS = 4.0
# The reference's edges are the points with this gradient, grey levels per pixel; an
# edge is still there where this part of its gradient is, in its direction: any busy scene has some
# edge everywhere.
_EDGE_LEVELS = 40.0
_EDGE_LEFT = 0.4
# Light may fall by this factor before edges can no longer be separated from noise.
_DUSK = 5.0
# Edges are counted in cells, since a lorry hides all edges of one part of the view: a cell counts
# with this many edge points, and a verdict needs so many cells.
_CELLS = (5, 3)
_CELL_EDGES = 12
_ENOUGH_CELLS = 8
# A cell with less of its edges shows something else; the view is the same when this share of the
# cells is left.
_SAME_CELL = 0.35
_SAME_VIEW = 0.5
# A lorry can hide more, but beside it more is left than two pictures have in common by chance, by
# this share of the cells at least, and aligning both pictures does not find so much more again.
_BEYOND_CHANCE = 0.2
# Shifts after which a picture has nothing but chance in common with itself, shares of its size.
_UNRELATED = ((0.5, 0.0), (0.33, 0.33), (0.67, 0.5))
# Samples in a row that must agree before the state changes: one lorry close to the lens is no
# change.
_SAMPLES_TO_CONFIRM = 2
# Identical samples in a row from which a picture counts as frozen: a live sensor always has noise.
_FROZEN_SAMPLES = 5


class ViewState(StrEnum):
    """What the camera shows."""

    GOOD = "good"
    MOVED = "moved"
    COVERED = "covered"
    DARK = "dark"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class ViewEvent:
    """A change of the camera's state at a time in seconds."""

    time_s: float
    state: ViewState
    before: ViewState


@dataclass(slots=True)
class ViewHealth:
    """The health of one camera's view, updated with every sample.

    All state is in the fields, so that a checkpoint can keep it.

    Attributes:
        state: What the camera shows.
    """

    state: ViewState = ViewState.GOOD
    _suspect: ViewState = ViewState.GOOD
    _agreeing: int = 0
    _identical: int = 0
    _last: NDArray[np.uint8] | None = None
    _verified: NDArray[np.uint8] | None = None  # the last sample that was found good

    def update(
        self,
        picture: NDArray[np.uint8],
        shown: Pyramid,
        known: Pyramid,
        time_s: float,
    ) -> ViewEvent | None:
        """Judges one sample.

        Args:
            picture: Grey, shape (h, w).
            shown: The same, moved to where the view was at first.
            known: The empty view, before this sample.
            time_s: Time of the sample, seconds.

        Returns:
            An event where the state changed.
        """
        state = self._judge(picture, shown, known)
        self._agreeing = self._agreeing + 1 if state is self._suspect else 1
        self._suspect = state
        if state is self.state or self._agreeing < _SAMPLES_TO_CONFIRM:
            return None
        event = ViewEvent(time_s, state, self.state)
        self.state = state
        return event

    @property
    def trusted(self) -> bool:
        """Whether the latest sample shows the view that the model knows."""
        return self.state is ViewState.GOOD and self._suspect is ViewState.GOOD

    def _judge(self, picture: NDArray[np.uint8], shown: Pyramid, known: Pyramid) -> ViewState:
        same = self._last is not None and np.array_equal(picture, self._last)
        self._identical = self._identical + 1 if same else 0
        self._last = picture
        if self._identical >= _FROZEN_SAMPLES:
            return ViewState.FROZEN
        if cv2.mean(picture)[0] < _DARK_LEVEL:
            return ViewState.DARK
        small = shown.coarse
        if self._verified is not None and _difference(small, self._verified) < _SAME_LEVELS:
            return ViewState.GOOD
        if _is_same_view(small, known.coarse):
            self._verified = small
            return ViewState.GOOD
        if float(picture.std()) < _COVERED_CONTRAST * float(known.fine.std()):
            return ViewState.COVERED
        return ViewState.MOVED


def _difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    return cv2.mean(cv2.absdiff(first, second))[0]


def _is_same_view(small: NDArray[np.uint8], known: NDArray[np.uint8]) -> bool:
    """Whether a picture shows the known view, even if something hides most of it."""
    left = _view_left(small, known)
    if left >= _SAME_VIEW:
        return True
    chance = max(_view_left(_rolled(small, *shift), known) for shift in _UNRELATED)
    if left < chance + _BEYOND_CHANCE:
        return False
    moved = aligned(small, known)
    return moved is None or _view_left(moved, known) < left + _BEYOND_CHANCE


def _rolled(small: NDArray[np.uint8], across: float, down: float) -> NDArray[np.uint8]:
    height, width = small.shape
    return np.roll(small, (round(down * height), round(across * width)), (0, 1))


def _view_left(small: NDArray[np.uint8], known: NDArray[np.uint8]) -> float:
    """Share of the view's cells that still show the reference's edges, 0 to 1.

    Edges are compared, since light changes grey levels everywhere; only those of the reference,
    since passers-by bring other edges. Bare ground without edges gives no verdict: a lorry on it
    looks like another view.
    """
    (was_x, was_y), (now_x, now_y) = gradient(known), gradient(small)
    strength = was_x * was_x + was_y * was_y
    strong = strength > _EDGE_LEVELS * _EDGE_LEVELS
    had = _per_cell(strong)
    telling = had >= _CELL_EDGES
    if np.count_nonzero(telling) < _ENOUGH_CELLS:
        return 1.0
    # At dusk every edge is fainter.
    dusk = np.float32(np.clip(median(known) / max(1.0, median(small)), 1.0, _DUSK))
    left = strong & ((was_x * now_x + was_y * now_y) * dusk >= _EDGE_LEFT * strength)
    return float(np.mean(_per_cell(left)[telling] >= _SAME_CELL * had[telling]))


def _per_cell(points: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Number of points in each cell."""
    share = cv2.resize(points.astype(np.float32), _CELLS, interpolation=cv2.INTER_AREA)
    return np.asarray(share * (points.size / math.prod(_CELLS)), np.float32)
