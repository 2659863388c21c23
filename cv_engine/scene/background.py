"""A fixed camera's background, and what has come to rest in front of it.

A dual-rate background model on a small grey picture, updated once per sample (seconds apart, not
per frame). Each pixel remembers two appearances: the *background*, which follows slow light, and a
*candidate*, the appearance that has replaced it lately, with the time since when. Whatever moves
never settles; whatever stays becomes a settled candidate whose age is its dwell. The idea is that
of Porikli, Ivanov and Haga, "Robust abandoned object detection using dual foregrounds" (EURASIP
Journal on Advances in Signal Processing, 2008), with explicit times in place of learning rates, so
that it works at any interval between samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cv_engine.scene.layers import layers
from cv_engine.scene.median import median

GrayImage = NDArray[np.uint8]
FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]
Window = tuple[slice, slice]
"""Rows and columns of a picture."""

# Grey levels by which a pixel may differ and still show the same surface: sensor noise and the
# compression of street cameras stay under it.
_SAME_LEVELS = 14.0
# Part of the local contrast added to that: at an edge, half a pixel of shake is no change.
_SAME_CONTRAST = 0.5
# Share of a new sample that goes into the appearance that it matches: light drifts over minutes.
_FOLLOW = 0.1
# Added to both sides of a ratio of light, so that noise in the dark is no light, grey levels.
_DIM = 8.0
# Times that the picture is halved for comparing brightness, so that cells are 16 pixels wide, and
# the ratios that light can reach: the model may show noon and the sample the night, or the reverse.
_GAIN_HALVINGS = 4
_GAIN_LIMITS = (0.2, 5.0)
# Cells darker than this give no ratio of brightness, grey levels.
_GAIN_DARK = 12.0
# Grey level from which a pixel is burnt out.
_BURNT = 250.0
# Light that changed in a gap: side of the windows in which the change is measured, pixels;
# correlation of the gradients from which a window shows the same surface; and their length per
# pixel from which it has a texture at all, grey levels.
_WINDOW_PX = 11
_WINDOW_SAME = 0.6
_WINDOW_TEXTURE = 12.0
_UNKNOWN = -2.0
# Share of the pixels around that must agree for any to count after a gap, and how far around,
# pixels: by chance, a third of another thing's pixels look as before, and a tenth of the windows.
_MOST, _MANY = 0.6, 0.35
_AROUND_PX = 31
# Where no window gives a ratio, windows farther off do, less and less over so many pixels; weight
# of the whole picture's median against theirs.
_FARTHER_PX = 24.0
_MEDIAN_WEIGHT = 0.02
# Samples of the bare background after which what was settled before it is gone; one may be noise.
_BARE_SAMPLES = 2
# A thing stands since its last part came to rest; passers-by reset a few pixels.
_NEARLY_ALL = 0.8
# Share of a box that must be settled, or in motion, for the box to be called so.
_BOX_SHARE = 0.35
# What is put down comes to rest within this time, seconds, and so many samples.
_AT_ONCE_S, _AT_ONCE_SAMPLES = 1.5, 1.5
# Side of the cross that opening removes specks with, pixels. Nothing thinner survives, so this is
# the short side of the smallest region, whatever size is asked for: 3 pixels of a small picture of
# 480 x 270, which are 12 of 1920 x 1080, and 3 of a frame of 320 x 240, which is not scaled down.
_OPENING_PX = 3
# Room that closing gaps of four pixels needs around a shape.
_CLOSING_PX = 4


@dataclass(frozen=True, slots=True)
class Region:
    """A connected area that has come to rest in front of the background.

    Attributes:
        box: ``(x1, y1, x2, y2)`` in pixels of the small picture.
        since: When most of the region came to rest, seconds on the clock given to ``update``.
        area: Number of pixels.
        mask: The pixels within ``box``, shape (y2 - y1, x2 - x1).
    """

    box: tuple[int, int, int, int]
    since: float
    area: int
    mask: Mask

    @property
    def window(self) -> Window:
        """Rows and columns of the box in the small picture."""
        x1, y1, x2, y2 = self.box
        return slice(y1, y2), slice(x1, x2)

    def common(self, other: Region) -> int:
        """Number of pixels that lie in both regions."""
        x1, y1 = (max(pair) for pair in zip(self.box[:2], other.box[:2], strict=True))
        x2, y2 = (min(pair) for pair in zip(self.box[2:], other.box[2:], strict=True))
        if x1 >= x2 or y1 >= y2:
            return 0
        masks = [
            each.mask[y1 - each.box[1] : y2 - each.box[1], x1 - each.box[0] : x2 - each.box[0]]
            for each in (self, other)
        ]
        return int(np.count_nonzero(masks[0] & masks[1]))


@dataclass(slots=True)
class Background:
    """The dual-rate model of one camera's view.

    All state is in the fields, so that a checkpoint can keep it. All arrays have the shape (h, w)
    of the small picture.

    Attributes:
        occlusion_s: How long something settled may be hidden by passers-by and be remembered.
        first_s: Time of the first picture, seconds on any monotonic clock.
        time_s: Time of the last picture.
        latest: The last picture, smoothed.
        background: Appearance of the background, grey levels.
        candidate: Appearance that has replaced the background.
        background_since: Since when the background has had its appearance, seconds.
        candidate_since: Since when the candidate has been there; infinite where there is none.
        candidate_seen: When the candidate was last seen.
        bare_samples: Samples in a row that showed the background before a settled candidate.
        bare_seen: When the background was last seen, seconds.
        is_background: Where the last picture shows the background.
        is_candidate: Where the last picture shows the candidate.
        unwatched: Whether there was a gap before the next sample.
        interval_s: Time between the last two samples, gaps left out.
    """

    occlusion_s: float
    first_s: float
    time_s: float
    latest: FloatImage
    background: FloatImage
    candidate: FloatImage
    background_since: NDArray[np.float64]
    candidate_since: NDArray[np.float64]
    candidate_seen: NDArray[np.float64]
    bare_samples: NDArray[np.uint8]
    bare_seen: NDArray[np.float64]
    is_background: Mask
    is_candidate: Mask
    unwatched: bool = False
    interval_s: float = 0.0
    _tolerance: FloatImage | None = None  # computed when needed, again after changes

    @classmethod
    def of(cls, first: GrayImage, time_s: float, *, occlusion_s: float) -> Background:
        """The model after the first picture, which is all background.

        Args:
            first: The picture, grey, shape (h, w).
            time_s: Time of the picture, seconds.
            occlusion_s: How long something settled may be hidden and be remembered, seconds.
        """
        latest = _smooth(first)
        return cls(
            occlusion_s=occlusion_s,
            first_s=time_s,
            time_s=time_s,
            latest=latest,
            background=latest.copy(),
            candidate=latest.copy(),
            background_since=np.full(first.shape, time_s, np.float64),
            candidate_since=np.full(first.shape, np.inf, np.float64),
            candidate_seen=np.full(first.shape, -np.inf, np.float64),
            bare_samples=np.zeros(first.shape, np.uint8),
            bare_seen=np.full(first.shape, time_s, np.float64),
            is_background=np.ones(first.shape, np.bool_),
            is_candidate=np.zeros(first.shape, np.bool_),
        )

    def update(self, picture: GrayImage, time_s: float) -> None:
        """Updates the model with the next sample.

        Args:
            picture: Grey, of the first picture's shape.
            time_s: Time, seconds; later than that of the sample before.
        """
        if self.unwatched:
            self._relight(picture)
        now = _smooth(picture)
        burnt = now >= _BURNT
        now *= _gain(self.background, now)
        cv2.threshold(now, 255.0, 255.0, cv2.THRESH_TRUNC, dst=now)
        tolerance = self.tolerance
        # The brightness of a burnt-out pixel is unknown, but higher than it appears.
        self.is_background = cv2.absdiff(now, self.background) <= tolerance
        self.is_background |= burnt & (self.background >= now)
        like_candidate = cv2.absdiff(now, self.candidate) <= tolerance
        like_candidate |= burnt & (self.candidate >= now)
        self.is_candidate = like_candidate & ~self.is_background
        self.is_candidate &= self.candidate_since < np.inf
        if self.unwatched:
            self._recognise(now, time_s)
        np.putmask(self.bare_seen, self.is_background, time_s)
        self._follow(now)
        self._remember(now, time_s)
        self.interval_s = time_s - self.time_s
        self.latest, self.time_s = now, time_s

    @property
    def tolerance(self) -> FloatImage:
        """Grey levels within which a pixel counts as unchanged, shape (h, w)."""
        if self._tolerance is None:
            self._tolerance = tolerance_of(self.background)
        return self._tolerance

    def resembles(self, appearance: FloatImage, window: Window) -> Mask:
        """Where the last picture shows an appearance of a window, shape of the window."""
        return cv2.absdiff(self.latest[window], appearance) <= self.tolerance[window]

    def skip(self, gap_s: float) -> None:
        """Accounts for ``gap_s`` seconds without samples.

        Settled pixels keep their start: what stands there may still stand there. A candidate seen
        in one sample only may have been a passer-by, and is forgotten.
        """
        once = self.candidate_since >= self.candidate_seen
        self.candidate_since[once] = np.inf
        self.candidate_seen[once] = -np.inf
        self.candidate_seen += gap_s
        self.unwatched = True

    def _relight(self, picture: GrayImage) -> None:
        """Adapts the model to the light of a picture after a gap, in which the light changed."""
        change = _light_change(self.latest, _smooth(picture))
        for appearance in (self.background, self.candidate):
            appearance *= change
            np.minimum(appearance, 255.0, out=appearance)
        self._tolerance = None

    def _recognise(self, now: FloatImage, time_s: float) -> None:
        """Separates what stood there before a gap from what resembles it by chance, pixel by pixel.

        Among pixels that have all changed, the unchanged ones belong to another thing, too.
        """
        share = _share_around(self.is_candidate, self.candidate_since < np.inf)
        chance = self.is_candidate & (share <= _MOST)
        np.copyto(self.candidate, now, where=chance)
        np.putmask(self.candidate_since, chance, time_s)
        self.unwatched = False

    def _follow(self, now: FloatImage) -> None:
        covering = self.is_candidate
        lit = self.candidate[covering]
        for appearance, matched in (
            (self.background, self.is_background),
            (self.candidate, self.is_candidate),
        ):
            cv2.accumulateWeighted(now, appearance, _FOLLOW, mask=matched.view(np.uint8))
        # Hidden background follows the light of the thing that hides it: else the ground would
        # stand out when the shadows have moved.
        light = (self.candidate[covering] + _DIM) / (lit + _DIM)
        self.background[covering] = np.minimum(self.background[covering] * light, 255.0)

    def _remember(self, now: FloatImage, time_s: float) -> None:
        """Updates the candidates: which are seen before the background, and which are gone."""
        # Where the background is seen and no candidate is known, nothing changes: most of the
        # picture.
        some = np.flatnonzero(~self.is_background | (self.candidate_since < np.inf))
        here, bare = self.is_candidate.ravel()[some], self.is_background.ravel()[some]
        since, seen = self.candidate_since.ravel()[some], self.candidate_seen.ravel()[some]
        seen[here] = time_s
        # Hidden, a thing is still there; but where the background shows, it is not.
        bare_samples = self.bare_samples.ravel()[some] * ~here + bare
        once = since >= seen
        forgotten = seen < time_s - self.occlusion_s
        free = (once | forgotten) & ~here
        fresh = free & ~bare
        gone = (free & bare) | (bare_samples >= _BARE_SAMPLES)
        since[fresh] = seen[fresh] = time_s
        since[gone], seen[gone] = np.inf, -np.inf
        bare_samples[gone | fresh] = 0
        self.candidate.ravel()[some[fresh]] = now.ravel()[some[fresh]]
        self.candidate_since.ravel()[some] = since
        self.candidate_seen.ravel()[some] = seen
        self.bare_samples.ravel()[some] = bare_samples

    @property
    def settled(self) -> Mask:
        """Pixels where something other than the background was seen in two samples or more."""
        return self.is_candidate & (self.candidate_since < self.time_s)

    def still_since(self, box: Box) -> float:
        """Since when what fills a box has stood there.

        Args:
            box: ``(x1, y1, x2, y2)`` in pixels of the small picture.

        Returns:
            Seconds; the time of the latest sample where the box shows motion.
        """
        window = _inner(box, self.is_background.shape)
        candidate = self.is_candidate[window]
        background = self.is_background[window]
        if not candidate.size or _share(~(candidate | background)) > _BOX_SHARE:
            return self.time_s
        if _share(candidate) > _BOX_SHARE:
            return self.settled_since(box)
        return median(self.background_since[window])

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
        return _share(inside) if inside.size else 1.0

    def absorb(self, region: Region) -> None:
        """Makes what stands in a region part of the background, with the time since when."""
        take = np.zeros(self.is_candidate.shape, np.bool_)
        take[region.window] = region.mask
        self.take(take, region.since)

    def take(self, mask: Mask, since_s: float) -> None:
        """Makes the candidates in a mask the background.

        Args:
            mask: Shape (h, w).
            since_s: Since when the background looks like that.
        """
        take = mask & self.is_candidate
        if not take.any():
            return
        self.background[take] = self.candidate[take]
        self.background_since[take] = since_s
        self._end_candidates(np.s_[:, :], take)

    def reveal(
        self,
        window: Window,
        mask: Mask,
        ground: FloatImage,
        since: NDArray[np.float64],
    ) -> None:
        """Brings back a ground that shows again; arguments as for `uncover`."""
        self.background[window][mask] = ground[mask]
        self.background_since[window][mask] = since[mask]
        self._end_candidates(window, mask)

    def _end_candidates(self, window: Window, mask: Mask) -> None:
        """Notes that the background shows under a mask of a window, in its present appearance."""
        self.candidate_since[window][mask] = np.inf
        self.candidate_seen[window][mask] = -np.inf
        self.bare_seen[window][mask] = self.time_s
        self.is_background[window][mask] = True
        self.is_candidate[window][mask] = False
        self._tolerance = None

    def uncover(
        self,
        window: Window,
        mask: Mask,
        ground: FloatImage,
        since: NDArray[np.float64],
    ) -> None:
        """Makes the background a candidate again, in front of an earlier ground.

        Args:
            window: Rows and columns.
            mask: Where, shape of the window.
            ground: The earlier ground, shape of the window.
            since: Since when it had been there, seconds.
        """
        self.candidate[window][mask] = self.background[window][mask]
        self.candidate_since[window][mask] = self.background_since[window][mask]
        self.candidate_seen[window][mask] = self.time_s
        self.bare_samples[window][mask] = 0
        self.background[window][mask] = ground[mask]
        self.background_since[window][mask] = since[mask]
        self.is_background[window][mask] = False
        self.is_candidate[window][mask] = True
        self._tolerance = None

    def regions(
        self, mask: Mask, min_side: float, since: NDArray[np.float64] | None = None
    ) -> list[Region]:
        """Connected regions of a mask.

        Args:
            mask: Shape (h, w); usually ``settled`` less what is already explained.
            min_side: Smallest short side of a region's box, pixels. Thinner ones than 3 pixels are
                specks in any case.
            since: Since when the pixels of the mask have looked as they do; those of the candidates
                unless given.

        Returns:
            The regions, largest first.
        """
        min_side = max(min_side, _OPENING_PX)
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        if min(width, height) < min_side:
            return []  # nothing, or specks in a row
        part = mask.view(np.uint8)[top : top + height, left : left + width]
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_OPENING_PX, _OPENING_PX))
        clean = cv2.morphologyEx(part, cv2.MORPH_OPEN, kernel)
        # Room around the part, or shapes closed up to its border would stay closed.
        room = _CLOSING_PX
        clean = cv2.copyMakeBorder(clean, room, room, room, room, cv2.BORDER_CONSTANT, value=0)
        clean = cv2.morphologyEx(clean, cv2.MORPH_CLOSE, kernel, iterations=2)
        clean = clean[room:-room, room:-room]
        outlines, _ = cv2.findContours(clean, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if all(min(cv2.boundingRect(outline)[2:]) < min_side for outline in outlines):
            return []
        # In 16 bits, which is twice as fast; there are never so many.
        _, labels, stats, _ = cv2.connectedComponentsWithStats(
            clean, connectivity=8, ltype=cv2.CV_16U
        )
        found = []
        for label in range(1, len(stats)):
            x, y, width, height, area = (int(value) for value in stats[label])
            if min(width, height) < min_side or area < 0.3 * min_side * min_side:
                continue
            inside = labels[y : y + height, x : x + width] == label
            x, y = x + left, y + top
            window = (slice(y, y + height), slice(x, x + width))
            if since is None:
                known = self.candidate_since[window][inside & self.is_candidate[window]]
            else:
                known = since[window][inside & mask[window]]
            if known.size:
                box = (x, y, x + width, y + height)
                found.append(Region(box, median(known), area, inside))
        return sorted(found, key=lambda region: -region.area)

    @property
    def _at_once_s(self) -> float:
        """Difference in time within which pixels come to rest at once, seconds."""
        return _AT_ONCE_S + _AT_ONCE_SAMPLES * self.interval_s

    def parts(self, region: Region, min_side: float) -> list[Region]:
        """The parts of a region that came to rest at different moments, largest first.

        Args:
            region: One of `regions`.
            min_side: Smallest short side of a part's box, pixels.

        Returns:
            Two parts or more; none where all of it came to rest at once.
        """
        window, (x, y) = region.window, region.box[:2]
        known = self.is_candidate[window] & region.mask
        since = np.where(known, self.candidate_since[window], np.nan)
        split = layers(since, self.bare_seen[window], region.mask, self._at_once_s)
        found = []
        for part in split if len(split) > 1 else []:
            left, top, width, height = cv2.boundingRect(part.view(np.uint8))
            cut = (slice(top, top + height), slice(left, left + width))
            times = since[cut][part[cut] & known[cut]]
            if min(width, height) >= min_side and times.size:
                box = (x + left, y + top, x + left + width, y + top + height)
                area = int(np.count_nonzero(part))
                found.append(Region(box, median(times), area, part[cut].copy()))
        return found


def _share(mask: Mask) -> float:
    """Share of a mask's pixels that are set: counting them is quicker than their mean."""
    return np.count_nonzero(mask) / mask.size


