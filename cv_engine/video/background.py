"""What a fixed camera's picture is made of: the background, and what has come to rest in front of it.

A dual-rate background model on a small grey picture, updated once per look (seconds apart, not per
frame). Each pixel remembers two appearances: the *background*, which follows slow light, and a
*candidate*, the appearance that has replaced it lately, with the time since when. Whatever moves
never settles; whatever stays becomes a settled candidate whose age is its dwell. The idea is that
of Porikli, Ivanov and Haga, "Robust abandoned object detection using dual foregrounds" (EURASIP
Journal on Advances in Signal Processing, 2008), with explicit times in place of learning rates, so
that it works at any interval between looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

GrayImage = NDArray[np.uint8]
FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]

# Grey levels by which a pixel may differ and still show the same surface: sensor noise and the
# compression of street cameras stay under it.
_SAME_LEVELS = 14.0
# Part of the local contrast added to that: at an edge, half a pixel of shake is no change.
_SAME_CONTRAST = 0.5
# Share of a new look that goes into the appearance that it matches: light drifts over minutes.
_FOLLOW = 0.1
# Side of the cells over which brightness is compared, pixels, and the ratios that light can reach
# between two looks; beyond them it is another scene.
_GAIN_CELL = 16
_GAIN_LIMITS = (0.4, 2.5)
# Cells darker than this tell nothing about a ratio of brightness, grey levels.
_GAIN_DARK = 12.0
# Grey level from which a pixel is burnt out.
_BURNT = 250.0
# Looks at the bare background after which what was settled before it is gone; one may be noise.
_BARE_LOOKS = 2
# A thing stands since its last part came to rest; a few pixels were settled anew by passers-by.
_NEARLY_ALL = 0.8
# Share of a box that must be settled, or in motion, for the box to be called so.
_BOX_SHARE = 0.35
# Room that closing gaps of four pixels needs around a shape.
_CLOSING_PX = 4


@dataclass(frozen=True, slots=True)
class Region:
    """A connected area that has come to rest in front of the background.

    Attributes:
        box: ``(x1, y1, x2, y2)`` in pixels of the small picture.
        since: When most of it came to rest, seconds on the clock given to ``look``.
        area: Number of its pixels.
        mask: Its pixels within ``box``, shape (y2 - y1, x2 - x1).
    """

    box: tuple[int, int, int, int]
    since: float
    area: int
    mask: Mask

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the box in the small picture."""
        x1, y1, x2, y2 = self.box
        return slice(y1, y2), slice(x1, x2)