def _smooth(picture: GrayImage) -> FloatImage:
    """A little blur: single pixels flicker, surfaces do not."""
    return cv2.GaussianBlur(picture, (3, 3), 0).astype(np.float32)


def tolerance_of(appearance: FloatImage) -> FloatImage:
    """Grey levels within which a pixel still shows an appearance, shape (h, w)."""
    kernel = np.ones((3, 3), np.uint8)
    contrast = cv2.dilate(appearance, kernel) - cv2.erode(appearance, kernel)
    return np.asarray(_SAME_LEVELS + _SAME_CONTRAST * contrast, np.float32)


def _gain(background: FloatImage, picture: FloatImage) -> np.float32:
    """The factor that takes the picture's light to the background's: the median over cells."""
    was, is_ = _cells(background), _cells(picture)
    usable = (was > _GAIN_DARK) & (is_ > _GAIN_DARK)
    if np.count_nonzero(usable) < usable.size // 4:
        return np.float32(1.0)
    return np.float32(np.clip(median(was[usable] / is_[usable]), *_GAIN_LIMITS))


def _cells(picture: FloatImage) -> FloatImage:
    """Means of a picture's cells; an odd row or column at the border is left out.

    Halving is vectorised in OpenCV, and takes a tenth of the time of averaging in one step. Floats,
    since rounding up bytes would brighten the cells, and darken the model with every sample.
    """
    for _ in range(_GAIN_HALVINGS):
        height, width = (max(1, side // 2) for side in picture.shape)
        even = picture[: 2 * height, : 2 * width]
        picture = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))
    return picture


def _light_change(was: FloatImage, now: FloatImage) -> FloatImage:
    """The factor from an earlier picture's light to a later one's, pixel by pixel, shape (h, w).

    A pixel has the factor of a small window around or beside it in which the texture is still
    there: the most similar one, since shadows have edges. Where there is none, windows farther off
    count.
    """
    ratio, likeness = _window_change(was, now)
    known = likeness > _WINDOW_SAME
    # By chance, a thing before the surface resembles it in places, but in few.
    known &= _share_around(known, likeness > _UNKNOWN) > _MANY
    likeness = np.where(known, likeness, _UNKNOWN)
    if not known.any():
        return np.ones_like(was)
    usual = np.float32(median(ratio[known]))
    field, best = np.full_like(was, usual), np.full_like(was, _WINDOW_SAME)
    reach = _WINDOW_PX // 2
    for shift in ((dy, dx) for dy in (-reach, 0, reach) for dx in (-reach, 0, reach)):
        beside = np.roll(likeness, shift, (0, 1))
        better = beside > best
        field[better], best[better] = np.roll(ratio, shift, (0, 1))[better], beside[better]
    known = best > _WINDOW_SAME
    weight = known.astype(np.float32)
    near = cv2.GaussianBlur(weight, (0, 0), _FARTHER_PX)
    spread = cv2.GaussianBlur(weight * field, (0, 0), _FARTHER_PX)
    farther = (spread + _MEDIAN_WEIGHT * usual) / (near + _MEDIAN_WEIGHT)
    # The common factor is left to the gain of each sample: a dark model would lose precision.
    return np.asarray(np.where(known, field, farther) / usual, np.float32)