class Background:
    """The dual-rate model of one camera's view.

    Args:
        first: First picture, grey, shape (h, w).
        time_s: Its time, seconds on any monotonic clock.
        occlusion_s: How long something settled may be hidden by passers-by and be remembered.
    """

    def __init__(self, first: GrayImage, time_s: float, *, occlusion_s: float) -> None:
        self.occlusion_s = occlusion_s
        self.first_s = time_s
        self.time_s = time_s
        self.latest = _smooth(first)
        self.background: FloatImage = self.latest.copy()
        self.candidate: FloatImage = self.latest.copy()
        self.background_since = np.full(first.shape, time_s, np.float64)
        self.candidate_since = np.full(first.shape, np.inf, np.float64)
        self.candidate_seen = np.full(first.shape, -np.inf, np.float64)
        self.bare_looks = np.zeros(first.shape, np.uint8)
        self._tolerance: FloatImage | None = None  # made where it is needed, anew after changes
        self.is_background = np.ones(first.shape, np.bool_)
        self.is_candidate = np.zeros(first.shape, np.bool_)

    def look(self, picture: GrayImage, time_s: float) -> None:
        """Takes in the next look.

        Args:
            picture: Grey, of the first picture's shape.
            time_s: Its time; later than that of the look before.
        """
        now = _smooth(picture)
        burnt = now >= _BURNT
        now *= _gain(self.background, picture)
        np.minimum(now, 255.0, out=now)
        if self._tolerance is None:
            self._tolerance = _tolerance(self.background)
        # Nobody knows how bright a burnt-out pixel is: brighter than it looks, at any rate.
        self.is_background = cv2.absdiff(now, self.background) <= self._tolerance
        self.is_background |= burnt & (self.background >= now)
        like_candidate = cv2.absdiff(now, self.candidate) <= self._tolerance
        like_candidate |= burnt & (self.candidate >= now)
        self.is_candidate = like_candidate & ~self.is_background
        self.is_candidate &= self.candidate_since < np.inf
        self._follow(now)
        self._remember(now, time_s)
        self.latest, self.time_s = now, time_s

    def _follow(self, now: FloatImage) -> None:
        for appearance, matched in (
            (self.background, self.is_background),
            (self.candidate, self.is_candidate),
        ):
            cv2.accumulateWeighted(now, appearance, _FOLLOW, mask=matched.view(np.uint8))

    def _remember(self, now: FloatImage, time_s: float) -> None:
        np.putmask(self.candidate_seen, self.is_candidate, time_s)
        # Hidden, a thing is still there; but where the background shows, it is not.
        self.bare_looks[self.is_candidate] = 0
        self.bare_looks[self.is_background] += 1
        once = self.candidate_since >= self.candidate_seen
        forgotten = self.candidate_seen < time_s - self.occlusion_s
        free = (once | forgotten) & ~self.is_candidate
        fresh = free & ~self.is_background
        np.copyto(self.candidate, now, where=fresh)
        np.putmask(self.candidate_since, fresh, time_s)
        np.putmask(self.candidate_seen, fresh, time_s)
        gone = (free & self.is_background) | (self.bare_looks >= _BARE_LOOKS)
        self.bare_looks[gone | fresh] = 0
        np.putmask(self.candidate_since, gone, np.inf)
        np.putmask(self.candidate_seen, gone, -np.inf)

    @property
    def changed_share(self) -> float:
        """Share of the pixels that do not show the background now."""
        return 1.0 - float(np.count_nonzero(self.is_background)) / self.is_background.size

    @property
    def settled(self) -> Mask:
        """Pixels where something other than the background was seen in two looks or more."""
        return self.is_candidate & (self.candidate_since < self.time_s)

    def still_since(self, box: Box) -> float:
        """Since when what fills a box has stood there.

        Args:
            box: ``(x1, y1, x2, y2)`` in pixels of the small picture.

        Returns:
            Seconds; the time of the latest look where the box shows motion.
        """
        window = _inner(box, self.is_background.shape)
        candidate = self.is_candidate[window]
        background = self.is_background[window]
        if not candidate.size or np.mean(~(candidate | background)) > _BOX_SHARE:
            return self.time_s
        if np.mean(candidate) > _BOX_SHARE:
            return self.settled_since(box)
        return float(np.median(self.background_since[window]))

    def settled_since(self, box: Box) -> float:
        """Since when nearly all that is settled in a box has stood there; now, where nothing is.

        Args:
            box: ``(x1, y1, x2, y2)`` in pixels of the small picture.
        """
        window = _inner(box, self.is_background.shape)
        known = self.candidate_since[window][self.is_candidate[window]]
        return float(np.quantile(known, _NEARLY_ALL)) if known.size else self.time_s

    def bare_share(self, box: Box) -> float:
        """Share of a box, in pixels of the small picture, that shows the background, 0 to 1."""
        inside = self.is_background[_inner(box, self.is_background.shape)]
        return float(inside.mean()) if inside.size else 1.0

    def absorb(self, region: Region) -> None:
        """Makes what stands in a region part of the background, with the time since when."""
        window = region.window
        take = region.mask & self.is_candidate[window]
        self.background[window][take] = self.candidate[window][take]
        self.background_since[window][take] = self.candidate_since[window][take]
        self.candidate_since[window][take] = np.inf
        self.candidate_seen[window][take] = -np.inf
        self.is_background[window][take] = True
        self.is_candidate[window][take] = False
        self._tolerance = None

    def regions(self, mask: Mask, min_side: float) -> list[Region]:
        """Connected regions of a mask over settled pixels.

        Args:
            mask: Shape (h, w); usually ``settled`` less what is already explained.
            min_side: Smallest short side of a region's box, pixels.

        Returns:
            The regions, largest first.
        """
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        if min(width, height) < min_side:
            return []  # nothing, or specks in a row
        part = mask.view(np.uint8)[top : top + height, left : left + width]
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
        clean = cv2.morphologyEx(part, cv2.MORPH_OPEN, kernel)
        # Room around it, or what is closed up to the part's border would stay closed.
        room = _CLOSING_PX
        clean = cv2.copyMakeBorder(clean, room, room, room, room, cv2.BORDER_CONSTANT, value=0)
        clean = cv2.morphologyEx(clean, cv2.MORPH_CLOSE, kernel, iterations=2)
        clean = clean[room:-room, room:-room]
        _, labels, stats, _ = cv2.connectedComponentsWithStats(clean, connectivity=8)
        found = []
        for label in range(1, len(stats)):
            x, y, width, height, area = (int(value) for value in stats[label])
            if min(width, height) < min_side or area < 0.3 * min_side * min_side:
                continue
            inside = labels[y : y + height, x : x + width] == label
            x, y = x + left, y + top
            window = (slice(y, y + height), slice(x, x + width))
            known = self.candidate_since[window][inside & self.is_candidate[window]]
            if known.size:
                box = (x, y, x + width, y + height)
                found.append(Region(box, float(np.median(known)), area, inside))
        return sorted(found, key=lambda region: -region.area)


def _smooth(picture: GrayImage) -> FloatImage:
    """A little blur: single pixels flicker, surfaces do not."""
    return cv2.GaussianBlur(picture, (3, 3), 0).astype(np.float32)


def _tolerance(background: FloatImage) -> FloatImage:
    """Grey levels within which a pixel counts as unchanged, shape (h, w)."""
    kernel = np.ones((3, 3), np.uint8)
    contrast = cv2.dilate(background, kernel) - cv2.erode(background, kernel)
    return np.asarray(_SAME_LEVELS + _SAME_CONTRAST * contrast, np.float32)


def _gain(background: FloatImage, picture: GrayImage) -> np.float32:
    """The factor that takes the picture's light to the background's: the median over cells."""
    height, width = picture.shape
    cells = (max(1, width // _GAIN_CELL), max(1, height // _GAIN_CELL))
    was = cv2.resize(background, cells, interpolation=cv2.INTER_AREA)
    is_ = cv2.resize(picture, cells, interpolation=cv2.INTER_AREA)
    usable = (was > _GAIN_DARK) & (is_ > _GAIN_DARK)
    if np.count_nonzero(usable) < usable.size // 4:
        return np.float32(1.0)
    return np.float32(np.clip(np.median(was[usable] / is_[usable]), *_GAIN_LIMITS))


def _inner(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The middle of a box: its corners show what lies behind the object."""
    x1, y1, x2, y2 = box
    dx, dy = 0.15 * (x2 - x1), 0.15 * (y2 - y1)
    top, bottom = max(0, round(y1 + dy)), min(shape[0], max(round(y2 - dy), round(y1 + dy) + 1))
    left, right = max(0, round(x1 + dx)), min(shape[1], max(round(x2 - dx), round(x1 + dx) + 1))
    return slice(top, bottom), slice(left, right)