def _window_change(was: FloatImage, now: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Ratio of brightness in the window around each pixel, and correlation of its gradients.

    The correlation is ``_UNKNOWN`` where there are none.
    """

    def mean(values: FloatImage) -> FloatImage:
        return np.asarray(cv2.blur(values, (_WINDOW_PX, _WINDOW_PX)), np.float32)

    (was_x, was_y), (now_x, now_y) = (
        [cv2.Sobel(picture, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0)] for picture in (was, now)
    )
    common = mean(was_x * now_x + was_y * now_y)
    # Running sums of floats end a little below 0 where there is nothing.
    before, after = (
        np.sqrt(np.maximum(mean(x * x + y * y), 0.0)) for x, y in ((was_x, was_y), (now_x, now_y))
    )
    tells = (before > _WINDOW_TEXTURE) & (mean(was) > _GAIN_DARK) & (mean(now) < _BURNT)
    likeness = np.where(tells, common / np.maximum(before * after, 1.0), _UNKNOWN)
    ratio = mean(now) / np.maximum(mean(was), 1.0)
    return np.clip(ratio, *_GAIN_LIMITS), np.asarray(likeness, np.float32)


def _share_around(some: Mask, of: Mask) -> FloatImage:
    """Share that some pixels have in others, in the window around each pixel, 0 to 1."""
    counts = [cv2.blur(mask.astype(np.float32), (_AROUND_PX, _AROUND_PX)) for mask in (some, of)]
    return np.asarray(counts[0] / np.maximum(counts[1], 1e-6), np.float32)


def _inner(box: Box, shape: tuple[int, ...]) -> Window:
    """The middle of a box: its corners show what lies behind the object."""
    x1, y1, x2, y2 = box
    dx, dy = 0.15 * (x2 - x1), 0.15 * (y2 - y1)
    top, bottom = max(0, round(y1 + dy)), min(shape[0], max(round(y2 - dy), round(y1 + dy) + 1))
    left, right = max(0, round(x1 + dx)), min(shape[1], max(round(x2 - dx), round(x1 + dx) + 1))
    return slice(top, bottom), slice(left, right)
